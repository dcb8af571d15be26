//! Unattended calls a bank allows.
//!
//! Two rules hold at once. The law's (RTS 2018/389 art. 36(5)(b)): at most four accesses in any 24
//! hours. And the bank's own, which may allow fewer and may count by its calendar day. One access is
//! one sync, which reads each endpoint once (pages are not counted), so a bank that counts each endpoint
//! for itself never sees more calls to any of them than accesses were spent.
//!
//! An access is spent before the call is made, so a crash can only under-use the budget, never exceed
//! it. A reading that takes several runs is one access, dated by the last of them.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bank_day;

/// The window the law counts in.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Accesses an unattended budget remembers: the legal limit.
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

/// How a bank counts unattended accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// Over any 24 hours.
    #[default]
    RollingDay,
    /// Over the bank's calendar day.
    CalendarDay,
    /// Over any 24 hours, each endpoint of each account for itself.
    PerEndpoint,
}

/// A bank's own rule. The law's holds beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CallRule {
    limit: u8,
    counting: Counting,
}

impl Default for CallRule {
    fn default() -> Self {
        Self::new(u8::MAX, Counting::default())
    }
}

impl CallRule {
    /// A rule of one to four accesses: more is never taken, whatever a bank would agree to.
    #[must_use]
    pub fn new(limit: u8, counting: Counting) -> Self {
        Self {
            limit: limit.clamp(1, 4),
            counting,
        }
    }

    /// Every rule there is.
    pub fn all() -> impl Iterator<Item = Self> {
        use Counting::{CalendarDay, PerEndpoint, RollingDay};
        [RollingDay, CalendarDay, PerEndpoint]
            .into_iter()
            .flat_map(|counting| (1..=4).map(move |limit| Self { limit, counting }))
    }

    /// Accesses the bank allows in what it counts over.
    #[must_use]
    pub fn limit(self) -> u8 {
        self.limit
    }

    /// What the bank counts over.
    #[must_use]
    pub fn counting(self) -> Counting {
        self.counting
    }

    /// The rule as it is stored: `4-rolling-day`.
    #[must_use]
    pub fn code(self) -> String {
        let counting = match self.counting {
            Counting::RollingDay => "rolling-day",
            Counting::CalendarDay => "calendar-day",
            Counting::PerEndpoint => "per-endpoint",
        };
        format!("{}-{counting}", self.limit)
    }

    /// The rule behind a stored code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::all().find(|rule| rule.code() == code)
    }

    /// An access spent at this moment or before counts no more.
    #[must_use]
    pub fn counts_after(self, now: Timestamp) -> Timestamp {
        match self.counting {
            Counting::RollingDay | Counting::PerEndpoint => window_start(now),
            Counting::CalendarDay => {
                let midnight = bank_day::start_of(bank_day::day_at(now));
                let before = midnight.checked_sub(SignedDuration::from_secs(1));
                before.unwrap_or(Timestamp::UNIX_EPOCH)
            }
        }
    }

    /// When an access spent at a moment counts no more.
    fn forgets(self, access: Timestamp) -> Timestamp {
        match self.counting {
            Counting::RollingDay | Counting::PerEndpoint => after_window(access),
            Counting::CalendarDay => {
                let tomorrow = bank_day::day_at(access).tomorrow();
                tomorrow.map_or(Timestamp::MAX, bank_day::start_of)
            }
        }
    }
}

/// The start of the law's window at a moment.
#[must_use]
pub fn window_start(now: Timestamp) -> Timestamp {
    now.checked_sub(WINDOW).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn after_window(access: Timestamp) -> Timestamp {
    access.checked_add(WINDOW).unwrap_or(Timestamp::MAX)
}

/// The last unattended accesses of a connection, oldest first, and the bank's rule over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallBudget {
    rule: CallRule,
    accesses: [Option<Timestamp>; ACCESSES_PER_WINDOW],
}

impl CallBudget {
    /// A budget from remembered accesses, oldest first.
    #[must_use]
    pub fn new(rule: CallRule, accesses: [Option<Timestamp>; ACCESSES_PER_WINDOW]) -> Self {
        Self { rule, accesses }
    }

    /// The bank's rule.
    #[must_use]
    pub fn rule(&self) -> CallRule {
        self.rule
    }

    /// The same accesses under another rule.
    #[must_use]
    pub fn under(&self, rule: CallRule) -> Self {
        Self { rule, ..*self }
    }

