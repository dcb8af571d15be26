//! The Berlin Group 1.3 wire, as banks really write it, and its meaning in our words.
//!
//! Only what is needed is read; unknown members are ignored, optional ones may have any shape.

use jiff::civil::Date;
use passerelle_domain::account::{
    AccountIdentification, AccountKind, Balance, BalanceType, FetchedAccount, is_iban,
};
use passerelle_domain::ids::ResourceId;
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::private::Private;
use passerelle_domain::transaction::{
    BookingStatus, Counterparty, EntryReference, FetchedTransaction,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bank_day;
use crate::connector::{BankConsent, BankConsentEnd};
use crate::error::BankError;
use crate::remittance;
use crate::wire::{Link, LooseText, WireAmount};

/// More movements than any account has in two years: beyond it somebody is filling our memory.
const MAX_LINES: usize = 200_000;

/// The body of `POST /v1/consents` for a bank-offered, recurring consent.
pub(crate) fn consent_request(valid_until: Date, frequency: u8, owner_name: bool) -> String {
    let mut access = json!({"accounts": [], "balances": [], "transactions": []});
    if owner_name && let Some(members) = access.as_object_mut() {
        members.insert("additionalInformation".to_owned(), json!({"ownerName": []}));
    }
    json!({
        "access": access,
        "recurringIndicator": true,
        "validUntil": valid_until.to_string(),
        "frequencyPerDay": frequency,
        "combinedServiceIndicator": false,
    })
    .to_string()
}

/// The answer to `POST /v1/consents`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedConsent {
    pub(crate) consent_id: String,
    #[serde(default, rename = "_links")]
    links: ConsentLinks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConsentLinks {
    #[serde(rename = "scaOAuth")]
    sca_oauth: Option<Link>,
}

impl CreatedConsent {
    /// Where the description of the authorisation server is.
    pub(crate) fn oauth_link(&self) -> Option<&str> {
        self.links.sca_oauth.as_ref().and_then(Link::href)
    }
}

/// The answer to `GET /v1/consents/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConsentInformation {
    consent_status: String,
    #[serde(default)]
    valid_until: LooseText,
}

impl ConsentInformation {
    pub(crate) fn read(&self) -> Result<BankConsent, BankError> {
        let ended = |end| Ok(BankConsent::Ended(end));
        match self.consent_status.as_str() {
            "valid" => {
                let last = self.valid_until.text().and_then(bank_day::read_date);
                let last = last.ok_or(BankError::Nonsense {
                    what: "a valid consent without a readable end",
                })?;
                Ok(BankConsent::Valid {
                    valid_until: bank_day::end_of_day(last),
                })
            }
            "received" | "partiallyAuthorised" => Ok(BankConsent::Pending),
            "rejected" => ended(BankConsentEnd::Rejected),
            "expired" => ended(BankConsentEnd::Expired),
            "revokedByPsu" => ended(BankConsentEnd::RevokedByPsu),
            "terminatedByTpp" => ended(BankConsentEnd::TerminatedByTpp),
            _ => Err(BankError::Nonsense {
                what: "an unknown consent status",
            }),
        }
    }
}

/// The answer to `GET /v1/accounts`.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountList {
    pub(crate) accounts: Vec<WireAccount>,
}

/// One account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireAccount {
    #[serde(default)]
    resource_id: LooseText,
    #[serde(default)]
    iban: LooseText,
    #[serde(default)]
    bban: LooseText,
    #[serde(default)]
    masked_pan: LooseText,
    #[serde(default)]
    linked_accounts: LooseText,
    #[serde(default)]
    currency: LooseText,
    #[serde(default)]
    name: LooseText,
    #[serde(default)]
    product: LooseText,
    #[serde(default)]
    cash_account_type: LooseText,
    #[serde(default)]
    status: LooseText,
    #[serde(default)]
    owner_name: LooseText,
    #[serde(default)]
    balances: Option<Vec<WireBalance>>,
}

impl WireAccount {
    /// The account in our words; `None` when it is closed or cannot be addressed.
    pub(crate) fn read(self) -> Result<Option<FetchedAccount>, BankError> {
        let closed = self
            .status
            .text()
            .is_some_and(|status| status.eq_ignore_ascii_case("deleted"));
        let addressed = self
            .resource_id
            .text()
            .map(str::parse::<ResourceId>)
            .and_then(Result::ok);
        let Some(resource_id) = addressed.filter(|_| !closed) else {
            return Ok(None);
        };
        let currency: Currency = self
            .currency
            .text()
            .and_then(|code| code.to_ascii_uppercase().parse().ok())
            .ok_or(BankError::Nonsense {
                what: "an account without a currency",
            })?;
        Ok(Some(FetchedAccount {
            identification: self.identification(&resource_id),
            kind: kind_of(&self.cash_account_type),
            currency,
            name: private(&self.name).or_else(|| private(&self.product)),
            owner_name: private(&self.owner_name),
            balances: read_balances(self.balances.unwrap_or_default(), currency)?,
            resource_id,
        }))
    }

    fn identification(&self, resource_id: &ResourceId) -> AccountIdentification {
        if let Some(iban) = self.iban.text() {
            return AccountIdentification::from_iban_field(iban);
        }
        if let Some(masked_pan) = self.masked_pan.text() {
            return AccountIdentification::MaskedPan {
                masked_pan: Private::from(masked_pan),
                linked_iban: self
                    .linked_accounts
                    .text()
                    .filter(|text| is_iban(text))
                    .map(Private::from),
            };
        }
        let reference = self.bban.text().unwrap_or(resource_id.as_str());
        AccountIdentification::BankReference(Private::from(reference))
    }
}

