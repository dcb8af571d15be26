//! Persona files, CFONB-120 statements and simple CSV files as histories, for tests and the `explain` example.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use passerelle_domain::account::{AccountKind, Balance, BalanceType};
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::private::Private;
use passerelle_domain::transaction::{Counterparty, Transaction};
use passerelle_knowledge::{AccountHistory, History, cfonb};
use serde_json::Value;

/// Reads a history from a persona file (`.json`), a CFONB-120 file (its first record is an opening balance) or
/// lines of `date,label,amount`.
pub fn read(path: &Path) -> Result<History, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        from_persona(&text)
    } else if text.starts_with("01") {
        from_cfonb(&text)
    } else {
        from_csv(&text)
    }
}

/// One account per account number, whatever statements it is spread over.
fn from_cfonb(text: &str) -> Result<History, String> {
    let statements = cfonb::read(text).map_err(|error| error.to_string())?;
    let mut accounts: BTreeMap<String, AccountHistory> = BTreeMap::new();
    let mut as_of = Date::MIN;
    for statement in &statements {
        let number = accounts.len();
        as_of = as_of.max(statement.closing.0);
        let account = accounts
            .entry(statement.account.expose().to_owned())
            .or_insert_with(|| AccountHistory {
                account: AccountId::from_entropy(entropy(number, 0)),
                kind: AccountKind::Payment,
                balance: None,
                lines: Vec::new(),
            });
        account.balance = Some(Balance {
            amount: Amount::new(statement.closing.1, statement.currency),
            balance_type: BalanceType::ClosingBooked,
            reference_date: Some(statement.closing.0),
            credit_limit_included: false,
        });
        for movement in &statement.movements {
            let id = TransactionId::from_entropy(entropy(number, account.lines.len() + 1));
            let line = movement.to_transaction(id, statement.currency);
            account.lines.push(line);
        }
    }
    Ok(History {
        accounts: accounts.into_values().collect(),
        as_of,
    })
}

fn from_persona(text: &str) -> Result<History, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut accounts = Vec::new();
    let mut as_of: Option<Date> = None;
    for account in
        values(&file, "connections").flat_map(|connection| values(connection, "accounts"))
    {
        let currency: Currency = account
            .pointer("/currency/id")
            .and_then(Value::as_str)
            .unwrap_or("EUR")
            .parse()
            .map_err(|_| "unknown currency")?;
        let number = accounts.len();
        let updated = account
            .get("last_update")
            .and_then(Value::as_str)
            .and_then(date);
        as_of = as_of.max(updated);
        let lines = values(account, "transactions")
            .enumerate()
            .map(|(position, line)| persona_line(number, position, line))
            .collect::<Result<Vec<_>, String>>()?;
        accounts.push(AccountHistory {
            account: AccountId::from_entropy(entropy(number, 0)),
            kind: match account.get("type").and_then(Value::as_str) {
                Some("checking") => AccountKind::Payment,
                Some("card") => AccountKind::Card,
                Some("savings") => AccountKind::Savings,
                Some("loan") => AccountKind::Loan,
                _ => AccountKind::Other,
            },
            balance: account
                .get("balance")
                .and_then(|balance| decimal(balance, currency))
                .map(|amount| Balance {
                    amount,
                    balance_type: BalanceType::ClosingBooked,
                    reference_date: updated,
                    credit_limit_included: false,
                }),
            lines,
        });
    }
    Ok(History {
        accounts,
        as_of: as_of.ok_or("no account says when it was updated")?,
    })
}

fn persona_line(account: usize, position: usize, line: &Value) -> Result<Transaction, String> {
    let currency = line
        .get("currency")
        .and_then(Value::as_str)
        .unwrap_or("EUR");
    let currency = currency.parse().map_err(|_| "unknown currency")?;
    let on = ["date", "rdate"]
        .iter()
        .find_map(|field| line.get(field).and_then(Value::as_str).and_then(date))
        .ok_or_else(|| format!("line {position} has no date"))?;
    Ok(transaction(
        TransactionId::from_entropy(entropy(account, position + 1)),
        on,
        line.get("value")
            .and_then(|value| decimal(value, currency))
            .ok_or("a line has no amount")?,
        line.get("original_wording")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    ))
}

fn from_csv(text: &str) -> Result<History, String> {
    let mut lines = Vec::new();
    for (position, row) in text
        .lines()
        .enumerate()
        .filter(|(_, row)| !row.trim().is_empty())
    {
        let (on, rest) = row
            .split_once(',')
            .ok_or_else(|| format!("line {}: no comma", position + 1))?;
        let Some(on) = date(on.trim()) else {
            if position == 0 {
                continue; // the heading
            }
            return Err(format!("line {}: no date", position + 1));
        };
        let (label, amount) = rest
            .rsplit_once(',')
            .ok_or_else(|| format!("line {}: no amount", position + 1))?;
        let amount = Amount::parse(amount, Currency::EUR)
            .map_err(|error| format!("line {}: {error}", position + 1))?;
        let id = TransactionId::from_entropy(entropy(0, position + 1));
        lines.push(transaction(id, on, amount, label.trim().trim_matches('"')));
    }
    let as_of = lines
        .iter()
        .map(|line| line.booking_date)
        .max()
        .ok_or("no line")?;
    Ok(History {
        accounts: vec![AccountHistory {
            account: AccountId::from_entropy(entropy(0, 0)),
            kind: AccountKind::Payment,
            balance: None,
            lines,
        }],
        as_of,
    })
}

/// A booked line with nothing but a label.
pub fn transaction(id: TransactionId, on: Date, amount: Amount, label: &str) -> Transaction {
    Transaction {
        id,
        entry_reference: None,
        booking_date: on,
        value_date: None,
        transaction_date: None,
        amount,
        label: Private::new(label),
        counterparty: Counterparty::default(),
        creditor_id: None,
        mandate_id: None,
        end_to_end_id: None,
        bank_transaction_code: None,
        balance_after: None,
        sensitive: false,
    }
}

/// A booked balance.
#[allow(dead_code)]
pub fn balance(amount: Amount) -> Balance {
    Balance {
        amount,
        balance_type: BalanceType::ClosingBooked,
        reference_date: None,
        credit_limit_included: false,
    }
}

/// Sixteen bytes from two numbers.
pub fn entropy(first: usize, second: usize) -> [u8; 16] {
    let mut bytes = [0_u8; 16];
    let (high, low) = bytes.split_at_mut(8);
    high.copy_from_slice(&u64::try_from(first).unwrap_or(u64::MAX).to_be_bytes());
    low.copy_from_slice(&u64::try_from(second).unwrap_or(u64::MAX).to_be_bytes());
    bytes
}

fn values<'a>(parent: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    parent
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn date(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

/// JSON numbers are read through their text: no float in between. `1.1` has one decimal, money two.
fn decimal(value: &Value, currency: Currency) -> Option<Amount> {
    Amount::parse(&value.as_number()?.to_string(), currency).ok()
}
