//! The authorisation server: metadata (RFC 8414), code with PKCE (RFC 7636), the issuer in the
//! return (RFC 9207), short access tokens, refresh tokens that are taken once.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::bank::Bank;
use crate::consent::{ConsentStatus, VisibleStatus};
use crate::error::SandboxError;
use crate::pages::PageRefusal;
use crate::state::{
    ACCESS_LIFETIME, CODE_LIFETIME, IssuedAccess, IssuedCode, IssuedRefresh, SecretDigest,
    State as Memory, Visit,
};

/// Where the metadata is, below the bank's base address.
pub(crate) const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";

/// The routes of the authorisation server.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .route(METADATA_PATH, get(metadata))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
}

async fn metadata(State(bank): State<Arc<Bank>>) -> Response {
    Json(json!({
        "issuer": bank.address(""),
        "authorization_endpoint": bank.address("/authorize"),
        "token_endpoint": bank.address("/token"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["none"],
    }))
    .into_response()
}

#[derive(Deserialize)]
struct AuthorizationRequest {
    response_type: Option<String>,
    client_id: Option<String>,
    redirect_uri: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

/// Checks who asks before anything is sent back: an address nobody registered is never redirected
/// to.
async fn authorize(
    State(bank): State<Arc<Bank>>,
    Query(request): Query<AuthorizationRequest>,
) -> Result<Response, PageRefusal> {
    let bad = PageRefusal::BadRequest;
    let consent_id = request
        .scope
        .as_deref()
        .and_then(|scope| scope.strip_prefix("AIS:"))
        .ok_or(bad(
            "La demande ne dit pas de quel accord il s’agit (scope).",
        ))?;
    let (now, today) = (bank.now(), bank.today());
    let consent = bank
        .look(|state| state.consents.get(consent_id).cloned())
        .filter(|consent| consent.visible_status(now, today) == VisibleStatus::Received)
        .ok_or(PageRefusal::NoVisit)?;
    let redirect_uri = request
        .redirect_uri
        .filter(|uri| *uri == consent.redirect_uri)
        .ok_or(bad("L’adresse de retour n’est pas celle de l’accord."))?;
    let client_id = request
        .client_id
        .filter(|id| !id.is_empty())
        .ok_or(bad("La demande ne dit pas qui demande (client_id)."))?;
    let challenge = request
        .code_challenge
        .filter(|_| request.code_challenge_method.as_deref() == Some("S256"))
        .filter(|challenge| challenge.len() == 43)
        .filter(|_| request.response_type.as_deref() == Some("code"));
    let Some(code_challenge) = challenge else {
        let answer = [("error", "invalid_request")];
        return back(&bank, &redirect_uri, request.state.as_deref(), &answer);
    };
    let visit = Visit {
        consent: consent_id.to_owned(),
        client_id,
        redirect_uri,
        state: request.state,
        code_challenge,
        person: None,
        started_at: now,
    };
    let id = bank.change(|state| {
        let id = bank.fresh(state, "visit");
        state.visits.insert(id.clone(), visit);
        id
    })?;
    Ok(Redirect::to(&bank.address(&format!("/login/{id}"))).into_response())
}

/// Sends the person back with an answer, naming the issuer.
fn back(
    bank: &Bank,
    redirect_uri: &str,
    state: Option<&str>,
    answer: &[(&str, &str)],
) -> Result<Response, PageRefusal> {
    let mut url = Url::parse(redirect_uri)
        .map_err(|_| PageRefusal::BadRequest("L’adresse de retour est illisible."))?;
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(answer);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &bank.address(""));
    }
    Ok(Redirect::to(url.as_str()).into_response())
}

/// The person refused.
pub(crate) fn refuse(bank: &Bank, id: &str, visit: &Visit) -> Result<Response, PageRefusal> {
    bank.change(|state| {
        state.visits.remove(id);
        if let Some(consent) = state.consents.get_mut(&visit.consent) {
            consent.status = ConsentStatus::Rejected;
        }
    })?;
    back(
        bank,
        &visit.redirect_uri,
        visit.state.as_deref(),
        &[("error", "access_denied")],
    )
}

/// The person opened accounts: the consent is valid and a code goes back with them.
pub(crate) fn approve(
    bank: &Bank,
    id: &str,
    visit: &Visit,
    person: String,
    accounts: Vec<String>,
) -> Result<Response, PageRefusal> {
    let (now, today) = (bank.now(), bank.today());
    let code = bank.change(|state| {
        state.visits.remove(id);
        if let Some(consent) = state.consents.get_mut(&visit.consent) {
            consent.last_action = today;
            consent.status = ConsentStatus::Valid {
                person,
                accounts,
                approved_at: now,
            };
        }
        let code = bank.fresh(state, "code");
        state.codes.insert(
            SecretDigest::of(&code),
            IssuedCode {
                consent: visit.consent.clone(),
                client_id: visit.client_id.clone(),
                redirect_uri: visit.redirect_uri.clone(),
                code_challenge: visit.code_challenge.clone(),
                issued_at: now,
                used: false,
            },
        );
        code
    })?;
    back(
        bank,
        &visit.redirect_uri,
        visit.state.as_deref(),
        &[("code", &code)],
    )
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    client_id: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
}

