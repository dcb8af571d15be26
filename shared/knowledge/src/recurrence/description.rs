//! A chain of lines as the flow that is served: amount, state, lasting changes, confidence.

use std::collections::BTreeMap;

use jiff::civil::Date;
use passerelle_domain::money::Amount;

use super::chain::{Chain, change_permille};
use super::{AmountChange, Flow, FlowKind, FlowState, Recurrence, Rhythm};
use crate::ledger::{Entry, Ledger};
use crate::measure::{days_between, median, scaled};
use crate::taxonomy::Category;

pub(super) fn describe(ledger: &Ledger<'_>, chain: &Chain) -> Option<Flow> {
    let entries: Vec<&Entry<'_>> = chain
        .entries
        .iter()
        .filter_map(|index| ledger.entries.get(*index))
        .collect();
    let first = *entries.first()?;
    let last = *entries.last()?;
    let amounts: Vec<i64> = entries.iter().map(|entry| entry.cents()).collect();
    let changes = lasting_changes(&entries);
    // After a change the amount is the new one.
    let since_change: Vec<i64> = match changes.last() {
        Some(change) => entries
            .iter()
            .filter(|entry| entry.date() >= change.on)
            .map(|entry| entry.cents())
            .collect(),
        None => amounts.clone(),
    };
    let magnitudes = amounts.iter().map(|amount| amount.abs());
    let category = dominant_category(&entries);
    let recurrence = Recurrence {
        kind: FlowKind::of(category, last.operation()),
        category,
        merchant: last.enrichment.merchant.clone(),
        payee: last.enrichment.cleaned.clone(),
        account: ledger.accounts.get(last.account)?.id.clone(),
        rhythm: chain.rhythm,
        amount: Amount::eur(median(&since_change)?),
        lowest_cents: magnitudes.clone().min()?,
        highest_cents: magnitudes.max()?,
        first_seen: first.date(),
        last_seen: last.date(),
        regularity_permille: scaled(chain.seen(), 1_000, chain.due.max(1)),
        state: state_of(chain.rhythm, last.date(), ledger.as_of),
        changes,
        confidence: confidence_of(chain),
        occurrences: chain.seen(),
        evidence: entries.iter().map(|entry| entry.id()).collect(),
    };
    Some(Flow {
        recurrence,
        entries: chain.entries.clone(),
    })
}

fn state_of(rhythm: Rhythm, last: Date, as_of: Date) -> FlowState {
    let due = rhythm.after(last, 1);
    if days_between(due, as_of) > rhythm.tolerance() {
        FlowState::Ended { missed_on: due }
    } else {
        FlowState::Active { next_expected: due }
    }
}

/// The category most lines have; the later one between equals. One premium that says what it covers tells
/// more than all that do not.
fn dominant_category(entries: &[&Entry<'_>]) -> Category {
    let mut votes: BTreeMap<Category, (usize, usize)> = BTreeMap::new();
    for (position, entry) in entries.iter().enumerate() {
        let vote = votes.entry(entry.category()).or_default();
        vote.0 += 1;
        vote.1 = position;
    }
    let says_more = votes
        .keys()
        .any(|category| category.is_in("insurance") && *category != Category::InsuranceUnknownLine);
    if says_more {
        votes.remove(&Category::InsuranceUnknownLine);
    }
    votes
        .into_iter()
        .max_by_key(|(_, vote)| *vote)
        .map_or(Category::Unknown, |(category, _)| category)
}

/// Changes above 2 % (and 50 cents) that hold for the next occurrence too, or are the latest one of
/// a flow that was steady until then. An income that was not steady yet breathes with hours and bonuses: it
/// changes above 5 %.
fn lasting_changes(entries: &[&Entry<'_>]) -> Vec<AmountChange> {
    let mut changes = Vec::new();
    let Some(first) = entries.first() else {
        return changes;
    };
    let is_income = first.cents() > 0;
    let mut level = first.cents();
    let mut steady = 1;
    for (position, entry) in entries.iter().enumerate().skip(1) {
        let was_steady = steady >= 3;
        let floor = if is_income && !was_steady { 50 } else { 20 };
        let differs =
            |from: i64, to: i64| change_permille(from, to) > floor && (to - from).abs() >= 50;
        if !differs(level, entry.cents()) {
            steady += 1;
            continue;
        }
        let next = entries.get(position + 1);
        let holds = match next {
            Some(next) => !differs(entry.cents(), next.cents()),
            None => was_steady,
        };
        if holds {
            changes.push(AmountChange {
                on: entry.date(),
                from_cents: level,
                to_cents: entry.cents(),
                evidence: entry.id(),
            });
            level = entry.cents();
            steady = 1;
        }
    }
    changes
}

fn confidence_of(chain: &Chain) -> u8 {
    let by_count = match chain.seen() {
        ..=2 => 65,
        3 => 80,
        4..=5 => 88,
        _ => 95,
    };
    let missed = u8::try_from((chain.due - chain.seen()).clamp(0, 4)).unwrap_or(4) * 4;
    let unsteady: u8 = if chain.variation > 200 { 5 } else { 0 };
    by_count - missed - unsteady
}
