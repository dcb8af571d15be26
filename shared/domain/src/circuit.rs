//! Whether a bank that was down is called again yet.
//!
//! A bank that fails a few times in a row, whoever asked, is left alone; then one call tries it, and
//! only when that one succeeds do the others go again. Each failed try doubles the pause.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Outages in a row that open the circuit.
pub const OPENS_AFTER: u32 = 5;

/// The first pause.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// The longest pause: a bank that comes back is noticed within half an hour.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// How long the one call that tries has before another may.
pub const PROBE_LEASE: SignedDuration = SignedDuration::from_mins(2);

/// What is known of a bank's health. The default is a healthy bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "circuit", rename_all = "kebab-case")]
pub enum Circuit {
    /// Calls go.
    Closed {
        /// Outages in a row so far.
        failures: u32,
    },
    /// Calls wait.
    Open {
        /// Outages in a row so far.
        failures: u32,
        /// Since when.
        since: Timestamp,
        /// When one call may try.
        probe_at: Timestamp,
    },
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What a caller may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Call.
    Free,
    /// Call, if nobody else does: whoever takes the probe first.
    Probe,
    /// Do not call before this moment.
    Wait {
        /// When one call may try.
        until: Timestamp,
    },
}

impl Circuit {
    /// What a caller may do at a moment.
    #[must_use]
    pub fn admission(&self, now: Timestamp) -> Admission {
        match self {
            Self::Closed { .. } => Admission::Free,
            Self::Open { probe_at, .. } if now >= *probe_at => Admission::Probe,
            Self::Open { probe_at, .. } => Admission::Wait { until: *probe_at },
        }
    }

    /// Whether people are to be told that the bank is unavailable.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Outages in a row so far.
    #[must_use]
    pub fn failures(&self) -> u32 {
        match self {
            Self::Closed { failures } | Self::Open { failures, .. } => *failures,
        }
    }

    /// The circuit after one more outage. Calls that were under way when it opened add nothing.
    #[must_use]
    pub fn after_outage(self, now: Timestamp) -> Self {
        match self {
            Self::Closed { failures } => {
                let failures = failures.saturating_add(1);
                match failures < OPENS_AFTER {
                    true => Self::Closed { failures },
                    false => Self::open(failures, now, now),
                }
            }
            Self::Open { probe_at, .. } if now < probe_at => self,
            Self::Open {
                failures, since, ..
            } => Self::open(failures.saturating_add(1), since, now),
        }
    }

    /// The circuit while one call tries: the others keep waiting.
    #[must_use]
    pub fn while_probed(self, now: Timestamp) -> Self {
        match self {
            Self::Closed { .. } => self,
            Self::Open {
                failures, since, ..
            } => Self::Open {
                failures,
                since,
                probe_at: now.checked_add(PROBE_LEASE).unwrap_or(now),
            },
        }
    }

    fn open(failures: u32, since: Timestamp, now: Timestamp) -> Self {
        let doublings = failures.saturating_sub(OPENS_AFTER).min(8);
        let pause = FIRST_PAUSE
            .saturating_mul(1 << doublings)
            .min(LONGEST_PAUSE);
        Self::Open {
            failures,
            since,
            probe_at: now.checked_add(pause).unwrap_or(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn opened(now: i64) -> Circuit {
        (0..OPENS_AFTER).fold(Circuit::default(), |circuit, _| {
            circuit.after_outage(at(now))
        })
    }

    #[test]
    fn a_few_outages_in_a_row_open_it_and_one_call_tries_after_a_pause() {
        let nearly =
            (1..OPENS_AFTER).fold(Circuit::default(), |circuit, _| circuit.after_outage(at(0)));
        assert_eq!(nearly.admission(at(0)), Admission::Free);
        let open = opened(0);
        assert_eq!(open.admission(at(59)), Admission::Wait { until: at(60) });
        assert_eq!(open.admission(at(60)), Admission::Probe);
        let probed = open.while_probed(at(60));
        assert_eq!(probed.admission(at(61)), Admission::Wait { until: at(180) });
    }

    #[test]
    fn late_answers_of_calls_under_way_do_not_prolong_it() {
        assert_eq!(opened(0).after_outage(at(30)), opened(0));
    }

    proptest! {
        #[test]
        fn each_failed_try_waits_longer_up_to_half_an_hour(tries in 1_usize..40) {
            let (mut circuit, mut now, mut last) = (opened(0), 0, 0);
            for _ in 0..tries {
                let Admission::Wait { until } = circuit.admission(at(now)) else {
                    return Err(TestCaseError::fail("closed"));
                };
                let pause = until.as_second() - now;
                prop_assert!(pause >= last && pause <= 1800);
                last = pause;
                now = until.as_second();
                circuit = circuit.after_outage(at(now));
            }
        }
    }
}
