//! What keeps the local suite from starting or from answering.

use std::path::PathBuf;

/// Everything that can go wrong in the local suite, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The template says something this suite cannot run. Correct the line.
    #[error("template line {line}: {problem}")]
    Template {
        /// Where, counted from 1.
        line: usize,
        /// What is wrong there and what would be accepted.
        problem: String,
    },
    /// The template and this build do not hold the same functions.
    #[error("{0}")]
    Functions(String),
    /// A file could not be read or written. Check the path and its permissions.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was tried, for instance `reading`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Another suite is running on the same state folder. Stop it, or choose another `--state`.
    #[error("another suite is using {}: stop it or choose another --state folder", .0.display())]
    StateInUse(PathBuf),
    /// What is kept in the state folder does not fit this version of the suite.
    #[error(
        "{what} in the state folder does not fit this suite ({why}): keep the folder aside and start with another --state"
    )]
    StateUnreadable {
        /// The part of the state.
        what: &'static str,
        /// What does not fit.
        why: String,
    },
    /// The stored table has another shape than the template asks for.
    #[error(
        "table {table} was made with another {difference} than template.yaml asks for now: a real table would refuse the same change; keep the state folder aside and start with another --state"
    )]
    SchemaChanged {
        /// Physical name of the table.
        table: String,
        /// What differs, for instance `key schema`.
        difference: &'static str,
    },
    /// The embedded AWS refused something while being set up.
    #[error("the embedded {service} refused {operation}: {reason}")]
    Embedded {
        /// `DynamoDB`, `KMS` or `SQS`.
        service: &'static str,
        /// The operation.
        operation: &'static str,
        /// Its answer.
        reason: String,
    },
    /// The port is taken, or loopback is not available. Choose another `--port` (0 for any).
    #[error("cannot listen on port {port}: {source} (choose another --port, 0 for any)")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system answered.
        source: std::io::Error,
    },
    /// An option or a request does not have the shape it needs.
    #[error("{0}")]
    Argument(String),
    /// A function refused to start with the environment the template gives it.
    #[error("function {function} does not start: {reason}")]
    FunctionStart {
        /// The function's folder name.
        function: String,
        /// Its own words.
        reason: String,
    },
    /// A function that was invoked directly ended with an error. Its log says why.
    #[error("function {0} ended with an error: its log says why")]
    Invocation(String),
    /// The registry did not take up a client of the embedded issuer.
    #[error("the registry did not take up the issuer's client: {0}")]
    Registration(String),
    /// The sandbox bank refused to start, for instance because of a broken persona file.
    #[error("the sandbox bank does not start: {0}")]
    SandboxBank(String),
    /// The system gave no randomness.
    #[error("the system's source of randomness failed: try again")]
    Entropy,
}

impl LocalError {
    /// Whether the same call can succeed later without anything being changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Entropy | Self::StateInUse(_) => true,
            Self::Template { .. }
            | Self::Functions(_)
            | Self::File { .. }
            | Self::StateUnreadable { .. }
            | Self::SchemaChanged { .. }
            | Self::Embedded { .. }
            | Self::Listen { .. }
            | Self::Argument(_)
            | Self::FunctionStart { .. }
            | Self::Invocation(_)
            | Self::Registration(_)
            | Self::SandboxBank(_) => false,
        }
    }

    pub(crate) fn file(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}
