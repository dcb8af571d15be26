//! The façade's documents. Amounts are JSON numbers, moments are Paris time without an offset.

use jiff::Timestamp;
use jiff::civil::Date;
use passerelle_domain::money::Amount;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::bank::Bank;
use crate::bank_day;
use crate::ledger::{LedgerAccount, LedgerAccountKind, LedgerLine};
use crate::powens::{connection_id, number};

/// The answer to a code.
#[derive(Serialize)]
pub(crate) struct Token {
    pub(crate) access_token: String,
    pub(crate) token_type: &'static str,
}

#[derive(Serialize)]
pub(crate) struct ConnectionList {
    connections: Vec<Connection>,
    total: usize,
}

#[derive(Serialize)]
struct Connection {
    id: u64,
    id_user: u64,
    id_connector: u64,
    state: Option<&'static str>,
    error: Option<&'static str>,
    error_message: Option<&'static str>,
    created: String,
    last_update: Option<String>,
    expire: String,
    active: bool,
}

/// The one connection of a nameless user.
pub(crate) fn connections(
    id: u64,
    state: Option<&'static str>,
    last_update: Option<Timestamp>,
    created: Timestamp,
    valid_until: Date,
) -> ConnectionList {
    ConnectionList {
        connections: vec![Connection {
            id,
            id_user: id,
            id_connector: 59,
            state,
            error: state,
            error_message: None,
            created: bank_day::local_moment(created),
            last_update: last_update.map(bank_day::local_moment),
            expire: format!("{valid_until} 23:59:59"),
            active: true,
        }],
        total: 1,
    }
}

#[derive(Serialize)]
pub(crate) struct AccountList {
    accounts: Vec<Account>,
    total: usize,
}

#[derive(Clone, Serialize)]
struct Account {
    id: u64,
    id_connection: u64,
    id_user: u64,
    id_parent: Option<u64>,
    number: String,
    iban: Option<String>,
    original_name: String,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    usage: &'static str,
    currency: Currency,
    balance: Box<RawValue>,
    coming: Option<Box<RawValue>>,
    display: bool,
    last_update: Option<String>,
    deleted: Option<String>,
    disabled: Option<String>,
}

#[derive(Clone, Serialize)]
struct Currency {
    id: String,
    symbol: &'static str,
    precision: u8,
}

/// The accounts the person opened; for one person with ghosts of them beside.
pub(crate) fn accounts(
    bank: &Bank,
    consent: &str,
    held: &[LedgerAccount],
    last_update: Option<Timestamp>,
    with_ghosts: bool,
) -> AccountList {
    let updated = last_update.map(bank_day::local_moment);
    let mut accounts: Vec<Account> = held
        .iter()
        .map(|account| listed(bank, consent, held, account, updated.as_deref()))
        .collect();
    if with_ghosts {
        let ghosts: Vec<Account> = accounts.iter().flat_map(ghosts_of).collect();
        accounts.extend(ghosts);
    }
    AccountList {
        total: accounts.len(),
        accounts,
    }
}

fn listed(
    bank: &Bank,
    consent: &str,
    held: &[LedgerAccount],
    account: &LedgerAccount,
    updated: Option<&str>,
) -> Account {
    let is_card = account.kind == LedgerAccountKind::Card;
    let tail: String = account
        .iban
        .chars()
        .skip(account.iban.len().saturating_sub(4))
        .collect();
    let parent = held
        .iter()
        .find(|other| is_card && other.kind == LedgerAccountKind::Payment);
    Account {
        id: number(bank, consent, &account.key),
        id_connection: connection_id(bank, consent),
        id_user: connection_id(bank, consent),
        id_parent: parent.map(|parent| number(bank, consent, &parent.key)),
        number: if is_card {
            format!("4970XXXXXXXX{tail}")
        } else {
            account.iban.chars().skip(4).collect()
        },
        iban: (!is_card).then(|| account.iban.clone()),
        original_name: account.name.clone(),
        name: account.name.clone(),
        kind: match account.kind {
            LedgerAccountKind::Payment => "checking",
            LedgerAccountKind::Savings => "savings",
            LedgerAccountKind::Card => "card",
            LedgerAccountKind::Loan => "loan",
        },
        usage: "PRIV",
        currency: Currency {
            id: account.currency.as_str().to_owned(),
            symbol: "€",
            precision: 2,
        },
        balance: digits(account.booked_balance),
        coming: is_card.then(|| digits(account.booked_balance)),
        display: true,
        last_update: updated.map(str::to_owned),
        deleted: None,
        disabled: None,
    }
}

