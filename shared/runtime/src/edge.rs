//! What every HTTP answer has, whatever handler made it: a request id, security headers, one log line,
//! and never a panic.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use passerelle_domain::deadline::Deadline;
use passerelle_domain::ids::CorrelationId;
use passerelle_domain::locale::Locale;
use tower::ServiceExt;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::correlation::{self, Correlation};
use crate::pages;
use crate::problem::{Code, Problem};
use crate::telemetry::milliseconds;
use crate::visitor::preferred_locale;

/// Gives a router the endings it lacks: problems for what it does not know, and its routes' names for
/// the log (the route and not the path, which may carry a secret).
pub(crate) fn finished(router: Router) -> Router {
    router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed))
        .layer(from_fn(name_route))
}

async fn name_route(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    if let Some(path) = path {
        Span::current().record("route", path.as_str());
    }
    next.run(request).await
}

/// Answers one request.
pub(crate) async fn answer(
    service: &'static str,
    router: Router,
    mut request: Request,
    deadline: Deadline,
) -> Response {
    let correlation = Correlation::of(request.headers());
    let reader = Reader::of(request.headers());
    request.extensions_mut().insert(correlation.clone());
    request.extensions_mut().insert(deadline);
    let span = tracing::info_span!(
        "request",
        service,
        correlation_id = correlation.0.as_str(),
        method = request.method().as_str(),
        route = Empty,
        tenant = Empty,
        connection = Empty,
    );
    async move {
        let started = Instant::now();
        // The call itself may panic, not only the future it gives.
        let handled = AssertUnwindSafe(async move { router.oneshot(request).await }).catch_unwind();
        let response = match handled.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => Problem::internal(&HandlerPanicked).into_response(),
        };
        let response = completed(response, &correlation.0, reader, started);
        with_headers(response, &correlation.0)
    }
    .instrument(span)
    .await
}

/// The answer to a request that could not even be built.
pub(crate) fn refused(service: &'static str, problem: Problem) -> Response {
    let correlation = Correlation::fresh();
    let span = tracing::info_span!("request", service, correlation_id = correlation.0.as_str());
    let _entered = span.enter();
    let response = completed(
        problem.into_response(),
        &correlation.0,
        Reader::Machine,
        Instant::now(),
    );
    with_headers(response, &correlation.0)
}

#[derive(Debug, thiserror::Error)]
#[error("the handler panicked")]
struct HandlerPanicked;

/// Who reads an answer: a program, or a person in a browser.
#[derive(Debug, Clone, Copy)]
enum Reader {
    Machine,
    Person(Locale),
}

impl Reader {
    fn of(headers: &HeaderMap) -> Self {
        let accepted = headers
            .get(ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if accepted.contains("text/html") {
            Self::Person(preferred_locale(headers))
        } else {
            Self::Machine
        }
    }
}

/// Writes the log line and puts the request id into a problem.
fn completed(
    mut response: Response,
    correlation: &CorrelationId,
    reader: Reader,
    started: Instant,
) -> Response {
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    log(status, problem.as_ref(), started);
    match (problem, reader) {
        (None, _) => response,
        (Some(problem), Reader::Machine) => {
            let document = problem.document(Some(correlation));
            with_body(response, Body::from(document))
        }
        (Some(problem), Reader::Person(locale)) => {
            let page = pages::problem(locale, problem.code(), correlation);
            let (page_parts, body) = page.into_parts();
            response.headers_mut().extend(page_parts.headers);
            with_body(response, body)
        }
    }
}

fn with_body(mut response: Response, body: Body) -> Response {
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = body;
    response
}

fn log(status: StatusCode, problem: Option<&Problem>, started: Instant) {
    let duration_ms = milliseconds(started.elapsed());
    let outcome = problem.map_or("answered", |problem| problem.code().as_str());
    let status = status.as_u16();
    let cause = problem.and_then(Problem::cause);
    if status >= 500 {
        // A bank that is down is told, and nothing of ours is wrong.
        let failure = problem.is_none_or(|problem| problem.code() != Code::BankUnavailable);
        tracing::error!(
            outcome,
            status,
            failure,
            duration_ms,
            cause,
            "request answered"
        );
    } else {
        tracing::info!(outcome, status, duration_ms, cause, "request answered");
    }
}

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

/// Set where the handler did not set its own. An answer is somebody's data: it is never kept by a
/// cache, sniffed, framed, or told to the next site.
const DEFAULT_HEADERS: [(HeaderName, &str); 8] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        STRICT_TRANSPORT_SECURITY,
        "max-age=63072000; includeSubDomains",
    ),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        PERMISSIONS_POLICY,
        "camera=(), geolocation=(), microphone=(), payment=()",
    ),
    (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
];

fn with_headers(mut response: Response, correlation: &CorrelationId) -> Response {
    let headers = response.headers_mut();
    for (name, value) in DEFAULT_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Ok(value) = HeaderValue::from_str(correlation.as_str()) {
        headers.insert(correlation::HEADER, value);
    }
    // An answer without a type is not to be guessed at.
    if !headers.contains_key(CONTENT_TYPE) && response.status() != StatusCode::NO_CONTENT {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
    }
    response
}
