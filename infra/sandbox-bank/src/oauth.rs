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
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use ring::digest;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::bank::Bank;
use crate::berlin_group::{Entrance, Form as BankForm};
use crate::consent::{
    BankConsent, ConsentStatus, Dialect, MAX_FREQUENCY, Opening, Unconfirmed, VisibleStatus,
    granted_until,
};
use crate::error::SandboxError;
use crate::pages::PageRefusal;
use crate::people::{Quirk, Variant};
use crate::powens;
use crate::state::{
    ACCESS_LIFETIME, CODE_LIFETIME, IssuedAccess, IssuedCode, IssuedRefresh, SecretDigest,
    State as Memory, Visit,
};
use crate::stet::is_registered;

/// Where the metadata is, below the bank's base address.
pub(crate) const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";

/// Where the same is, as OpenID Connect Discovery calls it.
pub(crate) const OPENID_PATH: &str = "/.well-known/openid-configuration";

/// The routes of the authorisation server.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .route(METADATA_PATH, get(metadata))
        .route(OPENID_PATH, get(metadata))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
}

pub(crate) async fn metadata(State(bank): State<Arc<Bank>>) -> Response {
    Json(json!({
        "issuer": bank.address(""),
        "authorization_endpoint": bank.address("/authorize"),
        "token_endpoint": bank.address("/token"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["none"],
    }))
    .into_response()
}

/// How long after the login the person of Q35 changes their password.
const PASSWORD_AGE: SignedDuration = SignedDuration::from_hours(1);

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
    if request.scope.as_deref() == Some("AIS") {
        return log_in_first(&bank, request);
    }
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
        .filter(|consent| consent.dialect == Dialect::BerlinGroup)
        .filter(|consent| consent.visible_status(now, today) == VisibleStatus::Received)
        .ok_or(PageRefusal::NoVisit)?;
    let redirect_uri = request
        .redirect_uri
        .clone()
        .filter(|uri| *uri == consent.redirect_uri)
        .ok_or(bad("L’adresse de retour n’est pas celle de l’accord."))?;
    let client_id = request
        .client_id
        .clone()
        .filter(|id| !id.is_empty())
        .ok_or(bad("La demande ne dit pas qui demande (client_id)."))?;
    if consent
        .third_party()
        .is_some_and(|owner| owner != client_id)
    {
        return Err(bad("L’accord est celui d’un autre tiers (client_id)."));
    }
    let Some(code_challenge) = request.sound_challenge() else {
        let answer = [("error", "invalid_request")];
        let names_issuer = consent.opening.entrance.names_issuer();
        let state = request.state.as_deref();
        return back(&bank, names_issuer, &redirect_uri, state, &answer);
    };
    let visit = Visit {
        consent: consent_id.to_owned(),
        client_id,
        redirect_uri,
        state: request.state,
        code_challenge: Some(code_challenge),
        extended_history: false,
        person: None,
        started_at: now,
    };
    let id = bank.change(|state| begin_visit(&bank, state, visit))?;
    Ok(Redirect::to(&bank.address(&format!("/login/{id}"))).into_response())
}

impl AuthorizationRequest {
    /// The challenge, when the request asks for a code and proves itself with S256.
    fn sound_challenge(&self) -> Option<String> {
        let sound = self.code_challenge_method.as_deref() == Some("S256")
            && self.response_type.as_deref() == Some("code");
        self.code_challenge
            .clone()
            .filter(|challenge| sound && challenge.len() == 43)
    }
}

