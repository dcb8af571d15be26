//! Merging what a bank served into what is known, without loss or double.
//!
//! Identity comes from the bank's id where it can be trusted inside this account, otherwise from a
//! fingerprint of the line plus an ordinal among identical lines of one booking day, so two equal
//! coffees stay two. Any order, repetition or overlap of the same history gives the same ledger. A
//! line whose id the bank changed keeps the identity it had. Pending lines are a view that each fetch
//! replaces.
//!
//! What is known of the recent past is a short list of ids and digests ([`SeenLine`]), so a sync that
//! finds nothing new reads no stored page.
//!
//! A long history may be read in parts, with pauses between them: what decides a line's identity is
//! taken from each line as it comes ([`ServedLine`]), and the decision falls once, over all of them. So a
//! history read in parts gives the ledger of one read at once, and half a history decides nothing.

mod served;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, TransactionId};
use crate::transaction::{FetchedTransaction, PendingTransaction, Transaction};

use self::served::{BookedLine, LineDigest};
pub use self::served::{ServedLine, ServedWindow};

/// What a bank served for one account in one sync.
#[derive(Debug, Clone)]
pub struct FetchedWindow {
    /// First booking day served completely: identical lines are counted per whole day.
    pub from: Date,
    /// Every line of the window, in any order, pages already joined.
    pub lines: Vec<FetchedTransaction>,
}

/// From which day on a history is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// From a day that was asked for.
    Since(Date),
    /// As far back as the bank gave: its oldest booked line tells, or this day when it gave none. Claiming
    /// more would make older stored lines look withdrawn.
    AsServed(Date),
}

impl Coverage {
    /// The first complete day, given the booking days that were served.
    #[must_use]
    pub fn first_day(self, booked: impl IntoIterator<Item = Date>) -> Date {
        match self {
            Self::Since(day) => day,
            Self::AsServed(otherwise) => booked.into_iter().min().unwrap_or(otherwise),
        }
    }
}

/// A booked line as it was last served: enough to know it again and to see that it changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenLine {
    /// Its identity.
    pub id: TransactionId,
    /// Its booking day.
    pub day: Date,
    /// A digest of its content.
    pub digest: u32,
}

/// What the merge decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Lines that are new, or known lines whose content the bank changed.
    pub upserts: Vec<Transaction>,
    /// Known lines inside the window the bank no longer serves, with their booking day.
    pub vanished: BTreeMap<TransactionId, Date>,
    /// The replaceable view of what is expected.
    pub pending: Vec<PendingTransaction>,
    /// What to know at the next sync: every line served, and known lines older than the window.
    pub seen: Vec<SeenLine>,
    /// Booked lines without any date, held back until the bank dates them.
    pub undated: usize,
}

impl Reconciled {
    /// Whether the stored history stays as it is.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.upserts.is_empty() && self.vanished.is_empty()
    }
}

/// Merges a fetched window into what is known of one account.
#[must_use]
pub fn reconcile(account: &AccountId, seen: &[SeenLine], window: FetchedWindow) -> Reconciled {
    let lines = window.lines.into_iter();
    let window = ServedWindow {
        from: window.from,
        lines: lines
            .map(|line| ServedLine::of(account, line, |row| row))
            .collect(),
    };
    reconcile_served(seen, window)
}

/// Merges a window of served lines into what is known of their account.
#[must_use]
pub fn reconcile_served(seen: &[SeenLine], window: ServedWindow) -> Reconciled {
    let mut reconciled = Reconciled::default();
    let mut booked = Vec::new();
    for line in window.lines {
        match line {
            ServedLine::Pending { line, .. } => reconciled.pending.push(line),
            ServedLine::Undated => reconciled.undated += 1,
            // Before the window a day may be incomplete, so its ordinals would lie.
            ServedLine::Booked(line) if line.row.booking_date < window.from => {}
            ServedLine::Booked(line) => booked.push(*line),
        }
    }
    let known: BTreeMap<&TransactionId, &SeenLine> =
        seen.iter().map(|line| (&line.id, line)).collect();
    let mut served = BTreeSet::new();
    let lines = identify(booked);
    for (line, row) in keep_identities(lines, &known, window.from) {
        if known.get(&line.id).is_none_or(|before| **before != line) {
            reconciled.upserts.push(row);
        }
        served.insert(line);
    }
    let served_ids: BTreeSet<&TransactionId> = served.iter().map(|line| &line.id).collect();
    for line in seen {
        if line.day < window.from {
            reconciled.seen.push(line.clone());
        } else if !served_ids.contains(&line.id) {
            reconciled.vanished.insert(line.id.clone(), line.day);
        }
    }
    reconciled.seen.extend(served);
    reconciled
}

