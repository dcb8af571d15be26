//! The pages a person sees: plain HTML, no script, in French, visibly a sandbox.
//!
//! A visit's id is in the address: 256 bits nobody can guess, and it ends with the decision.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use jiff::civil::Date;
use serde::Deserialize;

use crate::bank::Bank;
use crate::consent::{BankConsent, ConsentStatus, VisibleStatus};
use crate::error::SandboxError;
use crate::ledger::LedgerAccount;
use crate::oauth;
use crate::people::{PASSWORD, Person, Quirk, Variant};
use crate::state::Visit;

/// The code that stands for a strong customer authentication.
const SCA_CODE: &str = "123456";

/// The pages.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .route("/", get(home))
        .route("/quirks", get(quirks))
        .route("/login/{visit}", get(login_page).post(log_in))
        .route("/approval/{visit}", get(approval_page).post(decide))
        .route(
            "/online-banking",
            get(online_banking_page).post(online_banking),
        )
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    people: Vec<Person>,
    online_banking: String,
    phone: String,
    clock: String,
    movable: bool,
    now: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    action: String,
    client_id: String,
    people: Vec<Person>,
    login: String,
    failed: bool,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct Approval {
    action: String,
    client_id: String,
    name: String,
    valid_until: String,
    owner_name: bool,
    accounts: Vec<LedgerAccount>,
    problem: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "waiting.html")]
struct Waiting {
    action: String,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    title: &'static str,
    text: &'static str,
}

#[derive(Template)]
#[template(path = "online_banking.html")]
struct OnlineBanking {
    action: String,
    login: String,
    message: Option<&'static str>,
    shown: bool,
    consents: Vec<GivenAccess>,
}

struct GivenAccess {
    id: String,
    accounts: usize,
    valid_until: String,
}

/// Why a page cannot be shown.
pub(crate) enum PageRefusal {
    /// The visit is over or never was.
    NoVisit,
    /// The request cannot be answered to the third party, because nothing proves where it lives.
    BadRequest(&'static str),
    /// The state could not be written.
    State(SandboxError),
}

impl From<SandboxError> for PageRefusal {
    fn from(error: SandboxError) -> Self {
        Self::State(error)
    }
}

impl IntoResponse for PageRefusal {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::NoVisit => (
                StatusCode::GONE,
                "Cette demande est terminée",
                "Retournez sur le site qui vous a envoyé ici et recommencez.",
            ),
            Self::BadRequest(text) => (StatusCode::BAD_REQUEST, "Demande incomplète", text),
            Self::State(error) => {
                tracing::error!(%error, "the sandbox bank could not write its state");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "La banque ne peut pas répondre",
                    "Réessayez dans un instant.",
                )
            }
        };
        page(status, &Message { title, text })
    }
}

/// Renders with the headers of a page nobody should frame, cache or leak the address of.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page of the sandbox bank could not be rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = (status, Html(html)).into_response();
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn home(State(bank): State<Arc<Bank>>) -> Response {
    page(
        StatusCode::OK,
        &Home {
            people: bank.people(),
            online_banking: bank.address("/online-banking"),
            phone: bank.address("/phone"),
            clock: bank.address("/clock"),
            movable: bank.has_movable_clock(),
            now: bank.now().strftime("%d/%m/%Y %H:%M UTC").to_string(),
        },
    )
}

#[derive(Template)]
#[template(path = "quirks.html")]
struct Quirks {
    quirks: Vec<Quirk>,
    base: String,
}

async fn quirks(State(bank): State<Arc<Bank>>) -> Response {
    page(
        StatusCode::OK,
        &Quirks {
            quirks: Quirk::all().collect(),
            base: bank.address(""),
        },
    )
}

fn visit(bank: &Bank, id: &str) -> Result<Visit, PageRefusal> {
    bank.look(|state| state.visits.get(id).cloned())
        .ok_or(PageRefusal::NoVisit)
}

async fn login_page(
    State(bank): State<Arc<Bank>>,
    Path(id): Path<String>,
) -> Result<Response, PageRefusal> {
    let visit = visit(&bank, &id)?;
    Ok(show_login(
        &bank,
        &id,
        &visit,
        String::new(),
        StatusCode::OK,
    ))
}

