//! The bank's clock, where it is the bank's own: moved ahead, so that a token, ninety days or the end of a
//! month can be waited for in a moment. It never goes back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::bank::Bank;

/// The clock's address.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new().route("/clock", get(read).post(advance))
}

#[derive(Deserialize)]
struct Advance {
    /// ISO 8601: `PT15M`, `P1D`, `P3M`.
    advance: String,
}

async fn read(State(bank): State<Arc<Bank>>) -> Response {
    told(&bank)
}

async fn advance(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    Form(asked): Form<Advance>,
) -> Response {
    let Some(later) = later(bank.now(), &asked.advance) else {
        let text = "advance is a time ahead, as in PT15M, P1D or P3M: at most ten years";
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": text }))).into_response();
    };
    match bank.move_clock_to(later) {
        true if is_browser(&headers) => Redirect::to(&bank.address("/")).into_response(),
        true => told(&bank),
        false => {
            let text = "the clock of this bank is kept from outside";
            (StatusCode::CONFLICT, Json(json!({ "error": text }))).into_response()
        }
    }
}

fn told(bank: &Bank) -> Response {
    Json(json!({"now": bank.now().to_string(), "today": bank.today().to_string()})).into_response()
}

/// Whether a person pressed a button of the first page.
fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
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
