//! The embedded issuer of the insurers' tokens: OAuth 2.0 client credentials (RFC 6749 section 4.4).
//!
//! It stands in for the insurer's own identity provider. Its two clients and their secrets are
//! written here because they open nothing but this machine.

mod jwt;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use passerelle_runtime::{Clock, Scope, entropy};
use serde_json::{Value, json};

pub(crate) use jwt::KeySet;
use jwt::SigningKey;

use crate::embedded_aws::{Storage, read_if_present, write_private};
use crate::error::LocalError;
use crate::stack::AUDIENCE;

/// The clients that may ask for a token, with their secrets.
pub(crate) const CLIENTS: [(&str, &str); 2] =
    [("cli_demo", "demo-secret"), ("cli_other", "other-secret")];

/// Seconds a token is good for.
const LIFETIME_SECONDS: i64 = 3_600;

/// The issuer.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    url: Arc<str>,
    key: Arc<SigningKey>,
    clock: Clock,
}

impl Issuer {
    /// Takes up the key of an earlier start, so that a token outlives a restart.
    pub(crate) fn open(
        base_url: &str,
        storage: &Storage,
        clock: Clock,
    ) -> Result<Self, LocalError> {
        let file = storage.file("issuer-key.p8");
        let stored = match &file {
            Some(path) => read_if_present(path)?,
            None => None,
        };
        let pkcs8 = match (stored, &file) {
            (Some(stored), _) => stored,
            (None, file) => {
                let made = SigningKey::generate()?;
                if let Some(path) = file {
                    write_private(path, &made)?;
                }
                made
            }
        };
        let key = Arc::new(SigningKey::from_pkcs8(&pkcs8)?);
        Ok(Self {
            url: format!("{base_url}/issuer").into(),
            key,
            clock,
        })
    }

    /// The public keys, as a relying party reads them.
    pub(crate) fn keys(&self) -> KeySet {
        KeySet::from_jwks(&self.key.jwks())
    }

    /// A token for a client, with these scopes.
    pub(crate) fn token(&self, client: &str, scopes: &[Scope]) -> Result<String, LocalError> {
        let now = self.clock.now().as_second();
        self.key.sign(&json!({
            "iss": &*self.url,
            "sub": client,
            "client_id": client,
            "scope": written(scopes),
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(LIFETIME_SECONDS),
            "jti": format!("{:032x}", u128::from_be_bytes(entropy::<16>())),
        }))
    }

    /// Its endpoints, to be mounted at the issuer's address.
    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks.json", get(jwks))
            .route("/token", post(token))
            .with_state(self.clone())
    }
}

async fn configuration(State(issuer): State<Issuer>) -> Json<Value> {
    let url = &issuer.url;
    Json(json!({
        "issuer": &**url,
        "jwks_uri": format!("{url}/jwks.json"),
        "token_endpoint": format!("{url}/token"),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": Scope::ALL.map(Scope::as_str),
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn jwks(State(issuer): State<Issuer>) -> Json<Value> {
    Json(issuer.key.jwks())
}

async fn token(State(issuer): State<Issuer>, headers: HeaderMap, body: String) -> Response {
    let form: Vec<(String, String)> = if is_form(&headers) {
        url::form_urlencoded::parse(body.as_bytes())
            .into_owned()
            .collect()
    } else {
        Vec::new()
    };
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    match field("grant_type").as_deref() {
        None => return refused(StatusCode::BAD_REQUEST, "invalid_request"),
        Some("client_credentials") => {}
        Some(_) => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    }
    let posted = || Some((field("client_id")?, field("client_secret")?));
    let Some(client) = basic(&headers).or_else(posted).and_then(known_client) else {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    let Some(scopes) = asked_for(field("scope").as_deref()) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_scope");
    };
    match issuer.token(client, &scopes) {
        Ok(token) => (
            [(CACHE_CONTROL, "no-store")],
            Json(json!({
                "access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_SECONDS,
                "scope": written(&scopes),
            })),
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "a token could not be signed");
            refused(StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
    }
}

/// The scopes a client asks for, separated by blanks; all of them when it names none. `None` when one
/// is no scope.
fn asked_for(scope: Option<&str>) -> Option<Vec<Scope>> {
    match scope.map(str::trim).filter(|scope| !scope.is_empty()) {
        None => Some(Scope::ALL.to_vec()),
        Some(names) => names
            .split_whitespace()
            .map(|name| name.parse().ok())
            .collect(),
    }
}

fn written(scopes: &[Scope]) -> String {
    scopes
        .iter()
        .map(|scope| scope.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// RFC 6749 section 5.2.
fn refused(status: StatusCode, error: &'static str) -> Response {
    let mut response = (
        status,
        [(CACHE_CONTROL, "no-store")],
        Json(json!({ "error": error })),
    )
        .into_response();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = http::HeaderValue::from_static("Basic realm=\"issuer\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client, secret) = decoded.split_once(':')?;
    Some((client.to_owned(), secret.to_owned()))
}

fn known_client((client, secret): (String, String)) -> Option<&'static str> {
    CLIENTS
        .iter()
        .find(|(known, word)| *known == client && *word == secret)
        .map(|(known, _)| *known)
}