fn show_login(bank: &Bank, id: &str, visit: &Visit, login: String, status: StatusCode) -> Response {
    page(
        status,
        &Login {
            action: bank.address(&format!("/login/{id}")),
            client_id: visit.client_id.clone(),
            people: bank.people(),
            login,
            failed: status != StatusCode::OK,
        },
    )
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) revoke: Option<String>,
}

async fn log_in(
    State(bank): State<Arc<Bank>>,
    Path(id): Path<String>,
    Form(credentials): Form<Credentials>,
) -> Result<Response, PageRefusal> {
    let visit = visit(&bank, &id)?;
    let Some(login) = authenticated(&bank, &credentials) else {
        return Ok(show_login(
            &bank,
            &id,
            &visit,
            credentials.login,
            StatusCode::UNAUTHORIZED,
        ));
    };
    let consent = bank.look(|state| state.consents.get(&visit.consent).cloned());
    if consent.as_ref().is_some_and(oauth::is_login) {
        return oauth::approve(&bank, &id, &visit, login, Vec::new());
    }
    bank.change(|state| {
        if let Some(visit) = state.visits.get_mut(&id) {
            visit.person = Some(login);
        }
    })?;
    Ok(Redirect::to(&bank.address(&format!("/approval/{id}"))).into_response())
}

/// The person's login as the bank writes it.
pub(crate) fn authenticated(bank: &Bank, credentials: &Credentials) -> Option<String> {
    bank.member(&credentials.login)
        .filter(|_| credentials.password == PASSWORD)
        .map(|member| member.person.login.clone())
}

async fn approval_page(
    State(bank): State<Arc<Bank>>,
    Path(id): Path<String>,
) -> Result<Response, PageRefusal> {
    let visit = visit(&bank, &id)?;
    match open_consent(&bank, &visit) {
        Ok(consent) if consent.opening.phone_asked_at.is_some() => Ok(show_waiting(&bank, &id)),
        Ok(_) => show_approval(&bank, &id, &visit, None),
        // The time is up: the person goes back all the same (BPCE).
        Err(_) if was_never_decided(&bank, &visit) => oauth::refuse(&bank, &id, &visit),
        Err(refusal) => Err(refusal),
    }
}

/// The page looks again by itself until the time is up.
fn show_waiting(bank: &Bank, id: &str) -> Response {
    let action = bank.address(&format!("/approval/{id}"));
    let refresh = HeaderValue::from_str(&format!("5; url={action}"));
    let mut response = page(StatusCode::OK, &Waiting { action });
    if let Ok(refresh) = refresh {
        response.headers_mut().insert(header::REFRESH, refresh);
    }
    response
}

fn show_approval(
    bank: &Bank,
    id: &str,
    visit: &Visit,
    problem: Option<&'static str>,
) -> Result<Response, PageRefusal> {
    let Some(person) = visit.person.as_deref().and_then(|login| bank.member(login)) else {
        return Ok(Redirect::to(&bank.address(&format!("/login/{id}"))).into_response());
    };
    let consent = open_consent(bank, visit)?;
    let status = if problem.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Ok(page(
        status,
        &Approval {
            action: bank.address(&format!("/approval/{id}")),
            client_id: visit.client_id.clone(),
            name: person.person.name.clone(),
            valid_until: in_french(consent.valid_until),
            owner_name: consent.owner_name,
            accounts: bank.accounts_of(&person.person.login),
            problem,
        },
    ))
}

/// The consent a visit is about, as long as it waits for an answer.
fn open_consent(bank: &Bank, visit: &Visit) -> Result<BankConsent, PageRefusal> {
    let (now, today) = (bank.now(), bank.today());
    bank.look(|state| state.consents.get(&visit.consent).cloned())
        .filter(|consent| consent.visible_status(now, today) == VisibleStatus::Received)
        .ok_or(PageRefusal::NoVisit)
}

fn was_never_decided(bank: &Bank, visit: &Visit) -> bool {
    let status = bank.look(|state| {
        let consent = state.consents.get(&visit.consent);
        consent.map(|consent| consent.status.clone())
    });
    status == Some(ConsentStatus::Received)
}

fn in_french(day: Date) -> String {
    format!("{:02}/{:02}/{}", day.day(), day.month(), day.year())
}

