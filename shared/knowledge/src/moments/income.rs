//! An income that rises, falls, changes payer or stops.
//!
//! Told from the payments of each payer as they came, not from the flows they are found to form: how
//! later payments fall must not change what was told of earlier ones.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{LifeMoment, MomentKind, Story};
use crate::enrichment::Stage;
use crate::ledger::Entry;
use crate::measure::{days_between, median, plus_days, scaled};
use crate::recurrence::payee_key;
use crate::taxonomy::Category;

/// So many payments within so many days are a regular income.
const REGULAR: usize = 3;
const REGULAR_WITHIN: i64 = 100;

/// The payments of one payer, oldest first.
struct Source<'l, 'a> {
    payments: Vec<&'l Entry<'a>>,
}

impl<'a> Story<'a, '_> {
    pub(super) fn income_changes(&self) -> Vec<LifeMoment> {
        let sources = self.sources();
        let mut moments: Vec<LifeMoment> = sources.iter().flat_map(Source::steps).collect();
        moments.extend(
            sources
                .iter()
                .filter_map(|new| self.payer_change(new, &sources)),
        );
        moments.extend(self.income_stops());
        moments
    }

    fn sources(&self) -> Vec<Source<'_, 'a>> {
        let mut by_payer: BTreeMap<String, Vec<&Entry<'a>>> = BTreeMap::new();
        for entry in self.main_income() {
            by_payer.entry(payee_key(entry)).or_default().push(entry);
        }
        by_payer
            .into_values()
            .map(|payments| Source { payments })
            .collect()
    }

    fn main_income(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.lines()
            .filter(|entry| entry.cents() > 0 && is_main(entry.category()))
    }

    /// The second payment of a payer that replaces the one before (the third where only the rhythm
    /// tells that it is a salary).
    fn payer_change(&self, new: &Source<'_, 'a>, all: &[Source<'_, 'a>]) -> Option<LifeMoment> {
        let first = new.payments.first()?;
        let by_rhythm = first.enrichment.stage == Stage::History;
        let proof = new.payments.get(if by_rhythm { 2 } else { 1 })?;
        if first.date() <= self.quiet_until {
            return None;
        }
        let last_old = all
            .iter()
            .filter_map(|old| old.replaced_between(first.date(), proof.date()))
            .max_by_key(|last| last.date())?;
        let evidence = vec![last_old.id(), first.id(), proof.id()];
        let kind = MomentKind::IncomeChange;
        Some(LifeMoment::new(kind, proof.date(), 85, evidence).protective())
    }

    /// No main income for more than 45 days after the third in a hundred.
    fn income_stops(&self) -> Vec<LifeMoment> {
        const GAP_DAYS: i64 = 45;
        let paid: Vec<&Entry<'a>> = self.main_income().collect();
        let mut stops = Vec::new();
        for (position, last) in paid.iter().enumerate() {
            let known_on = plus_days(last.date(), GAP_DAYS + 1);
            let goes_on = paid
                .get(position + 1)
                .is_some_and(|next| next.date() <= known_on);
            let was_regular = position
                .checked_sub(REGULAR - 1)
                .and_then(|third_last| paid.get(third_last))
                .is_some_and(|third_last| {
                    days_between(third_last.date(), last.date()) <= REGULAR_WITHIN
                });
            if was_regular && !goes_on && known_on <= self.ledger.as_of {
                let moment =
                    LifeMoment::new(MomentKind::IncomeChange, known_on, 75, vec![last.id()]);
                stops.push(moment.protective());
            }
        }
        stops
    }
}

impl<'l, 'a> Source<'l, 'a> {
    /// The last payment before another income began, if nothing was paid until that one was sure. What
    /// comes later is another story.
    fn replaced_between(&self, began: Date, sure: Date) -> Option<&'l Entry<'a>> {
        let before = self
            .payments
            .iter()
            .filter(|entry| entry.date() < began)
            .count();
        let still_paid = self
            .payments
            .iter()
            .any(|entry| (began..=sure).contains(&entry.date()));
        let last = *self.payments.get(before.checked_sub(1)?)?;
        let was_regular = before >= 2 && days_between(last.date(), began) <= REGULAR_WITHIN;
        (was_regular && !still_paid).then_some(last)
    }

    /// Steps of more than a fifth that the next month confirms. A month is what was paid in it: a wage in
    /// two parts is one wage.
    fn steps(&self) -> Vec<LifeMoment> {
        const STEP_PERMILLE: i64 = 200;
        let months = self.months();
        let total = |month: &[&Entry<'a>]| month.iter().map(|entry| entry.cents()).sum::<i64>();
        let mut steps = Vec::new();
        let mut level_from = 0;
        for position in 2..months.len() {
            let before: Vec<i64> = months
                .get(level_from..position)
                .unwrap_or_default()
                .iter()
                .map(|month| total(month))
                .collect();
            let (Some(level), Some(first), Some(second), Some(last_before)) = (
                median(&before),
                months.get(position),
                months.get(position + 1),
                months.get(position - 1).and_then(|month| month.last()),
            ) else {
                continue;
            };
            let change = |cents: i64| scaled(cents.saturating_sub(level), 1_000, level.max(1));
            let step = change(total(first));
            let mut so_far = 0_i64;
            let confirmed = second.iter().find(|payment| {
                so_far = so_far.saturating_add(payment.cents());
                let again = change(so_far);
                again.abs() > STEP_PERMILLE && (again > 0) == (step > 0)
            });
            if let (Some(proof), Some(paid)) = (confirmed, first.last())
                && step.abs() > STEP_PERMILLE
                && before.len() >= 2
            {
                let evidence = vec![last_before.id(), paid.id(), proof.id()];
                let moment = LifeMoment::new(MomentKind::IncomeChange, proof.date(), 85, evidence);
                steps.push(moment.protective());
                level_from = position;
            }
        }
        steps
    }

    /// The payments, month by month; a month without any is left out.
    fn months(&self) -> Vec<Vec<&'l Entry<'a>>> {
        let mut months: BTreeMap<(i16, i8), Vec<&'l Entry<'a>>> = BTreeMap::new();
        for payment in &self.payments {
            let date = payment.date();
            months
                .entry((date.year(), date.month()))
                .or_default()
                .push(payment);
        }
        months.into_values().collect()
    }
}

fn is_main(category: Category) -> bool {
    matches!(
        category,
        Category::IncomeSalary | Category::IncomeRetirement | Category::IncomeReplacement
    )
}
