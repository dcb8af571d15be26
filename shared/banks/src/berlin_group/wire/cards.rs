//! Card accounts (`/v1/card-accounts`), which have documents of their own.

use passerelle_domain::account::{AccountIdentification, AccountKind, FetchedAccount};
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::transaction::{
    BookingStatus, Counterparty, EntryReference, FetchedTransaction,
};
use serde::Deserialize;
use serde_json::Value;

use super::accounts::{WireBalance, addressable, currency_of, read_balances};
use super::{PageLinks, Report, amount, next_of, private};
use crate::bank_day;
use crate::error::BankError;
use crate::remittance;
use crate::wire::{LooseText, WireAmount};

/// The answer to `GET /v1/card-accounts`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CardAccountList {
    pub(crate) card_accounts: Vec<WireCardAccount>,
}

/// One card account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireCardAccount {
    #[serde(default)]
    resource_id: LooseText,
    #[serde(default)]
    masked_pan: LooseText,
    #[serde(default)]
    currency: LooseText,
    #[serde(default)]
    owner_name: LooseText,
    #[serde(default)]
    name: LooseText,
    #[serde(default)]
    product: LooseText,
    #[serde(default)]
    status: LooseText,
    #[serde(default)]
    debit_accounting: Value,
    #[serde(default)]
    balances: Option<Vec<WireBalance>>,
}

impl WireCardAccount {
    /// The card in our words; `None` when it is closed or cannot be addressed.
    pub(crate) fn read(self) -> Result<Option<FetchedAccount>, BankError> {
        let Some(resource_id) = addressable(&self.resource_id, &self.status) else {
            return Ok(None);
        };
        let currency = currency_of(&self.currency)?;
        let masked_pan = self.masked_pan.text().unwrap_or(resource_id.as_str());
        let mut balances = read_balances(self.balances.unwrap_or_default(), currency)?;
        if self.debit_accounting == Value::Bool(true) {
            for balance in &mut balances {
                balance.amount = balance.amount.reversed();
            }
        }
        Ok(Some(FetchedAccount {
            identification: AccountIdentification::MaskedPan {
                masked_pan: Private::from(masked_pan),
                // The standard does not say which account settles a card.
                linked_iban: None,
            },
            kind: AccountKind::Card,
            currency,
            name: private(&self.name).or_else(|| private(&self.product)),
            owner_name: private(&self.owner_name),
            balances,
            link: None,
            resource_id,
        }))
    }
}

/// One page of a card's movements.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CardTransactionPage {
    card_transactions: Lists,
    /// Whether debits are written without a minus sign.
    #[serde(default)]
    debit_accounting: Value,
    #[serde(default, rename = "_links")]
    links: Option<PageLinks>,
}

#[derive(Debug, Deserialize)]
struct Lists {
    #[serde(default)]
    booked: Option<Vec<WireCardTransaction>>,
    #[serde(default)]
    pending: Option<Vec<WireCardTransaction>>,
    #[serde(default, rename = "_links")]
    links: Option<PageLinks>,
}

impl Report for CardTransactionPage {
    fn next(&self) -> Option<&str> {
        next_of([&self.card_transactions.links, &self.links])
    }

    fn read_into(
        self,
        currency: Currency,
        lines: &mut Vec<FetchedTransaction>,
    ) -> Result<(), BankError> {
        let reversed = self.debit_accounting == Value::Bool(true);
        let booked = self.card_transactions.booked.unwrap_or_default();
        let pending = self.card_transactions.pending.unwrap_or_default();
        let booked = booked.into_iter().map(|line| (BookingStatus::Booked, line));
        let pending = pending
            .into_iter()
            .map(|line| (BookingStatus::Pending, line));
        for (status, line) in booked.chain(pending) {
            let mut line = line.read(status, currency)?;
            if reversed {
                line.amount = line.amount.reversed();
            }
            lines.push(line);
        }
        Ok(())
    }
}

