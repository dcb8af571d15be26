//! What an operator lets in: the clients that may use the API, and the banks that registered us.
//!
//! Who answers requests and who speaks to banks need it, who speaks to the cloud has it, and neither
//! knows the other: this is what they agree on.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;

use jiff::Timestamp;

use crate::ids::ClientId;

/// What a registry will answer.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, RegistryError>> + Send + 'a>>;

/// How a client id stands with the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Registered: its programs are served.
    Registered,
    /// Registered, and refused until the operator says otherwise.
    Suspended,
    /// Nobody registered it.
    Unknown,
}

/// Whoever knows the clients an operator registered.
pub trait TenantRegistry: fmt::Debug + Send + Sync {
    /// How a client stands now.
    fn standing<'a>(&'a self, client: &'a ClientId, now: Timestamp) -> Asked<'a, Standing>;
}

/// Whoever knows the banks that registered us.
pub trait BankRegistry: fmt::Debug + Send + Sync {
    /// What each said, as JSON, by the name it is registered under.
    fn registrations(&self) -> Asked<'_, BTreeMap<String, String>>;
}

/// No bank registered us.
#[derive(Debug, Clone, Copy)]
pub struct NoBanks;

impl BankRegistry for NoBanks {
    fn registrations(&self) -> Asked<'_, BTreeMap<String, String>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }
}

/// A registry could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the registry gave no answer")]
pub struct RegistryError {
    retryable: bool,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl RegistryError {
    /// A bad moment: the same question may be answered later.
    pub fn passing(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            retryable: true,
            cause: cause.into(),
        }
    }

    /// A name or a permission is wrong: somebody has to change it.
    pub fn fatal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            retryable: false,
            cause: cause.into(),
        }
    }

    /// Whether asking again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}