    /// Whether the accesses spent so far are within the rule.
    #[must_use]
    pub fn is_kept(&self, now: Timestamp) -> bool {
        let since = self.rule.counts_after(now);
        let spent = self.accesses.iter().flatten().filter(|at| **at > since);
        spent.count() <= usize::from(self.rule.limit)
    }

    /// The accesses that count at a moment, by the law's window or the bank's, oldest first.
    pub fn used(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let since = self.rule.counts_after(now).min(window_start(now));
        let spent = self.accesses.into_iter().flatten();
        spent.filter(move |at| *at > since)
    }

    /// How many unattended accesses are left at a moment.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> usize {
        let count = |since: Timestamp| {
            let spent = self.accesses.iter().flatten();
            spent.filter(|at| **at > since).count()
        };
        let lawful = ACCESSES_PER_WINDOW.saturating_sub(count(window_start(now)));
        let limit = usize::from(self.rule.limit);
        lawful.min(limit.saturating_sub(count(self.rule.counts_after(now))))
    }

    /// When the next unattended access is possible: now, or when both rules have forgotten enough.
    #[must_use]
    pub fn next_possible(&self, now: Timestamp) -> Timestamp {
        if self.remaining(now) > 0 {
            return now;
        }
        let spent: Vec<Timestamp> = self.accesses.iter().flatten().copied().collect();
        // The access that must be forgotten for the one to come: the n-th from the last.
        let nth_last = |limit: usize| spent.len().checked_sub(limit).and_then(|at| spent.get(at));
        let lawful = nth_last(ACCESSES_PER_WINDOW).map(|at| after_window(*at));
        let banks = nth_last(usize::from(self.rule.limit)).map(|at| self.rule.forgets(*at));
        [lawful, banks]
            .into_iter()
            .flatten()
            .fold(now, Timestamp::max)
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
        Ok((Self { accesses, ..self }, SpentAccess { at: now }))
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

    fn any_rule() -> impl Strategy<Value = CallRule> {
        proptest::sample::select(CallRule::all().collect::<Vec<_>>())
    }

    /// The moments an access was granted, when one is tried after each gap of seconds.
    fn spent(rule: CallRule, gaps: Vec<i64>) -> Vec<Timestamp> {
        let mut now: Timestamp = "2026-10-20T10:00:00Z".parse().unwrap();
        let mut budget = CallBudget::new(rule, [None; 4]);
        let mut spent = Vec::new();
        for gap in gaps {
            now = now.checked_add(SignedDuration::from_secs(gap)).unwrap();
            match budget.spend(now) {
                Ok((next, access)) => {
                    budget = next;
                    spent.push(access.at);
                }
                Err(full) => {
                    let at = full.next_possible;
                    assert!(at > now, "the wait ends later");
                    let just_before = at.checked_sub(SignedDuration::from_secs(1)).unwrap();
                    assert_eq!(budget.remaining(just_before), 0, "not a second earlier");
                    assert!(budget.remaining(at) > 0, "and then it does end");
                }
            }
        }
        spent
    }

    proptest! {
        #[test]
        fn no_sequence_of_requests_spends_more_than_four_in_any_24_hours(
            rule in any_rule(),
            gaps in proptest::collection::vec(1_i64..20 * 3600, 1..60)
        ) {
            for window in spent(rule, gaps).windows(5) {
                prop_assert!(window[4].duration_since(window[0]) >= WINDOW);
            }
        }

        #[test]
        fn nor_more_than_the_bank_allows_over_what_it_counts_over(
            rule in any_rule(),
            gaps in proptest::collection::vec(1_i64..9 * 3600, 1..60)
        ) {
            let limit = usize::from(rule.limit());
            for window in spent(rule, gaps).windows(limit + 1) {
                match rule.counting() {
                    Counting::CalendarDay => prop_assert_ne!(
                        bank_day::day_at(window[0]),
                        bank_day::day_at(window[limit])
                    ),
                    Counting::RollingDay | Counting::PerEndpoint => {
                        prop_assert!(window[limit].duration_since(window[0]) >= WINDOW);
                    }
                }
            }
        }
    }

    #[test]
    fn a_rule_is_stored_by_its_code() {
        for rule in CallRule::all() {
            assert_eq!(CallRule::of_code(&rule.code()), Some(rule));
        }
        assert_eq!(CallRule::default().code(), "4-rolling-day");
        assert_eq!(CallRule::of_code("9-rolling-day"), None);
    }
}
