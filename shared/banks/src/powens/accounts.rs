//! Accounts as the aggregator lists them, in our words.

use std::collections::{BTreeMap, BTreeSet};

use passerelle_domain::account::{
    AccountIdentification, AccountKind, Balance, BalanceType, FetchedAccount, is_iban,
};
use passerelle_domain::ids::ResourceId;
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use serde::Deserialize;
use serde_json::Value;

use crate::bank_day;
use crate::error::BankError;
use crate::pages::few_enough;
use crate::wire::{Decimal, LooseText};

/// The ISO 4217 code of no currency, for an account that tells none: it is listed, and never read.
const NO_CURRENCY: &str = "XXX";

/// `GET /users/me/accounts`.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountList {
    accounts: Vec<WireAccount>,
}

#[derive(Debug, Deserialize)]
struct WireAccount {
    #[serde(default)]
    id: LooseText,
    #[serde(default)]
    id_connection: LooseText,
    #[serde(default)]
    id_parent: LooseText,
    #[serde(default)]
    iban: LooseText,
    #[serde(default)]
    number: LooseText,
    #[serde(default)]
    original_name: LooseText,
    #[serde(default, rename = "type")]
    kind: LooseText,
    #[serde(default)]
    currency: Value,
    #[serde(default)]
    balance: Option<Decimal>,
    #[serde(default)]
    coming: Option<Decimal>,
    #[serde(default)]
    last_update: LooseText,
    /// Since when the bank shows it no more.
    #[serde(default)]
    deleted: Value,
    /// Since when the person shut it out.
    #[serde(default)]
    disabled: Value,
}