async fn decide(
    State(bank): State<Arc<Bank>>,
    Path(id): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, PageRefusal> {
    let visit = visit(&bank, &id)?;
    let field = |wanted: &str| {
        fields
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.trim())
    };
    let now = bank.now();
    // Too late, or no: the person goes back all the same (BPCE).
    if open_consent(&bank, &visit).is_err() {
        return oauth::refuse(&bank, &id, &visit);
    }
    let variant = visit
        .person
        .as_deref()
        .and_then(|login| bank.member(login))
        .and_then(|member| member.variant);
    // The phone that must confirm never does: the bank gives up.
    let gives_up = variant == Some(Variant::NoStrongAuthentication);
    if gives_up || field("decision") != Some("approve") {
        return oauth::refuse(&bank, &id, &visit);
    }
    // It gives up after its time: until then the page waits.
    if variant == Some(Variant::SilentPhone) {
        bank.change(|state| {
            let consent = state.consents.get_mut(&visit.consent)?;
            consent.opening.phone_asked_at.get_or_insert(now);
            Some(())
        })?;
        return Ok(Redirect::to(&bank.address(&format!("/approval/{id}"))).into_response());
    }
    let Some(person) = visit.person.clone() else {
        return show_approval(&bank, &id, &visit, None);
    };
    let known: Vec<String> = bank
        .accounts_of(&person)
        .into_iter()
        .map(|account| account.key)
        .collect();
    let chosen: Vec<String> = known
        .into_iter()
        .filter(|key| {
            fields
                .iter()
                .any(|(name, value)| name == "account" && value == key)
        })
        .collect();
    if field("sca") != Some(SCA_CODE) {
        let problem = "Ce code n’est pas le bon. Dans le bac à sable, c’est 123456.";
        return show_approval(&bank, &id, &visit, Some(problem));
    }
    if chosen.is_empty() {
        let problem = "Choisissez au moins un compte, ou refusez la demande.";
        return show_approval(&bank, &id, &visit, Some(problem));
    }
    oauth::approve(&bank, &id, &visit, person, chosen)
}

async fn online_banking_page(State(bank): State<Arc<Bank>>) -> Response {
    page(
        StatusCode::OK,
        &OnlineBanking {
            action: bank.address("/online-banking"),
            login: String::new(),
            message: None,
            shown: false,
            consents: Vec::new(),
        },
    )
}

async fn online_banking(
    State(bank): State<Arc<Bank>>,
    Form(credentials): Form<Credentials>,
) -> Result<Response, PageRefusal> {
    let action = bank.address("/online-banking");
    let Some(login) = authenticated(&bank, &credentials) else {
        return Ok(page(
            StatusCode::UNAUTHORIZED,
            &OnlineBanking {
                action,
                login: credentials.login,
                message: Some("Identifiant ou mot de passe inconnu."),
                shown: false,
                consents: Vec::new(),
            },
        ));
    };
    let revoked = match &credentials.revoke {
        Some(consent) => revoke(&bank, &login, consent)?,
        None => false,
    };
    Ok(page(
        StatusCode::OK,
        &OnlineBanking {
            action,
            message: revoked.then_some("L’accès est retiré."),
            shown: true,
            consents: given_accesses(&bank, &login),
            login,
        },
    ))
}

fn revoke(bank: &Bank, login: &str, consent: &str) -> Result<bool, SandboxError> {
    bank.change(|state| {
        let own = state.consents.get_mut(consent).filter(|consent| {
            matches!(&consent.status, ConsentStatus::Valid { person, .. } if person == login)
        });
        match own {
            Some(consent) => {
                consent.status = ConsentStatus::RevokedByPsu;
                true
            }
            None => false,
        }
    })
}

fn given_accesses(bank: &Bank, login: &str) -> Vec<GivenAccess> {
    let (now, today) = (bank.now(), bank.today());
    bank.look(|state| {
        state
            .consents
            .iter()
            .filter(|(_, consent)| consent.visible_status(now, today) == VisibleStatus::Valid)
            .filter(|(_, consent)| !oauth::is_login(consent))
            .filter_map(|(id, consent)| match &consent.status {
                ConsentStatus::Valid {
                    person, accounts, ..
                } if person == login => Some(GivenAccess {
                    id: id.clone(),
                    accounts: accounts.len(),
                    valid_until: in_french(consent.valid_until),
                }),
                _ => None,
            })
            .collect()
    })
}
