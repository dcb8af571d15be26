//! What travels through a queue, and how a piece of work can fail.

use std::error::Error;

use jiff::Timestamp;
use passerelle_domain::failure::Failure;
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
    /// The part of the work this call does; other schedules call for the others.
    pub part: Part,
}

/// A part of a sweep, so that several calls share what one could not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    number: u32,
    of: u32,
}

impl Part {
    /// All of it.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// Part `number`, counted from zero, of `of`; `None` where there is no such part.
    #[must_use]
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (number < of).then_some(Self { number, of })
    }

    /// Which of so many shards are this part's. The parts together have each of them once, however many
    /// parts there are.
    pub fn shards(self, count: u32) -> impl Iterator<Item = u32> {
        let step = usize::try_from(self.of).unwrap_or(usize::MAX);
        (self.number..count).step_by(step)
    }
}

/// A piece of work that was not done. The queue gives it again; after its last receive it goes to
/// the dead-letter queue.
///
/// An error that says whether to retry ([`Failure`]) turns into one with `?` and keeps its word; any
/// other is named by [`WorkError::retryable`] or [`WorkError::permanent`]. It deliberately is no
/// [`Error`] itself, so that `?` can convert.
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

impl<E: Failure + Send + Sync + 'static> From<E> for WorkError {
    fn from(cause: E) -> Self {
        match cause.is_retryable() {
            true => Self::retryable(cause),
            false => Self::permanent(cause),
        }
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
    fn however_many_parts_there_are_each_shard_belongs_to_one_of_them() {
        for of in 1..=12 {
            let parts = (0..of).map(|number| Part::new(number, of).unwrap());
            let mut shards: Vec<u32> = parts.flat_map(|part| part.shards(10)).collect();
            shards.sort_unstable();
            assert_eq!(shards, (0..10).collect::<Vec<_>>(), "{of} parts");
        }
        assert_eq!(Part::new(4, 4), None);
        assert_eq!(Part::new(0, 0), None);
    }

    #[test]
    fn an_error_keeps_its_word_on_whether_to_retry() {
        #[derive(Debug, thiserror::Error)]
        #[error("it failed")]
        struct Failed(bool);
        impl Failure for Failed {
            fn is_retryable(&self) -> bool {
                self.0
            }
        }
        for retryable in [true, false] {
            assert_eq!(WorkError::from(Failed(retryable)).is_retryable(), retryable);
        }
    }

    #[test]
    fn work_with_a_field_too_many_is_refused() {
        let body = r#"{"client":"cli_demo","connection":"cnx_00000000000000000000000000",
            "correlation":"cor_00000000000000000000000000","iban":"x"}"#;
        assert!(serde_json::from_str::<Work>(body).is_err());
    }
}
