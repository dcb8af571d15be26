//! A booked line as the API shows it.

use passerelle_domain::Date;
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::Amount;
use passerelle_domain::private::Private;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{Corrections, Enrichment, enrich};
use serde::Serialize;

/// A line with what we make of it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    id: TransactionId,
    account: AccountId,
    booking_date: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_date: Option<Date>,
    amount: Amount,
    decimal: String,
    label: Private,
    sensitive: bool,
    enrichment: Enrichment,
}

impl Shown {
    /// Oldest first, and always the same way.
    pub(crate) fn order(&self) -> (Date, &TransactionId) {
        (self.booking_date, &self.id)
    }
}

/// Corrections win over every rule.
pub(crate) fn shown(account: &AccountId, row: &Transaction, corrections: &Corrections) -> Shown {
    Shown {
        id: row.id.clone(),
        account: account.clone(),
        booking_date: row.booking_date,
        value_date: row.value_date,
        amount: row.amount,
        decimal: row.amount.to_decimal(),
        label: row.label.clone(),
        sensitive: row.sensitive,
        enrichment: corrections.apply(row, enrich(row)),
    }
}
