//! A home bought, a home changed.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{LifeMoment, MomentKind, Story};
use crate::ledger::Entry;
use crate::measure::days_between;
use crate::taxonomy::Category;

impl<'a> Story<'a, '_> {
    /// At the first strong sign (notary, first instalment of a home loan), or at the second weaker one
    /// (guarantee fee, deposit given back, first home premium, large works) within four months. A deposit
    /// given back and a new premium alone are a tenant's who moves.
    pub(super) fn home_purchase(&self, since: Date) -> Option<LifeMoment> {
        const NOTARY_FLOOR: i64 = 200_000;
        const WORKS_FLOOR: i64 = 150_000;
        const WEAK_SIGNS_WITHIN: i64 = 120;
        let notary = self
            .debits(Category::HousingPurchase)
            .find(|entry| entry.date() >= since && entry.cents() <= -NOTARY_FLOOR);
        let loan = self
            .debut(Category::HousingLoan)
            .filter(|entry| entry.date() >= since);
        let strong = [notary, loan]
            .into_iter()
            .flatten()
            .min_by_key(|entry| entry.date());
        let mut weak: Vec<&Entry<'a>> = [
            self.debits(Category::HousingPurchase)
                .find(|entry| entry.date() >= since && entry.cents() > -NOTARY_FLOOR),
            self.lines().find(|entry| {
                entry.date() >= since
                    && entry.category() == Category::HousingDeposit
                    && entry.cents() > 0
            }),
            self.debut(Category::InsuranceHome)
                .filter(|entry| entry.date() >= since),
            self.debits(Category::HousingWorksFurniture)
                .find(|entry| entry.date() >= since && entry.cents() <= -WORKS_FLOOR),
        ]
        .into_iter()
        .flatten()
        .collect();
        weak.sort_by_key(|entry| entry.date());
        let second_weak = weak.windows(2).find_map(|pair| match pair {
            [one, other] if days_between(one.date(), other.date()) <= WEAK_SIGNS_WITHIN => {
                Some((*one, *other)).filter(|_| !(is_tenancy(one) && is_tenancy(other)))
            }
            _ => None,
        });
        match (strong, second_weak) {
            (Some(strong), weak) if weak.is_none_or(|(_, at)| strong.date() <= at.date()) => {
                Some(LifeMoment::new(
                    MomentKind::HomePurchase,
                    strong.date(),
                    85,
                    vec![strong.id()],
                ))
            }
            (_, Some((one, other))) => Some(LifeMoment::new(
                MomentKind::HomePurchase,
                other.date(),
                60,
                vec![one.id(), other.id()],
            )),
            _ => None,
        }
    }

    /// At a removal firm or a rental deposit, or when two of energy, internet, water and rent change
    /// payee within two months.
    pub(super) fn moving(&self, since: Date) -> Option<LifeMoment> {
        const CHANGES_WITHIN: i64 = 60;
        let strong = self
            .lines()
            .filter(|entry| entry.cents() < 0 && entry.date() >= since)
            .find(|entry| {
                matches!(
                    entry.category(),
                    Category::HousingRemoval | Category::HousingDeposit
                )
            });
        let mut changes: Vec<(&Entry<'a>, &Entry<'a>)> = [
            Category::HousingEnergy,
            Category::TelecomInternet,
            Category::HousingWater,
            Category::HousingRent,
        ]
        .into_iter()
        .filter_map(|category| self.payee_change(category, since))
        .collect();
        changes.sort_by_key(|(_, new)| new.date());
        let two = changes.windows(2).find_map(|pair| match pair {
            [one, other] if days_between(one.1.date(), other.1.date()) <= CHANGES_WITHIN => {
                Some((one, other))
            }
            _ => None,
        });
        match (strong, two) {
            (Some(strong), two) if two.is_none_or(|(_, last)| strong.date() <= last.1.date()) => {
                Some(LifeMoment::new(
                    MomentKind::Moving,
                    strong.date(),
                    80,
                    vec![strong.id()],
                ))
            }
            (_, Some((one, other))) => Some(LifeMoment::new(
                MomentKind::Moving,
                other.1.date(),
                75,
                vec![one.0.id(), one.1.id(), other.1.id()],
            )),
            _ => None,
        }
    }

    /// The first line of a payee where another payee of the category was paid before.
    fn payee_change(&self, category: Category, since: Date) -> Option<(&Entry<'a>, &Entry<'a>)> {
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut last: Option<&Entry<'a>> = None;
        for entry in self.debits(category) {
            let payee = entry
                .enrichment
                .merchant
                .clone()
                .unwrap_or_else(|| entry.enrichment.cleaned.expose().to_owned());
            let is_new = known.insert(payee);
            if let (true, Some(before)) = (is_new, last)
                && entry.date() > self.quiet_until
                && entry.date() >= since
            {
                return Some((before, entry));
            }
            last = Some(entry);
        }
        None
    }
}

/// What a tenant who moves to another rented home has as well.
fn is_tenancy(entry: &Entry<'_>) -> bool {
    matches!(
        entry.category(),
        Category::HousingDeposit | Category::InsuranceHome
    )
}