/// The same account as an older reading knew it, as one that is gone, and as one that is shut out.
fn ghosts_of(account: &Account) -> [Account; 3] {
    let long_ago = || Some("2020-01-01 04:00:00".to_owned());
    let ghost = |shift: u64| Account {
        id: account.id.saturating_add(shift),
        last_update: long_ago(),
        ..account.clone()
    };
    [
        ghost(1),
        Account {
            deleted: long_ago(),
            ..ghost(2)
        },
        Account {
            disabled: long_ago(),
            ..ghost(3)
        },
    ]
}

#[derive(Serialize)]
pub(crate) struct MovementList {
    transactions: Vec<Movement>,
    first_date: Option<String>,
    last_date: Option<String>,
    #[serde(rename = "_links")]
    links: Links,
}

#[derive(Serialize)]
struct Links {
    next: Option<Link>,
}

#[derive(Serialize)]
struct Link {
    href: String,
}

#[derive(Serialize)]
pub(crate) struct Movement {
    id: u64,
    id_account: u64,
    date: String,
    rdate: String,
    vdate: Option<String>,
    value: Box<RawValue>,
    original_wording: String,
    wording: String,
    simplified_wording: String,
    #[serde(rename = "type")]
    kind: &'static str,
    coming: bool,
    active: bool,
    deleted: Option<String>,
    counterparty: Option<Counterparty>,
}

#[derive(Serialize)]
struct Counterparty {
    label: String,
    #[serde(rename = "type")]
    side: &'static str,
}

/// One movement.
pub(crate) fn movement(
    bank: &Bank,
    consent: &str,
    account: u64,
    line: &LedgerLine,
    today: Date,
) -> Movement {
    let date = line.booking_date.unwrap_or(today);
    Movement {
        id: number(bank, consent, &format!("line|{}", line.reference)),
        id_account: account,
        date: date.to_string(),
        rdate: line.transaction_date.unwrap_or(date).to_string(),
        vdate: line.value_date.map(|day| day.to_string()),
        value: digits(line.amount),
        original_wording: line.label.clone(),
        wording: line.label.clone(),
        simplified_wording: line.label.clone(),
        kind: kind(line.code.unwrap_or_default()),
        coming: line.booking_date.is_none(),
        active: true,
        deleted: None,
        counterparty: line.other_side.as_ref().map(|other| Counterparty {
            label: other.name.clone(),
            side: if line.amount.is_debit() {
                "creditor"
            } else {
                "debtor"
            },
        }),
    }
}

/// A page. `unreadable` spoils an amount, for the person whose bank does that.
pub(crate) fn movements(
    mut transactions: Vec<Movement>,
    days: impl Iterator<Item = Date> + Clone,
    next: Option<String>,
    unreadable: bool,
) -> MovementList {
    if unreadable && let Some(first) = transactions.first_mut() {
        first.value = raw("\"douze\"".to_owned());
    }
    MovementList {
        transactions,
        first_date: days.clone().min().map(|day| day.to_string()),
        last_date: days.max().map(|day| day.to_string()),
        links: Links {
            next: next.map(|href| Link { href }),
        },
    }
}

/// The aggregator's kind for an ISO 20022 code.
fn kind(code: &str) -> &'static str {
    match code {
        "PMNT-RDDT-ESDD" => "order",
        "PMNT-CCRD-CWDL" => "withdrawal",
        _ if code.starts_with("PMNT-CCRD") => "card",
        _ if code.starts_with("PMNT-ICDT") || code.starts_with("PMNT-RCDT") => "transfer",
        _ if code.starts_with("PMNT-ICHQ") || code.starts_with("PMNT-RCHQ") => "check",
        _ => "unknown",
    }
}

/// An amount as the JSON number of its own digits.
fn digits(amount: Amount) -> Box<RawValue> {
    raw(amount.to_decimal())
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
