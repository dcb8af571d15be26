//! One movement: as a bank serves it, and as it is stored.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::ids::TransactionId;
use crate::money::Amount;
use crate::private::Private;

/// The bank's id of a movement, where it has one that can be trusted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryReference(String);

impl EntryReference {
    /// Reads an id field. Blank fields, zeros and placeholders are absence, not identity.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let placeholder = [
            "NOTPROVIDED",
            "NOT PROVIDED",
            "NONE",
            "NULL",
            "N/A",
            "UNKNOWN",
        ]
        .iter()
        .any(|word| trimmed.eq_ignore_ascii_case(word));
        let zeros = trimmed.bytes().all(|byte| matches!(byte, b'0' | b'-'));
        (!placeholder && !zeros && trimmed.len() <= 128).then(|| Self(trimmed.to_owned()))
    }

    /// The id as the bank wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for EntryReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("EntryReference(…)")
    }
}

/// Whether a movement is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BookingStatus {
    /// On the account: a fact.
    Booked,
    /// Expected: a replaceable view, never history.
    Pending,
}

/// The other side of a movement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Counterparty {
    /// The name the bank gives.
    pub name: Option<Private>,
    /// The IBAN the bank gives.
    pub iban: Option<Private>,
}

/// A movement as a connector read it from a bank, before it has an identity of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchedTransaction {
    /// `entryReference`, else the bank's transaction id; `None` when blank or a placeholder.
    pub entry_reference: Option<EntryReference>,
    /// Booked or pending.
    pub status: BookingStatus,
    /// When it reached the account; `None` is held back until the bank dates it.
    pub booking_date: Option<Date>,
    /// When it counts for interest.
    pub value_date: Option<Date>,
    /// When the card was used or the transfer received.
    pub transaction_date: Option<Date>,
    /// Signed for the account holder: debits negative.
    pub amount: Amount,
    /// Remittance information, joined and free of technical noise.
    pub label: Private,
    /// The other side, where known.
    pub counterparty: Counterparty,
    /// SEPA creditor identifier.
    pub creditor_id: Option<String>,
    /// SEPA mandate reference.
    pub mandate_id: Option<Private>,
    /// End-to-end id, unless `NOTPROVIDED`.
    pub end_to_end_id: Option<Private>,
    /// ISO 20022 bank transaction code, `PMNT-RDDT-ESDD`.
    pub bank_transaction_code: Option<String>,
    /// Balance after the movement, where the bank tells.
    pub balance_after: Option<Amount>,
}

impl FetchedTransaction {
    /// The day a booked movement is booked on: the best the bank tells. None where it tells none, and for
    /// an expected one.
    #[must_use]
    pub fn booked_on(&self) -> Option<Date> {
        match self.status {
            BookingStatus::Booked => self
                .booking_date
                .or(self.transaction_date)
                .or(self.value_date),
            BookingStatus::Pending => None,
        }
    }
}

/// A booked movement as stored: canonical, immutable in meaning, unique within its account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Stable over every fetch of the same history.
    pub id: TransactionId,
    /// The bank's own id, where it can be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_reference: Option<EntryReference>,
    /// When it reached the account.
    pub booking_date: Date,
    /// When it counts for interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_date: Option<Date>,
    /// When the card was used or the transfer received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_date: Option<Date>,
    /// Signed for the account holder: debits negative.
    pub amount: Amount,
    /// Remittance information; empty for a sensitive line.
    pub label: Private,
    /// The other side; empty for a sensitive line.
    #[serde(default)]
    pub counterparty: Counterparty,
    /// SEPA creditor identifier; absent for a sensitive line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creditor_id: Option<String>,
    /// SEPA mandate reference; absent for a sensitive line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate_id: Option<Private>,
    /// End-to-end id; absent for a sensitive line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_to_end_id: Option<Private>,
    /// ISO 20022 bank transaction code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_transaction_code: Option<String>,
    /// Balance after the movement, where the bank tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_after: Option<Amount>,
    /// Whether the line was coarsened before storage (GDPR art. 9): amount and dates stay for
    /// balance arithmetic, text and counterparty do not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

impl Transaction {
    /// The line without anything that tells what it was for.
    #[must_use]
    pub fn coarsened(self) -> Self {
        Self {
            label: Private::default(),
            counterparty: Counterparty::default(),
            creditor_id: None,
            mandate_id: None,
            end_to_end_id: None,
            entry_reference: None,
            bank_transaction_code: None,
            sensitive: true,
            ..self
        }
    }
}

/// An expected movement as last seen. Replaced whole at each sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTransaction {
    /// When it is expected or was made, where the bank tells.
    pub date: Option<Date>,
    /// Signed for the account holder.
    pub amount: Amount,
    /// Remittance information.
    pub label: Private,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_and_placeholder_references_are_absence() {
        for text in ["", " ", "0", "000", "NOTPROVIDED", "notprovided", "-"] {
            assert_eq!(EntryReference::parse(text), None, "{text:?}");
        }
        assert!(EntryReference::parse("2026-11-22-0001").is_some());
    }
}
