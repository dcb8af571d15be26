//! `/v1/card-accounts`: cards with a list and documents of their own, behind the doors that keep
//! them apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::access::{GrantedAccess, Resource};
use crate::bank::Bank;
use crate::berlin_group::refusal::Refusal;
use crate::berlin_group::window::Window;
use crate::berlin_group::{documents, granted, page_length};
use crate::caller::Caller;
use crate::ledger::{LedgerAccount, LedgerAccountKind, LedgerLine};
use crate::people::Quirk;

/// The routes.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .route("/v1/card-accounts", get(list))
        .route("/v1/card-accounts/{account}", get(one))
        .route("/v1/card-accounts/{account}/balances", get(balances))
        .route(
            "/v1/card-accounts/{account}/transactions",
            get(transactions),
        )
}

/// Cards written the other way round, without a word (Q10): every amount turned.
fn turned(access: &GrantedAccess) -> bool {
    access.quirk == Some(Quirk::Q10)
}

fn cards(access: &GrantedAccess) -> impl Iterator<Item = &LedgerAccount> {
    let apart = access.consent.opening.entrance.cards_apart;
    access
        .accounts
        .iter()
        .filter(move |account| apart && account.kind == LedgerAccountKind::Card)
}

fn card<'a>(
    bank: &Bank,
    access: &'a GrantedAccess,
    resource: &str,
) -> Result<&'a LedgerAccount, Refusal> {
    let found = access.account(bank, resource)?;
    cards(access)
        .find(|card| card.key == found.key)
        .ok_or(Refusal::ResourceUnknown)
}

fn outstanding(access: &GrantedAccess, card: &LedgerAccount) -> Value {
    let amount = card.outstanding();
    let amount = match turned(access) {
        true => amount.reversed(),
        false => amount,
    };
    json!([{"balanceType": "nonInvoiced", "balanceAmount": documents::amount(amount)}])
}

async fn list(State(bank): State<Arc<Bank>>, caller: Caller) -> Result<Response, Refusal> {
    let access = granted(&bank, &caller)?;
    access.count(&bank, Resource::Cards)?;
    let listed: Vec<Value> = cards(&access)
        .map(|card| details(&bank, &access, card))
        .collect();
    Ok(Json(json!({ "cardAccounts": listed })).into_response())
}

async fn one(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(resource): Path<String>,
) -> Result<Response, Refusal> {
    let access = granted(&bank, &caller)?;
    let card = card(&bank, &access, &resource)?;
    access.count(&bank, Resource::Account(&card.key))?;
    let document = details(&bank, &access, card);
    Ok(Json(json!({ "cardAccount": document })).into_response())
}

fn details(bank: &Bank, access: &GrantedAccess, card: &LedgerAccount) -> Value {
    let door = &access.consent.opening.entrance.path;
    let resource = bank.resource_id(&access.consent_id, &card.key);
    let path = bank.path(&format!("{door}/v1/card-accounts/{resource}"));
    json!({
        "resourceId": resource,
        "maskedPan": card.masked_pan(),
        "currency": card.currency.as_str(),
        "name": card.name,
        "status": "enabled",
        "usage": "PRIV",
        "balances": outstanding(access, card),
        "_links": {
            "balances": {"href": format!("{path}/balances")},
            "transactions": {"href": format!("{path}/transactions")},
        },
    })
}

fn reference(card: &LedgerAccount) -> Value {
    json!({"maskedPan": card.masked_pan(), "currency": card.currency.as_str()})
}

async fn balances(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(resource): Path<String>,
) -> Result<Response, Refusal> {
    let access = granted(&bank, &caller)?;
    let card = card(&bank, &access, &resource)?;
    access.count(&bank, Resource::Balances(&card.key))?;
    let balances = outstanding(&access, card);
    Ok(Json(json!({"cardAccount": reference(card), "balances": balances})).into_response())
}

async fn transactions(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(resource): Path<String>,
    Query(parameters): Query<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let access = granted(&bank, &caller)?;
    let card = card(&bank, &access, &resource)?;
    let window = Window::read(&bank, &access, card, &parameters)?;
    if !window.continued {
        access.count(&bank, Resource::Transactions(&card.key))?;
    }
    let length = page_length(&access);
    let booked: Vec<&LedgerLine> = card
        .booked
        .iter()
        .rev()
        .filter(|_| window.status.wants_booked())
        .filter(|line| line.booking_date.is_some_and(|day| window.holds(day)))
        .collect();
    let shown: Vec<Value> = booked
        .iter()
        .skip(window.offset)
        .take(length)
        .map(|line| movement(line))
        .collect();
    let door = &access.consent.opening.entrance.path;
    let path = bank.path(&format!("{door}/v1/card-accounts/{resource}"));
    let mut links = json!({"cardAccount": {"href": path}});
    let end = window.offset + length;
    if end < booked.len()
        && let Some(links) = links.as_object_mut()
    {
        let key = window.continuation(&bank, card, end);
        let href = format!("{path}/transactions?continuationKey={key}");
        links.insert("next".to_owned(), json!({ "href": href }));
    }
    let mut report = json!({"booked": shown, "_links": links});
    if window.status.wants_pending()
        && !window.continued
        && let Some(report) = report.as_object_mut()
    {
        let pending: Vec<Value> = card.pending.iter().map(movement).collect();
        report.insert("pending".to_owned(), Value::Array(pending));
    }
    let mut document = json!({"cardAccount": reference(card), "cardTransactions": report});
    // Debits are positive at this door, and it says so; the bank of Q10 does not.
    if !turned(&access)
        && let Some(document) = document.as_object_mut()
    {
        document.insert("debitAccounting".to_owned(), json!(true));
    }
    Ok(Json(document).into_response())
}

fn movement(line: &LedgerLine) -> Value {
    let mut document = json!({
        "cardTransactionId": line.reference,
        "transactionAmount": documents::amount(line.amount.reversed()),
        "transactionDetails": line.label,
        "invoiced": line.booking_date.is_some(),
    });
    if let Some(members) = document.as_object_mut() {
        for (name, day) in [
            ("transactionDate", line.transaction_date),
            ("bookingDate", line.booking_date),
        ] {
            if let Some(day) = day {
                members.insert(name.to_owned(), json!(day.to_string()));
            }
        }
    }
    document
}
