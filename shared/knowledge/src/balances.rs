//! What was on the accounts of daily life at the end of each day, walked back from today's balance.

use std::collections::BTreeMap;

use jiff::civil::Date;
use passerelle_domain::account::AccountKind;
use passerelle_domain::ids::TransactionId;

use crate::ledger::Ledger;
use crate::measure::{days_between, plus_days};

/// End-of-day balances of all payment accounts together and of the lowest one.
#[derive(Debug)]
pub(crate) struct DailyBalances {
    /// For each day: the sum, the lowest single account, and the largest debit of the day.
    days: BTreeMap<Date, Day>,
}

#[derive(Debug, Clone, Default)]
struct Day {
    sum: i64,
    lowest: i64,
    largest_debit: Option<(i64, TransactionId)>,
}

impl DailyBalances {
    /// `None` when a payment account has no balance: then nothing can be said of overdrafts.
    pub fn of(ledger: &Ledger<'_>, from: Date) -> Option<Self> {
        let mut days: BTreeMap<Date, Day> = BTreeMap::new();
        let mut any = false;
        for (index, account) in ledger.accounts.iter().enumerate() {
            if account.kind != AccountKind::Payment {
                continue;
            }
            let balance = account.balance?;
            any = true;
            let mut moved: BTreeMap<Date, i64> = BTreeMap::new();
            for entry in ledger.entries.iter().filter(|entry| entry.account == index) {
                *moved.entry(entry.date()).or_default() += entry.cents();
                let day = days.entry(entry.date()).or_default();
                let larger = day
                    .largest_debit
                    .as_ref()
                    .is_none_or(|(cents, _)| entry.cents() < *cents);
                if entry.cents() < 0 && larger {
                    day.largest_debit = Some((entry.cents(), entry.id()));
                }
            }
            let mut known = balance.amount.minor;
            let mut date = ledger.as_of;
            while date >= from {
                let day = days.entry(date).or_default();
                let first = day.sum == 0 && day.lowest == 0;
                day.sum += known;
                day.lowest = if first { known } else { day.lowest.min(known) };
                known -= moved.get(&date).copied().unwrap_or_default();
                let earlier = plus_days(date, -1);
                if earlier == date {
                    break;
                }
                date = earlier;
            }
        }
        days.retain(|date, _| *date >= from && *date <= ledger.as_of);
        any.then_some(Self { days })
    }

    /// How many days the lowest account ended below zero.
    pub fn days_below_zero(&self) -> i64 {
        crate::measure::count(self.days.values().filter(|day| day.lowest < 0).count())
    }

    /// How many days are known.
    pub fn days_known(&self) -> i64 {
        crate::measure::count(self.days.len())
    }

    /// The longest row of days below zero.
    pub fn longest_below_zero(&self) -> i64 {
        let mut longest = 0;
        let mut run = 0;
        for day in self.days.values() {
            run = if day.lowest < 0 { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        longest
    }

    /// The lowest end-of-day balance of one account, in cents.
    pub fn lowest(&self) -> Option<i64> {
        self.days.values().map(|day| day.lowest).min()
    }

    /// The lowest sum between two dates, both included.
    pub fn lowest_sum_between(&self, from: Date, to: Date) -> Option<i64> {
        if days_between(from, to) < 0 {
            return None;
        }
        self.days.range(from..=to).map(|(_, day)| day.sum).min()
    }

    /// The debits that made the account go below zero or further down, largest first.
    pub fn debits_below_zero(&self) -> Vec<TransactionId> {
        let mut debits: Vec<(i64, TransactionId)> = self
            .days
            .values()
            .filter(|day| day.lowest < 0)
            .filter_map(|day| day.largest_debit.clone())
            .collect();
        debits.sort();
        debits.into_iter().map(|(_, id)| id).collect()
    }
}
