//! A served line, reduced to what decides its identity and to the row that may be kept of it.
//!
//! What decides is taken from everything the bank said and is a digest: where a line's text must not be
//! kept, it is not kept here either, and the line is the same one all the same.

use jiff::civil::Date;
use ring::digest;
use serde::{Deserialize, Serialize};

use super::SeenLine;
use crate::deferred_card::Purchase;
use crate::ids::{AccountId, TransactionId};
use crate::private::Private;
use crate::transaction::{BookingStatus, FetchedTransaction, PendingTransaction, Transaction};

/// Enough of a SHA-256 to tell the lines of one account apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct LineDigest(u64, u64);

impl LineDigest {
    fn of(text: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let number = |from: usize| {
            let bytes = hash.as_ref().iter().skip(from).take(8);
            bytes.fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
        };
        Self(number(0), number(8))
    }
}

/// What a bank served for one account, ready to be merged.
#[derive(Debug, Clone)]
pub struct ServedWindow {
    /// First booking day served completely.
    pub from: Date,
    /// Every line of the window, in any order, all parts joined.
    pub lines: Vec<ServedLine>,
}

/// One line as it was served. It can be stored, sealed, until the rest of the history is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServedLine {
    /// Booked, with a day.
    Booked(Box<BookedLine>),
    /// Expected.
    Pending {
        /// What is shown of it.
        line: PendingTransaction,
        /// The purchase it is, if it is one.
        purchase: Option<Purchase>,
    },
    /// Said to be booked, without any day: held back.
    Undated,
}

/// A booked line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedLine {
    /// What is kept of it; its id is not decided yet.
    pub(super) row: Transaction,
    /// The bank's id.
    pub(super) reference: Option<Referenced>,
    /// What equal lines of one day have in common.
    pub(super) fingerprint: LineDigest,
    /// Everything the bank said.
    pub(super) whole: LineDigest,
    /// Everything that is told of it later: whether it changed.
    content: u32,
    purchase: Option<Purchase>,
    account: AccountId,
}

/// A bank's id of a line and the identity that follows from it, if it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Referenced {
    pub(super) digest: LineDigest,
    pub(super) id: TransactionId,
}

impl ServedLine {
    /// A line of an account. `storable` takes away what must not be kept.
    #[must_use]
    pub fn of(
        account: &AccountId,
        line: FetchedTransaction,
        storable: impl FnOnce(Transaction) -> Transaction,
    ) -> Self {
        let date = line
            .booking_date
            .or(line.transaction_date)
            .or(line.value_date);
        match (line.status, date) {
            (BookingStatus::Pending, date) => {
                let purchase = Purchase::of(&line);
                let row = storable(row(line, date.unwrap_or(Date::MIN)));
                Self::Pending {
                    line: PendingTransaction {
                        date,
                        amount: row.amount,
                        label: row.label,
                    },
                    purchase,
                }
            }
            (BookingStatus::Booked, None) => Self::Undated,
            (BookingStatus::Booked, Some(date)) => {
                Self::Booked(Box::new(BookedLine::of(account, line, date, storable)))
            }
        }
    }

    /// The day it is booked on.
    #[must_use]
    pub fn booked_on(&self) -> Option<Date> {
        match self {
            Self::Booked(line) => Some(line.row.booking_date),
            Self::Pending { .. } | Self::Undated => None,
        }
    }

    /// The purchase it is, if it is one.
    pub(crate) fn purchase(&self) -> Option<Purchase> {
        match self {
            Self::Booked(line) => line.purchase,
            Self::Pending { purchase, .. } => *purchase,
            Self::Undated => None,
        }
    }
}

