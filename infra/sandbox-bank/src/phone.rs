//! The person's phone: a request is found by the code the third party shows, and decided there.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;

use crate::bank::Bank;
use crate::consent::{ConsentStatus, VisibleStatus};
use crate::pages::{Credentials, PageRefusal, authenticated, page};

/// The page.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new().route("/phone", get(show).post(decide))
}

#[derive(Template)]
#[template(path = "phone.html")]
struct Phone {
    action: String,
    login: String,
    message: Option<&'static str>,
}

#[derive(Deserialize)]
struct Decision {
    login: String,
    password: String,
    code: String,
    decision: String,
}

async fn show(State(bank): State<Arc<Bank>>) -> Response {
    told(&bank, StatusCode::OK, String::new(), None)
}

fn told(bank: &Bank, status: StatusCode, login: String, message: Option<&'static str>) -> Response {
    let action = bank.address("/phone");
    page(
        status,
        &Phone {
            action,
            login,
            message,
        },
    )
}

async fn decide(
    State(bank): State<Arc<Bank>>,
    Form(decision): Form<Decision>,
) -> Result<Response, PageRefusal> {
    let refused = StatusCode::UNAUTHORIZED;
    let credentials = Credentials {
        login: decision.login.clone(),
        password: decision.password,
        revoke: None,
    };
    let Some(login) = authenticated(&bank, &credentials) else {
        let message = "Identifiant ou mot de passe inconnu.";
        return Ok(told(&bank, refused, decision.login, Some(message)));
    };
    let accounts: Vec<String> = bank
        .accounts_of(&login)
        .into_iter()
        .map(|account| account.key)
        .collect();
    let (now, today) = (bank.now(), bank.today());
    let approves = decision.decision == "approve";
    let person = login.clone();
    let decided = bank.change(|state| {
        let waiting = state.consents.values_mut().find(|consent| {
            consent.opening.phone_code.as_deref() == Some(decision.code.trim())
                && consent.visible_status(now, today) == VisibleStatus::Received
        });
        let Some(consent) = waiting else { return false };
        consent.last_action = today;
        consent.status = match approves {
            true => ConsentStatus::Valid {
                person,
                accounts,
                approved_at: now,
            },
            false => ConsentStatus::Rejected,
        };
        true
    })?;
    let (status, message) = match (decided, approves) {
        (false, _) => (StatusCode::NOT_FOUND, "Aucune demande n’attend ce code."),
        (true, true) => (StatusCode::OK, "Accès autorisé. Revenez sur l’autre écran."),
        (true, false) => (StatusCode::OK, "Demande refusée."),
    };
    Ok(told(&bank, status, login, Some(message)))
}