/// OAuth pre-step: the person logs in and nothing else; consents come later, with the token.
fn log_in_first(bank: &Bank, request: AuthorizationRequest) -> Result<Response, PageRefusal> {
    let bad = PageRefusal::BadRequest;
    let redirect_uri = request
        .redirect_uri
        .clone()
        .filter(|address| is_registered(address))
        .ok_or(bad("L’adresse de retour n’est pas enregistrée."))?;
    let client_id = request
        .client_id
        .clone()
        .filter(|id| !id.is_empty())
        .ok_or(bad("La demande ne dit pas qui demande (client_id)."))?;
    let Some(code_challenge) = request.sound_challenge() else {
        let answer = [("error", "invalid_request")];
        return back(bank, true, &redirect_uri, request.state.as_deref(), &answer);
    };
    let (now, today) = (bank.now(), bank.today());
    let login = BankConsent {
        status: ConsentStatus::Received,
        dialect: Dialect::BerlinGroup,
        created_at: now,
        valid_until: granted_until(Date::MAX, today),
        recurring: true,
        frequency_per_day: MAX_FREQUENCY,
        owner_name: false,
        redirect_uri: redirect_uri.clone(),
        last_action: today,
        client_id: Some(client_id.clone()),
        forwarded: None,
        opening: Opening {
            entrance: Entrance {
                form: BankForm::PreStep,
                ..Entrance::default()
            },
            ..Opening::default()
        },
    };
    let id = bank.change(|state| {
        let consent = bank.fresh(state, "login");
        state.consents.insert(consent.clone(), login);
        let visit = Visit {
            consent,
            client_id,
            redirect_uri,
            state: request.state,
            code_challenge: Some(code_challenge),
            extended_history: false,
            person: None,
            started_at: now,
        };
        begin_visit(bank, state, visit)
    })?;
    Ok(Redirect::to(&bank.address(&format!("/login/{id}"))).into_response())
}

/// Whether a consent is only the login of an OAuth pre-step.
pub(crate) fn is_login(consent: &BankConsent) -> bool {
    consent.opening.entrance.form == BankForm::PreStep && consent.opening.login.is_none()
}

/// Ends the logins behind a consent that ended: their tokens end with them.
pub(crate) fn end_logins(state: &mut Memory, login: &str) {
    for consent in state.consents.values_mut().filter(|it| is_login(it)) {
        let hers =
            matches!(&consent.status, ConsentStatus::Valid { person, .. } if person == login);
        if hers {
            consent.status = ConsentStatus::TerminatedByTpp;
        }
    }
}

/// Opens the door of the authorisation pages for one person.
pub(crate) fn begin_visit(bank: &Bank, state: &mut Memory, visit: Visit) -> String {
    let id = bank.fresh(state, "visit");
    state.visits.insert(id.clone(), visit);
    id
}

/// Sends the person back with an answer, naming the issuer where the dialect does.
pub(crate) fn back(
    bank: &Bank,
    names_issuer: bool,
    redirect_uri: &str,
    state: Option<&str>,
    answer: &[(&str, &str)],
) -> Result<Response, PageRefusal> {
    let mut url = Url::parse(redirect_uri)
        .map_err(|_| PageRefusal::BadRequest("L’adresse de retour est illisible."))?;
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(answer.iter().filter(|(_, value)| !value.is_empty()));
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        if names_issuer {
            query.append_pair("iss", &bank.address(""));
        }
    }
    Ok(Redirect::to(url.as_str()).into_response())
}

/// The person refused, or let the time pass.
pub(crate) fn refuse(bank: &Bank, id: &str, visit: &Visit) -> Result<Response, PageRefusal> {
    let consent = bank.change(|state| {
        state.visits.remove(id);
        let consent = state.consents.get_mut(&visit.consent)?;
        // Decided on another screen, or ended meanwhile: that stands.
        if consent.status == ConsentStatus::Received {
            consent.status = ConsentStatus::Rejected;
        }
        Some(consent.clone())
    })?;
    let consent = consent.ok_or(PageRefusal::NoVisit)?;
    let quirk = quirk_of(bank, &consent, visit.person.as_deref());
    let state = visit.state.as_deref().filter(|_| quirk != Some(Quirk::Q53));
    let entrance = &consent.opening.entrance;
    let berlin = consent.dialect == Dialect::BerlinGroup;
    let answer = match berlin && !sends_code(&consent) {
        true => "",
        false => "access_denied",
    };
    let names_issuer = berlin && sends_code(&consent) && entrance.names_issuer();
    let answer = [("error", answer)];
    back(bank, names_issuer, &visit.redirect_uri, state, &answer)
}

/// Whether the return brings an authorisation code.
fn sends_code(consent: &BankConsent) -> bool {
    consent.dialect != Dialect::BerlinGroup
        || consent.opening.entrance.form == BankForm::OAuth
        || is_login(consent)
}

