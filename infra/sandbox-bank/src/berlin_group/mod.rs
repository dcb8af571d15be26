//! The Berlin Group NextGenPSD2 1.3 façade: consents and account data.

mod authorisations;
mod cards;
mod consents;
mod documents;
mod entrance;
mod quirks;
mod refusal;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router, middleware};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::access::{GrantedAccess, Resource, is_attended};
use crate::bank::Bank;
pub(crate) use crate::berlin_group::entrance::{Entrance, Form};
pub(crate) use crate::berlin_group::refusal::Refusal;
use crate::berlin_group::window::{BookingStatus, PAGE_LENGTH, Window};
use crate::caller::Caller;
use crate::ledger::{LedgerAccount, LedgerAccountKind};
use crate::people::{Behaviour, Quirk};
use crate::request_id;

/// The façade's routes, behind every door.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Entrance::all()
        .into_iter()
        .fold(Router::new(), |router, entrance| {
            let path = entrance.path.clone();
            let behind = interface().layer(Extension(entrance));
            match path.as_str() {
                "" => router.merge(behind),
                path => {
                    let metadata = get(crate::oauth::metadata);
                    router.nest(path, behind.route(crate::oauth::METADATA_PATH, metadata))
                }
            }
        })
}

fn interface() -> Router<Arc<Bank>> {
    Router::new()
        .merge(consents::routes())
        .merge(authorisations::routes())
        .merge(cards::routes())
        .route("/v1/accounts", get(accounts))
        .route("/v1/accounts/{account}", get(account))
        .route("/v1/accounts/{account}/balances", get(balances))
        .route("/v1/accounts/{account}/transactions", get(transactions))
        .route("/v1/{*rest}", axum::routing::any(nowhere))
        .layer(middleware::from_fn(check_address))
        .layer(middleware::from_fn(request_id::demand_uuid))
}

/// An address of the person that cannot be read is refused everywhere, read or not.
async fn check_address(request: Request, next: Next) -> Response {
    match is_attended(request.headers()) {
        Ok(_) => next.run(request).await,
        Err(refusal) => Refusal::from(refusal).into_response(),
    }
}

type Parameters = Query<BTreeMap<String, String>>;

/// The read's consent, named in a header, and the token that goes with it.
fn granted(bank: &Bank, caller: &Caller) -> Result<GrantedAccess, Refusal> {
    let id = caller
        .headers
        .get("consent-id")
        .and_then(|value| value.to_str().ok());
    let access = match id {
        Some(id) => GrantedAccess::of_consent(bank, caller, id)?,
        None if caller.headers.contains_key("authorization") => {
            return Err(Refusal::Format("Consent-ID is missing"));
        }
        None => return Err(Refusal::TokenMissing),
    };
    if access.quirk == Some(Quirk::Q51) && !access.attended {
        return Err(Refusal::PsuHeaderMissing);
    }
    Ok(access)
}

async fn nowhere() -> Refusal {
    Refusal::ResourceUnknown
}

async fn accounts(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Query(parameters): Parameters,
) -> Result<Response, Refusal> {
    let access = granted(&bank, &caller)?;
    answer_in_its_time(&bank, &access).await?;
    let with_balance = read_flag(&parameters, "withBalance")?;
    access.count(&bank, Resource::Accounts)?;
    let apart = access.consent.opening.entrance.cards_apart;
    let listed: Vec<Value> = if access.behaviour == Behaviour::NoAccount {
        Vec::new()
    } else {
        access
            .accounts
            .iter()
            .filter(|account| !apart || account.kind != LedgerAccountKind::Card)
            .map(|account| documents::account(&bank, &access, account, with_balance))
            .collect()
    };
    Ok(Json(json!({ "accounts": listed })).into_response())
}

