//! The STET façade: 1.4 in model A1 and 1.6 in model A2, over the same ledger.
//!
//! STET has no consent resource: a consent lives as long as its refresh token. Amounts carry a sign
//! of their own *and* an indicator, links are relative, an empty answer is a 204.

mod authorisation;
mod documents;
mod forwarding;
mod refusal;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use serde_json::{Value, json};

use crate::access::{GrantedAccess, Resource};
use crate::bank::Bank;
use crate::caller::Caller;
use crate::consent::Dialect;
use crate::ledger::{LedgerAccount, LedgerAccountKind};
use crate::people::Behaviour;
use crate::request_id;
pub(crate) use crate::stet::authorisation::is_registered;
use crate::stet::refusal::Refusal;
use crate::stet::window::Window;

/// Movements on one page.
const PAGE_LENGTH: usize = 100;

/// The façade's routes; the version is in the path.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .merge(authorisation::routes())
        .merge(forwarding::routes())
        .route("/stet/{version}/accounts", get(accounts))
        .route("/stet/{version}/accounts/{account}/balances", get(balances))
        .route(
            "/stet/{version}/accounts/{account}/transactions",
            get(transactions),
        )
        .layer(middleware::from_fn(request_id::echo))
}

/// The version in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V14,
    V16,
}

impl Version {
    fn read(text: &str) -> Result<Self, Refusal> {
        match text {
            "v1.4" => Ok(Self::V14),
            "v1.6" => Ok(Self::V16),
            _ => Err(Refusal::NotFound),
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::V14 => "v1.4",
            Self::V16 => "v1.6",
        }
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::V14 => Dialect::Stet14,
            Self::V16 => Dialect::Stet16,
        }
    }
}

/// The accounts STET knows: payment accounts and cards.
fn is_in_reach(account: &LedgerAccount) -> bool {
    matches!(
        account.kind,
        LedgerAccountKind::Payment | LedgerAccountKind::Card
    )
}

/// Whether an account's balances and movements can be read. In model A2 only what was forwarded,
/// and the cards that are tied to it.
fn is_readable(access: &GrantedAccess, account: &LedgerAccount) -> bool {
    match (access.consent.dialect, &access.consent.forwarded) {
        (Dialect::Stet16, None) => false,
        (Dialect::Stet16, Some(keys)) => match account.kind {
            LedgerAccountKind::Card => !keys.is_empty(),
            _ => keys.contains(&account.key),
        },
        _ => true,
    }
}

fn granted(bank: &Bank, caller: &Caller, version: Version) -> Result<GrantedAccess, Refusal> {
    if !request_id::is_given(&caller.headers) {
        return Err(Refusal::BadRequest("X-Request-ID is missing or too long"));
    }
    let access = GrantedAccess::of_token(bank, caller, version.dialect())?;
    match access.behaviour {
        Behaviour::Down => Err(Refusal::Unavailable),
        _ => Ok(access),
    }
}

fn hal(document: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/hal+json; charset=utf-8")];
    (headers, document.to_string()).into_response()
}

async fn accounts(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(version): Path<String>,
) -> Result<Response, Refusal> {
    let version = Version::read(&version)?;
    let access = granted(&bank, &caller, version)?;
    access.count(&bank, Resource::Accounts)?;
    let listed: Vec<Value> = access
        .accounts
        .iter()
        .filter(|account| is_in_reach(account) && access.behaviour != Behaviour::NoAccount)
        .map(|account| documents::account(&bank, &access, version, account))
        .collect();
    if listed.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut document = json!({
        "accounts": listed,
        "_links": {"self": {"href": format!("{}/accounts", version.path())}},
    });
    let named = access
        .accounts
        .iter()
        .any(|account| account.owner_name.is_some());
    if named && let Some(members) = document.as_object_mut() {
        members.insert("connectedPsu".to_owned(), json!(access.person));
    }
    Ok(hal(&document))
}

fn readable<'a>(
    bank: &Bank,
    access: &'a GrantedAccess,
    resource: &str,
) -> Result<&'a LedgerAccount, Refusal> {
    let account = access.account(bank, resource)?;
    if !is_in_reach(account) {
        return Err(Refusal::NotFound);
    }
    if !is_readable(access, account) {
        return Err(Refusal::Forbidden("the account was not forwarded"));
    }
    Ok(account)
}

async fn balances(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path((version, resource)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let version = Version::read(&version)?;
    let access = granted(&bank, &caller, version)?;
    let account = readable(&bank, &access, &resource)?;
    access.count(&bank, Resource::Balances(&account.key))?;
    let path = format!("{}/accounts/{resource}", version.path());
    Ok(hal(&json!({
        "balances": documents::balances(account, bank.today()),
        "_links": {"self": {"href": format!("{path}/balances")}},
    })))
}

async fn transactions(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path((version, resource)): Path<(String, String)>,
    Query(parameters): Query<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let version = Version::read(&version)?;
    let access = granted(&bank, &caller, version)?;
    let account = readable(&bank, &access, &resource)?;
    let window = Window::read(&bank, &access, version, &parameters)?;
    match access.behaviour {
        Behaviour::Nonsense => return Ok("<h1>Maintenance</h1>".into_response()),
        Behaviour::RateLimited => return Err(Refusal::TooManyRequests),
        Behaviour::HalfPage if window.page > 1 => return Err(Refusal::Internal),
        _ => {}
    }
    if window.page == 1 {
        access.count(&bank, Resource::Transactions(&account.key))?;
    }
    let shown: Vec<_> = account
        .pending
        .iter()
        .chain(account.booked.iter().rev())
        .filter(|line| window.holds(line))
        .collect();
    let length = match access.behaviour {
        Behaviour::HalfPage | Behaviour::Circle | Behaviour::ForeignLink => 10,
        _ => PAGE_LENGTH,
    };
    let first = (window.page - 1).saturating_mul(length);
    let page: Vec<Value> = shown
        .iter()
        .skip(first)
        .take(length)
        .map(|line| documents::transaction(line, version, bank.today()))
        .collect();
    if page.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let path = format!("{}/accounts/{resource}", version.path());
    let mut links = json!({
        "self": {"href": format!("{path}/transactions")},
        "parent-list": {"href": format!("{}/accounts", version.path())},
    });
    if first + length < shown.len()
        && let Some(links) = links.as_object_mut()
    {
        let next = match access.behaviour {
            Behaviour::Circle if window.page > 1 => window.page,
            _ => window.page + 1,
        };
        let query = window.query(next);
        let href = match access.behaviour {
            Behaviour::ForeignLink => format!("https://elsewhere.example/accounts?{query}"),
            _ => format!("{path}/transactions?{query}"),
        };
        links.insert("next".to_owned(), json!({ "href": href }));
    }
    Ok(hal(&json!({"transactions": page, "_links": links})))
}
