//! The JWT authorizer: what API Gateway checks before a function sees the request.
//!
//! One difference is on purpose: API Gateway takes RSA signatures only, the embedded issuer signs with
//! ES256, whose key is made in no time. Everything after the signature is the same.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::issuer::KeySet;
use crate::template::Authorizer;

/// A token that may pass.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    pub(super) claims: Map<String, Value>,
    /// The scopes of the token, told only on a route that asks for some.
    pub(super) scopes: Option<Vec<String>>,
}

/// Why nobody passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 401: no token, or none of the issuer's, or not for us, or not now.
    Unauthorized,
    /// 403: a good token without any of the scopes.
    Forbidden,
}

pub(super) fn verify(
    authorizer: &Authorizer,
    headers: &HeaderMap,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .ok_or(Refusal::Unauthorized)?;
    let claims = keys
        .verified_claims(without_scheme(token))
        .map_err(|_| Refusal::Unauthorized)?;
    if !is_for_us(authorizer, &claims) || !is_current(&claims, now) {
        return Err(Refusal::Unauthorized);
    }
    let scopes = scopes(&claims);
    if authorizer.scopes.is_empty() {
        return Ok(Verified {
            claims,
            scopes: None,
        });
    }
    if !authorizer
        .scopes
        .iter()
        .any(|wanted| scopes.contains(wanted))
    {
        return Err(Refusal::Forbidden);
    }
    Ok(Verified {
        claims,
        scopes: Some(scopes),
    })
}

fn without_scheme(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => value,
    }
}

fn is_for_us(authorizer: &Authorizer, claims: &Map<String, Value>) -> bool {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let named = |audience: &str| authorizer.audience.iter().any(|wanted| wanted == audience);
    let audience_fits = match claims.get("aud") {
        Some(Value::String(one)) => named(one),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(named),
        // Without `aud`, `client_id` is checked instead.
        _ => text("client_id").is_some_and(named),
    };
    text("iss") == Some(authorizer.issuer.as_str()) && audience_fits
}

fn is_current(claims: &Map<String, Value>, now: Timestamp) -> bool {
    let now = now.as_second();
    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
    seconds("exp").is_some_and(|end| now < end)
        && seconds("nbf").is_none_or(|start| start <= now)
        && seconds("iat").is_none_or(|issued| issued <= now)
}

/// `scope` as text (RFC 8693) or `scp` as a list.
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}
