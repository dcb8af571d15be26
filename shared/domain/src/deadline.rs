//! Until when a piece of work may run: the platform ends a function at its timeout, finished or not.

use std::time::{Duration, Instant};

/// The moment the work must be over, by the machine's own steady clock. It is a value like any other:
/// whoever asks how much time is left says what time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Nobody ends this work: it is not called by a platform.
    pub const NONE: Self = Self(None);

    /// Work that must be over at a moment.
    #[must_use]
    pub fn at(moment: Instant) -> Self {
        Self(Some(moment))
    }

    /// How much time is left; `None` when nobody ends the work.
    #[must_use]
    pub fn time_left(self, now: Instant) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_duration_since(now))
    }

    /// Whether less than this is left: no new work is then taken up, and what was begun ends in time.
    #[must_use]
    pub fn leaves_less_than(self, needed: Duration, now: Instant) -> bool {
        self.time_left(now).is_some_and(|left| left < needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_deadline_no_time_is_left() {
        let now = Instant::now();
        let deadline = Deadline::at(now + Duration::from_secs(3));
        assert_eq!(deadline.time_left(now), Some(Duration::from_secs(3)));
        let late = now + Duration::from_secs(4);
        assert_eq!(deadline.time_left(late), Some(Duration::ZERO));
        assert_eq!(Deadline::NONE.time_left(late), None);
        assert!(!deadline.leaves_less_than(Duration::from_secs(3), now));
        assert!(deadline.leaves_less_than(Duration::from_secs(4), now));
        assert!(!Deadline::NONE.leaves_less_than(Duration::MAX, late));
    }
}
