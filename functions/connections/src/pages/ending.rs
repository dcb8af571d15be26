//! How a visit ends, or why one cannot begin: always with what happened and what can be done now.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::notice;

use super::words;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The link opened a visit before.
    LinkUsed,
    /// The link's time is up.
    LinkExpired,
    /// No visit, or one that was left alone too long.
    VisitEnded,
    /// The person said they are done.
    Left,
}

impl Ending {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [
        Self::LinkUsed,
        Self::LinkExpired,
        Self::VisitEnded,
        Self::Left,
    ];

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::LinkUsed => "link-used",
            Self::LinkExpired => "link-expired",
            Self::VisitEnded => "visit-ended",
            Self::Left => "left",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::LinkUsed | Self::LinkExpired => StatusCode::GONE,
            Self::VisitEnded => StatusCode::FORBIDDEN,
            Self::Left => StatusCode::OK,
        }
    }
}

/// The page that says so, with where to go on, if anywhere.
pub(crate) fn ending(locale: Locale, ending: Ending, go_on_at: Option<String>) -> Response {
    let (words, key) = (words(locale), ending.key());
    let label = words.text("ending.go-on");
    let page = notice(
        locale,
        words.text(&format!("ending.{key}.title")),
        words.text(&format!("ending.{key}.text")),
        go_on_at.as_deref().map(|address| (label, address)),
    );
    (ending.status(), page).into_response()
}
