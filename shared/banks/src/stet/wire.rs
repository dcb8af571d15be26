//! The STET wire, 1.4 and 1.6 shapes at once, and its meaning in our words.

use std::collections::BTreeMap;

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
use crate::error::BankError;
use crate::pages::few_enough;
use crate::remittance;
use crate::stet::is_cash;
use crate::wire::{Link, LooseText, WireAmount};

/// An account and what its links say may be read of it.
#[derive(Debug)]
pub(crate) struct ListedAccount {
    pub(crate) account: FetchedAccount,
    pub(crate) balances: Option<String>,
    pub(crate) transactions: Option<String>,
    /// The cash account a card is tied to: its resource id or its IBAN.
    linked: Option<String>,
}

impl ListedAccount {
    /// The IBAN to name in `PUT /consents`.
    pub(crate) fn forwardable_iban(&self) -> Option<&str> {
        match &self.account.identification {
            AccountIdentification::Iban(iban) if is_cash(self.account.kind) => Some(iban.expose()),
            _ => None,
        }
    }
}

/// The body of `PUT /consents`: all four members are required.
pub(crate) fn forwarded_access(listed: &[ListedAccount], identity: bool) -> String {
    let ibans: Vec<Value> = listed
        .iter()
        .filter_map(ListedAccount::forwardable_iban)
        .map(|iban| json!({ "iban": iban }))
        .collect();
    json!({
        "balances": ibans,
        "transactions": ibans,
        "trustedBeneficiaries": false,
        "psuIdentity": identity,
    })
    .to_string()
}

/// Gives each card the IBAN of the account it is settled on: it is part of the card's identity.
pub(crate) fn tie_cards(mut listed: Vec<ListedAccount>) -> Vec<ListedAccount> {
    let ibans: BTreeMap<String, String> = listed
        .iter()
        .filter_map(|account| {
            let iban = account.forwardable_iban()?.to_owned();
            Some((account.account.resource_id.as_str().to_owned(), iban))
        })
        .collect();
    for account in &mut listed {
        let Some(linked) = account.linked.as_deref() else {
            continue;
        };
        let iban = ibans
            .get(linked)
            .map(String::as_str)
            .or_else(|| is_iban(linked).then_some(linked));
        if let AccountIdentification::MaskedPan { linked_iban, .. } =
            &mut account.account.identification
        {
            *linked_iban = iban.map(Private::from);
        }
    }
    listed
}

#[derive(Debug, Deserialize)]
struct PageLinks {
    #[serde(default)]
    next: Option<Link>,
}

/// One page of `GET /accounts`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountPage {
    #[serde(default)]
    accounts: Option<Vec<WireAccount>>,
    #[serde(default)]
    connected_psu: LooseText,
    #[serde(rename = "_links")]
    links: PageLinks,
}

impl AccountPage {
    pub(crate) fn next(&self) -> Option<&str> {
        self.links.next.as_ref().and_then(Link::href)
    }

