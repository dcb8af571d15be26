//! The aggregator's façade, in the shapes of the Powens API 2.0: a page to connect on, a permanent
//! token per nameless user, connections with a state, accounts and movements over the same ledger.
//!
//! It reads the bank by itself and shows what it read; where it cannot, it goes on showing what it
//! had, and only the state of the connection tells.

mod documents;
mod refusal;
mod webview;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::{self, AccessRefusal, GrantedAccess};
use crate::bank::Bank;
use crate::caller::Caller;
use crate::consent::{BankConsent, ConsentStatus, Dialect, VisibleStatus};
use crate::ledger::LedgerLine;
use crate::oauth::{self, TokenRequest};
use crate::people::{Aggregation, Behaviour};
use crate::powens::refusal::Refusal;

/// The secret of every application: this is a sandbox.
const CLIENT_SECRET: &str = "sandbox-aggregator-secret";

/// The most movements on one page.
const MAX_PAGE: usize = 1_000;

/// How long the first reading of a slow bank takes.
const FIRST_READING: SignedDuration = SignedDuration::from_mins(5);

/// The façade's routes.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .merge(webview::routes())
        .route("/powens/2.0/auth/token/access", post(exchange))
        .route("/powens/2.0/users/me", axum::routing::delete(forget))
        .route("/powens/2.0/users/me/connections", get(connections))
        .route("/powens/2.0/users/me/accounts", get(accounts))
        .route(
            "/powens/2.0/users/me/accounts/{account}/transactions",
            get(transactions),
        )
}

/// The number a connection goes by: a nameless user has one.
pub(crate) fn connection_id(bank: &Bank, consent: &str) -> u64 {
    number(bank, consent, "connection")
}

/// A number for something of one consent, as far as a JSON number is exact everywhere.
fn number(bank: &Bank, consent: &str, key: &str) -> u64 {
    let tag = bank.resource_id(consent, key);
    u64::from_str_radix(tag.get(..12).unwrap_or_default(), 16).unwrap_or_default()
}

/// Serialised from typed documents: amounts are JSON numbers that never were floats.
fn json(document: &impl Serialize) -> Result<Response, Refusal> {
    let body = serde_json::to_string(document).map_err(|_| Refusal::Failure)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

#[derive(Deserialize)]
struct ClientSecret {
    client_secret: Option<String>,
}

/// A code for a permanent token.
async fn exchange(State(bank): State<Arc<Bank>>, body: Bytes) -> Result<Response, Refusal> {
    let unreadable = |_| Refusal::BadRequest("the body is not what the documentation says");
    let application: ClientSecret = serde_json::from_slice(&body).map_err(unreadable)?;
    let request: TokenRequest = serde_json::from_slice(&body).map_err(unreadable)?;
    if application.client_secret.as_deref() != Some(CLIENT_SECRET) {
        return Err(Refusal::UnknownClient);
    }
    let token = oauth::grant_permanent(&bank, &request, Dialect::Powens)?;
    json(&documents::Token {
        access_token: token,
        token_type: "Bearer",
    })
}

/// A nameless user, by their token.
struct User {
    consent_id: String,
    consent: BankConsent,
}

impl User {
    fn of_token(bank: &Bank, caller: &Caller) -> Result<Self, Refusal> {
        let token = access::bearer(&caller.headers).ok_or(Refusal::Unauthorized)?;
        let issued = access::issued(bank, token).map_err(|_| Refusal::Unauthorized)?;
        let consent = bank
            .look(|state| state.consents.get(&issued.consent).cloned())
            .filter(|consent| consent.dialect == Dialect::Powens)
            .filter(|consent| consent.status != ConsentStatus::TerminatedByTpp)
            .ok_or(Refusal::Unauthorized)?;
        Ok(Self {
            consent_id: issued.consent,
            consent,
        })
    }

    /// What the aggregator meets at this person's bank.
    fn aggregation(&self, bank: &Bank) -> Option<Aggregation> {
        match &self.consent.status {
            ConsentStatus::Valid { person, .. } => bank.member(person)?.aggregation,
            _ => None,
        }
    }

    fn behaviour(&self, bank: &Bank) -> Behaviour {
        match &self.consent.status {
            ConsentStatus::Valid { person, .. } => bank
                .member(person)
                .map_or(Behaviour::Ordinary, |member| member.behaviour),
            _ => Behaviour::Ordinary,
        }
    }

    /// The state of the connection: what the bank says first, then what the case is about.
    fn state(&self, bank: &Bank) -> Option<&'static str> {
        match self.consent.visible_status(bank.now(), bank.today()) {
            VisibleStatus::Valid if self.behaviour(bank) == Behaviour::Down => {
                Some("websiteUnavailable")
            }
            VisibleStatus::Valid => self.aggregation(bank).and_then(Aggregation::state),
            VisibleStatus::Expired => Some("SCARequired"),
            _ => Some("webauthRequired"),
        }
    }

    /// When the bank was last read to the end.
    fn last_update(&self, bank: &Bank) -> Option<Timestamp> {
        let now = bank.now();
        let ConsentStatus::Valid { approved_at, .. } = &self.consent.status else {
            return Some(self.consent.created_at);
        };
        let is_slow = self.aggregation(bank) == Some(Aggregation::FirstReading);
        (!is_slow || now.duration_since(*approved_at) >= FIRST_READING).then_some(now)
    }
}

