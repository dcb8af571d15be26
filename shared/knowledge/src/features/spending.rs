//! What is spent, in cash, on games, unknown, and what is put aside.

use std::collections::BTreeMap;

use super::window::{Window, heaviest, put};
use super::{Feature, Measured};
use crate::ledger::{Entry, Part};
use crate::measure::{count, permille};
use crate::operation::Operation;
use crate::taxonomy::Category;

impl<'a> Window<'a, '_, '_> {
    pub(super) fn spending(&self, values: &mut BTreeMap<Feature, Measured>) {
        let spent: Vec<&Entry<'a>> = self.entries().filter(|entry| entry.spent() != 0).collect();
        let total: i64 = spent.iter().map(|entry| entry.spent()).sum();
        let earned = self.sum(|entry| entry.cents() > 0 && is_earned(entry));
        put(
            values,
            Feature::SpendingMonthly,
            total / self.months,
            heaviest(&spent),
        );
        if earned.value > 0 {
            let margin = permille(earned.value - total, earned.value);
            put(values, Feature::Margin, margin, heaviest(&spent));
        }
        let cash = self.sum(|entry| entry.category() == Category::CashWithdrawal);
        put(
            values,
            Feature::CashShare,
            permille(cash.value, total),
            cash.evidence,
        );
        let bets =
            self.sum(|entry| entry.category() == Category::LeisureGambling && entry.cents() < 0);
        put(
            values,
            Feature::GamblingShare,
            permille(bets.value, total),
            bets.evidence,
        );
        self.savings(values, earned.value);
        let lines = count(self.entries().count());
        let unknown: Vec<&Entry<'a>> = self
            .entries()
            .filter(|entry| entry.category() == Category::Unknown)
            .collect();
        put(
            values,
            Feature::UnknownShare,
            permille(count(unknown.len()), lines),
            heaviest(&unknown),
        );
    }

    fn savings(&self, values: &mut BTreeMap<Feature, Measured>, earned: i64) {
        let moved: Vec<&Entry<'a>> = self
            .entries()
            .filter(|entry| matches!(entry.part, Part::Ordinary | Part::InternalTransfer))
            .filter(|entry| {
                matches!(
                    entry.category(),
                    Category::TransferSavings
                        | Category::TransferInvestment
                        | Category::InsuranceLifeSavings
                )
            })
            .collect();
        let put_aside: i64 = moved.iter().map(|entry| -entry.cents()).sum();
        if earned > 0 {
            put(
                values,
                Feature::SavingsRate,
                permille(put_aside, earned),
                heaviest(&moved),
            );
        }
    }
}

/// Money earned: not moved, not lent, not given back.
fn is_earned(entry: &Entry<'_>) -> bool {
    entry.operation() != Operation::LoanDisbursement
        && (entry.category().is_in("income")
            || matches!(
                entry.category(),
                Category::Unknown | Category::TransferPerson
            ))
        && entry.category() != Category::IncomeRefund
}
