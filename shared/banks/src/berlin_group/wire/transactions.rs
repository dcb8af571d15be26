//! Movements of accounts.

use passerelle_domain::account::is_iban;
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::private::Private;
use passerelle_domain::transaction::{
    BookingStatus, Counterparty, EntryReference, FetchedTransaction,
};
use serde::Deserialize;
use serde_json::Value;

use super::accounts::WireBalance;
use super::{PageLinks, Report, amount, next_of, private};
use crate::bank_day;
use crate::error::BankError;
use crate::foreign;
use crate::remittance;
use crate::wire::{LooseText, WireAmount};

/// One page of movements. The member `transactions` must be there: without it the answer speaks of
/// something else. Its arrays may be missing.
#[derive(Debug, Deserialize)]
pub(crate) struct TransactionPage {
    transactions: Lists,
    #[serde(default, rename = "_links")]
    links: Option<PageLinks>,
}

#[derive(Debug, Deserialize)]
struct Lists {
    #[serde(default)]
    booked: Option<Vec<WireTransaction>>,
    #[serde(default)]
    pending: Option<Vec<WireTransaction>>,
    #[serde(default, rename = "_links")]
    links: Option<PageLinks>,
}

impl Report for TransactionPage {
    fn next(&self) -> Option<&str> {
        next_of([&self.transactions.links, &self.links])
    }

    fn read_into(
        self,
        currency: Currency,
        lines: &mut Vec<FetchedTransaction>,
    ) -> Result<(), BankError> {
        let booked = self.transactions.booked.unwrap_or_default();
        let pending = self.transactions.pending.unwrap_or_default();
        for line in booked {
            lines.push(line.read(BookingStatus::Booked, currency)?);
        }
        for line in pending {
            lines.push(line.read(BookingStatus::Pending, currency)?);
        }
        Ok(())
    }
}

/// One movement.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTransaction {
    #[serde(default)]
    transaction_id: LooseText,
    #[serde(default)]
    entry_reference: LooseText,
    #[serde(default)]
    end_to_end_id: LooseText,
    #[serde(default)]
    mandate_id: LooseText,
    #[serde(default)]
    creditor_id: LooseText,
    #[serde(default)]
    booking_date: LooseText,
    #[serde(default)]
    value_date: LooseText,
    #[serde(default)]
    transaction_date: LooseText,
    transaction_amount: WireAmount,
    #[serde(default)]
    creditor_name: LooseText,
    #[serde(default)]
    creditor_account: Value,
    #[serde(default)]
    debtor_name: LooseText,
    #[serde(default)]
    debtor_account: Value,
    #[serde(default)]
    remittance_information_unstructured: Value,
    #[serde(default)]
    remittance_information_unstructured_array: Value,
    #[serde(default)]
    remittance_information_structured: Value,
    #[serde(default)]
    remittance_information_structured_array: Value,
    #[serde(default)]
    additional_information: Value,
    #[serde(default)]
    bank_transaction_code: LooseText,
    #[serde(default)]
    balance_after_transaction: Option<WireBalance>,
}

impl WireTransaction {
    fn read(
        self,
        status: BookingStatus,
        currency: Currency,
    ) -> Result<FetchedTransaction, BankError> {
        let label = self.label();
        let charged = amount(&self.transaction_amount, currency)?;
        let amount = self.billed(charged, currency, &label);
        let day = |text: &LooseText| text.text().and_then(bank_day::read_date);
        Ok(FetchedTransaction {
            entry_reference: self.reference(),
            status,
            booking_date: day(&self.booking_date),
            value_date: day(&self.value_date),
            transaction_date: day(&self.transaction_date),
            amount,
            label: Private::new(label),
            counterparty: self.counterparty(amount.is_debit()),
            creditor_id: self.creditor_id.text().map(str::to_owned),
            mandate_id: private(&self.mandate_id),
            end_to_end_id: self
                .end_to_end_id
                .text()
                .and_then(EntryReference::parse)
                .map(|id| Private::from(id.as_str())),
            bank_transaction_code: self.bank_transaction_code.text().map(str::to_owned),
            balance_after: self
                .balance_after_transaction
                .as_ref()
                .and_then(|balance| balance.balance_amount.read(currency)),
        })
    }

    /// What the account was billed, where the amount is what the shop charged in its own currency
    /// (Q12). What the text does not tell stays as it was charged.
    fn billed(&self, charged: Amount, currency: Currency, label: &str) -> Amount {
        let more = remittance::first_text([Some(&self.additional_information)]);
        [label, more.as_str()]
            .into_iter()
            .find_map(|text| foreign::billed(charged, currency, text))
            .unwrap_or(charged)
    }

    /// The bank's id of the movement, unless it is blank or a placeholder.
    fn reference(&self) -> Option<EntryReference> {
        [&self.entry_reference, &self.transaction_id]
            .into_iter()
            .filter_map(LooseText::text)
            .find_map(EntryReference::parse)
    }

    /// The array is whole where the single text is cut at 140 characters.
    fn label(&self) -> String {
        remittance::first_text([
            Some(&self.remittance_information_unstructured_array),
            Some(&self.remittance_information_unstructured),
            Some(&self.remittance_information_structured),
            Some(&self.remittance_information_structured_array),
            Some(&self.additional_information),
        ])
    }