impl BookedLine {
    fn of(
        account: &AccountId,
        line: FetchedTransaction,
        date: Date,
        storable: impl FnOnce(Transaction) -> Transaction,
    ) -> Self {
        let reference = line.entry_reference.as_ref().map(|reference| Referenced {
            digest: LineDigest::of(reference.as_str()),
            id: derive_id(&[
                account.as_str().as_bytes(),
                b"reference",
                reference.as_str().as_bytes(),
                // Some banks recycle small numbers: the day and the amount keep an old line safe.
                date.to_string().as_bytes(),
                line.amount.to_string().as_bytes(),
            ]),
        });
        let fingerprint = LineDigest::of(&fingerprint(date, &line));
        let purchase = Purchase::of(&line);
        let (whole, row) = (whole(&line), row(line, date));
        Self {
            content: content(&row),
            row: storable(row),
            reference,
            fingerprint,
            whole,
            purchase,
            account: account.clone(),
        }
    }

    /// Orders lines by what they say.
    pub(super) fn place(&self) -> (Date, LineDigest) {
        (self.row.booking_date, self.whole)
    }

    /// The identity of a line no trusted reference names: one of so many equal ones of its day.
    pub(super) fn fingerprinted(&self, ordinal: u32) -> TransactionId {
        let LineDigest(one, two) = self.fingerprint;
        derive_id(&[
            self.account.as_str().as_bytes(),
            b"fingerprint",
            &one.to_be_bytes(),
            &two.to_be_bytes(),
            &ordinal.to_be_bytes(),
        ])
    }

    /// The line under its identity. A reference that is not trusted is not kept.
    pub(super) fn identified(
        self,
        id: TransactionId,
        is_referenced: bool,
    ) -> (SeenLine, Transaction) {
        let reference = self.row.entry_reference.filter(|_| is_referenced);
        let seen = SeenLine {
            id: id.clone(),
            day: self.row.booking_date,
            digest: self.content,
        };
        let row = Transaction {
            id,
            entry_reference: reference,
            ..self.row
        };
        (seen, row)
    }
}

fn exposed(text: Option<&Private>) -> &str {
    text.map(Private::expose).unwrap_or_default()
}

/// A digest of everything a row says.
fn content(row: &Transaction) -> u32 {
    let text = format!(
        "{:?}|{:?}|{}|{}|{}|{}|{:?}|{}|{}|{:?}",
        row.value_date,
        row.transaction_date,
        row.amount,
        row.label.expose(),
        exposed(row.counterparty.name.as_ref()),
        exposed(row.counterparty.iban.as_ref()),
        row.creditor_id,
        exposed(row.mandate_id.as_ref()),
        exposed(row.end_to_end_id.as_ref()),
        row.bank_transaction_code,
    );
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte))
}

/// Everything a bank said of a line: two lines with the same are the same line.
fn whole(line: &FetchedTransaction) -> LineDigest {
    LineDigest::of(&format!(
        "{:?}|{:?}|{:?}|{:?}|{:?}|{}|{}|{}|{}|{:?}|{}|{}|{:?}|{:?}",
        line.entry_reference,
        line.status,
        line.booking_date,
        line.value_date,
        line.transaction_date,
        line.amount,
        line.label.expose(),
        exposed(line.counterparty.name.as_ref()),
        exposed(line.counterparty.iban.as_ref()),
        line.creditor_id,
        exposed(line.mandate_id.as_ref()),
        exposed(line.end_to_end_id.as_ref()),
        line.bank_transaction_code,
        line.balance_after,
    ))
}

fn fingerprint(date: Date, line: &FetchedTransaction) -> String {
    let normalised: String = line
        .label
        .expose()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_uppercase();
    format!(
        "{date}|{:?}|{}|{normalised}|{}|{}|{}",
        line.value_date,
        line.amount,
        exposed(line.counterparty.iban.as_ref()),
        exposed(line.end_to_end_id.as_ref()),
        line.balance_after
            .map(|amount| amount.to_decimal())
            .unwrap_or_default(),
    )
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

/// The row of a line whose identity is not decided yet.
fn row(line: FetchedTransaction, booking_date: Date) -> Transaction {
    Transaction {
        id: TransactionId::from_entropy([0; 16]),
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