/// Why no token is given (RFC 6749 section 5.2).
enum TokenRefusal {
    InvalidRequest,
    InvalidGrant,
    UnsupportedGrantType,
    State(SandboxError),
}

impl From<SandboxError> for TokenRefusal {
    fn from(error: SandboxError) -> Self {
        Self::State(error)
    }
}

impl IntoResponse for TokenRefusal {
    fn into_response(self) -> Response {
        let (status, code) = match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidGrant => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::State(error) => {
                tracing::error!(%error, "the sandbox bank could not write its state");
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error")
            }
        };
        (status, uncached(), Json(json!({"error": code}))).into_response()
    }
}

fn uncached() -> [(header::HeaderName, &'static str); 1] {
    [(header::CACHE_CONTROL, "no-store")]
}

async fn token(
    State(bank): State<Arc<Bank>>,
    Form(request): Form<TokenRequest>,
) -> Result<Response, TokenRefusal> {
    let consent = match request.grant_type.as_deref() {
        Some("authorization_code") => spend_code(&bank, &request)?,
        Some("refresh_token") => spend_refresh_token(&bank, &request)?,
        Some(_) => return Err(TokenRefusal::UnsupportedGrantType),
        None => return Err(TokenRefusal::InvalidRequest),
    };
    let client_id = request.client_id.unwrap_or_default();
    let (access, refresh) = bank.change(|state| issue(&bank, state, consent, client_id))?;
    let answer = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME.as_secs(),
        "refresh_token": refresh,
    });
    Ok((uncached(), Json(answer)).into_response())
}

/// A code is over once it was shown, whether the rest of the request is right or not.
fn spend_code(bank: &Bank, request: &TokenRequest) -> Result<String, TokenRefusal> {
    let now = bank.now();
    let (Some(code), Some(verifier)) = (&request.code, &request.code_verifier) else {
        return Err(TokenRefusal::InvalidRequest);
    };
    let issued = bank
        .change(|state| {
            let issued = state.codes.get_mut(&SecretDigest::of(code))?;
            let before = issued.clone();
            issued.used = true;
            Some(before)
        })?
        .ok_or(TokenRefusal::InvalidGrant)?;
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let sound = !issued.used
        && now.duration_since(issued.issued_at) <= CODE_LIFETIME
        && request.redirect_uri.as_deref() == Some(issued.redirect_uri.as_str())
        && request.client_id.as_deref() == Some(issued.client_id.as_str())
        && challenge == issued.code_challenge;
    granted_consent(bank, issued.consent, sound)
}

fn spend_refresh_token(bank: &Bank, request: &TokenRequest) -> Result<String, TokenRefusal> {
    let Some(token) = &request.refresh_token else {
        return Err(TokenRefusal::InvalidRequest);
    };
    let issued = bank
        .change(|state| {
            let issued = state.refresh_tokens.get_mut(&SecretDigest::of(token))?;
            let before = issued.clone();
            issued.used = true;
            Some(before)
        })?
        .ok_or(TokenRefusal::InvalidGrant)?;
    let sound = !issued.used && request.client_id.as_deref() == Some(issued.client_id.as_str());
    granted_consent(bank, issued.consent, sound)
}

/// Tokens are given for a valid consent only.
fn granted_consent(bank: &Bank, consent: String, sound: bool) -> Result<String, TokenRefusal> {
    let (now, today) = (bank.now(), bank.today());
    let valid = bank.look(|state| {
        state
            .consents
            .get(&consent)
            .is_some_and(|consent| consent.visible_status(now, today) == VisibleStatus::Valid)
    });
    if sound && valid {
        Ok(consent)
    } else {
        Err(TokenRefusal::InvalidGrant)
    }
}

fn issue(bank: &Bank, state: &mut Memory, consent: String, client_id: String) -> (String, String) {
    let now = bank.now();
    let access = bank.fresh(state, "access");
    let refresh = bank.fresh(state, "refresh");
    state.access_tokens.insert(
        SecretDigest::of(&access),
        IssuedAccess {
            consent: consent.clone(),
            expires_at: now.checked_add(ACCESS_LIFETIME).unwrap_or(now),
        },
    );
    state.refresh_tokens.insert(
        SecretDigest::of(&refresh),
        IssuedRefresh {
            consent,
            client_id,
            issued_at: now,
            used: false,
        },
    );
    (access, refresh)
}
