//! Why the bank cannot open.

use std::path::PathBuf;

/// The bank cannot open.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The folder of persona files cannot be read.
    #[error("the personae folder {path} cannot be read")]
    PersonaeFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A persona file is not what it should be.
    #[error("the persona file {path} cannot be used: {reason}")]
    Persona {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The state file cannot be read or written.
    #[error("the state file {path} cannot be read or written")]
    StateFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The state file is not what this bank wrote.
    #[error("the state file {path} is damaged: {reason}. Remove it to start with an empty bank")]
    DamagedState {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl SandboxError {
    /// Whether opening again may succeed without anybody doing anything. It never does.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::PersonaeFolder { .. }
            | Self::Persona { .. }
            | Self::StateFile { .. }
            | Self::DamagedState { .. } => false,
        }
    }
}