impl AccountList {
    /// The accounts of connections that can be read: none that is gone or shut out, none twice.
    ///
    /// # Errors
    /// [`BankError::Nonsense`] for a balance that is no amount.
    pub(crate) fn read(
        self,
        readable: &BTreeSet<String>,
    ) -> Result<Vec<FetchedAccount>, BankError> {
        few_enough(self.accounts.len())?;
        let mut shown: Vec<WireAccount> = self
            .accounts
            .into_iter()
            .filter(|account| account.is_open())
            .filter(|account| {
                account
                    .id_connection
                    .text()
                    .is_none_or(|id| readable.contains(id))
            })
            .collect();
        // The latest reading first, so that of two entries for one account the fresher one stays.
        shown.sort_by(|one, other| other.last_update.text().cmp(&one.last_update.text()));
        let parents = ibans_by_id(&shown);
        let mut accounts: Vec<FetchedAccount> = Vec::new();
        for account in shown {
            let Some(account) = account.read(&parents)? else {
                continue;
            };
            let known = accounts.iter().any(|other| is_the_same(other, &account));
            if !known {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }
}

/// A bank connected twice, or an account both holders of a joint account reach, is listed twice.
fn is_the_same(one: &FetchedAccount, other: &FetchedAccount) -> bool {
    (one.kind, one.currency) == (other.kind, other.currency)
        && one.identification == other.identification
}

fn ibans_by_id(accounts: &[WireAccount]) -> BTreeMap<String, String> {
    accounts
        .iter()
        .filter_map(|account| {
            let iban = account.iban.text().filter(|text| is_iban(text))?;
            Some((account.id.text()?.to_owned(), iban.to_owned()))
        })
        .collect()
}

impl WireAccount {
    fn is_open(&self) -> bool {
        [&self.deleted, &self.disabled]
            .into_iter()
            .all(|since| matches!(since, Value::Null | Value::Bool(false)))
    }

    /// The account in our words; `None` when it cannot be addressed.
    fn read(self, parents: &BTreeMap<String, String>) -> Result<Option<FetchedAccount>, BankError> {
        let addressed = self
            .id
            .text()
            .map(str::parse::<ResourceId>)
            .and_then(Result::ok);
        let Some(resource_id) = addressed else {
            return Ok(None);
        };
        let kind = kind(self.kind.text());
        let currency = currency(&self.currency);
        Ok(Some(FetchedAccount {
            identification: self.identification(kind, parents),
            balances: self.balances(kind, currency)?,
            kind,
            currency,
            name: self.original_name.text().map(Private::from),
            // A product of its own, not asked for: knowing the accounts does not need it.
            owner_name: None,
            link: None,
            resource_id,
        }))
    }

    fn identification(
        &self,
        kind: AccountKind,
        parents: &BTreeMap<String, String>,
    ) -> AccountIdentification {
        let number = self.number.text().or(self.id.text()).unwrap_or_default();
        if kind == AccountKind::Card {
            let parent = self.id_parent.text().and_then(|id| parents.get(id));
            return AccountIdentification::MaskedPan {
                masked_pan: Private::from(number),
                linked_iban: parent.map(|iban| Private::from(iban.as_str())),
            };
        }
        match self.iban.text() {
            Some(iban) => AccountIdentification::from_iban_field(iban),
            // The bank's own number stays when the person connects again; the aggregator's id does
            // not.
            None => AccountIdentification::BankReference(Private::from(number)),
        }
    }

    fn balances(&self, kind: AccountKind, currency: Currency) -> Result<Vec<Balance>, BankError> {
        let (told, balance_type) = match kind {
            AccountKind::Card => (
                self.coming.as_ref().or(self.balance.as_ref()),
                BalanceType::NonInvoiced,
            ),
            _ => (self.balance.as_ref(), BalanceType::ClosingBooked),
        };
        let Some(decimal) = told else {
            return Ok(Vec::new());
        };
        let amount = decimal.read(currency).ok_or(BankError::Nonsense {
            what: "a balance cannot be read",
        })?;
        Ok(vec![Balance {
            amount,
            balance_type,
            reference_date: self.last_update.text().and_then(bank_day::read_date),
            credit_limit_included: false,
        }])
    }
}

/// The aggregator's account types; what it adds later is no account we read.
fn kind(text: Option<&str>) -> AccountKind {
    match text {
        Some("checking" | "joint") => AccountKind::Payment,
        Some("card") => AccountKind::Card,
        Some("loan" | "mortgage" | "consumercredit" | "revolvingcredit") => AccountKind::Loan,
        Some(
            "savings" | "deposit" | "livret_a" | "livret_b" | "ldds" | "lep" | "csl" | "cel"
            | "pel" | "livret_jeune",
        ) => AccountKind::Savings,
        _ => AccountKind::Other,
    }
}

/// `{"id": "EUR", …}` by the documentation, a bare code in older answers.
fn currency(value: &Value) -> Currency {
    value
        .get("id")
        .unwrap_or(value)
        .as_str()
        .map(str::to_ascii_uppercase)
        .and_then(|code| code.parse().ok())
        .or_else(|| NO_CURRENCY.parse().ok())
        .unwrap_or(Currency::EUR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_domain::account::Ineligible;
    use passerelle_domain::money::Amount;
    use proptest::prelude::*;
    use serde_json::json;

    const IBAN: &str = "FR7630004133112916078289675";

    fn read(accounts: Value) -> Result<Vec<FetchedAccount>, BankError> {
        let list: AccountList =
            serde_json::from_str(&json!({"balance": 1, "accounts": accounts}).to_string())
                .map_err(|_| BankError::Nonsense { what: "unreadable" })?;
        list.read(&BTreeSet::from(["7".to_owned()]))
    }

    fn account(more: Value) -> Value {
        let mut account = json!({"id": 21, "id_connection": 7, "iban": IBAN, "type": "checking",
            "currency": {"id": "EUR", "precision": 2}, "balance": 1250.1, "coming": -12,
            "last_update": "2026-11-22 06:12:00", "deleted": null, "disabled": null,
            "original_name": "Compte courant", "name": "mon compte", "usage": "PRIV"});
        for (name, value) in more.as_object().unwrap() {
            account[name] = value.clone();
        }
        account
    }

    #[test]
    fn an_account_is_known_by_its_iban_and_has_the_balance_of_the_last_reading() {
        let read = read(json!([account(json!({}))])).unwrap().remove(0);
        assert_eq!(
            read.identification,
            AccountIdentification::Iban(Private::from(IBAN))
        );
        assert_eq!(read.kind, AccountKind::Payment);
        assert_eq!(read.balances[0].amount, Amount::eur(125_010));
        assert_eq!(
            read.balances[0].reference_date.unwrap().to_string(),
            "2026-11-22"
        );
    }

    #[test]
    fn what_is_gone_shut_out_or_of_a_dead_connection_is_not_listed() {
        for more in [
            json!({"deleted": "2026-11-01 10:00:00"}),
            json!({"disabled": "2026-11-01 10:00:00"}),
            json!({"disabled": true}),
            json!({"id_connection": 8}),
            json!({"id": null}),
            json!({"id": "a/b c"}),
        ] {
            assert!(
                read(json!([account(more.clone())])).unwrap().is_empty(),
                "{more}"
            );
        }
    }

    #[test]
    fn an_account_listed_twice_is_one_and_the_fresher_entry_stays() {
        let twice = read(json!([
            account(json!({"id": 21, "last_update": "2026-11-20 06:00:00"})),
            account(json!({"id": 22, "last_update": "2026-11-22 06:00:00"})),
        ]))
        .unwrap();
        assert_eq!(twice.len(), 1);
        assert_eq!(twice[0].resource_id.as_str(), "22");
        // The same number in another currency is another account.
        let other = account(json!({"id": 23, "currency": {"id": "USD"}}));
        assert_eq!(read(json!([account(json!({})), other])).unwrap().len(), 2);
    }

    #[test]
    fn a_card_is_tied_to_its_account_and_its_outstanding_is_not_money_owned() {
        let card = json!({"id": 30, "id_parent": 21, "iban": null, "type": "card",
            "number": "4970XXXXXXXX1234", "balance": 0, "coming": -210.4});
        let accounts = read(json!([account(json!({})), account(card)])).unwrap();
        let card = accounts
            .iter()
            .find(|account| account.kind == AccountKind::Card)
            .unwrap();
        let AccountIdentification::MaskedPan { linked_iban, .. } = &card.identification else {
            panic!("a card");
        };
        assert_eq!(linked_iban.as_ref().unwrap().expose(), IBAN);
        assert_eq!(card.balances[0].balance_type, BalanceType::NonInvoiced);
        assert_eq!(card.balances[0].amount, Amount::eur(-21_040));
    }

    #[test]
    fn kinds_and_currencies_we_cannot_read_are_named_and_not_an_error() {
        let eligibility = |more| read(json!([account(more)])).unwrap()[0].eligibility();
        assert_eq!(eligibility(json!({"type": "livret_a"})), Ok(()));
        for kind in ["loan", "lifeinsurance", "pea", "a_type_of_tomorrow"] {
            let refused = eligibility(json!({"type": kind}));
            assert_eq!(refused, Err(Ineligible::KindNotSupported), "{kind}");
        }
        for currency in [json!({"id": "CHF"}), json!(null), json!({"id": "BTCX"})] {
            let refused = eligibility(json!({"currency": currency}));
            assert_eq!(refused, Err(Ineligible::CurrencyNotSupported));
        }
        assert_eq!(eligibility(json!({"currency": "EUR"})), Ok(()));
    }

    #[test]
    fn a_balance_that_is_no_amount_is_not_left_out() {
        for balance in [json!("douze"), json!(1.005), json!({})] {
            assert!(read(json!([account(json!({"balance": balance}))])).is_err());
        }
        let silent = read(json!([account(json!({"balance": null}))])).unwrap();
        assert!(silent[0].balances.is_empty());
    }

    proptest! {
        #[test]
        fn no_list_makes_it_panic(text in ".{0,40}", number: i64) {
            for inner in [json!(text), json!(number), json!([text]), json!({"id": text})] {
                let _ = read(inner.clone());
                let _ = read(json!([{"id": inner, "iban": inner, "number": inner, "type": inner,
                    "currency": inner, "balance": inner, "deleted": inner, "id_parent": inner}]));
            }
        }
    }
}
