//! Telling a bank that a consent is over: how often it is tried, and when it is given up.
//!
//! The token needed for it is all that is kept, under a key of its own, and never for longer than
//! [`KEPT_FOR`]: a bank that is down for days must not keep a key alive.

use jiff::{SignedDuration, Timestamp};

/// The longest a token outlives its consent so that the bank can be told.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(72);

/// The pause after the first try; it doubles with each.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// The longest pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// When a bank that could not be told is told again; `None` when it is given up and the token is
/// destroyed untold. The bank's own consent then runs to its end with nobody left who could use it.
#[must_use]
pub fn next_try(owed_since: Timestamp, tries: u32, now: Timestamp) -> Option<Timestamp> {
    let last = owed_since.checked_add(KEPT_FOR).unwrap_or(now);
    let pause = FIRST_PAUSE
        .saturating_mul(1 << tries.min(10))
        .min(LONGEST_PAUSE);
    let next = now.checked_add(pause).unwrap_or(Timestamp::MAX);
    (now < last).then(|| next.min(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_tried_often_at_first_and_given_up_after_three_days(delay in 0_i64..3600) {
            let since = Timestamp::UNIX_EPOCH;
            let (mut now, mut tries) = (since, 0);
            while let Some(next) = next_try(since, tries, now) {
                prop_assert!(next > now);
                prop_assert!(next.duration_since(since) <= KEPT_FOR);
                now = next.checked_add(SignedDuration::from_secs(delay)).unwrap();
                tries += 1;
            }
            prop_assert!((10..40).contains(&tries), "{tries} tries");
            prop_assert!(now.duration_since(since) >= KEPT_FOR);
        }
    }
}
