//! Unattended calls a bank allows (RTS 2018/389 art. 36(5)(b)): at most four accesses in any 24
//! hours unless the bank agreed to more. An access is spent before the call is made, so a crash can
//! only under-use the budget, never exceed it.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The window the budget counts in.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Accesses an unattended budget remembers: the legal default.
pub const ACCESSES_PER_WINDOW: usize = 4;

/// The person is asking right now: their device's address goes with each call, nothing is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttendedPsu {
    /// The address of the person's device, never ours.
    pub ip_address: IpAddr,
    /// Their browser's `User-Agent`.
    pub user_agent: Option<String>,
    /// Until when the person's request still stands behind a call.
    pub until: Timestamp,
}

/// Whether the person is there. Attended and unattended calls are different types, so that one can
/// never pass for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PsuPresence {
    /// The person is asking right now.
    Attended(AttendedPsu),
    /// Nobody is there: this access was taken from the budget beforehand.
    Unattended(SpentAccess),
}

/// Proof that an unattended access was paid for. Only the claim on a connection makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentAccess {
    /// When the access was spent.
    pub at: Timestamp,
}

/// The last unattended accesses of a connection, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallBudget {
    accesses: [Option<Timestamp>; ACCESSES_PER_WINDOW],
}

impl CallBudget {
    /// A budget from remembered accesses, oldest first.
    #[must_use]
    pub fn new(accesses: [Option<Timestamp>; ACCESSES_PER_WINDOW]) -> Self {
        Self { accesses }
    }

    /// How many unattended accesses are left at a moment.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> usize {
        let spent = self
            .accesses
            .iter()
            .flatten()
            .filter(|at| now.duration_since(**at) < WINDOW);
        ACCESSES_PER_WINDOW.saturating_sub(spent.count())
    }

    /// When the next unattended access is possible: now, or when the oldest leaves the window.
    #[must_use]
    pub fn next_possible(&self, now: Timestamp) -> Timestamp {
        if self.remaining(now) > 0 {
            return now;
        }
        let oldest = self.accesses.iter().flatten().min().copied().unwrap_or(now);
        oldest.checked_add(WINDOW).unwrap_or(Timestamp::MAX)
    }

    /// Spends one access.
    ///
    /// # Errors
    /// [`BudgetExhausted`] with the moment the next access is possible.
    pub fn spend(self, now: Timestamp) -> Result<(Self, SpentAccess), BudgetExhausted> {
        if self.remaining(now) == 0 {
            return Err(BudgetExhausted {
                next_possible: self.next_possible(now),
            });
        }
        let [_, second, third, fourth] = self.accesses;
        let accesses = [second, third, fourth, Some(now)];
        Ok((Self { accesses }, SpentAccess { at: now }))
    }
}

/// No unattended access is left in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bank's unattended calls are spent until {next_possible}")]
pub struct BudgetExhausted {
    /// When the next one is possible.
    pub next_possible: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_sequence_of_requests_spends_more_than_four_in_any_24_hours(
            gaps in proptest::collection::vec(0_i64..20 * 3600, 1..60)
        ) {
            let mut now = Timestamp::UNIX_EPOCH;
            let mut budget = CallBudget::default();
            let mut spent = Vec::new();
            for gap in gaps {
                now = now.checked_add(SignedDuration::from_secs(gap)).unwrap();
                if let Ok((next, access)) = budget.spend(now) {
                    budget = next;
                    spent.push(access.at);
                }
            }
            for window in spent.windows(5) {
                prop_assert!(window[4].duration_since(window[0]) >= WINDOW);
            }
        }
    }
}
