//! A child, a pension: looked for only when the person asked.

use super::{LifeMoment, MomentKind, Story};
use crate::label::Words;
use crate::ledger::Entry;
use crate::taxonomy::Category;

impl Story<'_, '_> {
    /// At the first family benefit. Help with rent, a minimum income and the like come from the same
    /// fund and say nothing of a child.
    pub(super) fn new_child(&self) -> Option<LifeMoment> {
        self.first_of(Category::IncomeFamilyBenefit, |entry| !is_for_adults(entry))
            .map(|first| self.known_at(first, MomentKind::NewChild, 70))
    }

    /// At the first pension.
    pub(super) fn retirement(&self) -> Option<LifeMoment> {
        self.first_of(Category::IncomeRetirement, |_| true)
            .map(|first| self.known_at(first, MomentKind::Retirement, 85))
    }

    /// The first line of an income, when the history was silent about it long enough.
    fn first_of(&self, category: Category, is_one: fn(&Entry<'_>) -> bool) -> Option<&Entry<'_>> {
        self.lines()
            .find(|entry| entry.category() == category && entry.cents() > 0 && is_one(entry))
            .filter(|first| first.date() > self.quiet_until)
    }

    fn known_at(&self, entry: &Entry<'_>, kind: MomentKind, confidence: u8) -> LifeMoment {
        LifeMoment::new(kind, entry.date(), confidence, vec![entry.id()])
    }
}

/// Benefits a household has without children.
fn is_for_adults(entry: &Entry<'_>) -> bool {
    const ADULTS: [&str; 10] = [
        "APL",
        "ALS",
        "AL",
        "LOGEMENT",
        "RSA",
        "ACTIVITE",
        "PPA",
        "AAH",
        "ASPA",
        "INCLUSION",
    ];
    Words::of([entry.line.label.expose()])
        .iter()
        .any(|word| ADULTS.contains(&word))
}
