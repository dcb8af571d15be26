//! The façade's documents, as the standard writes them.

use jiff::civil::Date;
use passerelle_domain::money::Amount;
use serde_json::{Map, Value, json};

use crate::access::GrantedAccess;
use crate::bank::Bank;
use crate::berlin_group::quirks;
use crate::ledger::{LedgerAccount, LedgerLine};
use crate::people::Quirk;

pub(crate) fn amount(amount: Amount) -> Value {
    json!({"currency": amount.currency.as_str(), "amount": amount.to_decimal()})
}

/// An account in the list.
pub(crate) fn account(
    bank: &Bank,
    access: &GrantedAccess,
    account: &LedgerAccount,
    with_balance: bool,
) -> Value {
    let resource = bank.resource_id(&access.consent_id, &account.key);
    let door = &access.consent.opening.entrance.path;
    let path = bank.path(&format!("{door}/v1/accounts/{resource}"));
    let mut document = Map::from_iter([
        ("resourceId".to_owned(), json!(resource)),
        ("iban".to_owned(), json!(account.iban)),
        ("currency".to_owned(), json!(account.currency.as_str())),
        ("name".to_owned(), json!(account.name)),
        ("product".to_owned(), json!(account.kind.in_french())),
        ("cashAccountType".to_owned(), json!(account.kind.code())),
        ("status".to_owned(), json!("enabled")),
        ("usage".to_owned(), json!("PRIV")),
        (
            "_links".to_owned(),
            json!({
                "balances": {"href": format!("{path}/balances")},
                "transactions": {"href": format!("{path}/transactions")},
            }),
        ),
    ]);
    if let Some(bic) = &account.bic {
        document.insert("bic".to_owned(), json!(bic));
    }
    if access.consent.owner_name
        && let Some(name) = &account.owner_name
    {
        document.insert("ownerName".to_owned(), json!(name));
    }
    if with_balance {
        let stated = balances(access.quirk, account, bank.today());
        document.insert("balances".to_owned(), stated);
    }
    if let Some(quirk) = access.quirk {
        quirks::bend_account(quirk, &mut document, account.kind);
    }
    Value::Object(document)
}

/// How reports name the account they are about.
pub(crate) fn account_reference(account: &LedgerAccount) -> Value {
    json!({"iban": account.iban, "currency": account.currency.as_str()})
}

/// What is booked, and what that leaves once pending lines are counted.
pub(crate) fn balances(quirk: Option<Quirk>, account: &LedgerAccount, today: Date) -> Value {
    let pending: i64 = account
        .pending
        .iter()
        .filter(|line| line.amount.currency == account.currency)
        .map(|line| line.amount.minor)
        .sum();
    let expected = Amount::new(
        account.booked_balance.minor.saturating_add(pending),
        account.currency,
    );
    // A bank that believes its pending lines to be booked counts them so (Q25).
    let booked = match quirk {
        Some(Quirk::Q25) => expected,
        _ => account.booked_balance,
    };
    json!([
        {
            "balanceType": "closingBooked",
            "balanceAmount": amount(booked),
            "referenceDate": today.to_string(),
            "creditLimitIncluded": false,
        },
        {
            "balanceType": "expected",
            "balanceAmount": amount(expected),
            "creditLimitIncluded": false,
        },
    ])
}

/// One movement. Members without a value are left out.
pub(crate) fn transaction(
    quirk: Option<Quirk>,
    line: &LedgerLine,
    position: usize,
    today: Date,
) -> Value {
    let mut document = Map::from_iter([
        ("transactionId".to_owned(), json!(line.reference)),
        ("entryReference".to_owned(), json!(line.reference)),
        ("transactionAmount".to_owned(), amount(line.amount)),
        (
            "remittanceInformationUnstructured".to_owned(),
            json!(line.label),
        ),
    ]);
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            document.insert(name.to_owned(), Value::String(value));
        }
    };
    set("bookingDate", line.booking_date.map(|day| day.to_string()));
    set("valueDate", line.value_date.map(|day| day.to_string()));
    set(
        "transactionDate",
        line.transaction_date.map(|day| day.to_string()),
    );
    set("bankTransactionCode", line.code.map(str::to_owned));
    if let Some(other) = &line.other_side {
        let name = if line.amount.is_debit() {
            "creditorName"
        } else {
            "debtorName"
        };
        set(name, Some(other.name.clone()));
        set("creditorId", other.creditor_id.clone());
        set("mandateId", other.mandate_id.clone());
        set("endToEndId", other.end_to_end_id.clone());
    }
    if let Some(quirk) = quirk {
        quirks::bend_transaction(quirk, &mut document, line, position, today);
    }
    Value::Object(document)
}