/// ISO 20022 `ExternalCashAccountType1Code`. A bank that does not say serves payment accounts:
/// nothing else is in the reach of the directive.
fn kind_of(code: &LooseText) -> AccountKind {
    match code.text().map(str::to_ascii_uppercase).as_deref() {
        None | Some("CACC" | "TRAN" | "CASH" | "SLRY" | "TRAS") => AccountKind::Payment,
        Some("CARD") => AccountKind::Card,
        Some("SVGS" | "LLSV" | "ONDP" | "MOMA") => AccountKind::Savings,
        Some("LOAN" | "MGLD") => AccountKind::Loan,
        Some(_) => AccountKind::Other,
    }
}

fn private(text: &LooseText) -> Option<Private> {
    text.text().map(Private::from)
}

/// The answer to `GET /v1/accounts/{id}/balances`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct BalanceReport {
    #[serde(default)]
    pub(crate) balances: Vec<WireBalance>,
}

/// One balance.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireBalance {
    balance_amount: WireAmount,
    #[serde(default)]
    balance_type: LooseText,
    #[serde(default)]
    reference_date: LooseText,
    #[serde(default)]
    credit_limit_included: Value,
}

/// Balances in our words.
pub(crate) fn read_balances(
    balances: Vec<WireBalance>,
    currency: Currency,
) -> Result<Vec<Balance>, BankError> {
    balances
        .into_iter()
        .map(|balance| {
            Ok(Balance {
                amount: amount(&balance.balance_amount, currency)?,
                balance_type: balance_type(&balance.balance_type),
                reference_date: balance.reference_date.text().and_then(bank_day::read_date),
                credit_limit_included: balance.credit_limit_included == Value::Bool(true),
            })
        })
        .collect()
}

fn balance_type(code: &LooseText) -> BalanceType {
    match code.text() {
        Some("closingBooked") => BalanceType::ClosingBooked,
        Some("interimBooked") => BalanceType::InterimBooked,
        Some("interimAvailable") => BalanceType::InterimAvailable,
        Some("expected") => BalanceType::Expected,
        Some("openingBooked") => BalanceType::OpeningBooked,
        Some("forwardAvailable") => BalanceType::ForwardAvailable,
        Some("nonInvoiced") => BalanceType::NonInvoiced,
        _ => BalanceType::Other,
    }
}

/// Money that cannot be read is never left out: the whole answer is refused.
fn amount(wire: &WireAmount, currency: Currency) -> Result<Amount, BankError> {
    wire.read(currency).ok_or(BankError::Nonsense {
        what: "an amount cannot be read",
    })
}

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

#[derive(Debug, Deserialize)]
struct PageLinks {
    #[serde(default)]
    next: Option<Link>,
}

impl TransactionPage {
    /// Where the next page is. The standard puts the link inside; some banks put it beside.
    pub(crate) fn next(&self) -> Option<&str> {
        [&self.transactions.links, &self.links]
            .into_iter()
            .flatten()
            .filter_map(|links| links.next.as_ref())
            .find_map(Link::href)
    }

    /// Adds the page's movements.
    pub(crate) fn read_into(
        self,
        currency: Currency,
        lines: &mut Vec<FetchedTransaction>,
    ) -> Result<(), BankError> {
        let booked = self.transactions.booked.unwrap_or_default();
        let pending = self.transactions.pending.unwrap_or_default();
        if lines.len() + booked.len() + pending.len() > MAX_LINES {
            return Err(BankError::Nonsense {
                what: "more movements than an account can have",
            });
        }
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
        let amount = amount(&self.transaction_amount, currency)?;
        let day = |text: &LooseText| text.text().and_then(bank_day::read_date);
        Ok(FetchedTransaction {
            entry_reference: self.reference(),
            status,
            booking_date: day(&self.booking_date),
            value_date: day(&self.value_date),
            transaction_date: day(&self.transaction_date),
            amount,
            label: Private::new(self.label()),
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
    use super::*;
    use proptest::prelude::*;

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
    fn accounts_are_told_apart_and_closed_ones_left_out() {
        let read = |json: &str| {
            serde_json::from_str::<WireAccount>(json)
                .unwrap()
                .read()
                .unwrap()
        };
        assert!(read(r#"{"resourceId":"a","currency":"EUR","status":"deleted"}"#).is_none());
        assert!(read(r#"{"currency":"EUR"}"#).is_none());
        let card = read(
            r#"{"resourceId":"c","currency":"EUR","iban":"374500XXXXXX007","cashAccountType":"CARD"}"#,
        )
        .unwrap();
        assert_eq!(card.kind, AccountKind::Card);
        assert!(matches!(
            card.identification,
            AccountIdentification::MaskedPan { .. }
        ));
        let savings =
            read(r#"{"resourceId":"s","currency":"EUR","cashAccountType":"SVGS"}"#).unwrap();
        assert_eq!(savings.kind, AccountKind::Savings);
    }

    #[test]
    fn a_consent_is_valid_until_the_end_of_the_banks_day() {
        let read = |json: &str| {
            serde_json::from_str::<ConsentInformation>(json)
                .unwrap()
                .read()
        };
        assert_eq!(
            read(r#"{"consentStatus":"valid","validUntil":"2026-12-31"}"#).unwrap(),
            BankConsent::Valid {
                valid_until: "2026-12-31T23:00:00Z".parse().unwrap()
            }
        );
        assert_eq!(
            read(r#"{"consentStatus":"partiallyAuthorised"}"#).unwrap(),
            BankConsent::Pending
        );
        assert!(read(r#"{"consentStatus":"valid"}"#).is_err());
        assert!(read(r#"{"consentStatus":"weird"}"#).is_err());
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