/// One movement of a card.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCardTransaction {
    #[serde(default)]
    card_transaction_id: LooseText,
    #[serde(default)]
    transaction_date: LooseText,
    #[serde(default)]
    acceptor_transaction_date_time: LooseText,
    #[serde(default)]
    booking_date: LooseText,
    #[serde(default)]
    value_date: LooseText,
    /// What the card is billed; `originalAmount` is what the shop charged, and is not needed.
    transaction_amount: WireAmount,
    #[serde(default)]
    transaction_details: Value,
    #[serde(default)]
    card_acceptor_address: Value,
    #[serde(default)]
    proprietary_bank_transaction_code: LooseText,
}

impl WireCardTransaction {
    fn read(
        self,
        status: BookingStatus,
        currency: Currency,
    ) -> Result<FetchedTransaction, BankError> {
        let day = |text: &LooseText| text.text().and_then(bank_day::read_date);
        Ok(FetchedTransaction {
            entry_reference: self
                .card_transaction_id
                .text()
                .and_then(EntryReference::parse),
            status,
            booking_date: day(&self.booking_date),
            value_date: day(&self.value_date),
            transaction_date: day(&self.transaction_date)
                .or_else(|| day(&self.acceptor_transaction_date_time)),
            amount: amount(&self.transaction_amount, currency)?,
            label: Private::new(remittance::first_text([
                Some(&self.transaction_details),
                Some(&self.card_acceptor_address),
            ])),
            counterparty: Counterparty::default(),
            creditor_id: None,
            mandate_id: None,
            end_to_end_id: None,
            bank_transaction_code: self
                .proprietary_bank_transaction_code
                .text()
                .map(str::to_owned),
            balance_after: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use passerelle_domain::money::Amount;
    use proptest::prelude::*;

    use super::*;

    fn lines(json: &str) -> Result<Vec<FetchedTransaction>, BankError> {
        let page: CardTransactionPage =
            serde_json::from_str(json).map_err(|_| BankError::Nonsense { what: "unreadable" })?;
        let mut lines = Vec::new();
        page.read_into(Currency::EUR, &mut lines)?;
        Ok(lines)
    }

    const PURCHASE: &str = r#"{"cardTransactionId":"c-1","transactionDate":"2026-11-02",
        "bookingDate":"2026-11-30","transactionAmount":{"amount":"12.50","currency":"EUR"},
        "originalAmount":{"amount":"14.10","currency":"USD"},"transactionDetails":"LIBRAIRIE"}"#;

    #[test]
    fn debits_written_positive_leave_the_card_where_the_bank_says_so() {
        let read = |flag: &str| {
            let json = format!(r#"{{{flag}"cardTransactions":{{"booked":[{PURCHASE}]}}}}"#);
            lines(&json).unwrap().remove(0).amount
        };
        assert_eq!(read(r#""debitAccounting":true,"#), Amount::eur(-1250));
        assert_eq!(read(r#""debitAccounting":false,"#), Amount::eur(1250));
        assert_eq!(read(""), Amount::eur(1250));
    }

    #[test]
    fn a_card_is_known_by_its_masked_number() {
        let json = r#"{"cardAccounts":[{"resourceId":"r","maskedPan":"4970XXXXXXXX1234","currency":"EUR"}]}"#;
        let list: CardAccountList = serde_json::from_str(json).unwrap();
        let card = list.card_accounts.into_iter().next().unwrap();
        let card = card.read().unwrap().unwrap();
        assert_eq!(card.kind, AccountKind::Card);
        assert!(matches!(
            card.identification,
            AccountIdentification::MaskedPan { .. }
        ));
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(text in ".{0,80}") {
            let _ = lines(&text);
            let json = serde_json::json!({"cardTransactions": {"booked": [{"transactionAmount": {"amount": text}, "bookingDate": text}]}});
            let _ = lines(&json.to_string());
        }
    }
}
