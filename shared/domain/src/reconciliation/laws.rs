//! What must hold for every history a bank can have and every way it can serve it.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    Coverage, FetchedWindow, Reconciled, SeenLine, ServedLine, ServedWindow, reconcile,
    reconcile_served,
};
use crate::ids::{AccountId, TransactionId};
use crate::money::Amount;
use crate::private::Private;
use crate::transaction::{
    BookingStatus, Counterparty, EntryReference, FetchedTransaction, Transaction,
};

const FIRST: Date = Date::constant(2026, 10, 1);

/// How many days the histories here are long.
const DAYS: i64 = 30;

fn day(offset: i64) -> Date {
    FIRST.checked_add(offset.days()).unwrap()
}

fn account() -> AccountId {
    AccountId::from_entropy([7; 16])
}

/// What is stored of one account, kept as the pages keep it.
#[derive(Default)]
struct Stored {
    rows: BTreeMap<TransactionId, Transaction>,
    seen: Vec<SeenLine>,
    pending: usize,
}

impl Stored {
    fn take(&mut self, from: Date, lines: Vec<FetchedTransaction>) -> bool {
        let Reconciled {
            upserts,
            vanished,
            pending,
            seen,
            ..
        } = reconcile(&account(), &self.seen, FetchedWindow { from, lines });
        let unchanged = upserts.is_empty() && vanished.is_empty();
        for row in upserts {
            self.rows.insert(row.id.clone(), row);
        }
        for id in vanished.keys() {
            self.rows.remove(id);
        }
        self.pending = pending.len();
        self.seen = seen;
        unchanged
    }

    /// What the rows say, whatever their ids.
    fn ledger(&self) -> Vec<(Date, i64, String)> {
        let mut ledger: Vec<_> = self
            .rows
            .values()
            .map(|row| {
                let label = row.label.expose().to_owned();
                (row.booking_date, row.amount.minor, label)
            })
            .collect();
        ledger.sort();
        ledger
    }

    fn ids(&self) -> Vec<&TransactionId> {
        self.rows.keys().collect()
    }
}

fn truth(history: &[FetchedTransaction]) -> Vec<(Date, i64, String)> {
    let mut ledger: Vec<_> = history
        .iter()
        .filter(|line| line.status == BookingStatus::Booked)
        .map(|line| {
            let label = line.label.expose().to_owned();
            (line.booking_date.unwrap(), line.amount.minor, label)
        })
        .collect();
    ledger.sort();
    ledger
}

/// How a bank gives ids.
#[derive(Debug, Clone, Copy)]
enum Ids {
    Sound,
    None,
    /// A handful, used again and again.
    Recycled,
}

/// Few days, amounts and texts, so that equal lines are common.
fn history(ids: Ids) -> impl Strategy<Value = Vec<FetchedTransaction>> {
    let line = (0..DAYS, -3_i64..3, "[AB]", 0_u8..4);
    vec(line, 0..60).prop_map(move |lines| {
        lines
            .into_iter()
            .enumerate()
            .map(|(index, (offset, cents, label, recycled))| {
                let reference = match ids {
                    Ids::Sound => Some(format!("R{index}")),
                    Ids::None => None,
                    Ids::Recycled => Some(format!("N{recycled}")),
                };
                FetchedTransaction {
                    entry_reference: reference.as_deref().and_then(EntryReference::parse),
                    status: BookingStatus::Booked,
                    booking_date: Some(day(offset)),
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
            })
            .collect()
    })
}

fn any_history() -> impl Strategy<Value = Vec<FetchedTransaction>> {
    // The same line under the same id is one line, served twice: no history holds it two times.
    let recycled = history(Ids::Recycled).prop_map(|mut lines| {
        lines.sort();
        lines.dedup();
        lines
    });
    prop_oneof![history(Ids::Sound), history(Ids::None), recycled]
}

/// A history and the same lines in another order.
fn shuffled() -> impl Strategy<Value = (Vec<FetchedTransaction>, Vec<FetchedTransaction>)> {
    any_history().prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle()))
}

