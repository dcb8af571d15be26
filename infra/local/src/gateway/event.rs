//! A request as a function sees it (payload format 2.0), and its answer as a client sees it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::{Body, Bytes};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::LARGEST_PAYLOAD;
use super::authorizer::Verified;
use crate::lambda::request_id;
use crate::stack::ACCOUNT;
use crate::template::Route;

/// What came in, read whole.
pub(super) struct Received {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) source: IpAddr,
    pub(super) at: Timestamp,
}

pub(super) fn proxy_event(
    received: &Received,
    route: &Route,
    variables: &BTreeMap<String, String>,
    verified: Option<&Verified>,
) -> Value {
    let Parts {
        method,
        uri,
        headers,
        ..
    } = &received.parts;
    let route_key = format!("{} {}", route.method, route.path);
    let mut context = json!({
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": text_header(headers, &HOST),
        "domainPrefix": "local",
        "http": {
            "method": method.as_str(),
            "path": uri.path(),
            "protocol": "HTTP/1.1",
            "sourceIp": received.source.to_string(),
            "userAgent": text_header(headers, &USER_AGENT),
        },
        "requestId": request_id(),
        "routeKey": route_key,
        "stage": "$default",
        "time": received.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
        "timeEpoch": received.at.as_millisecond(),
    });
    if let (Some(verified), Some(context)) = (verified, context.as_object_mut()) {
        let claims = stringified(&verified.claims);
        let token = json!({ "jwt": { "claims": claims, "scopes": verified.scopes } });
        context.insert("authorizer".to_owned(), token);
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": uri.path(),
        "rawQueryString": uri.query().unwrap_or_default(),
        "headers": joined_headers(received),
        "requestContext": context,
        "isBase64Encoded": false,
    });
    if let Some(event) = event.as_object_mut() {
        let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
        if let Some(query) = query_parameters(uri.query().unwrap_or_default()) {
            set("queryStringParameters", query);
        }
        if !variables.is_empty() {
            set("pathParameters", json!(variables));
        }
        let cookies = cookies(headers);
        if !cookies.is_empty() {
            set("cookies", json!(cookies));
        }
        if !received.body.is_empty() {
            let (body, encoded) = body(headers, &received.body);
            set("body", Value::String(body));
            set("isBase64Encoded", Value::Bool(encoded));
        }
    }
    event
}

/// Lower-case names, values of one name joined, cookies apart; what the front door adds is added.
fn joined_headers(received: &Received) -> BTreeMap<String, String> {
    let headers = &received.parts.headers;
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        if name == COOKIE {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|so_far| {
                so_far.push(',');
                so_far.push_str(&value);
            })
            .or_insert(value);
    }
    let source = received.source.to_string();
    joined
        .entry("x-forwarded-for".to_owned())
        .and_modify(|so_far| {
            so_far.push_str(", ");
            so_far.push_str(&source);
        })
        .or_insert(source);
    joined.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

fn query_parameters(query: &str) -> Option<Value> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        joined
            .entry(name.into_owned())
            .and_modify(|so_far| {
                so_far.push(',');
                so_far.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    (!joined.is_empty()).then(|| json!(joined))
}

/// Only what calls itself text travels as text; forms, too, arrive encoded.
fn body(headers: &HeaderMap, bytes: &Bytes) -> (String, bool) {
    let kind = text_header(headers, &CONTENT_TYPE).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/")
        || matches!(
            kind,
            "application/json" | "application/javascript" | "application/xml"
        )
        || kind.ends_with("+json")
        || kind.ends_with("+xml");
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text => (text.to_owned(), false),
        _ => (STANDARD.encode(bytes), true),
    }
}

/// API Gateway turns every claim into text.
fn stringified(claims: &Map<String, Value>) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect();
            format!("[{}]", items.join(" "))
        }
        other => other.to_string(),
    };
    claims
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect()
}

fn text_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The answer of a function in payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The response a function's answer stands for; nothing when it is not one or is too large.
pub(super) fn response(answer: Value) -> Option<Response> {
    if answer.to_string().len() > LARGEST_PAYLOAD {
        return None;
    }
    let answer: Answer = serde_json::from_value(answer).ok()?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded {
        Body::from(STANDARD.decode(body).ok()?)
    } else {
        Body::from(body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).ok()?;
        response
            .headers_mut()
            .append(name, HeaderValue::try_from(value).ok()?);
    }
    for cookie in answer.cookies {
        response
            .headers_mut()
            .append(SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    Some(response)
}
