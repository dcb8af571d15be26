//! Lines that belong together: found once, counted once.

use std::collections::BTreeSet;

use passerelle_domain::account::AccountKind;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

use crate::ledger::{Entry, Ledger, Part};
use crate::operation::Operation;
use crate::taxonomy::Category;

/// How two lines belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    /// The two sides of a transfer between accounts of the same person.
    InternalTransfer,
    /// A card settlement on the payment account and on the card.
    CardSettlement,
    /// A direct debit and its rejection.
    RejectedDebit,
    /// A rejected debit and the debit presented again for it.
    Representation,
    /// A cheque and its rejection.
    RejectedCheque,
    /// A transfer and its return.
    ReturnedTransfer,
    /// A purchase and money back on it.
    Refund,
}

impl RelationKind {
    /// Whether the relation is a sign of difficulty, never available to a purpose that sells.
    #[must_use]
    pub fn is_protective_only(self) -> bool {
        matches!(
            self,
            Self::RejectedDebit | Self::RejectedCheque | Self::Representation
        )
    }
}

/// Two lines that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// How.
    pub kind: RelationKind,
    /// The line that came first, or the side that money left.
    pub from: TransactionId,
    /// The other line.
    pub to: TransactionId,
}

/// A transfer needs at most this many days to arrive (weekend and bank holiday included).
const TRANSFER_DAYS: i64 = 3;
/// No pair of lines is looked for further apart than this.
const PAIR_DAYS: i64 = 7;
/// A debit may be contested for eight weeks (SEPA direct debit rulebook); later returns are rare.
const RETURN_DAYS: i64 = 60;
/// A debit presented again comes within this many days of the first attempt.
const REPRESENTATION_DAYS: i64 = 45;
/// The same where the label does not say so: well before the next monthly debit.
const SILENT_REPRESENTATION_DAYS: i64 = 20;
/// Shops give money back within three months at most.
const REFUND_DAYS: i64 = 92;
/// Purchases of a deferred card are settled at the latest this many days later.
const SETTLEMENT_DAYS: i64 = 62;

/// Finds all relations and gives each line its part. Card settlements first, because their amounts
/// could pass for transfers.
pub(crate) fn find(ledger: &mut Ledger<'_>) {
    settle_cards(ledger);
    find_returns(ledger);
    find_internal_transfers(ledger);
    find_refunds(ledger);
}

/// A settlement whose purchases are seen on a shared card is counted by its purchases; one of a card that
/// is not shared is all that is seen of what was bought with it.
fn settle_cards(ledger: &mut Ledger<'_>) {
    let settlements: Vec<usize> = positions(ledger, |_, entry| {
        entry.operation() == Operation::DeferredCard
    });
    let pairs = pair(
        ledger,
        &settlements,
        RelationKind::CardSettlement,
        |ledger, from, to| {
            let distance = (to.day - from.day).abs();
            (ledger.kind_of(from) == AccountKind::Payment
                && ledger.kind_of(to) == AccountKind::Card
                && from.cents() == -to.cents()
                && from.cents() < 0
                && distance <= PAIR_DAYS)
                .then_some(distance)
        },
    );
    let mut settled: Vec<usize> = positions(ledger, |ledger, entry| {
        entry.operation() == Operation::DeferredCard
            && ledger.kind_of(entry) == AccountKind::Card
            && entry.cents() > 0
    });
    settled.extend(pairs.iter().map(|(from, _)| *from));
    settled.extend(settled_without_a_line_on_the_card(
        ledger,
        &settlements,
        &pairs,
    ));
    for index in settled {
        set_part(ledger, index, Part::CardSettlement);
    }
}