async fn connections(State(bank): State<Arc<Bank>>, caller: Caller) -> Result<Response, Refusal> {
    let user = User::of_token(&bank, &caller)?;
    let state = user.state(&bank);
    json(&documents::connections(
        connection_id(&bank, &user.consent_id),
        state,
        user.last_update(&bank),
        user.consent.created_at,
        user.consent.valid_until,
    ))
}

/// What the aggregator holds: nothing any more when the bank took the access back.
fn held(bank: &Bank, caller: &Caller) -> Result<Option<GrantedAccess>, Refusal> {
    match GrantedAccess::of_token(bank, caller, Dialect::Powens) {
        Ok(access) => Ok(Some(access)),
        Err(AccessRefusal::State(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

async fn accounts(State(bank): State<Arc<Bank>>, caller: Caller) -> Result<Response, Refusal> {
    let user = User::of_token(&bank, &caller)?;
    let held = held(&bank, &caller)?;
    let shown = held
        .as_ref()
        .filter(|access| access.behaviour != Behaviour::NoAccount)
        .map_or(&[][..], |access| &access.accounts);
    json(&documents::accounts(
        &bank,
        &user.consent_id,
        shown,
        user.last_update(&bank),
        user.aggregation(&bank) == Some(Aggregation::ListedTwice),
    ))
}

/// Which movements are asked for.
struct Window {
    min_date: Option<Date>,
    max_date: Option<Date>,
    limit: usize,
    offset: usize,
}

impl Window {
    fn read(parameters: &BTreeMap<String, String>) -> Result<Self, Refusal> {
        let bad = Refusal::BadRequest;
        let day = |name: &str| match parameters.get(name) {
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| bad("a date filter cannot be read")),
            None => Ok(None),
        };
        let count = |name: &str, usual: usize| match parameters.get(name) {
            Some(text) => text
                .parse()
                .map_err(|_| bad("limit and offset are numbers")),
            None => Ok(usual),
        };
        Ok(Self {
            min_date: day("min_date")?,
            max_date: day("max_date")?,
            limit: count("limit", MAX_PAGE)?.clamp(1, MAX_PAGE),
            offset: count("offset", 0)?,
        })
    }

    /// A coming line has the day it is expected, which is in every window that is not closed.
    fn holds(&self, line: &LedgerLine, today: Date) -> bool {
        let day = line.booking_date.unwrap_or(today);
        self.min_date.is_none_or(|min| min <= day) && self.max_date.is_none_or(|max| day <= max)
    }

    fn next(&self, offset: usize) -> String {
        let day = |name: &str, day: Option<Date>| {
            day.map(|day| format!("{name}={day}&")).unwrap_or_default()
        };
        format!(
            "{}{}limit={}&offset={offset}",
            day("min_date", self.min_date),
            day("max_date", self.max_date),
            self.limit
        )
    }
}

async fn transactions(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(account): Path<u64>,
    Query(parameters): Query<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let user = User::of_token(&bank, &caller)?;
    let mut window = Window::read(&parameters)?;
    let held = held(&bank, &caller)?.ok_or(Refusal::NotFound)?;
    let found = held
        .accounts
        .iter()
        .find(|held| number(&bank, &user.consent_id, &held.key) == account)
        .ok_or(Refusal::NotFound)?;
    match held.behaviour {
        Behaviour::Nonsense => return Ok("<h1>Maintenance</h1>".into_response()),
        Behaviour::RateLimited => return Err(Refusal::TooManySync),
        Behaviour::HalfPage if window.offset > 0 => return Err(Refusal::Failure),
        Behaviour::HalfPage | Behaviour::Circle | Behaviour::ForeignLink => window.limit = 10,
        _ => {}
    }
    let today = bank.today();
    let shown: Vec<&LedgerLine> = found
        .pending
        .iter()
        .chain(found.booked.iter().rev())
        .filter(|line| window.holds(line, today))
        .collect();
    let last = window.offset.saturating_add(window.limit);
    let following = match held.behaviour {
        Behaviour::Circle if window.offset > 0 => window.offset,
        _ => last,
    };
    let path = format!("/powens/2.0/users/me/accounts/{account}/transactions");
    let next = (last < shown.len()).then(|| {
        let query = window.next(following);
        match held.behaviour {
            Behaviour::ForeignLink => format!("https://elsewhere.example{path}?{query}"),
            _ => format!("{}?{query}", bank.address(&path)),
        }
    });
    let page = shown
        .into_iter()
        .skip(window.offset)
        .take(window.limit)
        .map(|line| documents::movement(&bank, &user.consent_id, account, line, today))
        .collect();
    json(&documents::movements(
        page,
        found.booked.iter().filter_map(|line| line.booking_date),
        next,
        held.behaviour == Behaviour::UnreadableAmount,
    ))
}

/// The user is deleted with everything that was read for them.
async fn forget(State(bank): State<Arc<Bank>>, caller: Caller) -> Result<StatusCode, Refusal> {
    let user = User::of_token(&bank, &caller)?;
    bank.change(|state| {
        if let Some(consent) = state.consents.get_mut(&user.consent_id) {
            consent.status = ConsentStatus::TerminatedByTpp;
        }
    })?;
    Ok(StatusCode::NO_CONTENT)
}