fn quirk_of(bank: &Bank, consent: &BankConsent, person: Option<&str>) -> Option<Quirk> {
    let own = || bank.member(person?)?.quirk;
    consent.opening.entrance.quirk.or_else(own)
}

/// The person opened accounts: the consent is valid, or waits for its confirmation code; a code goes
/// back with them where the form has one.
pub(crate) fn approve(
    bank: &Bank,
    id: &str,
    visit: &Visit,
    person: String,
    accounts: Vec<String>,
) -> Result<Response, PageRefusal> {
    let (now, today) = (bank.now(), bank.today());
    let issued = bank.change(|state| {
        state.visits.remove(id);
        let before = state.consents.get(&visit.consent)?.clone();
        let quirk = quirk_of(bank, &before, Some(&person));
        let dialect = before.dialect;
        let one_link = matches!(dialect, Dialect::Stet14 | Dialect::Stet16);
        if one_link || quirk == Some(Quirk::Q38) {
            supersede(state, dialect, &person, &visit.client_id);
        }
        let code = bank.fresh(state, "code");
        let confirms = before.opening.entrance.form == BankForm::Explicit;
        let consent = state.consents.get_mut(&visit.consent)?;
        if quirk == Some(Quirk::Q37) {
            let month = today.checked_add(30.days()).unwrap_or(today);
            consent.valid_until = consent.valid_until.min(month);
        }
        consent.last_action = today;
        consent.client_id = Some(visit.client_id.clone());
        if confirms {
            consent.opening.unconfirmed = Some(Unconfirmed {
                code: SecretDigest::of(&code),
                person,
                accounts,
                approved_at: now,
            });
            return Some((before, code));
        }
        consent.status = ConsentStatus::Valid {
            person,
            accounts,
            approved_at: now,
        };
        if !sends_code(&before) {
            return Some((before, String::new()));
        }
        state.codes.insert(
            SecretDigest::of(&code),
            IssuedCode {
                consent: visit.consent.clone(),
                client_id: visit.client_id.clone(),
                redirect_uri: visit.redirect_uri.clone(),
                code_challenge: visit.code_challenge.clone(),
                extended_history: visit.extended_history,
                issued_at: now,
                used: false,
            },
        );
        Some((before, code))
    })?;
    let (consent, code) = issued.ok_or(PageRefusal::NoVisit)?;
    let connection = powens::connection_id(bank, &visit.consent).to_string();
    let mut answer = vec![("code", code.as_str())];
    if consent.dialect == Dialect::Powens {
        answer.push(("connection_id", &connection));
    }
    let berlin = consent.dialect == Dialect::BerlinGroup;
    let names_issuer = berlin && sends_code(&consent) && consent.opening.entrance.names_issuer();
    let state = visit.state.as_deref();
    back(bank, names_issuer, &visit.redirect_uri, state, &answer)
}