/// Cards whose bank books nothing on the card when it is settled: each month each shared card with
/// purchases takes the one settlement nearest to their sum.
fn settled_without_a_line_on_the_card(
    ledger: &Ledger<'_>,
    settlements: &[usize],
    pairs: &[(usize, usize)],
) -> Vec<usize> {
    let entry = |index: &usize| ledger.entries.get(*index);
    let alone: Vec<(usize, &Entry<'_>)> = settlements
        .iter()
        .filter(|index| !pairs.iter().any(|(from, _)| from == *index))
        .filter_map(|index| Some((*index, entry(index)?)))
        .filter(|(_, line)| ledger.kind_of(line) != AccountKind::Card)
        .collect();
    let mut possible: Vec<(i64, usize, usize, i64)> = Vec::new();
    for (index, line) in &alone {
        for card in cards_used_before(ledger, line) {
            let unpaid = (line.cents() - spent_with(ledger, card, line.day)).abs();
            possible.push((unpaid, *index, card, line.day));
        }
    }
    possible.sort_unstable();
    let mut taken: Vec<(usize, i64)> = pairs
        .iter()
        .filter_map(|(from, to)| Some((entry(to)?.account, entry(from)?.day)))
        .collect();
    let mut settled = Vec::new();
    for (_, index, card, day) in possible {
        let is_taken = taken
            .iter()
            .any(|(other, on)| *other == card && (on - day).abs() <= PAIR_DAYS);
        if !is_taken && !settled.contains(&index) {
            taken.push((card, day));
            settled.push(index);
        }
    }
    settled
}

/// The card accounts with a purchase a settlement may be for.
fn cards_used_before(ledger: &Ledger<'_>, settlement: &Entry<'_>) -> BTreeSet<usize> {
    ledger
        .entries
        .iter()
        .filter(|entry| {
            ledger.kind_of(entry) == AccountKind::Card
                && entry.cents() < 0
                && (0..=SETTLEMENT_DAYS).contains(&(settlement.day - entry.day))
        })
        .map(|entry| entry.account)
        .collect()
}

/// What moved on a card in the month before a day, in cents.
fn spent_with(ledger: &Ledger<'_>, card: usize, day: i64) -> i64 {
    const MONTH: i64 = 31;
    ledger
        .entries
        .iter()
        .filter(|entry| entry.account == card && (0..MONTH).contains(&(day - entry.day)))
        .map(Entry::cents)
        .sum()
}

fn find_returns(ledger: &mut Ledger<'_>) {
    let kinds = [
        (Operation::DirectDebitRejected, RelationKind::RejectedDebit),
        (Operation::ChequeRejected, RelationKind::RejectedCheque),
        (Operation::TransferReturned, RelationKind::ReturnedTransfer),
    ];
    for (operation, kind) in kinds {
        let returns = positions(ledger, |_, entry| {
            entry.operation() == operation && entry.cents() > 0
        });
        for index in returns {
            let Some(original) = original_of(ledger, index, kind) else {
                continue;
            };
            set_part(ledger, index, Part::Return);
            set_part(ledger, original, Part::GivenBack);
            relate(ledger, kind, original, index);
            if kind == RelationKind::RejectedDebit {
                find_representation(ledger, original, index);
            }
        }
    }
}

/// The debit that is presented again: the same payee and amount soon after the return. One that the
/// label calls so may come later than one that only looks so, which might be next month's.
fn find_representation(ledger: &mut Ledger<'_>, original: usize, given_back: usize) {
    let (Some(first), Some(back)) = (ledger.entries.get(original), ledger.entries.get(given_back))
    else {
        return;
    };
    let again = ledger
        .entries
        .iter()
        .enumerate()
        .skip(given_back)
        .find(|(_, entry)| {
            let named = entry
                .line
                .label
                .expose()
                .to_ascii_uppercase()
                .contains("REPRES");
            let limit = if named {
                REPRESENTATION_DAYS
            } else {
                SILENT_REPRESENTATION_DAYS
            };
            entry.account == first.account
                && entry.part == Part::Ordinary
                && entry.cents() == first.cents()
                && same_payee(entry, first)
                && entry.date() >= back.date()
                && (entry.day - first.day) <= limit
        })
        .map(|(index, _)| index);
    if let Some(again) = again {
        set_part(ledger, again, Part::Representation);
        relate(ledger, RelationKind::Representation, original, again);
    }
}

fn same_payee(one: &Entry<'_>, other: &Entry<'_>) -> bool {
    match (&one.enrichment.merchant, &other.enrichment.merchant) {
        (Some(first), Some(second)) => first == second,
        (None, None) => one.enrichment.cleaned == other.enrichment.cleaned,
        _ => false,
    }
}

/// The latest earlier debit of the same amount on the same account; of the same payee where both
/// sides name one.
fn original_of(ledger: &Ledger<'_>, index: usize, kind: RelationKind) -> Option<usize> {
    let given_back = ledger.entries.get(index)?;
    ledger
        .entries
        .iter()
        .enumerate()
        .filter(|(position, entry)| {
            let distance = given_back.day - entry.day;
            let names = (&entry.enrichment.merchant, &given_back.enrichment.merchant);
            let same_payee = !matches!(names, (Some(one), Some(other)) if one != other);
            let same_means = match kind {
                RelationKind::RejectedCheque => entry.operation() == Operation::ChequeOut,
                RelationKind::ReturnedTransfer => entry.operation().is_outgoing_transfer(),
                _ => true,
            };
            *position != index
                && entry.account == given_back.account
                && entry.part == Part::Ordinary
                && entry.cents() == -given_back.cents()
                && (0..=RETURN_DAYS).contains(&distance)
                && same_payee
                && same_means
        })
        .max_by_key(|(position, entry)| {
            let named = entry.enrichment.merchant.is_some()
                && entry.enrichment.merchant == given_back.enrichment.merchant;
            (named, *position)
        })
        .map(|(position, _)| position)
}

fn find_internal_transfers(ledger: &mut Ledger<'_>) {
    let candidates = positions(ledger, |ledger, entry| {
        entry.part == Part::Ordinary
            && ledger.kind_of(entry) != AccountKind::Card
            && may_be_internal(entry)
    });
    let pairs = pair(
        ledger,
        &candidates,
        RelationKind::InternalTransfer,
        |_, from, to| {
            let distance = (to.day - from.day).abs();
            (from.cents() < 0
                && from.cents() == -to.cents()
                && from.account != to.account
                && distance <= TRANSFER_DAYS)
                .then_some(distance)
        },
    );
    for (from, to) in pairs {
        let into_savings = ledger
            .entries
            .get(to)
            .is_some_and(|entry| ledger.kind_of(entry) == AccountKind::Savings)
            || ledger
                .entries
                .get(from)
                .is_some_and(|entry| ledger.kind_of(entry) == AccountKind::Savings);
        let category = if into_savings {
            Category::TransferSavings
        } else {
            Category::TransferInternal
        };
        for index in [from, to] {
            set_part(ledger, index, Part::InternalTransfer);
            ledger.reclassify(index, category, "found on both accounts", 97);
        }
    }
}

/// Transfers, and lines whose means is not told: never a card payment, a debit or a cheque.
fn may_be_internal(entry: &Entry<'_>) -> bool {
    let operation = entry.operation();
    operation.is_incoming_transfer()
        || operation.is_outgoing_transfer()
        || matches!(
            operation,
            Operation::TransferInternal | Operation::Unknown | Operation::Interest
        ) && !entry.line.sensitive
}

fn find_refunds(ledger: &mut Ledger<'_>) {
    let refunds = positions(ledger, |_, entry| {
        entry.operation() == Operation::CardRefund
            && entry.cents() > 0
            && entry.part == Part::Ordinary
    });
    let mut refunded: Vec<usize> = Vec::new();
    for index in refunds {
        let Some(refund) = ledger.entries.get(index) else {
            continue;
        };
        let original = ledger
            .entries
            .iter()
            .enumerate()
            .filter(|(position, entry)| {
                let distance = refund.day - entry.day;
                let same_payee = match &refund.enrichment.merchant {
                    Some(name) => entry.enrichment.merchant.as_ref() == Some(name),
                    None => entry.enrichment.cleaned == refund.enrichment.cleaned,
                };
                !refunded.contains(position)
                    && entry.part == Part::Ordinary
                    && entry.cents() < 0
                    && -entry.cents() >= refund.cents()
                    && (0..=REFUND_DAYS).contains(&distance)
                    && same_payee
            })
            .min_by_key(|(position, entry)| {
                (
                    -entry.cents() - refund.cents(),
                    std::cmp::Reverse(*position),
                )
            })
            .map(|(position, _)| position);
        set_part(ledger, index, Part::Refund);
        if let Some(original) = original {
            refunded.push(original);
            relate(ledger, RelationKind::Refund, original, index);
        }
    }
}

fn positions(ledger: &Ledger<'_>, wanted: impl Fn(&Ledger<'_>, &Entry<'_>) -> bool) -> Vec<usize> {
    ledger
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| wanted(ledger, entry))
        .map(|(index, _)| index)
        .collect()
}

