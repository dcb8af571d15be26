//! The page a person connects their bank on. In the sandbox there is one bank to choose, so it goes
//! straight to that bank's own pages.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use jiff::civil::Date;
use serde::Deserialize;

use crate::bank::Bank;
use crate::consent::{BankConsent, ConsentStatus, Dialect, MAX_FREQUENCY, Opening, granted_until};
use crate::oauth;
use crate::pages::PageRefusal;
use crate::state::Visit;
use crate::stet::is_registered;

/// The route.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new().route("/powens/webview/{language}/connect", get(connect))
}

#[derive(Deserialize)]
struct ConnectRequest {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    state: Option<String>,
    /// A temporary code of a user who is already known.
    code: Option<String>,
}

/// A nameless user is made for whoever arrives without a code of their own.
async fn connect(
    State(bank): State<Arc<Bank>>,
    Path(language): Path<String>,
    Query(request): Query<ConnectRequest>,
) -> Result<Response, PageRefusal> {
    let bad = PageRefusal::BadRequest;
    if !matches!(language.as_str(), "fr" | "en") {
        return Err(bad(
            "Cette page existe en français (fr) et en anglais (en).",
        ));
    }
    if request.code.is_some() {
        return Err(bad(
            "Le bac à sable ne connaît que de nouveaux utilisateurs.",
        ));
    }
    let redirect_uri = request
        .redirect_uri
        .filter(|address| is_registered(address))
        .ok_or(bad("L’adresse de retour n’est pas enregistrée."))?;
    let client_id = request
        .client_id
        .filter(|id| !id.is_empty())
        .ok_or(bad("La demande ne dit pas qui demande (client_id)."))?;
    let (now, today) = (bank.now(), bank.today());
    let consent = BankConsent {
        status: ConsentStatus::Received,
        dialect: Dialect::Powens,
        created_at: now,
        valid_until: granted_until(Date::MAX, today),
        recurring: true,
        frequency_per_day: MAX_FREQUENCY,
        owner_name: false,
        redirect_uri: redirect_uri.clone(),
        last_action: today,
        client_id: Some(client_id.clone()),
        forwarded: None,
        opening: Opening::default(),
    };
    let id = bank.change(|state| {
        let consent_id = bank.fresh(state, "consent");
        state.consents.insert(consent_id.clone(), consent);
        let visit = Visit {
            consent: consent_id,
            client_id,
            redirect_uri,
            state: request.state,
            code_challenge: None,
            extended_history: false,
            person: None,
            started_at: now,
        };
        oauth::begin_visit(&bank, state, visit)
    })?;
    Ok(Redirect::to(&bank.address(&format!("/login/{id}"))).into_response())
}