    fn counterparty(&self, debit: bool) -> Counterparty {
        let (name, account) = if debit {
            (&self.creditor_name, &self.creditor_account)
        } else {
            (&self.debtor_name, &self.debtor_account)
        };
        Counterparty {
            name: private(name),
            iban: account
                .get("iban")
                .and_then(Value::as_str)
                .filter(|text| is_iban(text))
                .map(Private::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::accounts::AccountList;
    use super::*;
    use jiff::civil::Date;
    use proptest::prelude::*;
    use serde_json::json;

    fn lines(json: &str) -> Result<Vec<FetchedTransaction>, BankError> {
        let page: TransactionPage =
            serde_json::from_str(json).map_err(|_| BankError::Nonsense { what: "unreadable" })?;
        let mut lines = Vec::new();
        page.read_into(Currency::EUR, &mut lines)?;
        Ok(lines)
    }

    fn line(members: &str) -> FetchedTransaction {
        let json = format!(
            r#"{{"transactions":{{"booked":[{{"transactionAmount":{{"amount":"-1.00","currency":"EUR"}}{members}}}]}}}}"#
        );
        lines(&json).unwrap().remove(0)
    }

    #[test]
    fn only_the_amount_of_a_movement_is_required() {
        let bare = line("");
        assert_eq!(bare.amount, Amount::eur(-100));
        assert_eq!(bare.booking_date, None);
        assert_eq!(bare.entry_reference, None);
        assert!(bare.label.is_empty());
    }

    #[test]
    fn placeholder_ids_are_absence_and_the_transaction_id_stands_in() {
        let reference = |members: &str| {
            line(members)
                .entry_reference
                .map(|id| id.as_str().to_owned())
        };
        assert_eq!(reference(r#","transactionId":" ""#), None);
        assert_eq!(reference(r#","transactionId":"NOTPROVIDED""#), None);
        assert_eq!(
            reference(r#","entryReference":"0","transactionId":"t-9""#).as_deref(),
            Some("t-9")
        );
        assert_eq!(
            reference(r#","entryReference":4711"#).as_deref(),
            Some("4711")
        );
    }

    #[test]
    fn the_counterparty_is_the_other_side() {
        let paid = line(r#","creditorName":"EDF","debtorName":"Camille Martin""#);
        assert_eq!(paid.counterparty.name.unwrap().expose(), "EDF");
    }

    #[test]
    fn optional_members_of_a_wrong_shape_do_no_harm() {
        let odd = line(
            r#","bookingDate":"2026-11-20T00:00:00+01:00","creditorName":{"a":1},"creditorAccount":"x",
            "remittanceInformationUnstructuredArray":["PRLV","EDF"],"mandateId":null,"unknown":[1]"#,
        );
        assert_eq!(odd.booking_date, Some(Date::constant(2026, 11, 20)));
        assert_eq!(odd.label.expose(), "PRLV EDF");
    }

    #[test]
    fn missing_lists_are_empty_but_another_document_is_refused() {
        assert_eq!(lines(r#"{"transactions":{}}"#).unwrap().len(), 0);
        assert_eq!(
            lines(r#"{"transactions":{"booked":null}}"#).unwrap().len(),
            0
        );
        for nonsense in ["{}", "[]", "null", r#"{"tppMessages":[]}"#, "<html>"] {
            assert!(lines(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn an_unreadable_amount_refuses_the_page() {
        let page = r#"{"transactions":{"booked":[{"transactionAmount":{"amount":"beaucoup"}}]}}"#;
        assert!(lines(page).is_err());
    }

    #[test]
    fn the_next_link_is_found_inside_or_beside() {
        for json in [
            r#"{"transactions":{"_links":{"next":{"href":"/n"}}}}"#,
            r#"{"transactions":{},"_links":{"next":"/n"}}"#,
        ] {
            let page: TransactionPage = serde_json::from_str(json).unwrap();
            assert_eq!(page.next(), Some("/n"));
        }
    }

    #[test]
    fn q12_a_foreign_charge_is_billed_in_the_accounts_currency_where_the_text_says_so() {
        let read = |text: &str| {
            let json = format!(
                r#"{{"transactions":{{"booked":[{{"transactionAmount":{{"amount":"-120.00","currency":"SEK"}},
                "remittanceInformationUnstructured":"{text}"}}]}}}}"#
            );
            lines(&json).unwrap().remove(0).amount
        };
        assert_eq!(read("ICA STOCKHOLM 10,48 EUR"), Amount::eur(-1048));
        assert_eq!(read("ICA STOCKHOLM").currency.as_str(), "SEK");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map(
                    prop_oneof![
                        Just("bookingDate".to_owned()),
                        Just("transactionAmount".to_owned()),
                        Just("amount".to_owned()),
                        Just("iban".to_owned()),
                        Just("balances".to_owned()),
                        Just("href".to_owned()),
                    ],
                    inner,
                    0..4
                )
                .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(inner in any_json(), text in ".{0,80}") {
            let _ = lines(&text);
            for shape in [
                json!({"transactions": inner}),
                json!({"transactions": {"booked": [inner], "_links": {"next": inner}}}),
            ] {
                let _ = lines(&shape.to_string());
            }
            let accounts = json!({"accounts": [inner, {"resourceId": inner, "currency": "EUR", "balances": inner}]});
            if let Ok(list) = serde_json::from_value::<AccountList>(accounts) {
                for account in list.accounts {
                    let _ = account.read();
                }
            }
        }
    }
}
