//! How an oddity changes the façade's documents.

use jiff::ToSpan;
use jiff::civil::Date;
use passerelle_domain::money::Amount;
use serde_json::{Map, Value, json};

use crate::ledger::{LedgerAccount, LedgerAccountKind, LedgerLine};
use crate::people::Quirk;

/// The width formats cut text at.
const CUT: usize = 35;

/// Changes one movement.
pub(crate) fn bend_transaction(
    quirk: Quirk,
    document: &mut Map<String, Value>,
    line: &LedgerLine,
    position: usize,
    today: Date,
) {
    let pending = line.booking_date.is_none();
    let mut set = |name: &str, value: Value| {
        document.insert(name.to_owned(), value);
    };
    match quirk {
        Quirk::Q01 | Quirk::Q08 => drop_ids(document),
        Quirk::Q02 => set_ids(document, " "),
        Quirk::Q03 if line.transaction_date.is_some() => set_ids(document, "NOTPROVIDED"),
        Quirk::Q04 if pending => set_ids(document, "0"),
        Quirk::Q05 => set_ids(document, &(amount_digits(line) % 7).to_string()),
        Quirk::Q06 if pending => set_ids(document, &format!("P{}", line.reference)),
        Quirk::Q07 if !pending => {
            set_ids(document, &format!("{today}|{}", line.reference));
        }
        Quirk::Q09 if pending => {
            let unsigned = line.amount.as_credit().to_decimal();
            set(
                "transactionAmount",
                json!({"currency": line.amount.currency.as_str(), "amount": unsigned}),
            );
        }
        Quirk::Q12 if line.transaction_date.is_some() => {
            let billed = line.amount.as_credit().to_decimal().replace('.', ",");
            let charged = Amount::new(line.amount.minor.saturating_mul(11), line.amount.currency);
            set(
                "transactionAmount",
                json!({"currency": "SEK", "amount": charged.to_decimal()}),
            );
            set(
                "remittanceInformationUnstructured",
                json!(format!("{} SOIT {billed} EUR", line.label)),
            );
        }
        // The day the card is settled, weeks later; a pending line at the latest day possible.
        Quirk::Q23 if pending => {
            let latest = today.checked_add(12.days()).unwrap_or(today);
            set("bookingDate", json!(latest.to_string()));
        }
        Quirk::Q23 => {
            let settled = line.booking_date.map(Date::last_of_month);
            let later = settled.and_then(|day| day.checked_add(30.days()).ok());
            set("valueDate", json!(later.map(|day| day.to_string())));
        }
        Quirk::Q24 if is_authorisation(line, today) => {
            set_ids(document, &format!("A{}", line.reference));
        }
        Quirk::Q18 => match position % 4 {
            0 => set("remittanceInformationUnstructured", json!([line.label])),
            1 => set(
                "remittanceInformationUnstructured",
                json!({"text": line.label}),
            ),
            2 => {
                set("remittanceInformationUnstructured", json!("-"));
                set("remittanceInformationUnstructuredArray", json!([]));
                set("additionalInformation", json!(line.label));
            }
            _ => {}
        },
        Quirk::Q19 => {
            let whole = format!("{} REFERENCE CLIENT ET DATE D'ECHEANCE", line.label);
            let letters: Vec<char> = whole.chars().collect();
            let pieces: Vec<String> = letters
                .chunks(CUT)
                .map(|piece| piece.iter().collect())
                .collect();
            document.remove("remittanceInformationUnstructured");
            document.insert(
                "remittanceInformationUnstructuredArray".to_owned(),
                json!(pieces),
            );
        }
        Quirk::Q20 => {
            for name in [
                "remittanceInformationUnstructured",
                "creditorName",
                "debtorName",
            ] {
                document.remove(name);
            }
            document.insert("additionalInformation".to_owned(), json!(line.label));
        }
        Quirk::Q21 => set(
            "remittanceInformationUnstructured",
            json!(format!("{} EndToEndID: NOTPROVIDED", line.label)),
        ),
        Quirk::Q22 => {
            let day = line.booking_date.map(|day| json!(day.to_string()));
            document.remove("bookingDate");
            document.remove("valueDate");
            if let Some(day) = day {
                document.insert("transactionDate".to_owned(), day);
            }
        }
        Quirk::Q47 => {
            for name in ["bookingDate", "valueDate", "transactionDate"] {
                if let Some(Value::String(day)) = document.get_mut(name) {
                    day.push_str("T00:00:00+02:00");
                }
            }
        }
        Quirk::Q50 => bend_amount(document, line, position),
        _ => {}
    }
}

