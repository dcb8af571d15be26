//! API Gateway's HTTP API events (payload format 2.0) to requests, and responses back.
//!
//! Written here and not taken from `lambda_http`, whose conversion panics on a hostile `Host` header
//! and on a body that claims to be base64 and is not: outside input must become an answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpRequestContext};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_ENCODING, COOKIE, SET_COOKIE};
use http::{HeaderValue, Uri};
use serde::Serialize;

/// What API Gateway knows about a request beyond HTTP, as far as extractors need it.
#[derive(Debug, Clone, Default)]
pub(crate) struct GatewayContext {
    /// The address of the person's device, or of whatever stands between.
    pub source_ip: Option<IpAddr>,
    /// The claims of the verified token; empty on a route without an authorizer.
    pub claims: Arc<HashMap<String, String>>,
    /// The scopes of the verified token.
    pub scopes: Arc<BTreeSet<String>>,
    /// The domain the request came in by: not the `Host` header, which anybody can write.
    pub domain: Option<String>,
    /// The stage, when it is part of the address.
    pub stage: Option<String>,
}

/// An event whose request cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the address of the request cannot be read")]
    Address(#[source] http::uri::InvalidUri),
    #[error("the body of the request is not the base64 it claims to be")]
    Body(#[source] base64::DecodeError),
}

/// The request inside an event.
pub(crate) fn request(event: ApiGatewayV2httpRequest) -> Result<Request, Unreadable> {
    let stage = event
        .request_context
        .stage
        .as_deref()
        .filter(|stage| *stage != "$default");
    let path = event.raw_path.as_deref().unwrap_or("/");
    let uri = address(path_below(stage, path), event.raw_query_string.as_deref())?;
    let body = match (event.body, event.is_base64_encoded) {
        (None, _) => Body::empty(),
        (Some(text), false) => Body::from(text),
        (Some(text), true) => Body::from(STANDARD.decode(text).map_err(Unreadable::Body)?),
    };
    let mut request = Request::new(body);
    *request.method_mut() = event.request_context.http.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = event.headers;
    let cookies = event.cookies.unwrap_or_default().join("; ");
    if !cookies.is_empty()
        && let Ok(value) = HeaderValue::try_from(cookies)
    {
        request.headers_mut().insert(COOKIE, value);
    }
    request
        .extensions_mut()
        .insert(context(event.request_context));
    Ok(request)
}

fn context(context: ApiGatewayV2httpRequestContext) -> GatewayContext {
    let token = context.authorizer.and_then(|authorizer| authorizer.jwt);
    let (claims, scopes) = token
        .map(|token| (token.claims, token.scopes.unwrap_or_default()))
        .unwrap_or_default();
    // API Gateway fills `scopes` only for a route that asks for some; the claim is always there.
    // RFC 9068 writes `scope`, some issuers `scp`, as a list too, which comes here as `[one two]`.
    let claimed = claims.get("scope").or_else(|| claims.get("scp"));
    let claimed = claimed.map(String::as_str).unwrap_or_default();
    let scopes = claimed
        .trim_start_matches('[')
        .trim_end_matches(']')
        .split([' ', ','])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .chain(scopes)
        .collect();
    GatewayContext {
        source_ip: context.http.source_ip.and_then(|text| text.parse().ok()),
        claims: Arc::new(claims),
        scopes: Arc::new(scopes),
        domain: context.domain_name.filter(|domain| !domain.is_empty()),
        stage: context.stage.filter(|stage| stage != "$default"),
    }
}

/// The path as the router knows it: a stage other than `$default` comes in front of it.
fn path_below<'a>(stage: Option<&str>, path: &'a str) -> &'a str {
    stage
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}

/// Path and query as one URI. API Gateway hands the path decoded, so what a URI cannot hold is
/// encoded again.
fn address(path: &str, query: Option<&str>) -> Result<Uri, Unreadable> {
    let mut text = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        text.push('/');
    }
    push_encoded(&mut text, path);
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        text.push('?');
        push_encoded(&mut text, query);
    }
    Uri::try_from(text).map_err(Unreadable::Address)
}

/// Keeps what RFC 3986 allows in both a path and a query, and what is encoded already.
fn push_encoded(text: &mut String, part: &str) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// What API Gateway expects back (payload format 2.0).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProxyResponse {
    status_code: u16,
    headers: BTreeMap<String, String>,
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

/// A response in API Gateway's form. Fails only when the body's stream does.
pub(crate) async fn response(response: Response) -> Result<ProxyResponse, axum::Error> {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await?;
    let (body, is_base64_encoded) = match text(&parts.headers, &bytes) {
        Some(text) => (text, false),
        None => (STANDARD.encode(&bytes), true),
    };
    let mut headers = BTreeMap::<String, String>::new();
    let mut cookies = Vec::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == SET_COOKIE {
            cookies.push(value);
            continue;
        }
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|joined| {
                joined.push_str(", ");
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    Ok(ProxyResponse {
        status_code: parts.status.as_u16(),
        headers,
        cookies,
        body,
        is_base64_encoded,
    })
}

fn text(headers: &http::HeaderMap, bytes: &Bytes) -> Option<String> {
    if headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stage_in_the_path_is_taken_off_and_a_resource_that_begins_like_one_is_not() {
        assert_eq!(
            path_below(Some("prod"), "/prod/v1/consents"),
            "/v1/consents"
        );
        assert_eq!(path_below(Some("prod"), "/production"), "/production");
        assert_eq!(path_below(None, "/prod/v1"), "/prod/v1");
    }

    proptest! {
        #[test]
        fn any_path_and_query_is_an_address(path in ".{0,60}", query in ".{0,60}") {
            let uri = address(&path, Some(&query)).unwrap();
            prop_assert!(uri.path().starts_with('/'));
        }
    }
}
