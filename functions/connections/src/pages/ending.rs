//! How a visit ends, or why one cannot begin: always with what happened and what can be done now.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Shell, Words, page};

use super::words;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The link opened a visit before.
    LinkUsed,
    /// The link's time is up.
    LinkExpired,
    /// The insurer was told that the person wants a new link.
    LinkRequested,
    /// No visit, or one that was left alone too long.
    VisitEnded,
    /// The person said they are done.
    Left,
}

/// Where the person can go from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Nowhere.
    Nowhere,
    /// Back into a visit of this browser, or to a new link.
    Choices {
        /// Where the visit is.
        go_on_at: String,
        /// Where asking for a new link posts to.
        again_at: String,
    },
}

impl Ending {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [
        Self::LinkUsed,
        Self::LinkExpired,
        Self::LinkRequested,
        Self::VisitEnded,
        Self::Left,
    ];

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::LinkUsed => "link-used",
            Self::LinkExpired => "link-expired",
            Self::LinkRequested => "link-requested",
            Self::VisitEnded => "visit-ended",
            Self::Left => "left",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::LinkUsed | Self::LinkExpired => StatusCode::GONE,
            Self::VisitEnded => StatusCode::FORBIDDEN,
            Self::LinkRequested | Self::Left => StatusCode::OK,
        }
    }
}

#[derive(Template)]
#[template(path = "ending.html")]
struct View<'a> {
    words: Words<'static>,
    paragraphs: Vec<&'static str>,
    onward: &'a Onward,
}

/// The page that says so.
pub(crate) fn ending(locale: Locale, ending: Ending, onward: &Onward) -> Response {
    let (words, key) = (words(locale), ending.key());
    let view = View {
        words,
        paragraphs: words.text(&format!("ending.{key}.text")).lines().collect(),
        onward,
    };
    let title = words.text(&format!("ending.{key}.title"));
    (ending.status(), page(&Shell::new(locale, title), &view)).into_response()
}