async fn account(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(resource): Path<String>,
    Query(parameters): Parameters,
) -> Result<Response, Refusal> {
    let access = granted(&bank, &caller)?;
    answer_in_its_time(&bank, &access).await?;
    let with_balance = read_flag(&parameters, "withBalance")?;
    let account = access.account(&bank, &resource)?;
    access.count(&bank, Resource::Account(&account.key))?;
    let document = documents::account(&bank, &access, account, with_balance);
    Ok(Json(json!({ "account": document })).into_response())
}

async fn balances(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(resource): Path<String>,
) -> Result<Response, Refusal> {
    let access = granted(&bank, &caller)?;
    answer_in_its_time(&bank, &access).await?;
    let account = access.account(&bank, &resource)?;
    access.count(&bank, Resource::Balances(&account.key))?;
    Ok(Json(json!({
        "account": documents::account_reference(account),
        "balances": documents::balances(access.quirk, account, bank.today()),
    }))
    .into_response())
}

async fn transactions(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(resource): Path<String>,
    Query(parameters): Parameters,
) -> Result<Response, Refusal> {
    let access = granted(&bank, &caller)?;
    answer_in_its_time(&bank, &access).await?;
    let account = access.account(&bank, &resource)?;
    let window = Window::read(&bank, &access, account, &parameters)?;
    match access.quirk {
        Some(Quirk::Q29) if !access.attended => return Err(Refusal::ComeBackLater),
        Some(Quirk::Q52) if !access.attended => return Ok(gateway_page()),
        Some(Quirk::Q17) if account.booked.is_empty() => {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        _ => {}
    }
    match access.behaviour {
        Behaviour::Nonsense => return Ok(Html("<h1>Maintenance</h1>").into_response()),
        Behaviour::RateLimited => return Err(Refusal::AccessExceeded),
        Behaviour::Busy => refuse_while_busy(&bank, &access)?,
        Behaviour::HalfPage if window.offset > 0 => return Err(Refusal::Internal),
        Behaviour::ClosedAccount if account.kind == LedgerAccountKind::Savings => {
            return Err(Refusal::ResourceUnknown);
        }
        _ => {}
    }
    // A page that continues is part of the access its first page was.
    if !window.continued {
        access.count(&bank, Resource::Transactions(&account.key))?;
    }
    Ok(Json(page(&bank, &access, account, &resource, &window)).into_response())
}

/// What a gateway before the bank answers in its place (Q52).
fn gateway_page() -> Response {
    let page = Html("<html><body><h1>400 Bad Request</h1></body></html>");
    (StatusCode::BAD_REQUEST, page).into_response()
}

/// One page of movements, newest first.
fn page(
    bank: &Bank,
    access: &GrantedAccess,
    account: &LedgerAccount,
    resource: &str,
    window: &Window,
) -> Value {
    let unfiltered = access.quirk == Some(Quirk::Q27);
    let today = bank.today();
    let (shown_booked, shown_pending) = quirks::rearranged(access.quirk, account, today);
    let booked: Vec<_> = shown_booked
        .iter()
        .rev()
        .filter(|_| window.status.wants_booked())
        .filter(|line| unfiltered || line.booking_date.is_some_and(|day| window.holds(day)))
        .flat_map(|line| {
            let times = 1 + usize::from(quirks::is_doubled(access.quirk, line));
            std::iter::repeat_n(line, times)
        })
        .collect();
    // An empty first page that continues: the first line comes with the second page (Q14).
    let empty = access.quirk == Some(Quirk::Q14) && !window.continued;
    let length = match empty {
        true => 0,
        false => page_length(access),
    };
    let mut shown: Vec<Value> = booked
        .iter()
        .enumerate()
        .skip(window.offset)
        .take(length)
        .map(|(position, line)| documents::transaction(access.quirk, line, position, today))
        .collect();
    if access.behaviour == Behaviour::UnreadableAmount
        && let Some(Value::Object(first)) = shown.first_mut()
    {
        first.insert(
            "transactionAmount".to_owned(),
            json!({"amount": "douze", "currency": "EUR"}),
        );
    }
    let door = &access.consent.opening.entrance.path;
    let path = bank.path(&format!("{door}/v1/accounts/{resource}"));
    let mut links = json!({"account": {"href": path}});
    let end = window.offset + length;
    if end < booked.len() {
        let next = match access.behaviour {
            Behaviour::Circle if window.offset > 0 => window.offset,
            _ => end,
        };
        let key = window.continuation(bank, account, next);
        let href = match access.behaviour {
            Behaviour::ForeignLink => {
                format!("https://elsewhere.example/v1/accounts?continuationKey={key}")
            }
            // From the root of the host, with the host, from the interface's base (Q16).
            _ if access.quirk == Some(Quirk::Q16) => {
                let own = format!("v1/accounts/{resource}/transactions?continuationKey={key}");
                match (end / length.max(1)) % 2 {
                    0 => own,
                    _ => bank.address(&format!("{door}/{own}")),
                }
            }
            _ => format!("{path}/transactions?continuationKey={key}"),
        };
        if let Some(links) = links.as_object_mut() {
            links.insert("next".to_owned(), json!({ "href": href }));
        }
    }
    let mut report = json!({ "_links": links });
    if let Some(report) = report.as_object_mut() {
        // Nobody has a standing order here.
        if window.status == BookingStatus::Information {
            report.insert("information".to_owned(), json!([]));
        }
        if window.status.wants_booked() {
            report.insert("booked".to_owned(), Value::Array(shown));
        }
        // Pending lines come once, with the first page.
        if window.status.wants_pending() && !window.continued {
            let pending: Vec<Value> = shown_pending
                .iter()
                .enumerate()
                .map(|(position, line)| documents::transaction(access.quirk, line, position, today))
                .collect();
            // An array that is empty may as well be missing (Q17).
            if access.quirk != Some(Quirk::Q17) || !pending.is_empty() {
                report.insert("pending".to_owned(), Value::Array(pending));
            }
        }
    }
    json!({
        "account": documents::account_reference(account),
        "transactions": report,
    })
}

/// Misbehaving banks have short pages, so that there is always a second one.
fn page_length(access: &GrantedAccess) -> usize {
    if matches!(access.quirk, Some(Quirk::Q15 | Quirk::Q16)) {
        return 40;
    }
    match access.behaviour {
        Behaviour::HalfPage | Behaviour::Circle | Behaviour::ForeignLink => 10,
        Behaviour::Slow => 40,
        _ => PAGE_LENGTH,
    }
}

/// How long `bank-busy` is busy.
const BUSY_TIME: SignedDuration = SignedDuration::from_mins(10);

/// The first minutes after an approval are the bank's busiest.
fn refuse_while_busy(bank: &Bank, access: &GrantedAccess) -> Result<(), Refusal> {
    let busy_until = access.approved_at.checked_add(BUSY_TIME);
    match busy_until
        .unwrap_or(access.approved_at)
        .duration_since(bank.now())
    {
        left if left.is_positive() => Err(Refusal::Busy(left.as_secs().max(1))),
        _ => Ok(()),
    }
}

/// A bank that is down refuses, a slow one takes its time.
async fn answer_in_its_time(bank: &Bank, access: &GrantedAccess) -> Result<(), Refusal> {
    match access.behaviour {
        Behaviour::Down => return Err(Refusal::Unavailable),
        Behaviour::Slow => tokio::time::sleep(bank.slow_call()).await,
        _ => {}
    }
    Ok(())
}

fn read_flag(parameters: &BTreeMap<String, String>, name: &str) -> Result<bool, Refusal> {
    match parameters.get(name).map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::Format("a flag is neither true nor false")),
    }
}

/// Turns a refusal's status and body into an answer; used by every route.
fn refuse(status: StatusCode, code: &str, text: &str) -> Response {
    let message = json!({"tppMessages": [{"category": "ERROR", "code": code, "text": text}]});
    (status, Json(message)).into_response()
}
