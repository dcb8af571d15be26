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

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, TransactionId};
use crate::transaction::{
    BookingStatus, EntryReference, FetchedTransaction, PendingTransaction, Transaction,
};

/// What a bank served for one account in one sync.
#[derive(Debug, Clone)]
pub struct FetchedWindow {
    /// First booking day served completely: identical lines are counted per whole day.
    pub from: Date,
    /// Every line of the window, in any order, pages already joined.
    pub lines: Vec<FetchedTransaction>,
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

impl SeenLine {
    fn of(row: &Transaction) -> Self {
        Self {
            id: row.id.clone(),
            day: row.booking_date,
            digest: content(row),
        }
    }
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
    let mut reconciled = Reconciled::default();
    let mut booked = Vec::new();
    for line in window.lines {
        match (
            line.status,
            line.booking_date
                .or(line.transaction_date)
                .or(line.value_date),
        ) {
            (BookingStatus::Pending, date) => reconciled.pending.push(PendingTransaction {
                date,
                amount: line.amount,
                label: line.label,
            }),
            (BookingStatus::Booked, None) => reconciled.undated += 1,
            // Before the window a day may be incomplete, so its ordinals would lie.
            (BookingStatus::Booked, Some(date)) if date < window.from => {}
            (BookingStatus::Booked, Some(date)) => booked.push((date, line)),
        }
    }
    let known: BTreeMap<&TransactionId, &SeenLine> =
        seen.iter().map(|line| (&line.id, line)).collect();
    let mut served = BTreeSet::new();
    let rows = identify(account, booked);
    for row in keep_identities(rows, &known, window.from) {
        let line = SeenLine::of(&row);
        if known.get(&row.id).is_none_or(|before| **before != line) {
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

/// Some banks give a booked line another id from one day to the next. A line that is new by its id
/// and says what a missing one said is that line: what was built on its identity keeps standing.
fn keep_identities(
    mut rows: Vec<Transaction>,
    known: &BTreeMap<&TransactionId, &SeenLine>,
    from: Date,
) -> Vec<Transaction> {
    let served: BTreeSet<TransactionId> = rows.iter().map(|row| row.id.clone()).collect();
    let mut missing: BTreeMap<(Date, u32), Vec<&TransactionId>> = BTreeMap::new();
    for line in known.values().rev() {
        if line.day >= from && !served.contains(&line.id) {
            let content = (line.day, line.digest);
            missing.entry(content).or_default().push(&line.id);
        }
    }
    for row in &mut rows {
        if known.contains_key(&row.id) {
            continue;
        }
        let same = missing.get_mut(&(row.booking_date, content(row)));
        if let Some(id) = same.and_then(Vec::pop) {
            row.id = id.clone();
        }
    }
    rows
}

/// A digest of everything a served line says.
fn content(row: &Transaction) -> u32 {
    let exposed = |text: &Option<crate::private::Private>| {
        text.as_ref()
            .map(|private| private.expose().to_owned())
            .unwrap_or_default()
    };
    let text = format!(
        "{:?}|{:?}|{}|{}|{}|{}|{:?}|{}|{}|{:?}",
        row.value_date,
        row.transaction_date,
        row.amount,
        row.label.expose(),
        exposed(&row.counterparty.name),
        exposed(&row.counterparty.iban),
        row.creditor_id,
        exposed(&row.mandate_id),
        exposed(&row.end_to_end_id),
        row.bank_transaction_code,
    );
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte))
}

/// Gives every booked line its identity.
fn identify(account: &AccountId, mut booked: Vec<(Date, FetchedTransaction)>) -> Vec<Transaction> {
    // Sorted by content, so that the order a bank serves in never decides an ordinal.
    booked.sort();
    let trusted = trusted_references(&booked);
    let mut by_id: BTreeMap<TransactionId, Transaction> = BTreeMap::new();
    let mut ordinals: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for (date, mut line) in booked {
        line.entry_reference = line.entry_reference.filter(|id| trusted.contains(id));
        let id = match &line.entry_reference {
            Some(reference) => derive_id(&[
                account.as_str().as_bytes(),
                b"reference",
                reference.as_str().as_bytes(),
                // Some banks recycle small numbers: the day and the amount keep an old line safe.
                date.to_string().as_bytes(),
                line.amount.to_string().as_bytes(),
            ]),
            None => {
                let content = fingerprint(date, &line);
                let ordinal = ordinals.entry(content.clone()).or_default();
                *ordinal += 1;
                derive_id(&[
                    account.as_str().as_bytes(),
                    b"fingerprint",
                    &content,
                    &ordinal.to_be_bytes(),
                ])
            }
        };
        by_id.insert(id.clone(), transaction(id, date, line));
    }
    by_id.into_values().collect()
}

/// References that name one line only. A reference that two different lines share is a bank's
/// mistake and identifies neither; the same line served twice (overlapping pages) is no collision.
fn trusted_references(booked: &[(Date, FetchedTransaction)]) -> BTreeSet<EntryReference> {
    let mut seen: BTreeMap<&EntryReference, (Date, &FetchedTransaction)> = BTreeMap::new();
    let mut shared: BTreeSet<&EntryReference> = BTreeSet::new();
    for (date, line) in booked {
        let Some(reference) = &line.entry_reference else {
            continue;
        };
        match seen.get(reference) {
            Some((first_date, first)) if first_date != date || *first != line => {
                shared.insert(reference);
            }
            Some(_) => {}
            None => {
                seen.insert(reference, (*date, line));
            }
        }
    }
    seen.into_keys()
        .filter(|reference| !shared.contains(reference))
        .cloned()
        .collect()
}

fn fingerprint(date: Date, line: &FetchedTransaction) -> Vec<u8> {
    let normalised: String = line
        .label
        .expose()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_uppercase();
    let counterparty = line.counterparty.iban.as_ref().map(|iban| iban.expose());
    let end_to_end = line.end_to_end_id.as_ref().map(|id| id.expose());
    let text = format!(
        "{date}|{:?}|{}|{normalised}|{}|{}|{}",
        line.value_date,
        line.amount,
        counterparty.unwrap_or_default(),
        end_to_end.unwrap_or_default(),
        line.balance_after
            .map(|amount| amount.to_decimal())
            .unwrap_or_default(),
    );
    digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .to_vec()
}

fn derive_id(parts: &[&[u8]]) -> TransactionId {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let hash = context.finish();
    let mut entropy = [0_u8; 16];
    for (target, source) in entropy.iter_mut().zip(hash.as_ref()) {
        *target = *source;
    }
    TransactionId::from_entropy(entropy)
}

fn transaction(id: TransactionId, booking_date: Date, line: FetchedTransaction) -> Transaction {
    Transaction {
        id,
        entry_reference: line.entry_reference,
        booking_date,
        value_date: line.value_date,
        transaction_date: line.transaction_date,
        amount: line.amount,
        label: line.label,
        counterparty: line.counterparty,
        creditor_id: line.creditor_id,
        mandate_id: line.mandate_id,
        end_to_end_id: line.end_to_end_id,
        bank_transaction_code: line.bank_transaction_code,
        balance_after: line.balance_after,
        sensitive: false,
    }
}

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Amount;
    use crate::private::Private;
    use crate::transaction::Counterparty;

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
