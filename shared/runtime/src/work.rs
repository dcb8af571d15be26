//! What travels through a queue, and how a piece of work can fail.

use std::error::Error;

use jiff::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId, CorrelationId};
use serde::{Deserialize, Serialize};

use crate::problem::Code;

/// The body of every queue message: ids only, so that a queue never holds anything about a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The client the connection belongs to.
    pub client: ClientId,
    /// The connection to work on.
    pub connection: ConnectionId,
    /// What the work was caused by.
    pub correlation: CorrelationId,
    /// When it was decided. What has been done since need not be done again: a queue gives a message more
    /// than once.
    #[serde(default = "not_known")]
    pub decided_at: Timestamp,
}

/// Work of a message that does not say when it was decided is never taken for done.
fn not_known() -> Timestamp {
    Timestamp::MAX
}

/// A schedule's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The moment the schedule meant. A retried tick keeps it.
    pub at: Timestamp,
}

/// A piece of work that was not done. The queue gives it again; after its last receive it goes to
/// the dead-letter queue.
///
/// Any error turns into one with `?` and then counts as retryable; [`WorkError::permanent`] says
/// that trying again will not help. It deliberately is no [`Error`] itself, so that `?` can convert.
#[derive(Debug)]
pub struct WorkError {
    cause: Box<dyn Error + Send + Sync>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It may pass.
    Passing,
    /// It will not pass by itself.
    Permanent,
    /// A bank is down or answers nonsense: it may pass, and nothing of ours is wrong.
    Bank,
}

impl WorkError {
    /// A failure that may pass.
    pub fn retryable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            kind: Kind::Passing,
        }
    }

    /// A bank is down or answers nonsense. The queue gives the work again, and no alarm rings for it.
    pub fn bank_unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            kind: Kind::Bank,
        }
    }

    /// A failure that will not pass by itself. It is reported as failed all the same: it ends in the
    /// dead-letter queue, where the alarm is, and not in silence.
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            kind: Kind::Permanent,
        }
    }

    /// Whether trying again could work.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            Kind::Passing | Kind::Bank => true,
            Kind::Permanent => false,
        }
    }

    /// How it ended, for the log.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.kind {
            Kind::Passing | Kind::Permanent => "failed",
            Kind::Bank => Code::BankUnavailable.as_str(),
        }
    }

    /// Whether something of ours is wrong: then an alarm rings.
    pub(crate) fn is_failure(&self) -> bool {
        self.kind != Kind::Bank
    }

    pub(crate) fn cause(&self) -> &(dyn Error + 'static) {
        self.cause.as_ref()
    }

    /// The failure and everything behind it, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self.cause.as_ref())
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for WorkError {
    fn from(cause: E) -> Self {
        Self::retryable(cause)
    }
}

/// An error and its sources, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_with_a_field_too_many_is_refused() {
        let body = r#"{"client":"cli_demo","connection":"cnx_00000000000000000000000000",
            "correlation":"cor_00000000000000000000000000","iban":"x"}"#;
        assert!(serde_json::from_str::<Work>(body).is_err());
    }
}