/// How many days a card authorisation stands before the shop's presentment replaces it (Q24).
const AUTHORISATION_DAYS: i64 = 5;

fn is_authorisation(line: &LedgerLine, today: Date) -> bool {
    let fresh = today.checked_sub(AUTHORISATION_DAYS.days());
    let recent = |booked: Date| fresh.is_ok_and(|fresh| booked > fresh);
    line.transaction_date.is_some() && line.booking_date.is_some_and(recent)
}

/// What is shown as booked and as pending. A fresh card line stands under the day it was made until
/// its presentment comes (Q24); a pending one passes for booked today (Q25).
pub(crate) fn rearranged(
    quirk: Option<Quirk>,
    account: &LedgerAccount,
    today: Date,
) -> (Vec<LedgerLine>, Vec<LedgerLine>) {
    let (mut booked, mut pending) = (account.booked.clone(), account.pending.clone());
    match quirk {
        Some(Quirk::Q24) => {
            for line in &mut booked {
                if is_authorisation(line, today) {
                    line.booking_date = line.transaction_date;
                }
            }
        }
        Some(Quirk::Q25) => {
            booked.extend(pending.drain(..).map(|line| LedgerLine {
                booking_date: Some(today),
                ..line
            }));
        }
        _ => {}
    }
    (booked, pending)
}

/// Whether a booked line is served a second time: two real, equal payments (Q08).
pub(crate) fn is_doubled(quirk: Option<Quirk>, line: &LedgerLine) -> bool {
    quirk == Some(Quirk::Q08) && amount_digits(line).is_multiple_of(5)
}

fn amount_digits(line: &LedgerLine) -> u64 {
    line.amount.minor.unsigned_abs()
}

fn drop_ids(document: &mut Map<String, Value>) {
    document.remove("transactionId");
    document.remove("entryReference");
}

fn set_ids(document: &mut Map<String, Value>, id: &str) {
    for name in ["transactionId", "entryReference"] {
        document.insert(name.to_owned(), json!(id));
    }
}

/// `-12.5` in quotes, or the bare number: the same amount in other clothes.
fn bend_amount(document: &mut Map<String, Value>, line: &LedgerLine, position: usize) {
    let decimal = line.amount.to_decimal();
    let amount = if position.is_multiple_of(2) {
        decimal
            .parse::<serde_json::Number>()
            .map_or_else(|_| json!(decimal), Value::Number)
    } else {
        json!(decimal.strip_suffix('0').unwrap_or(&decimal))
    };
    document.insert(
        "transactionAmount".to_owned(),
        json!({"amount": amount, "currency": "EUR"}),
    );
}

/// Changes one account of the list.
pub(crate) fn bend_account(
    quirk: Quirk,
    document: &mut Map<String, Value>,
    kind: LedgerAccountKind,
) {
    match quirk {
        Quirk::Q41 => {
            document.remove("iban");
            if kind == LedgerAccountKind::Savings {
                document.insert("status".to_owned(), json!("deleted"));
            }
        }
        Quirk::Q42 => {
            let masked = match kind {
                LedgerAccountKind::Savings => "374500XXXXXX015",
                _ => "374500XXXXXX007",
            };
            document.insert("iban".to_owned(), json!(masked));
        }
        Quirk::Q46 => {
            if let Some(Value::Array(balances)) = document.get_mut("balances") {
                match kind {
                    LedgerAccountKind::Savings => only_expected(balances),
                    _ => bend_balances(balances),
                }
            }
        }
        _ => {}
    }
}

/// One balance, and it is what the bank expects.
fn only_expected(balances: &mut Vec<Value>) {
    balances.truncate(1);
    if let Some(Value::Object(balance)) = balances.first_mut() {
        balance.insert("balanceType".to_owned(), json!("expected"));
    }
}

/// The booked balance hides behind the bank's own type; a better-named one includes a credit limit.
fn bend_balances(balances: &mut Vec<Value>) {
    let limit = json!({
        "balanceType": "closingBooked",
        "balanceAmount": {"currency": "EUR", "amount": "99999.00"},
        "creditLimitIncluded": true,
    });
    balances.truncate(1);
    if let Some(Value::Object(booked)) = balances.first_mut() {
        booked.insert("balanceType".to_owned(), json!("information"));
    }
    balances.insert(0, limit);
}
