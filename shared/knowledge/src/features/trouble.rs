//! Signs of trouble: incidents, overdrafts, what is left before payday.

use std::collections::BTreeMap;

use passerelle_domain::account::{AccountKind, Balance};

use super::window::{Window, heaviest, put};
use super::{EVIDENCE_LIMIT, Feature, Measured};
use crate::balances::DailyBalances;
use crate::ledger::Entry;
use crate::measure::{count, median, permille, plus_days, scaled};
use crate::operation::Operation;
use crate::taxonomy::Category;

impl<'a> Window<'a, '_, '_> {
    pub(super) fn incidents(&self, values: &mut BTreeMap<Feature, Measured>) {
        let incidents: Vec<&Entry<'a>> =
            self.entries().filter(|entry| is_incident(entry)).collect();
        // Stated for three months, so that a card reads it alike on every window.
        let per_quarter = (count(incidents.len()) * 3 + self.months - 1) / self.months;
        put(
            values,
            Feature::Incidents,
            per_quarter,
            heaviest(&incidents),
        );
        let cost = self.sum(|entry| {
            entry.cents() < 0
                && matches!(
                    entry.category(),
                    Category::BankIncidentFee | Category::BankOverdraftInterest
                )
        });
        values.insert(Feature::IncidentCost, cost);
    }

    pub(super) fn balances(&self, values: &mut BTreeMap<Feature, Measured>) {
        let ledger = self.sources.ledger;
        let from = ledger
            .first_date()
            .map_or(self.from, |first| first.max(self.from));
        let Some(balances) = DailyBalances::of(ledger, from) else {
            return;
        };
        let mut deepest = balances.debits_below_zero();
        deepest.truncate(EVIDENCE_LIMIT);
        let share = permille(balances.days_below_zero(), balances.days_known());
        put(values, Feature::OverdraftDays, share, deepest.clone());
        put(
            values,
            Feature::OverdraftLongest,
            balances.longest_below_zero(),
            deepest.clone(),
        );
        if let Some(lowest) = balances.lowest() {
            put(values, Feature::LowestBalance, lowest, deepest);
        }
        self.reserve(values);
        self.liquidity(values, &balances);
    }

    /// How many days of spending the balances cover. A balance with a credit limit in it tells nothing of
    /// what somebody owns.
    fn reserve(&self, values: &mut BTreeMap<Feature, Measured>) {
        let accounts = self.sources.ledger.accounts.iter();
        let owned: Vec<Balance> = accounts
            .filter(|account| matches!(account.kind, AccountKind::Payment | AccountKind::Savings))
            .filter_map(|account| account.balance)
            .collect();
        let Some(spent) = values.get(&Feature::SpendingMonthly).cloned() else {
            return;
        };
        if spent.value > 0 && owned.iter().all(|balance| !balance.credit_limit_included) {
            let available: i64 = owned.iter().map(|balance| balance.amount.minor).sum();
            let days = scaled(available.max(0), 30, spent.value);
            put(values, Feature::ReserveDays, days, spent.evidence);
        }
    }

    /// The lowest sum in the five days before each payday.
    fn liquidity(&self, values: &mut BTreeMap<Feature, Measured>, balances: &DailyBalances) {
        let Some(flow) = self.main_income() else {
            return;
        };
        let main = &flow.recurrence;
        let paydays = self.entries_of(flow);
        let lows: Vec<i64> = paydays
            .iter()
            .filter_map(|entry| {
                balances
                    .lowest_sum_between(plus_days(entry.date(), -5), plus_days(entry.date(), -1))
            })
            .collect();
        if let Some(low) = median(&lows) {
            let evidence = paydays.iter().map(|entry| entry.id()).collect();
            put(
                values,
                Feature::LiquidityBeforePayday,
                permille(low, main.amount.minor),
                evidence,
            );
        }
    }
}

/// A debit or cheque refused, a fee for it, a seizure.
pub(crate) fn is_incident(entry: &Entry<'_>) -> bool {
    matches!(
        entry.operation(),
        Operation::DirectDebitRejected | Operation::ChequeRejected | Operation::Seizure
    ) || entry.category() == Category::BankIncidentFee
}