/// STET banks keep one token pair per person and third party: a second link ends the first.
fn supersede(state: &mut Memory, dialect: Dialect, person: &str, client_id: &str) {
    for consent in state.consents.values_mut() {
        let same = consent.dialect == dialect && consent.client_id.as_deref() == Some(client_id);
        let hers = matches!(&consent.status, ConsentStatus::Valid { person: holder, .. } if holder == person);
        if same && hers {
            consent.status = ConsentStatus::Superseded;
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct TokenRequest {
    grant_type: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    client_id: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    /// Refused by the STET façade, as some banks do.
    pub(crate) scope: Option<String>,
}

/// Why no token is given (RFC 6749 section 5.2).
pub(crate) enum TokenRefusal {
    InvalidRequest,
    InvalidGrant,
    UnsupportedGrantType,
    /// The server fails after it acted (Q32).
    Failure,
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
            Self::Failure => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
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
    grant(&bank, &request, Dialect::BerlinGroup)
}

/// Gives tokens for a code or a refresh token of one dialect.
pub(crate) fn grant(
    bank: &Bank,
    request: &TokenRequest,
    dialect: Dialect,
) -> Result<Response, TokenRefusal> {
    let granted = match request.grant_type.as_deref() {
        Some("authorization_code") => spend_code(bank, request, dialect)?,
        Some("refresh_token") => spend_refresh_token(bank, request, dialect)?,
        Some(_) => return Err(TokenRefusal::UnsupportedGrantType),
        None => return Err(TokenRefusal::InvalidRequest),
    };
    let client_id = request.client_id.clone().unwrap_or_default();
    let variant = variant_behind(bank, &granted.consent);
    let lifetime = variant
        .and_then(Variant::access_lifetime)
        .unwrap_or(ACCESS_LIFETIME);
    let (access, refresh) =
        bank.change(|state| issue(bank, state, granted, client_id, variant, lifetime))?;
    let mut answer = json!({"access_token": access, "token_type": "Bearer"});
    if let Some(members) = answer.as_object_mut() {
        if variant != Some(Variant::UnsaidLifetime) {
            members.insert("expires_in".to_owned(), json!(lifetime.as_secs()));
        }
        if let Some(refresh) = refresh {
            members.insert("refresh_token".to_owned(), json!(refresh));
        }
    }
    Ok((uncached(), Json(answer)).into_response())
}

/// Gives a token that ends with its consent only, for a code.
pub(crate) fn grant_permanent(
    bank: &Bank,
    request: &TokenRequest,
    dialect: Dialect,
) -> Result<String, TokenRefusal> {
    if request
        .grant_type
        .as_deref()
        .is_some_and(|kind| kind != "authorization_code")
    {
        return Err(TokenRefusal::UnsupportedGrantType);
    }
    let granted = spend_code(bank, request, dialect)?;
    let token = bank.change(|state| {
        let token = bank.fresh(state, "access");
        let issued = IssuedAccess {
            consent: granted.consent,
            extended_history: true,
            expires_at: Timestamp::MAX,
        };
        state.access_tokens.insert(SecretDigest::of(&token), issued);
        token
    })?;
    Ok(token)
}

/// What a code or refresh token entitles to.
struct Granted {
    consent: String,
    extended_history: bool,
    /// The refresh token that stays, at a bank that does not rotate.
    kept_refresh_token: Option<String>,
}

/// A code is over once it was shown, whether the rest of the request is right or not.
fn spend_code(
    bank: &Bank,
    request: &TokenRequest,
    dialect: Dialect,
) -> Result<Granted, TokenRefusal> {
    let now = bank.now();
    let Some(code) = &request.code else {
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
    // What was given for a code that is shown twice ends (RFC 6749, 4.1.2).
    if issued.used {
        end_chain(bank, &issued.consent)?;
    }
    let sound = !issued.used
        && now.duration_since(issued.issued_at) <= CODE_LIFETIME
        && request.redirect_uri.as_deref() == Some(issued.redirect_uri.as_str())
        && request.client_id.as_deref() == Some(issued.client_id.as_str())
        && proves_possession(issued.code_challenge.as_deref(), request);
    Ok(Granted {
        consent: granted_consent(bank, issued.consent, dialect, sound)?,
        extended_history: issued.extended_history,
        kept_refresh_token: None,
    })
}

/// PKCE: whoever asked for the code holds its verifier. Where no challenge was sent none is asked.
fn proves_possession(challenge: Option<&str>, request: &TokenRequest) -> bool {
    match (challenge, &request.code_verifier) {
        (Some(challenge), Some(verifier)) => {
            let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
            URL_SAFE_NO_PAD.encode(digest) == challenge
        }
        (Some(_), None) => false,
        (None, _) => true,
    }
}

/// STET 1.4 banks give the same refresh token again (Q34); the others take one once.
fn spend_refresh_token(
    bank: &Bank,
    request: &TokenRequest,
    dialect: Dialect,
) -> Result<Granted, TokenRefusal> {
    let Some(token) = &request.refresh_token else {
        return Err(TokenRefusal::InvalidRequest);
    };
    let issued = bank.change(|state| {
        let consent = &state.refresh_tokens.get(&SecretDigest::of(token))?.consent;
        let rotates = match variant_of(bank, state, consent) {
            Some(Variant::KeptRefreshToken) => false,
            Some(Variant::RotatingRefreshToken) => true,
            _ => dialect != Dialect::Stet14,
        };
        let issued = state.refresh_tokens.get_mut(&SecretDigest::of(token))?;
        let before = issued.clone();
        issued.used = rotates;
        Some((before, rotates))
    })?;
    let (issued, rotates) = issued.ok_or(TokenRefusal::InvalidGrant)?;
    let sound = !issued.used && request.client_id.as_deref() == Some(issued.client_id.as_str());
    match quirk_behind(bank, &issued.consent) {
        Some((Quirk::Q31, _)) => return Err(TokenRefusal::InvalidGrant),
        Some((Quirk::Q32, _)) if sound => return Err(TokenRefusal::Failure),
        // A token shown twice was stolen, or its holder refreshes twice at once: all of them end.
        Some((Quirk::Q33, _)) if issued.used => end_chain(bank, &issued.consent)?,
        // The person changed their password: what was given before is worth nothing.
        Some((Quirk::Q35, approved_at))
            if bank.now().duration_since(approved_at) > PASSWORD_AGE =>
        {
            return Err(TokenRefusal::InvalidGrant);
        }
        _ => {}
    }
    Ok(Granted {
        consent: granted_consent(bank, issued.consent, dialect, sound)?,
        extended_history: false,
        kept_refresh_token: (!rotates).then(|| token.clone()),
    })
}

/// The oddity of a consent and when it was approved.
fn quirk_behind(bank: &Bank, consent: &str) -> Option<(Quirk, Timestamp)> {
    let consent = bank.look(|state| state.consents.get(consent).cloned())?;
    let ConsentStatus::Valid {
        person,
        approved_at,
        ..
    } = &consent.status
    else {
        return None;
    };
    Some((quirk_of(bank, &consent, Some(person))?, *approved_at))
}

/// Every token of a consent ends.
fn end_chain(bank: &Bank, consent: &str) -> Result<(), SandboxError> {
    bank.change(|state| {
        state
            .access_tokens
            .retain(|_, token| token.consent != consent);
        let chain = state.refresh_tokens.values_mut();
        for token in chain.filter(|token| token.consent == consent) {
            token.used = true;
        }
    })
}

/// Tokens are given for a valid consent of the same dialect only.
fn granted_consent(
    bank: &Bank,
    consent: String,
    dialect: Dialect,
    sound: bool,
) -> Result<String, TokenRefusal> {
    let (now, today) = (bank.now(), bank.today());
    let valid = bank.look(|state| {
        state.consents.get(&consent).is_some_and(|consent| {
            consent.dialect == dialect && consent.visible_status(now, today) == VisibleStatus::Valid
        })
    });
    if sound && valid {
        Ok(consent)
    } else {
        Err(TokenRefusal::InvalidGrant)
    }
}

/// An access token, and a refresh token where the bank gives one.
fn issue(
    bank: &Bank,
    state: &mut Memory,
    granted: Granted,
    client_id: String,
    variant: Option<Variant>,
    lifetime: SignedDuration,
) -> (String, Option<String>) {
    let now = bank.now();
    let access = bank.fresh(state, "access");
    state.access_tokens.insert(
        SecretDigest::of(&access),
        IssuedAccess {
            consent: granted.consent.clone(),
            extended_history: granted.extended_history,
            expires_at: now.checked_add(lifetime).unwrap_or(now),
        },
    );
    if let Some(refresh) = granted.kept_refresh_token {
        return (access, Some(refresh));
    }
    if variant == Some(Variant::NoRefreshToken) {
        return (access, None);
    }
    let refresh = bank.fresh(state, "refresh");
    state.refresh_tokens.insert(
        SecretDigest::of(&refresh),
        IssuedRefresh {
            consent: granted.consent,
            client_id,
            issued_at: now,
            used: false,
        },
    );
    (access, Some(refresh))
}

/// The way of the person behind a consent.
fn variant_behind(bank: &Bank, consent: &str) -> Option<Variant> {
    bank.look(|state| variant_of(bank, state, consent))
}

fn variant_of(bank: &Bank, state: &Memory, consent: &str) -> Option<Variant> {
    match &state.consents.get(consent)?.status {
        ConsentStatus::Valid { person, .. } => bank.member(person)?.variant,
        _ => None,
    }
}
