//! The suite's time: moved over HTTP, kept over a restart.

use std::path::PathBuf;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use passerelle_runtime::Clock;
use serde::Deserialize;
use serde_json::json;

use crate::embedded_aws::{Storage, read_if_present, write_private};
use crate::error::LocalError;
use crate::suite::Time;

/// The longest single move. More is a typing error.
const FURTHEST: SignedDuration = SignedDuration::from_hours(24 * 366 * 5);

/// A clock whose distance from the machine's is remembered in the state folder.
#[derive(Debug, Clone)]
pub(crate) struct KeptClock {
    pub(crate) clock: Clock,
    file: Option<PathBuf>,
}

impl KeptClock {
    /// Starts at `start`, else where the last suite on this folder was, else with the machine.
    pub(crate) fn open(storage: &Storage, start: Option<Timestamp>) -> Result<Self, LocalError> {
        let file = storage.file("clock-ahead-ms");
        let clock = Clock::adjustable(start);
        let stored = match (&file, start) {
            (Some(path), None) => read_if_present(path)?,
            _ => None,
        };
        if let Some(bytes) = stored {
            let ahead = std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            let ahead: i64 = ahead.ok_or_else(|| LocalError::StateUnreadable {
                what: "the clock",
                why: "clock-ahead-ms is not a number of milliseconds".to_owned(),
            })?;
            clock.advance(SignedDuration::from_millis(ahead));
        }
        let kept = Self { clock, file };
        if start.is_some() {
            kept.keep()?;
        }
        Ok(kept)
    }

    /// Moves the clock and remembers it.
    pub(crate) fn advance(&self, by: SignedDuration) -> Result<(), LocalError> {
        self.clock.advance(by);
        self.keep()
    }

    fn keep(&self) -> Result<(), LocalError> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let ahead = self
            .clock
            .now()
            .duration_since(Timestamp::now())
            .as_millis();
        write_private(path, ahead.to_string().as_bytes())
    }
}

/// `GET /local/clock` and `POST /local/clock {"advance":"P90D"}`.
pub(crate) fn router(time: Time) -> Router {
    Router::new()
        .route("/local/clock", get(read).post(advance))
        .with_state(time)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: String,
}

async fn read(State(time): State<Time>) -> Response {
    told(&time)
}

async fn advance(State(time): State<Time>, body: String) -> Response {
    let parsed = serde_json::from_str::<Advance>(&body)
        .map_err(|_| "send {\"advance\":\"P90D\"}: an ISO 8601 duration".to_owned())
        .and_then(|request| duration(&request.advance, time.now()));
    let by = match parsed {
        Ok(by) => by,
        Err(problem) => {
            return (StatusCode::BAD_REQUEST, Json(json!({ "message": problem }))).into_response();
        }
    };
    match time.advance(by).await {
        Ok(()) => told(&time),
        Err(error) => {
            tracing::error!(%error, "the clock could not be moved");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn told(time: &Time) -> Response {
    Json(json!({ "now": time.now().to_string() })).into_response()
}

/// An ISO 8601 duration from now on; months and years by the calendar, UTC.
fn duration(text: &str, now: Timestamp) -> Result<SignedDuration, String> {
    let span: Span = text.parse().map_err(|_| {
        format!(
            "`{}` is not an ISO 8601 duration such as P90D or PT1H",
            printable(text)
        )
    })?;
    let end = now
        .to_zoned(TimeZone::UTC)
        .checked_add(span)
        .map_err(|_| "that is beyond the calendar".to_owned())?;
    let by = end.timestamp().duration_since(now);
    if by.is_negative() || by > FURTHEST {
        return Err("the clock moves forward, five years at most at a time".to_owned());
    }
    Ok(by)
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(|one| one.is_ascii_graphic())
        .take(40)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_calendar_and_nonsense_is_refused() {
        let now: Timestamp = "2026-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(
            duration("P90D", now),
            Ok(SignedDuration::from_hours(90 * 24))
        );
        assert_eq!(
            duration("P1M", now),
            Ok(SignedDuration::from_hours(28 * 24))
        );
        for text in [
            "", "90", "P", "-P1D", "P6Y", "P99999Y", "tomorrow", "P1D\nX",
        ] {
            assert!(duration(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moved_clock_is_where_it_was_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().to_owned());
        let first = KeptClock::open(&storage, None).unwrap();
        first.advance(SignedDuration::from_hours(48)).unwrap();
        let second = KeptClock::open(&storage, None).unwrap();
        let apart = second.clock.now().duration_since(first.clock.now()).abs();
        assert!(apart < SignedDuration::from_secs(5), "{apart:?}");
    }
}