/// A line known by its identity, and the row that is kept of it.
type Known = (SeenLine, Transaction);

/// Some banks give a booked line another id from one day to the next. A line that is new by its id
/// and says what a missing one said is that line: what was built on its identity keeps standing.
fn keep_identities(
    mut lines: Vec<Known>,
    known: &BTreeMap<&TransactionId, &SeenLine>,
    from: Date,
) -> Vec<Known> {
    let served: BTreeSet<TransactionId> = lines.iter().map(|(line, _)| line.id.clone()).collect();
    let mut missing: BTreeMap<(Date, u32), Vec<&TransactionId>> = BTreeMap::new();
    for line in known.values().rev() {
        if line.day >= from && !served.contains(&line.id) {
            let content = (line.day, line.digest);
            missing.entry(content).or_default().push(&line.id);
        }
    }
    for (line, row) in &mut lines {
        if known.contains_key(&line.id) {
            continue;
        }
        let same = missing.get_mut(&(line.day, line.digest));
        if let Some(id) = same.and_then(Vec::pop) {
            line.id = id.clone();
            row.id = id.clone();
        }
    }
    lines
}

/// Gives every booked line its identity.
fn identify(mut booked: Vec<BookedLine>) -> Vec<Known> {
    // Sorted by content, so that the order a bank serves in never decides an ordinal.
    booked.sort_by_key(BookedLine::place);
    let trusted = trusted_references(&booked);
    let mut by_id: BTreeMap<TransactionId, Known> = BTreeMap::new();
    let mut ordinals: BTreeMap<LineDigest, u32> = BTreeMap::new();
    for line in booked {
        let referenced = line.reference.as_ref();
        let referenced = referenced.filter(|reference| trusted.contains(&reference.digest));
        let (id, is_referenced) = match referenced {
            Some(reference) => (reference.id.clone(), true),
            None => {
                let ordinal = ordinals.entry(line.fingerprint).or_default();
                *ordinal += 1;
                (line.fingerprinted(*ordinal), false)
            }
        };
        by_id.insert(id.clone(), line.identified(id, is_referenced));
    }
    by_id.into_values().collect()
}