/// The days syncs happen on, each with how many days it reads again.
fn syncs() -> impl Strategy<Value = Vec<(i64, i64)>> {
    vec((0..DAYS, 0..DAYS), 1..6)
}

fn since(history: &[FetchedTransaction], from: Date, until: Date) -> Vec<FetchedTransaction> {
    history
        .iter()
        .filter(|line| {
            line.booking_date
                .is_some_and(|day| from <= day && day <= until)
        })
        .cloned()
        .collect()
}

/// Lines as they come back from where each part of them was kept.
fn stored_in_parts(lines: &[FetchedTransaction], cuts: &[usize]) -> Vec<ServedLine> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(lines.len())).collect();
    cuts.extend([0, lines.len()]);
    cuts.sort_unstable();
    let mut joined = Vec::new();
    for ends in cuts.windows(2) {
        let part: Vec<ServedLine> = lines[ends[0]..ends[1]]
            .iter()
            .map(|line| ServedLine::of(&account(), line.clone(), Transaction::coarsened))
            .collect();
        let kept = serde_json::to_string(&part).unwrap();
        joined.extend(serde_json::from_str::<Vec<ServedLine>>(&kept).unwrap());
    }
    joined
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn order_and_page_split_do_not_matter((lines, other) in shuffled(), cut in 0_usize..60) {
        let (mut one, mut two, mut three) = (Stored::default(), Stored::default(), Stored::default());
        let cut = cut.min(lines.len());
        // Pages joined the other way round.
        let pages = [&lines[cut..], &lines[..cut]].concat();
        one.take(FIRST, lines.clone());
        two.take(FIRST, other);
        three.take(FIRST, pages);
        prop_assert_eq!(one.ledger(), truth(&lines));
        prop_assert_eq!(&one.rows, &two.rows);
        prop_assert_eq!(&one.rows, &three.rows);
    }

    /// Read in parts that are stored in between, sensitive text taken away, or read at once: the same
    /// lines under the same identities, over a first reading and over a later one.
    #[test]
    fn a_history_read_in_parts_gives_the_ledger_of_one_read_at_once(
        (lines, other) in shuffled(),
        cuts in vec(0_usize..60, 0..6),
        grown in 0..DAYS,
    ) {
        let (mut at_once, mut in_parts) = (Vec::new(), Vec::new());
        for (today, served) in [(grown, &lines), (DAYS, &other)] {
            let served = since(served, FIRST, day(today));
            let window = FetchedWindow { from: FIRST, lines: served.clone() };
            let whole = reconcile(&account(), &at_once, window);
            let stored = stored_in_parts(&served, &cuts);
            let booked = stored.iter().filter_map(ServedLine::booked_on);
            let from = Coverage::Since(FIRST).first_day(booked);
            let window = ServedWindow { from, lines: stored };
            let joined = reconcile_served(&in_parts, window);
            let ids = |reconciled: &Reconciled| -> Vec<(TransactionId, Date, i64)> {
                let rows = reconciled.upserts.iter();
                rows.map(|row| (row.id.clone(), row.booking_date, row.amount.minor)).collect()
            };
            prop_assert_eq!(ids(&whole), ids(&joined));
            prop_assert_eq!(&whole.vanished, &joined.vanished);
            prop_assert_eq!(&whole.seen, &joined.seen);
            prop_assert!(joined.upserts.iter().all(|row| row.label.is_empty()));
            (at_once, in_parts) = (whole.seen, joined.seen);
        }
    }

    #[test]
    fn overlapping_syncs_while_the_history_grows_give_the_whole_of_it(
        lines in any_history(),
        mut syncs in syncs(),
    ) {
        syncs.sort_unstable();
        let mut stored = Stored::default();
        let mut last = 0;
        for (today, again) in syncs.into_iter().chain([(DAYS, 0)]) {
            // The day of the sync before may have been incomplete: it is always read again.
            let from = day((last - again).max(0));
            stored.take(from, since(&lines, from, day(today)));
            prop_assert_eq!(stored.ledger(), truth(&since(&lines, FIRST, day(today))));
            last = today;
        }
    }

    #[test]
    fn sync_twice_is_sync_once((lines, other) in shuffled(), again in 0..DAYS) {
        let mut stored = Stored::default();
        stored.take(FIRST, lines.clone());
        let rows = stored.rows.clone();
        prop_assert!(stored.take(FIRST, other));
        let from = day(again);
        prop_assert!(stored.take(from, since(&lines, from, day(DAYS))));
        prop_assert_eq!(stored.rows, rows);
    }

    #[test]
    fn the_same_page_served_twice_adds_nothing_where_ids_are_sound(lines in history(Ids::Sound)) {
        let mut stored = Stored::default();
        stored.take(FIRST, [&lines[..], &lines[..]].concat());
        prop_assert_eq!(stored.ledger(), truth(&lines));
    }

    #[test]
    fn equal_payments_of_one_day_stay_as_many_as_they_are(copies in 1_usize..6, cents in -900_i64..-1) {
        let line = |_| FetchedTransaction {
            entry_reference: None,
            status: BookingStatus::Booked,
            booking_date: Some(FIRST),
            value_date: None,
            transaction_date: None,
            amount: Amount::eur(cents),
            label: Private::new("CARTE CAFE"),
            counterparty: Counterparty::default(),
            creditor_id: None,
            mandate_id: None,
            end_to_end_id: None,
            bank_transaction_code: None,
            balance_after: None,
        };
        let lines: Vec<_> = (0..copies).map(line).collect();
        let mut stored = Stored::default();
        stored.take(FIRST, lines.clone());
        prop_assert_eq!(stored.rows.len(), copies);
        prop_assert!(stored.take(FIRST, lines));
    }

    #[test]
    fn pending_lines_never_become_history(
        lines in any_history(),
        pending in vec(any::<bool>(), 60),
    ) {
        let mut stored = Stored::default();
        let mixed: Vec<_> = lines
            .into_iter()
            .zip(pending)
            .map(|(line, pending)| match pending {
                true => FetchedTransaction { status: BookingStatus::Pending, ..line },
                false => line,
            })
            .collect();
        stored.take(FIRST, mixed.clone());
        prop_assert_eq!(stored.ledger(), truth(&mixed));
        let expected = mixed.len() - truth(&mixed).len();
        prop_assert_eq!(stored.pending, expected);
        // Booked at last: each becomes history once, and nothing is expected any more.
        let booked: Vec<_> = mixed
            .into_iter()
            .map(|line| FetchedTransaction { status: BookingStatus::Booked, ..line })
            .collect();
        stored.take(FIRST, booked.clone());
        prop_assert_eq!(stored.ledger(), truth(&booked));
        prop_assert_eq!(stored.pending, 0);
    }

    #[test]
    fn other_ids_for_the_same_lines_change_no_identity(lines in any_history()) {
        let mut stored = Stored::default();
        stored.take(FIRST, lines.clone());
        let before: Vec<TransactionId> = stored.ids().into_iter().cloned().collect();
        let renamed = lines
            .iter()
            .enumerate()
            .map(|(index, line)| FetchedTransaction {
                entry_reference: EntryReference::parse(&format!("X{index}")),
                ..line.clone()
            })
            .collect();
        prop_assert!(stored.take(FIRST, renamed));
        let after: Vec<TransactionId> = stored.ids().into_iter().cloned().collect();
        prop_assert_eq!(before, after);
        prop_assert_eq!(stored.ledger(), truth(&lines));
    }

    #[test]
    fn every_row_of_the_ledger_has_an_id_of_its_own_and_the_sum_holds(lines in any_history()) {
        let mut stored = Stored::default();
        stored.take(FIRST, lines.clone());
        let sum: i64 = lines.iter().map(|line| line.amount.minor).sum();
        let kept: i64 = stored.rows.values().map(|row| row.amount.minor).sum();
        prop_assert_eq!(kept, sum);
    }
}
