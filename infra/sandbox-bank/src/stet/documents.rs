//! The façade's documents, in the shapes of 1.4 and 1.6.

use jiff::civil::Date;
use passerelle_domain::money::Amount;
use serde_json::{Map, Value, json};

use crate::access::GrantedAccess;
use crate::bank::Bank;
use crate::ledger::{LedgerAccount, LedgerAccountKind, LedgerLine};
use crate::stet::{Version, is_readable};

/// An account in the list. What may be read of it shows in its links.
pub(crate) fn account(
    bank: &Bank,
    access: &GrantedAccess,
    version: Version,
    account: &LedgerAccount,
) -> Value {
    let resource = bank.resource_id(&access.consent_id, &account.key);
    let path = format!("{}/accounts/{resource}", version.path());
    let links = if is_readable(access, account) {
        json!({
            "balances": {"href": format!("{path}/balances")},
            "transactions": {"href": format!("{path}/transactions")},
        })
    } else {
        json!({})
    };
    let mut document = Map::from_iter([
        ("resourceId".to_owned(), json!(resource)),
        ("accountId".to_owned(), identification(account)),
        ("name".to_owned(), json!(account.name)),
        ("product".to_owned(), json!(account.kind.in_french())),
        ("usage".to_owned(), json!("PRIV")),
        ("cashAccountType".to_owned(), json!(account.kind.code())),
        ("currency".to_owned(), json!(account.currency.as_str())),
        ("psuStatus".to_owned(), json!(psu_status(account))),
        ("_links".to_owned(), links),
    ]);
    if let Some(bic) = &account.bic {
        document.insert("bicFi".to_owned(), json!(bic));
    }
    if account.kind == LedgerAccountKind::Card
        && let Some(cash) = cash_account(access)
    {
        let linked = bank.resource_id(&access.consent_id, &cash.key);
        document.insert("linkedAccount".to_owned(), json!(linked));
    }
    Value::Object(document)
}

fn psu_status(account: &LedgerAccount) -> &'static str {
    match account.joint {
        true => "Co-account Holder",
        false => "Account Holder",
    }
}

fn cash_account(access: &GrantedAccess) -> Option<&LedgerAccount> {
    access
        .accounts
        .iter()
        .find(|account| account.kind == LedgerAccountKind::Payment)
}

/// A card has no IBAN of its own: its masked number stands in.
fn identification(account: &LedgerAccount) -> Value {
    if account.kind == LedgerAccountKind::Card {
        let masked = account.masked_pan();
        json!({"other": {"identification": masked, "schemeName": "CPAN", "issuer": "VISA"}})
    } else {
        json!({"iban": account.iban})
    }
}

/// The accounting balance; a card's outstanding.
pub(crate) fn balances(account: &LedgerAccount, today: Date) -> Value {
    let (name, kind, stated) = match account.kind {
        LedgerAccountKind::Card => ("Encours", "OTHR", account.outstanding()),
        _ => ("Solde comptable", "CLBD", account.booked_balance),
    };
    json!([{
        "name": name,
        "balanceAmount": amount(stated),
        "balanceType": kind,
        "referenceDate": today.to_string(),
    }])
}

fn amount(amount: Amount) -> Value {
    json!({"currency": amount.currency.as_str(), "amount": amount.to_decimal()})
}

/// One movement. A debit is written with a minus sign *and* an indicator (Q11): both mean one thing.
pub(crate) fn transaction(line: &LedgerLine, version: Version, today: Date) -> Value {
    let indicator = if line.amount.is_debit() {
        "DBIT"
    } else {
        "CRDT"
    };
    let text = match version {
        Version::V14 => json!([line.label]),
        Version::V16 => json!({"unstructured": [line.label]}),
    };
    let status = if line.booking_date.is_some() {
        "BOOK"
    } else {
        "PDNG"
    };
    let mut document = Map::from_iter([
        ("resourceId".to_owned(), json!(line.reference)),
        ("entryReference".to_owned(), json!(line.reference)),
        ("transactionAmount".to_owned(), amount(line.amount)),
        ("creditDebitIndicator".to_owned(), json!(indicator)),
        ("status".to_owned(), json!(status)),
        ("remittanceInformation".to_owned(), text),
        (
            // Required even for a line that is not booked: then it is the day it is expected.
            "bookingDate".to_owned(),
            json!(line.booking_date.unwrap_or(today).to_string()),
        ),
    ]);
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            document.insert(name.to_owned(), value);
        }
    };
    set(
        "valueDate",
        line.value_date.map(|day| json!(day.to_string())),
    );
    set(
        "transactionDate",
        line.transaction_date.map(|day| json!(day.to_string())),
    );
    // Counterparties and codes came with later versions: in 1.4 only the text tells.
    if version == Version::V16 {
        set("bankTransactionCode", line.code.map(code));
        set(
            "relatedParties",
            line.other_side.as_ref().map(|other| {
                let side = if line.amount.is_debit() {
                    "creditor"
                } else {
                    "debtor"
                };
                json!({side: {"name": other.name}})
            }),
        );
        set(
            "endToEndId",
            line.other_side
                .as_ref()
                .and_then(|other| other.end_to_end_id.as_ref())
                .map(|id| json!(id)),
        );
    }
    Value::Object(document)
}

/// `PMNT-RDDT-ESDD` in its three parts.
fn code(text: &str) -> Value {
    let mut parts = text.splitn(3, '-');
    json!({
        "domain": parts.next(),
        "family": parts.next(),
        "subFamily": parts.next(),
    })
}