    pub(crate) fn read_into(self, listed: &mut Vec<ListedAccount>) -> Result<(), BankError> {
        let owner = self.connected_psu.text().map(Private::from);
        for account in self.accounts.unwrap_or_default() {
            listed.extend(account.read(owner.as_ref())?);
        }
        few_enough(listed.len())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAccount {
    #[serde(default)]
    resource_id: LooseText,
    #[serde(default)]
    account_id: Option<AccountId>,
    #[serde(default)]
    name: LooseText,
    #[serde(default)]
    cash_account_type: LooseText,
    #[serde(default)]
    currency: LooseText,
    #[serde(default)]
    linked_account: LooseText,
    #[serde(default)]
    psu_status: LooseText,
    #[serde(default)]
    balances: Option<Vec<WireBalance>>,
    #[serde(rename = "_links", default)]
    links: AccountLinks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AccountId {
    iban: LooseText,
    currency: LooseText,
    other: Option<OtherId>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OtherId {
    identification: LooseText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AccountLinks {
    balances: Option<Link>,
    transactions: Option<Link>,
}

impl WireAccount {
    /// Beside the account, or inside its identification, where some banks write it.
    fn currency(&self) -> Option<Currency> {
        let inside = self.account_id.as_ref().map(|id| &id.currency);
        [Some(&self.currency), inside]
            .into_iter()
            .flatten()
            .filter_map(LooseText::text)
            .find_map(|code| code.to_ascii_uppercase().parse().ok())
    }

    /// The account in our words; `None` when it cannot be addressed.
    fn read(self, connected_psu: Option<&Private>) -> Result<Option<ListedAccount>, BankError> {
        let addressed = self
            .resource_id
            .text()
            .map(str::parse::<ResourceId>)
            .and_then(Result::ok);
        let Some(resource_id) = addressed else {
            return Ok(None);
        };
        let currency = self.currency().ok_or(BankError::Nonsense {
            what: "an account without a currency",
        })?;
        let kind = match self.cash_account_type.text() {
            Some("CARD") => AccountKind::Card,
            Some("CACC") | None => AccountKind::Payment,
            Some(_) => AccountKind::Other,
        };
        let href = |link: &Option<Link>| link.as_ref().and_then(Link::href).map(str::to_owned);
        let balances = BalanceReport {
            balances: self.balances.unwrap_or_default(),
        };
        Ok(Some(ListedAccount {
            balances: href(&self.links.balances),
            transactions: href(&self.links.transactions),
            linked: self.linked_account.text().map(str::to_owned),
            account: FetchedAccount {
                identification: identification(self.account_id.unwrap_or_default(), &resource_id),
                kind,
                currency,
                name: self.name.text().map(Private::from),
                owner_name: connected_psu
                    .filter(|_| holds(self.psu_status.text()))
                    .cloned(),
                balances: balances.read(currency)?,
                link: None,
                resource_id,
            },
        }))
    }
}

/// An attorney or a legal guardian reads an account that is somebody else's.
fn holds(psu_status: Option<&str>) -> bool {
    psu_status.is_none_or(|status| status.to_ascii_lowercase().contains("holder"))
}

fn identification(id: AccountId, resource_id: &ResourceId) -> AccountIdentification {
    if let Some(iban) = id.iban.text() {
        return AccountIdentification::from_iban_field(iban);
    }
    match id.other.unwrap_or_default().identification.text() {
        Some(pan) => AccountIdentification::MaskedPan {
            masked_pan: Private::from(pan),
            linked_iban: None,
        },
        None => AccountIdentification::BankReference(Private::from(resource_id.as_str())),
    }
}

/// The answer to a `balances` link.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct BalanceReport {
    #[serde(default)]
    balances: Vec<WireBalance>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBalance {
    balance_amount: WireAmount,
    #[serde(default)]
    balance_type: LooseText,
    #[serde(default)]
    reference_date: LooseText,
}

impl BalanceReport {
    /// The balances in our words.
    pub(crate) fn read(self, currency: Currency) -> Result<Vec<Balance>, BankError> {
        self.balances
            .into_iter()
            .map(|balance| {
                Ok(Balance {
                    amount: amount(&balance.balance_amount, currency)?,
                    balance_type: match balance.balance_type.text() {
                        Some("CLBD") => BalanceType::ClosingBooked,
                        Some("XPCD" | "ITAV") => BalanceType::Expected,
                        Some("VALU") => BalanceType::InterimBooked,
                        _ => BalanceType::Other,
                    },
                    reference_date: balance.reference_date.text().and_then(bank_day::read_date),
                    credit_limit_included: false,
                })
            })
            .collect()
    }
}

fn amount(wire: &WireAmount, currency: Currency) -> Result<Amount, BankError> {
    wire.read(currency).ok_or(BankError::Nonsense {
        what: "an amount cannot be read",
    })
}

/// One page of movements. `_links` must be there: without it the answer speaks of something else.
#[derive(Debug, Deserialize)]
pub(crate) struct TransactionPage {
    #[serde(default)]
    transactions: Option<Vec<WireTransaction>>,
    #[serde(rename = "_links")]
    links: PageLinks,
}

impl TransactionPage {
    pub(crate) fn next(&self) -> Option<&str> {
        self.links.next.as_ref().and_then(Link::href)
    }

    pub(crate) fn read_into(
        self,
        currency: Currency,
        lines: &mut Vec<FetchedTransaction>,
    ) -> Result<(), BankError> {
        let served = self.transactions.unwrap_or_default();
        for line in served {
            lines.extend(line.read(currency)?);
        }
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTransaction {
    #[serde(default)]
    resource_id: LooseText,
    #[serde(default)]
    entry_reference: LooseText,
    #[serde(default)]
    end_to_end_id: LooseText,
    transaction_amount: WireAmount,
    #[serde(default)]
    credit_debit_indicator: LooseText,
    #[serde(default)]
    status: LooseText,
    #[serde(default)]
    booking_date: LooseText,
    #[serde(default)]
    value_date: LooseText,
    #[serde(default)]
    transaction_date: LooseText,
    #[serde(default)]
    remittance_information: Value,
    #[serde(default)]
    additional_transaction_information: Value,
    #[serde(default)]
    bank_transaction_code: Value,
    #[serde(default)]
    related_parties: Value,
}

impl WireTransaction {
    /// The movement in our words; `None` for lines that only inform.
    fn read(self, currency: Currency) -> Result<Option<FetchedTransaction>, BankError> {
        let status = match self.status.text() {
            Some("BOOK") => BookingStatus::Booked,
            Some("INFO" | "RJCT") => return Ok(None),
            // `OTHR` and `FUTR` are a card's cycle or the future: expected, not facts.
            _ => BookingStatus::Pending,
        };
        let amount = self.signed_amount(currency)?;
        let day = |text: &LooseText| text.text().and_then(bank_day::read_date);
        Ok(Some(FetchedTransaction {
            entry_reference: [&self.entry_reference, &self.resource_id]
                .into_iter()
                .filter_map(LooseText::text)
                .find_map(EntryReference::parse),
            status,
            booking_date: day(&self.booking_date),
            value_date: day(&self.value_date),
            transaction_date: day(&self.transaction_date),
            amount,
            label: Private::new(remittance::first_text([
                Some(&self.remittance_information),
                Some(&self.additional_transaction_information),
            ])),
            counterparty: self.counterparty(amount.is_debit()),
            creditor_id: None,
            mandate_id: None,
            end_to_end_id: self
                .end_to_end_id
                .text()
                .and_then(EntryReference::parse)
                .map(|id| Private::from(id.as_str())),
            bank_transaction_code: self.code(),
            balance_after: None,
        }))
    }

    /// The indicator decides the sign, whatever sign the amount carries (Q11): never negated twice.
    fn signed_amount(&self, currency: Currency) -> Result<Amount, BankError> {
        let written = amount(&self.transaction_amount, currency)?;
        match self.credit_debit_indicator.text() {
            Some("DBIT") => Ok(written.as_debit()),
            Some("CRDT") => Ok(written.as_credit()),
            None => Ok(written),
            Some(_) => Err(BankError::Nonsense {
                what: "a movement is neither credit nor debit",
            }),
        }
    }

    fn counterparty(&self, debit: bool) -> Counterparty {
        let (side, account) = if debit {
            ("creditor", "creditorAccount")
        } else {
            ("debtor", "debtorAccount")
        };
        let text = |path: [&str; 2]| {
            path.into_iter()
                .try_fold(&self.related_parties, |value, name| value.get(name))
                .and_then(Value::as_str)
                .map(str::trim)
                .filter(|text| !text.is_empty())
        };
        Counterparty {
            name: text([side, "name"]).map(Private::from),
            iban: text([account, "iban"])
                .filter(|text| is_iban(text))
                .map(Private::from),
        }
    }

    fn code(&self) -> Option<String> {
        let part = |name: &str| self.bank_transaction_code.get(name).and_then(Value::as_str);
        let (domain, family) = (part("domain")?, part("family")?);
        Some(match part("subFamily") {
            Some(sub_family) => format!("{domain}-{family}-{sub_family}"),
            None => format!("{domain}-{family}"),
        })
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
        lines(&format!(
            r#"{{"transactions":[{{"transactionAmount":{{"currency":"EUR","amount":"12.25"}},
            "creditDebitIndicator":"DBIT","status":"BOOK"{members}}}],"_links":{{}}}}"#
        ))
        .unwrap()
        .remove(0)
    }

    #[test]
    fn q11_a_minus_sign_and_an_indicator_mean_one_thing() {
        let read = |amount: &str, indicator: &str| {
            lines(&format!(
                r#"{{"transactions":[{{"transactionAmount":{{"currency":"EUR","amount":"{amount}"}},
                "creditDebitIndicator":"{indicator}","status":"BOOK"}}],"_links":{{}}}}"#
            ))
            .unwrap()[0]
                .amount
        };
        assert_eq!(read("-12.25", "DBIT"), Amount::eur(-1225));
        assert_eq!(read("12.25", "DBIT"), Amount::eur(-1225));
        assert_eq!(read("12.25", "CRDT"), Amount::eur(1225));
        assert_eq!(read("-12.25", "CRDT"), Amount::eur(1225));
    }

    #[test]
    fn q18_text_comes_as_string_array_or_object() {
        for text in [
            r#""PRLV SEPA EDF""#,
            r#"["PRLV SEPA EDF"]"#,
            r#"{"unstructured":["PRLV SEPA","EDF"]}"#,
        ] {
            let read = line(&format!(r#","remittanceInformation":{text}"#));
            assert_eq!(read.label.expose(), "PRLV SEPA EDF", "{text}");
        }
        assert!(line(r#","remittanceInformation":[]"#).label.is_empty());
    }

    #[test]
    fn only_booked_lines_are_facts() {
        let status = |status: &str| {
            lines(&format!(
                r#"{{"transactions":[{{"transactionAmount":{{"amount":"1"}},"status":"{status}"}}],"_links":{{}}}}"#
            ))
            .unwrap()
            .first()
            .map(|line| line.status)
        };
        assert_eq!(status("BOOK"), Some(BookingStatus::Booked));
        for expected in ["PDNG", "OTHR", "FUTR", "NEW"] {
            assert_eq!(status(expected), Some(BookingStatus::Pending), "{expected}");
        }
        assert_eq!(status("INFO"), None);
    }

    #[test]
    fn an_answer_about_something_else_is_refused() {
        for nonsense in ["{}", "[]", "null", r#"{"status":200,"message":"ok"}"#] {
            assert!(lines(nonsense).is_err(), "{nonsense}");
        }
        assert_eq!(lines(r#"{"_links":{}}"#).unwrap().len(), 0);
    }

    #[test]
    fn q44_a_card_is_known_by_its_number_and_the_account_it_is_settled_on() {
        let page: AccountPage = serde_json::from_str(
            r#"{"accounts":[
            {"resourceId":"a1","accountId":{"iban":"FR7630004133112916078289675"},"currency":"EUR",
             "cashAccountType":"CACC","name":"Compte","_links":{"transactions":{"href":"v1/t"}}},
            {"resourceId":"c1","accountId":{"other":{"identification":"4970XXXXXXXX1234","schemeName":"CPAN"}},
             "currency":"EUR","cashAccountType":"CARD","linkedAccount":"a1","name":"Carte","_links":{}}],
            "connectedPsu":"Martin Camille","_links":{"self":{"href":"v1/accounts"}}}"#,
        )
        .unwrap();
        let mut listed = Vec::new();
        page.read_into(&mut listed).unwrap();
        let tied = tie_cards(listed);
        let AccountIdentification::MaskedPan { linked_iban, .. } = &tied[1].account.identification
        else {
            panic!("a card");
        };
        let iban = linked_iban.as_ref().unwrap().expose();
        assert_eq!(iban, "FR7630004133112916078289675");
        assert!(tied[0].account.owner_name.is_some());
        assert!(forwarded_access(&tied, true).contains(iban));
    }

    #[test]
    fn an_attorney_is_not_the_holder() {
        assert!(holds(None) && holds(Some("Co-account Holder")));
        assert!(!holds(Some("Attorney")));
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(text in ".{0,80}", number: i64) {
            let _ = lines(&text);
            for inner in [json!(text), json!(number), json!([text]), json!({"a": text})] {
                let _ = lines(&json!({"transactions": inner, "_links": inner}).to_string());
                let _ = lines(&json!({"transactions": [inner], "_links": {"next": inner}}).to_string());
                let _ = lines(&json!({"transactions": [{"transactionAmount": {"amount": inner},
                    "relatedParties": inner, "bankTransactionCode": inner}], "_links": {}}).to_string());
            }
        }
    }
}
