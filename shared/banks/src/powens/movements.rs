//! Movements as the aggregator lists them, in our words.

use passerelle_domain::account::is_iban;
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::Coverage;
use passerelle_domain::transaction::{BookingStatus, Counterparty, FetchedTransaction};
use serde::Deserialize;
use serde_json::Value;

use crate::bank_day;
use crate::error::BankError;
use crate::remittance;
use crate::wire::{Decimal, Link, LooseText};

/// One page of `GET /users/me/accounts/{id}/transactions`. `transactions` must be there: without it
/// the answer speaks of something else.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    transactions: Vec<WireTransaction>,
    /// The oldest day the provider has of this account.
    #[serde(default)]
    first_date: LooseText,
    #[serde(default, rename = "_links")]
    links: Option<Links>,
}

#[derive(Debug, Deserialize)]
struct Links {
    #[serde(default)]
    next: Option<Link>,
}

impl Page {
    pub(crate) fn next(&self) -> Option<&str> {
        self.links.as_ref()?.next.as_ref()?.href()
    }

    /// What the history covers, given what was asked for: nothing from before the day the provider began
    /// to read the bank. Claiming more would make older stored lines look withdrawn.
    pub(crate) fn coverage(&self, asked: Coverage) -> Coverage {
        match (asked, self.first_date.text().and_then(bank_day::read_date)) {
            (Coverage::Since(day), Some(held)) => Coverage::Since(day.max(held)),
            (asked, _) => asked,
        }
    }

    /// The movements.
    ///
    /// # Errors
    /// [`BankError::Nonsense`] for an amount that cannot be read.
    pub(crate) fn read(self, currency: Currency) -> Result<Vec<FetchedTransaction>, BankError> {
        let mut lines = Vec::new();
        for line in self.transactions {
            lines.extend(line.read(currency)?);
        }
        Ok(lines)
    }
}

#[derive(Debug, Deserialize)]
struct WireTransaction {
    #[serde(default)]
    value: Option<Decimal>,
    #[serde(default)]
    date: LooseText,
    #[serde(default)]
    vdate: LooseText,
    #[serde(default)]
    rdate: LooseText,
    #[serde(default)]
    original_wording: Value,
    #[serde(default)]
    wording: Value,
    #[serde(default)]
    simplified_wording: Value,
    #[serde(default, rename = "type")]
    kind: LooseText,
    #[serde(default)]
    coming: Value,
    #[serde(default)]
    deleted: Value,
    #[serde(default)]
    counterparty: Value,
}

impl WireTransaction {
    /// The movement in our words; `None` for one the bank took back.
    ///
    /// Its id is not taken for the bank's: the provider counts anew when the person connects again,
    /// and the same movement must stay the same. The fingerprint tells it.
    fn read(self, currency: Currency) -> Result<Option<FetchedTransaction>, BankError> {
        if !matches!(self.deleted, Value::Null | Value::Bool(false)) {
            return Ok(None);
        }
        let amount = self.value.as_ref().and_then(|value| value.read(currency));
        let amount = amount.ok_or(BankError::Nonsense {
            what: "an amount cannot be read",
        })?;
        let day = |text: &LooseText| text.text().and_then(bank_day::read_date);
        // Coming lines (a deferred card's, a debit announced) carry the day they are expected.
        let (status, booking_date) = if self.coming == Value::Bool(true) {
            (BookingStatus::Pending, None)
        } else {
            (BookingStatus::Booked, day(&self.date))
        };
        Ok(Some(FetchedTransaction {
            entry_reference: None,
            status,
            booking_date,
            value_date: day(&self.vdate),
            transaction_date: day(&self.rdate),
            amount,
            // The person may edit `wording`; the bank's own words are the original ones.
            label: Private::new(remittance::first_text([
                Some(&self.original_wording),
                Some(&self.wording),
                Some(&self.simplified_wording),
            ])),
            counterparty: self.counterparty(),
            creditor_id: None,
            mandate_id: None,
            end_to_end_id: None,
            bank_transaction_code: code(self.kind.text(), amount.is_debit()).map(str::to_owned),
            balance_after: None,
        }))
    }

    fn counterparty(&self) -> Counterparty {
        let text = |name: &str| {
            let text = self.counterparty.get(name)?.as_str()?.trim();
            (!text.is_empty()).then_some(text)
        };
        Counterparty {
            name: text("label").map(Private::from),
            iban: text("account_identification")
                .filter(|text| is_iban(text))
                .map(Private::from),
        }
    }
}

