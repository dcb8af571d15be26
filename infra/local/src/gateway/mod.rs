//! API Gateway's HTTP API on one machine: routes, JWT authorizer, limits, proxy events.

mod authorizer;
mod event;
mod routes;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use passerelle_runtime::Clock;

use crate::error::LocalError;
use crate::issuer::KeySet;
use crate::lambda::{InvocationError, Lambda};
use crate::template::{Api, Route};
use authorizer::{Refusal, Verified};
use event::Received;
use routes::Pattern;

/// The largest body API Gateway takes, in bytes.
const LARGEST_REQUEST: usize = 10 * 1024 * 1024;
/// The largest event and answer Lambda takes, in bytes.
const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// The API with its functions.
#[derive(Debug)]
pub(crate) struct Gateway {
    routes: Vec<(Pattern, Route, Arc<Lambda>)>,
    keys: KeySet,
    clock: Clock,
}

impl Gateway {
    /// Binds every route to its function, by logical id.
    pub(crate) fn new(
        api: &Api,
        lambdas: &BTreeMap<String, Arc<Lambda>>,
        keys: KeySet,
        clock: Clock,
    ) -> Result<Self, LocalError> {
        let mut routes = Vec::with_capacity(api.routes.len());
        for route in &api.routes {
            let lambda = lambdas
                .get(&route.function)
                .ok_or_else(|| LocalError::Template {
                    line: route.line,
                    problem: format!(
                        "route {} {} has no function `{}`",
                        route.method, route.path, route.function
                    ),
                })?;
            routes.push((
                Pattern::parse(&route.path),
                route.clone(),
                Arc::clone(lambda),
            ));
        }
        // Most specific first, so that the first match is API Gateway's.
        routes.sort_by(|(one, one_route, _), (other, other_route, _)| {
            one.cmp(other)
                .then((one_route.method == "ANY").cmp(&(other_route.method == "ANY")))
        });
        Ok(Self {
            routes,
            keys,
            clock,
        })
    }

    /// Answers a request as the deployed API would.
    pub(crate) async fn answer(&self, request: Request, source: IpAddr) -> Response {
        let (parts, body) = request.into_parts();
        let found = self.routes.iter().find_map(|(pattern, route, lambda)| {
            let fits = route.method == "ANY" || route.method == parts.method.as_str();
            let variables = pattern.matches(parts.uri.path())?;
            fits.then_some((route, lambda, variables))
        });
        let Some((route, lambda, variables)) = found else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        let verified = match self.authorize(route, &parts.headers) {
            Ok(verified) => verified,
            Err(refusal) => return refused(refusal),
        };
        let Ok(body) = to_bytes(body, LARGEST_REQUEST).await else {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let received = Received {
            parts,
            body,
            source,
            at: self.clock.now(),
        };
        let event = event::proxy_event(&received, route, &variables, verified.as_ref());
        if event.to_string().len() > LARGEST_PAYLOAD {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        match lambda.invoke(event).await {
            Ok(answer) => event::response(answer)
                .unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL)),
            Err(InvocationError::TimedOut) => {
                message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
            Err(InvocationError::Failed) => message(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
        }
    }

    fn authorize(
        &self,
        route: &Route,
        headers: &http::HeaderMap,
    ) -> Result<Option<Verified>, Refusal> {
        let Some(authorizer) = &route.authorizer else {
            return Ok(None);
        };
        authorizer::verify(authorizer, headers, &self.keys, self.clock.now()).map(Some)
    }
}

const INTERNAL: &str = "Internal Server Error";

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Unauthorized => {
            let mut response = message(StatusCode::UNAUTHORIZED, "Unauthorized");
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Refusal::Forbidden => message(StatusCode::FORBIDDEN, "Forbidden"),
    }
}

fn message(status: StatusCode, text: &'static str) -> Response {
    let body = Bytes::from(serde_json::json!({ "message": text }).to_string());
    let mut response = (status, Body::from(body)).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
