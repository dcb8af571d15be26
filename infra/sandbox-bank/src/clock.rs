//! The bank's clock, where it is the bank's own: moved ahead, so that a token, ninety days or the end of a
//! month can be waited for in a moment. It never goes back. Only this machine moves it: the bank listens on
//! loopback, and a page of somebody else's in a browser here is not listened to.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use crate::bank::Bank;
use crate::stet::is_registered;

/// Which page a browser sends from, in the browser's own words.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The clock's address.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new().route("/clock", get(read).post(advance))
}

#[derive(Deserialize)]
struct Advance {
    /// ISO 8601: `PT15M`, `P1D`, `P3M`.
    advance: String,
}

impl Advance {
    /// As JSON, or as a form.
    fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        if named(headers, &CONTENT_TYPE).starts_with("application/json") {
            return serde_json::from_slice(body).ok();
        }
        let mut fields = form_urlencoded::parse(body);
        fields
            .find(|(name, _)| name == "advance")
            .map(|(_, value)| Self {
                advance: value.into_owned(),
            })
    }
}

async fn read(State(bank): State<Arc<Bank>>) -> Response {
    told(&bank)
}

async fn advance(State(bank): State<Arc<Bank>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_from_here(&headers) {
        let text = "the clock is moved from this machine and from the bank's own page";
        return refused(StatusCode::FORBIDDEN, text);
    }
    let asked = Advance::read(&headers, &body);
    let Some(later) = asked.and_then(|asked| later(bank.now(), &asked.advance)) else {
        let text = "advance is a time ahead, as in PT15M, P1D or P3M: at most ten years";
        return refused(StatusCode::BAD_REQUEST, text);
    };
    match bank.move_clock_to(later) {
        Ok(true) if is_browser(&headers) => Redirect::to(&bank.address("/")).into_response(),
        Ok(true) => told(&bank),
        Ok(false) => refused(
            StatusCode::CONFLICT,
            "the clock of this bank is kept from outside",
        ),
        Err(error) => {
            tracing::error!(%error, "the sandbox bank could not write its state");
            refused(StatusCode::INTERNAL_SERVER_ERROR, "the bank failed")
        }
    }
}

fn refused(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

fn named<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// A browser says when another site's page sends, and under which name it found the bank: a foreign name that
/// leads to loopback is another site's doing too.
fn is_from_here(headers: &HeaderMap) -> bool {
    let host = named(headers, &HOST);
    let here = host.is_empty() || is_registered(&format!("http://{host}/"));
    here && !matches!(named(headers, &SEC_FETCH_SITE), "cross-site" | "same-site")
}

fn told(bank: &Bank) -> Response {
    Json(json!({"now": bank.now().to_string(), "today": bank.today().to_string()})).into_response()
}

/// Whether a person pressed a button of the first page.
fn is_browser(headers: &HeaderMap) -> bool {
    named(headers, &ACCEPT).contains("text/html")
}

/// The moment some time ahead.
fn later(now: Timestamp, text: &str) -> Option<Timestamp> {
    const LONGEST_YEARS: i64 = 10;
    let span: Span = text.parse().ok()?;
    let here = now.to_zoned(TimeZone::UTC);
    let there = here.checked_add(span).ok()?;
    let furthest = here.checked_add(Span::new().try_years(LONGEST_YEARS).ok()?);
    (there > here && there <= furthest.ok()?).then(|| there.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_ahead_moves_it() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let moved = |text: &str| later(now, text).map(|it| it.to_string());
        assert_eq!(moved("P1D").as_deref(), Some("2026-11-23T12:00:00Z"));
        assert_eq!(moved("PT10M").as_deref(), Some("2026-11-22T12:10:00Z"));
        for nothing in ["", "P0D", "-P1D", "tomorrow", "P99Y", "P1000000D"] {
            assert_eq!(moved(nothing), None, "{nothing}");
        }
    }
}