/// Pairs each line with the nearest partner, each line at most once, nearest pairs first.
fn pair(
    ledger: &mut Ledger<'_>,
    candidates: &[usize],
    kind: RelationKind,
    distance: impl Fn(&Ledger<'_>, &Entry<'_>, &Entry<'_>) -> Option<i64>,
) -> Vec<(usize, usize)> {
    let mut possible: Vec<(i64, usize, usize)> = Vec::new();
    for (position, one) in candidates.iter().enumerate() {
        let Some(first) = ledger.entries.get(*one) else {
            continue;
        };
        // Candidates are in the order of their dates.
        let later = candidates.iter().skip(position + 1);
        for other in later {
            let Some(second) = ledger.entries.get(*other) else {
                continue;
            };
            if second.day - first.day > PAIR_DAYS {
                break;
            }
            if let Some(days) = distance(ledger, first, second) {
                possible.push((days, *one, *other));
            } else if let Some(days) = distance(ledger, second, first) {
                possible.push((days, *other, *one));
            }
        }
    }
    possible.sort_unstable();
    let mut used = BTreeSet::new();
    let mut pairs = Vec::new();
    for (_, from, to) in possible {
        if used.contains(&from) || used.contains(&to) {
            continue;
        }
        used.extend([from, to]);
        relate(ledger, kind, from, to);
        pairs.push((from, to));
    }
    pairs
}

fn set_part(ledger: &mut Ledger<'_>, index: usize, part: Part) {
    if let Some(entry) = ledger.entries.get_mut(index) {
        entry.part = part;
    }
}

fn relate(ledger: &mut Ledger<'_>, kind: RelationKind, from: usize, to: usize) {
    if let (Some(one), Some(other)) = (ledger.entries.get(from), ledger.entries.get(to)) {
        let relation = Relation {
            kind,
            from: one.id(),
            to: other.id(),
        };
        ledger.relations.push(relation);
    }
}
