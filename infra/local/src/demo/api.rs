//! The insurer's server side: a token, a request through the front door, JSON back.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, StatusCode};
use passerelle_runtime::Scope;
use serde_json::Value;

use crate::gateway::Gateway;
use crate::issuer::{CLIENTS, Issuer};

/// The largest answer read, in bytes.
const LARGEST_ANSWER: usize = 10 * 1024 * 1024;

/// The API as `cli_demo` uses it.
#[derive(Debug, Clone)]
pub(super) struct Api {
    gateway: Arc<Gateway>,
    issuer: Issuer,
}

/// An answer that is not a yes, in the API's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) detail: String,
}

impl Refused {
    pub(super) fn unreadable() -> Self {
        Self {
            status: StatusCode::BAD_GATEWAY,
            title: "The API's answer could not be read".to_owned(),
            detail: "The log on the terminal says more.".to_owned(),
        }
    }

    /// Reads an RFC 9457 problem, or API Gateway's `message`.
    fn read(status: StatusCode, answer: &Value) -> Self {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut detail = text("detail").unwrap_or_default();
        let errors = answer.get("errors").and_then(Value::as_array);
        for error in errors.into_iter().flatten() {
            let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
            detail.push_str(&format!(" {}: {}.", part("pointer"), part("detail")));
        }
        Self {
            status,
            title: text("title").or(text("message")).unwrap_or_default(),
            detail,
        }
    }
}

impl Api {
    pub(super) fn new(gateway: Arc<Gateway>, issuer: Issuer) -> Self {
        Self { gateway, issuer }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Refused> {
        let (status, answer) = self.answer(method, path, body).await;
        if status.is_success() {
            Ok(answer)
        } else {
            Err(Refused::read(status, &answer))
        }
    }

    /// Status and JSON, whatever they are.
    pub(super) async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let Some(request) = self.request(method, path, body) else {
            return (StatusCode::BAD_REQUEST, Value::Null);
        };
        let response = self
            .gateway
            .answer(request, Ipv4Addr::LOCALHOST.into())
            .await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), LARGEST_ANSWER)
            .await
            .unwrap_or_default();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Request> {
        let (client, _) = CLIENTS.first()?;
        let token = self.issuer.token(client, &Scope::ALL).ok()?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "127.0.0.1")
            .header(AUTHORIZATION, format!("Bearer {token}"));
        match body {
            Some(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string()))
                .ok(),
            None => request.body(Body::empty()).ok(),
        }
    }
}
