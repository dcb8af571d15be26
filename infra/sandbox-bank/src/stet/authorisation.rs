//! STET's authorisation: no consent resource, a scope, a code, tokens, revocation.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use jiff::civil::Date;
use serde::Deserialize;
use url::{Host, Url};

use crate::bank::Bank;
use crate::consent::{BankConsent, ConsentStatus, MAX_FREQUENCY, Opening, granted_until};
use crate::oauth::{self, TokenRefusal, TokenRequest};
use crate::pages::PageRefusal;
use crate::state::{SecretDigest, Visit};
use crate::stet::Version;

/// The routes.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .route("/stet/{version}/authorize", get(authorize))
        .route("/stet/{version}/token", post(token))
        .route("/stet/{version}/revoke", post(revoke))
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

/// A real bank knows the third party's addresses from its registration; the sandbox takes any
/// `https` address and any on loopback.
pub(crate) fn is_registered(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| {
        let loopback = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        url.fragment().is_none()
            && (url.scheme() == "https" || (url.scheme() == "http" && loopback))
    })
}

async fn authorize(
    State(bank): State<Arc<Bank>>,
    Path(version): Path<String>,
    Query(request): Query<AuthorizationRequest>,
) -> Result<Response, PageRefusal> {
    let bad = PageRefusal::BadRequest;
    let version =
        Version::read(&version).map_err(|_| bad("Cette version de l’interface n’existe pas."))?;
    let redirect_uri = request
        .redirect_uri
        .filter(|address| is_registered(address))
        .ok_or(bad("L’adresse de retour n’est pas enregistrée."))?;
    let client_id = request
        .client_id
        .filter(|id| !id.is_empty())
        .ok_or(bad("La demande ne dit pas qui demande (client_id)."))?;
    let scopes: Vec<&str> = request
        .scope
        .as_deref()
        .unwrap_or_default()
        .split(' ')
        .collect();
    // PKCE came after 1.4: there a challenge is ignored, later it must be S256.
    let (code_challenge, sound_challenge) = match (version, request.code_challenge) {
        (Version::V14, _) => (None, true),
        (Version::V16, challenge) => {
            let method = request.code_challenge_method.as_deref() == Some("S256");
            let sound = method && challenge.as_ref().is_some_and(|text| text.len() == 43);
            (challenge, sound)
        }
    };
    let sound = request.response_type.as_deref() == Some("code") && scopes.contains(&"aisp");
    if !sound || !sound_challenge {
        let answer = [("error", "invalid_request")];
        let state = request.state.as_deref();
        return oauth::back(&bank, false, &redirect_uri, state, &answer);
    }
    let (now, today) = (bank.now(), bank.today());
    let consent = BankConsent {
        status: ConsentStatus::Received,
        dialect: version.dialect(),
        created_at: now,
        valid_until: granted_until(Date::MAX, today),
        recurring: true,
        frequency_per_day: MAX_FREQUENCY,
        owner_name: true,
        redirect_uri: redirect_uri.clone(),
        last_action: today,
        client_id: Some(client_id.clone()),
        forwarded: None,
        opening: Opening::default(),
    };
    let extended_history = scopes.contains(&"extended_transaction_history");
    let id = bank.change(|state| {
        let consent_id = bank.fresh(state, "consent");
        state.consents.insert(consent_id.clone(), consent);
        let visit = Visit {
            consent: consent_id,
            client_id,
            redirect_uri,
            state: request.state,
            code_challenge,
            extended_history,
            person: None,
            started_at: now,
        };
        oauth::begin_visit(&bank, state, visit)
    })?;
    Ok(Redirect::to(&bank.address(&format!("/login/{id}"))).into_response())
}

/// A token request that names a scope is refused, as BPCE does.
async fn token(
    State(bank): State<Arc<Bank>>,
    Path(version): Path<String>,
    Form(request): Form<TokenRequest>,
) -> Result<Response, TokenRefusal> {
    let version = Version::read(&version).map_err(|_| TokenRefusal::InvalidRequest)?;
    if request.scope.is_some() {
        return Err(TokenRefusal::InvalidRequest);
    }
    oauth::grant(&bank, &request, version.dialect())
}

#[derive(Deserialize)]
struct RevocationRequest {
    token: String,
    client_id: Option<String>,
}

impl RevocationRequest {
    fn is_from(&self, consent: &BankConsent) -> bool {
        self.client_id.is_none() || self.client_id == consent.client_id
    }
}

/// RFC 7009: an unknown token is a success too, another client's is refused. A revoked refresh token
/// ends the consent.
async fn revoke(
    State(bank): State<Arc<Bank>>,
    Path(version): Path<String>,
    Form(request): Form<RevocationRequest>,
) -> Result<StatusCode, TokenRefusal> {
    let version = Version::read(&version).map_err(|_| TokenRefusal::InvalidRequest)?;
    let digest = SecretDigest::of(&request.token);
    let refused = bank.change(|state| {
        let renews = state.refresh_tokens.get(&digest);
        let reads = state.access_tokens.get(&digest);
        let ends = renews.is_some();
        let behind = renews
            .map(|issued| issued.consent.clone())
            .or_else(|| reads.map(|issued| issued.consent.clone()));
        let consent = behind
            .and_then(|id| state.consents.get_mut(&id))
            .filter(|consent| consent.dialect == version.dialect());
        let Some(consent) = consent else { return false };
        if !request.is_from(consent) {
            return true;
        }
        if ends {
            consent.status = ConsentStatus::TerminatedByTpp;
        }
        state.access_tokens.remove(&digest);
        false
    })?;
    match refused {
        true => Err(TokenRefusal::InvalidGrant),
        false => Ok(StatusCode::OK),
    }
}
