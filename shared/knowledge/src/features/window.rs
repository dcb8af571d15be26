//! One window of a history, and what every measure in it needs.

use std::collections::BTreeMap;

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;

use super::{EVIDENCE_LIMIT, Feature, FeatureWindow, Measured, Sources};
use crate::ledger::Entry;
use crate::measure::{days_between, minus_months, plus_days};
use crate::recurrence::{Flow, Recurrence};
use crate::taxonomy::Category;

/// Days by which the seen history may fall short of a window: a bank's window of 90 days shows about
/// 89 days between its first and last line, and nobody is paid or spends on each of its first days.
const WINDOW_SHORTFALL: i64 = 8;

/// The windows that the history covers, shortest first.
pub(crate) fn windows(sources: &Sources<'_, '_>) -> Vec<FeatureWindow> {
    [3, 6, 12]
        .into_iter()
        .filter_map(|months| {
            let to = sources.ledger.as_of;
            let from = plus_days(minus_months(to, months), 1);
            let first = sources.ledger.first_date()?;
            let covered = days_between(from, first) <= WINDOW_SHORTFALL;
            covered.then(|| {
                let entries = sources
                    .ledger
                    .daily_life()
                    .filter(|entry| entry.date() >= from && entry.date() <= to)
                    .collect();
                Window {
                    sources,
                    months,
                    from,
                    to,
                    entries,
                }
                .measure()
            })
        })
        .collect()
}

#[derive(Debug)]
pub(super) struct Window<'a, 'b, 'c> {
    pub(super) sources: &'c Sources<'a, 'b>,
    pub(super) months: i64,
    pub(super) from: Date,
    pub(super) to: Date,
    /// Lines of the window on accounts of daily life.
    pub(super) entries: Vec<&'b Entry<'a>>,
}

impl<'a> Window<'a, '_, '_> {
    fn measure(&self) -> FeatureWindow {
        let mut values = BTreeMap::new();
        self.income(&mut values);
        self.commitments(&mut values);
        self.spending(&mut values);
        self.incidents(&mut values);
        self.balances(&mut values);
        self.habits(&mut values);
        FeatureWindow {
            months: self.months,
            from: self.from,
            to: self.to,
            values,
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().copied()
    }

    pub(super) fn sum(&self, wanted: impl Fn(&Entry<'_>) -> bool) -> Measured {
        let lines: Vec<&Entry<'a>> = self
            .entries()
            .filter(|entry| entry.counts() && wanted(entry))
            .collect();
        Measured {
            value: lines.iter().map(|entry| entry.cents().abs()).sum(),
            evidence: heaviest(&lines),
        }
    }

    pub(super) fn monthly_sum(&self, categories: &[Category]) -> Measured {
        let sum = self.sum(|entry| entry.cents() < 0 && categories.contains(&entry.category()));
        Measured {
            value: sum.value / self.months,
            ..sum
        }
    }

    /// The lines of a flow that lie in the window.
    pub(super) fn entries_of(&self, flow: &Flow) -> Vec<&Entry<'a>> {
        flow.entries
            .iter()
            .filter_map(|position| self.sources.ledger.entries.get(*position))
            .filter(|entry| entry.date() >= self.from)
            .collect()
    }
}

pub(super) fn put(
    values: &mut BTreeMap<Feature, Measured>,
    feature: Feature,
    value: i64,
    evidence: Vec<TransactionId>,
) {
    values.insert(feature, Measured { value, evidence });
}

/// The last line of each flow.
pub(super) fn last_of_each(flows: &[&Recurrence]) -> Vec<TransactionId> {
    flows
        .iter()
        .filter_map(|flow| flow.evidence.last().cloned())
        .take(EVIDENCE_LIMIT)
        .collect()
}

/// The lines with the largest amounts; earlier lines first between equals.
pub(super) fn heaviest(lines: &[&Entry<'_>]) -> Vec<TransactionId> {
    let mut sorted: Vec<&&Entry<'_>> = lines.iter().collect();
    sorted.sort_by_key(|entry| std::cmp::Reverse(entry.cents().abs()));
    sorted
        .into_iter()
        .take(EVIDENCE_LIMIT)
        .map(|entry| entry.id())
        .collect()
}