/// The aggregator's kinds as ISO 20022 bank transaction codes. What it guesses (`bank`, `unknown`)
/// is not passed on: the text says more.
fn code(kind: Option<&str>, debit: bool) -> Option<&'static str> {
    match (kind?, debit) {
        ("transfer", true) => Some("PMNT-ICDT-ESCT"),
        ("transfer", false) => Some("PMNT-RCDT-ESCT"),
        ("order", true) => Some("PMNT-RDDT-ESDD"),
        ("order", false) => Some("PMNT-RDDT-RRTN"),
        ("check", true) => Some("PMNT-ICHQ-CCHQ"),
        ("check", false) => Some("PMNT-RCHQ-CCHQ"),
        ("withdrawal", _) => Some("PMNT-CCRD-CWDL"),
        ("card" | "deferred_card", true) => Some("PMNT-CCRD-POSD"),
        ("card" | "deferred_card", false) => Some("PMNT-CCRD-RIMB"),
        // A month of card lines in one debit: the lines are counted, this is not.
        ("summary_card" | "card_summary", _) => Some("PMNT-CCRD-SMRT"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;
    use passerelle_domain::money::Amount;
    use proptest::prelude::*;
    use serde_json::json;

    const TODAY: Date = Date::constant(2026, 11, 22);
    const ASKED: Date = Date::constant(2026, 11, 1);

    fn page(json: &str) -> Result<Page, BankError> {
        serde_json::from_str(json).map_err(|_| BankError::Nonsense { what: "unreadable" })
    }

    fn history(json: &str) -> Result<Vec<FetchedTransaction>, BankError> {
        page(json)?.read(Currency::EUR)
    }

    fn line(members: &str) -> FetchedTransaction {
        let json = format!(r#"{{"transactions":[{{"id":99,{members}}}]}}"#);
        history(&json).unwrap().remove(0)
    }

    #[test]
    fn a_movement_is_read_from_its_digits_and_its_original_words() {
        let read = line(
            r#""value":-29.90,"date":"2026-11-20","rdate":"2026-11-18","vdate":"2026-11-21",
            "original_wording":"PRLV SEPA MAIF","wording":"mon assurance","type":"order",
            "counterparty":{"label":"MAIF","account_scheme_name":"iban",
            "account_identification":"FR7630004133112916078289675","type":"creditor"},"coming":false"#,
        );
        assert_eq!(read.amount, Amount::eur(-2990));
        assert_eq!(read.status, BookingStatus::Booked);
        assert_eq!(read.booking_date.unwrap().to_string(), "2026-11-20");
        assert_eq!(read.transaction_date.unwrap().to_string(), "2026-11-18");
        assert_eq!(read.label.expose(), "PRLV SEPA MAIF");
        assert_eq!(read.counterparty.name.unwrap().expose(), "MAIF");
        assert!(read.counterparty.iban.is_some());
        assert_eq!(
            read.bank_transaction_code.as_deref(),
            Some("PMNT-RDDT-ESDD")
        );
    }

    #[test]
    fn an_id_of_the_aggregators_is_not_the_banks() {
        assert_eq!(line(r#""value":1"#).entry_reference, None);
    }

    #[test]
    fn a_coming_line_is_not_history() {
        let coming =
            line(r#""value":-12,"date":"2026-12-04","coming":true,"type":"deferred_card""#);
        assert_eq!(coming.status, BookingStatus::Pending);
        assert_eq!(coming.booking_date, None);
    }

    #[test]
    fn a_line_the_bank_took_back_is_gone() {
        let read = history(
            r#"{"transactions":[{"value":1,"deleted":"2026-11-21 08:00:00"},{"value":2,"deleted":null}]}"#,
        );
        assert_eq!(read.unwrap().len(), 1);
    }

    #[test]
    fn q44_a_month_of_card_lines_in_one_debit_is_told_as_such() {
        let summary = line(r#""value":-300,"type":"summary_card""#);
        assert_eq!(
            summary.bank_transaction_code.as_deref(),
            Some("PMNT-CCRD-SMRT")
        );
    }

    #[test]
    fn an_amount_that_is_none_or_finer_than_a_cent_is_not_guessed() {
        for value in ["null", "\"\"", "{}", "1e3", "-29.990000000000002", "true"] {
            let json = format!(r#"{{"transactions":[{{"value":{value}}}]}}"#);
            assert!(history(&json).is_err(), "{value}");
        }
        assert!(history(r#"{"transactions":[{}]}"#).is_err());
    }

    #[test]
    fn the_window_begins_where_the_provider_began_to_read() {
        let from = |first: &str, far| {
            let json = format!(
                r#"{{"transactions":[{{"value":1,"date":"2026-11-10"}}],"first_date":{first}}}"#
            );
            let asked = match far {
                true => Coverage::AsServed(TODAY),
                false => Coverage::Since(ASKED),
            };
            let coverage = page(&json).unwrap().coverage(asked);
            let lines = history(&json).unwrap();
            let booked = lines.iter().filter_map(FetchedTransaction::booked_on);
            coverage.first_day(booked).to_string()
        };
        assert_eq!(from("\"2024-01-01\"", false), "2026-11-01");
        assert_eq!(from("\"2026-11-05\"", false), "2026-11-05");
        assert_eq!(from("null", false), "2026-11-01");
        assert_eq!(from("\"2024-01-01\"", true), "2026-11-10");
    }

    #[test]
    fn an_answer_about_something_else_is_refused() {
        for nonsense in [
            "{}",
            "[]",
            "null",
            r#"{"code":"ok"}"#,
            r#"{"transactions":null}"#,
        ] {
            assert!(history(nonsense).is_err(), "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(text in ".{0,80}", number: i64) {
            let _ = history(&text);
            for inner in [json!(text), json!(number), json!([text]), json!({"href": text})] {
                let _ = history(&json!({"transactions": inner, "_links": inner}).to_string());
                let _ = history(&json!({"transactions": [{"value": inner, "date": inner,
                    "counterparty": inner, "wording": inner, "coming": inner, "type": inner}],
                    "first_date": inner, "_links": {"next": inner}}).to_string());
            }
        }
    }
}
