//! An income that rises, falls, changes payer or stops.

use super::{LifeMoment, MomentKind, Story};
use crate::enrichment::Stage;
use crate::ledger::Entry;
use crate::measure::{median, plus_days, scaled};
use crate::recurrence::Flow;
use crate::taxonomy::Category;

impl<'a> Story<'a, '_> {
    pub(super) fn income_changes(&self) -> Vec<LifeMoment> {
        let mut moments: Vec<LifeMoment> = self
            .flows
            .iter()
            .filter(|flow| is_main_income(flow))
            .flat_map(|flow| self.income_steps(flow))
            .collect();
        moments.extend(self.payer_change());
        moments.extend(self.income_stop());
        moments
    }

    /// A step of more than a fifth that the next payment confirms.
    fn income_steps(&self, flow: &Flow) -> Vec<LifeMoment> {
        const STEP_PERMILLE: i64 = 200;
        let entries = self.entries_of(flow);
        let mut steps = Vec::new();
        let mut level_from = 0;
        for position in 2..entries.len().saturating_sub(1) {
            let before: Vec<i64> = entries
                .get(level_from..position)
                .unwrap_or_default()
                .iter()
                .map(|entry| entry.cents())
                .collect();
            let (Some(level), Some(first), Some(second), Some(last_before)) = (
                median(&before),
                entries.get(position),
                entries.get(position + 1),
                entries.get(position.saturating_sub(1)),
            ) else {
                continue;
            };
            let change = |cents: i64| scaled(cents - level, 1_000, level.max(1));
            let (one, two) = (change(first.cents()), change(second.cents()));
            let lasting =
                one.abs() > STEP_PERMILLE && two.abs() > STEP_PERMILLE && (one > 0) == (two > 0);
            if lasting && before.len() >= 2 {
                let evidence = vec![last_before.id(), first.id(), second.id()];
                let moment = LifeMoment::new(MomentKind::IncomeChange, second.date(), 85, evidence);
                steps.push(moment.protective());
                level_from = position;
            }
        }
        steps
    }

    /// The second payment of a payer that replaces the one before (the third where only the rhythm
    /// tells that it is a salary).
    fn payer_change(&self) -> Vec<LifeMoment> {
        let mut salaries: Vec<&Flow> = self
            .flows
            .iter()
            .filter(|flow| is_main_income(flow))
            .collect();
        salaries.sort_by_key(|flow| flow.recurrence.first_seen);
        salaries
            .windows(2)
            .filter_map(|pair| {
                let [old, new] = pair else { return None };
                let entries = self.entries_of(new);
                let by_rhythm = entries
                    .first()
                    .is_some_and(|entry| entry.enrichment.stage == Stage::History);
                let proof = entries.get(if by_rhythm { 2 } else { 1 })?;
                let first = entries.first()?;
                let replaces = new.recurrence.first_seen > old.recurrence.last_seen
                    && new.recurrence.first_seen > self.quiet_until
                    && old.recurrence.payee != new.recurrence.payee;
                let last_old = old.recurrence.evidence.last().cloned()?;
                replaces.then(|| {
                    let evidence = vec![last_old, first.id(), proof.id()];
                    LifeMoment::new(MomentKind::IncomeChange, proof.date(), 85, evidence)
                        .protective()
                })
            })
            .collect()
    }

    /// No payment of any main income for more than 45 days after the last one.
    fn income_stop(&self) -> Option<LifeMoment> {
        const GAP_DAYS: i64 = 45;
        let last = self
            .flows
            .iter()
            .filter(|flow| is_main_income(flow) && flow.recurrence.evidence.len() >= 3)
            .max_by_key(|flow| flow.recurrence.last_seen)?;
        let known_on = plus_days(last.recurrence.last_seen, GAP_DAYS + 1);
        let later_income = self.lines().any(|entry| {
            entry.cents() > 0
                && entry.date() > last.recurrence.last_seen
                && matches!(
                    entry.category(),
                    Category::IncomeSalary
                        | Category::IncomeRetirement
                        | Category::IncomeReplacement
                )
        });
        (known_on <= self.ledger.as_of && !later_income).then(|| {
            let evidence = last
                .recurrence
                .evidence
                .last()
                .cloned()
                .into_iter()
                .collect();
            LifeMoment::new(MomentKind::IncomeChange, known_on, 75, evidence).protective()
        })
    }

    fn entries_of(&self, flow: &Flow) -> Vec<&Entry<'a>> {
        flow.entries
            .iter()
            .filter_map(|index| self.ledger.entries.get(*index))
            .collect()
    }
}

fn is_main_income(flow: &Flow) -> bool {
    matches!(
        flow.recurrence.category,
        Category::IncomeSalary | Category::IncomeRetirement | Category::IncomeReplacement
    )
}
