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
    /// A test certificate could not be made.
    #[error("a test certificate could not be made")]
    Certificate(#[source] rcgen::Error),
    /// A test certificate was asked for with dates no certificate holds.
    #[error("no certificate holds these dates")]
    CertificateDates,
    /// The folder for test certificates cannot be written.
    #[error("the test certificates cannot be written to {path}")]
    CertificateFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
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
            | Self::DamagedState { .. }
            | Self::Certificate(_)
            | Self::CertificateDates
            | Self::CertificateFolder { .. } => false,
        }
    }
}
