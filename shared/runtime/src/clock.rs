//! Time, always given: a function never reads the system clock by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A clock. Clones share its adjustment: moving one moves all.
///
/// An adjustable clock counts with tokio's timer, so that under paused time it stands still too.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Origin,
    advanced_ms: Arc<AtomicI64>,
}

#[derive(Debug, Clone, Copy)]
enum Origin {
    System,
    Fixed { start: Timestamp, since: Instant },
}

impl Clock {
    /// The time of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self {
            origin: Origin::System,
            advanced_ms: Arc::default(),
        }
    }

    /// A clock that starts at a moment (the machine's own when `None`) and goes on from there.
    #[must_use]
    pub fn adjustable(start: Option<Timestamp>) -> Self {
        let origin = match start {
            Some(start) => Origin::Fixed {
                start,
                since: Instant::now(),
            },
            None => Origin::System,
        };
        Self {
            origin,
            advanced_ms: Arc::default(),
        }
    }

    /// Moves this clock and all its clones forward, or back with a negative duration, in whole
    /// milliseconds.
    pub fn advance(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(if by.is_negative() {
            i64::MIN
        } else {
            i64::MAX
        });
        // The closure always answers `Some`, so the update cannot be refused.
        let _ = self
            .advanced_ms
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |so_far| {
                Some(so_far.saturating_add(by))
            });
    }

    /// The time now. Saturates at the ends of what a timestamp can hold.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let natural = match self.origin {
            Origin::System => Timestamp::now(),
            Origin::Fixed { start, since } => {
                let elapsed = SignedDuration::try_from(since.elapsed()).unwrap_or_default();
                start.checked_add(elapsed).unwrap_or(Timestamp::MAX)
            }
        };
        let advanced = self.advanced_ms.load(Ordering::Acquire);
        let end = if advanced < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        natural
            .checked_add(SignedDuration::from_millis(advanced))
            .unwrap_or(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_move_together() {
        let start: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let clock = Clock::adjustable(Some(start));
        let clone = clock.clone();
        clock.advance(SignedDuration::from_hours(90 * 24));
        let moved = clone.now().duration_since(start);
        assert!(moved >= SignedDuration::from_hours(90 * 24));
        assert!(moved < SignedDuration::from_hours(90 * 24 + 1));
    }

    #[test]
    fn no_move_however_far_panics() {
        let clock = Clock::adjustable(Some(Timestamp::UNIX_EPOCH));
        clock.advance(SignedDuration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
        clock.advance(SignedDuration::MIN);
        clock.advance(SignedDuration::MIN);
        assert_eq!(clock.now(), Timestamp::MIN);
    }
}