/// References that name one line only. A reference that two different lines share is a bank's
/// mistake and identifies neither; the same line served twice (overlapping pages) is no collision.
fn trusted_references(booked: &[BookedLine]) -> BTreeSet<LineDigest> {
    let mut seen: BTreeMap<LineDigest, LineDigest> = BTreeMap::new();
    let mut shared: BTreeSet<LineDigest> = BTreeSet::new();
    for line in booked {
        let Some(reference) = &line.reference else {
            continue;
        };
        if *seen.entry(reference.digest).or_insert(line.whole) != line.whole {
            shared.insert(reference.digest);
        }
    }
    seen.into_keys()
        .filter(|reference| !shared.contains(reference))
        .collect()
}

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Amount;
    use crate::private::Private;
    use crate::transaction::{BookingStatus, Counterparty, EntryReference};

    fn account() -> AccountId {
        AccountId::from_entropy([7; 16])
    }

    fn line(day: i8, cents: i64, label: &str, reference: Option<&str>) -> FetchedTransaction {
        FetchedTransaction {
            entry_reference: reference.and_then(EntryReference::parse),
            status: BookingStatus::Booked,
            booking_date: Some(Date::constant(2026, 11, day)),
            value_date: None,
            transaction_date: None,
            amount: Amount::eur(cents),
            label: Private::new(label),
            counterparty: Counterparty::default(),
            creditor_id: None,
            mandate_id: None,
            end_to_end_id: None,
            bank_transaction_code: None,
            balance_after: None,
        }
    }

    fn window(lines: Vec<FetchedTransaction>) -> FetchedWindow {
        FetchedWindow {
            from: Date::constant(2026, 11, 1),
            lines,
        }
    }

    fn first(lines: Vec<FetchedTransaction>) -> Reconciled {
        reconcile(&account(), &[], window(lines))
    }

    fn ledger(lines: Vec<FetchedTransaction>) -> Vec<Transaction> {
        first(lines).upserts
    }

    #[test]
    fn two_equal_payments_on_one_day_stay_two() {
        let coffee = line(3, -250, "CARTE CAFE", None);
        assert_eq!(ledger(vec![coffee.clone(), coffee]).len(), 2);
    }

    #[test]
    fn a_reference_shared_by_different_lines_identifies_neither() {
        let rows = ledger(vec![
            line(3, -250, "CARTE CAFE", Some("17")),
            line(3, -250, "CARTE BOULANGERIE", Some("17")),
        ]);
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn a_recycled_reference_never_overwrites_an_older_line() {
        let old = first(vec![line(2, -900, "CARTE LIVRE", Some("1"))]);
        let late = FetchedWindow {
            from: Date::constant(2026, 11, 10),
            lines: vec![line(12, -300, "CARTE CAFE", Some("1"))],
        };
        let merged = reconcile(&account(), &old.seen, late);
        assert_eq!(merged.upserts.len(), 1);
        assert_ne!(merged.upserts[0].id, old.upserts[0].id);
        assert!(merged.vanished.is_empty());
        assert_eq!(merged.seen.len(), 2);
    }

    #[test]
    fn a_line_the_bank_withdrew_is_reported_as_vanished() {
        let known = first(vec![line(3, -250, "CARTE HOTEL", Some("a1"))]);
        let merged = reconcile(&account(), &known.seen, window(vec![]));
        assert_eq!(
            merged.vanished,
            BTreeMap::from([(known.upserts[0].id.clone(), Date::constant(2026, 11, 3))])
        );
        assert!(merged.seen.is_empty());
    }

    #[test]
    fn a_line_whose_text_the_bank_changed_is_updated_in_place() {
        let known = first(vec![line(3, -250, "CARTE HOT", Some("a1"))]);
        let later = window(vec![line(3, -250, "CARTE HOTEL", Some("a1"))]);
        let merged = reconcile(&account(), &known.seen, later);
        assert_eq!(merged.upserts.len(), 1);
        assert_eq!(merged.upserts[0].id, known.upserts[0].id);
        assert!(merged.vanished.is_empty());
    }

    #[test]
    fn a_booked_line_whose_id_the_bank_changed_keeps_its_identity() {
        let known = first(vec![line(3, -250, "CARTE HOTEL", Some("a1"))]);
        let later = window(vec![line(3, -250, "CARTE HOTEL", Some("b7"))]);
        let merged = reconcile(&account(), &known.seen, later);
        assert!(merged.is_unchanged());
        assert_eq!(merged.seen, known.seen);
    }

    #[test]
    fn another_line_does_not_take_the_identity_of_a_withdrawn_one() {
        let known = first(vec![line(3, -250, "CARTE HOTEL", Some("a1"))]);
        let later = window(vec![line(3, -240, "CARTE HOTEL", Some("b7"))]);
        let merged = reconcile(&account(), &known.seen, later);
        assert_eq!(merged.upserts.len(), 1);
        assert_ne!(merged.upserts[0].id, known.upserts[0].id);
        assert_eq!(merged.vanished.len(), 1);
    }

    #[test]
    fn pending_lines_never_become_history() {
        let mut pending = line(3, -250, "CARTE", Some("p1"));
        pending.status = BookingStatus::Pending;
        let merged = reconcile(&account(), &[], window(vec![pending]));
        assert!(merged.is_unchanged());
        assert_eq!(merged.pending.len(), 1);
    }
}
