//! What comes in: how much, how regularly, from how many.

use std::collections::BTreeMap;

use passerelle_domain::ids::TransactionId;

use super::window::{Window, last_of_each, put};
use super::{Feature, Measured};
use crate::ledger::Entry;
use crate::measure::{count, days_between, median, permille, variation_permille};
use crate::recurrence::{Flow, FlowKind, Recurrence, Rhythm};

impl Window<'_, '_, '_> {
    pub(super) fn income(&self, values: &mut BTreeMap<Feature, Measured>) {
        let active: Vec<&Recurrence> = self.incomes().map(|flow| &flow.recurrence).collect();
        let evidence = last_of_each(&active);
        put(
            values,
            Feature::IncomeMonthly,
            active.iter().map(|flow| flow.monthly_cents()).sum(),
            evidence.clone(),
        );
        put(values, Feature::IncomePayers, count(active.len()), evidence);
        let Some(flow) = self.main_income() else {
            return;
        };
        let main = &flow.recurrence;
        let occurrences = self.entries_of(flow);
        let amounts: Vec<i64> = occurrences.iter().map(|entry| entry.cents()).collect();
        let ids: Vec<TransactionId> = occurrences.iter().map(|entry| entry.id()).collect();
        put(
            values,
            Feature::IncomeRegularity,
            main.regularity_permille,
            ids.clone(),
        );
        put(
            values,
            Feature::IncomeVariation,
            variation_permille(&amounts),
            ids.clone(),
        );
        let tenure = days_between(main.first_seen, main.last_seen);
        put(values, Feature::IncomeTenureDays, tenure, ids.clone());
        if let Some(spread) = day_spread(main.rhythm, &occurrences) {
            put(values, Feature::IncomeDaySpread, spread, ids.clone());
        }
        let (early, late) = amounts.split_at(amounts.len() / 2);
        if let (Some(early), Some(late)) = (median(early), median(late)) {
            put(values, Feature::IncomeTrend, permille(late, early), ids);
        }
    }

    fn incomes(&self) -> impl Iterator<Item = &Flow> {
        self.sources
            .flows
            .iter()
            .filter(|flow| flow.recurrence.is_income() && is_regular_income(flow.recurrence.kind))
            .filter(|flow| flow.recurrence.is_active() && flow.recurrence.last_seen >= self.from)
    }

    pub(super) fn main_income(&self) -> Option<&Flow> {
        self.incomes().max_by_key(|flow| {
            let recurrence = &flow.recurrence;
            (
                recurrence.monthly_cents(),
                std::cmp::Reverse(recurrence.first_seen),
            )
        })
    }
}

fn is_regular_income(kind: FlowKind) -> bool {
    matches!(
        kind,
        FlowKind::Salary | FlowKind::Pension | FlowKind::Benefit | FlowKind::OtherIncome
    )
}

/// Days between the earliest and the latest occurrence, each compared with the day its rhythm sets.
fn day_spread(rhythm: Rhythm, occurrences: &[&Entry<'_>]) -> Option<i64> {
    let first = occurrences.first()?.date();
    let mut shifts = Vec::new();
    for entry in occurrences {
        let elapsed = days_between(first, entry.date());
        let periods = (elapsed + rhythm.days() / 2) / rhythm.days();
        let due = rhythm.after(first, periods);
        shifts.push(days_between(due, entry.date()));
    }
    Some(shifts.iter().max()? - shifts.iter().min()?)
}
