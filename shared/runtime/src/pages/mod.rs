//! Pages for people: one layout, one stylesheet, no script.
//!
//! A page is read on a phone held sideways in a train, by a screen reader, at 400 % zoom or in a
//! high-contrast mode, so the layout is one column of plain elements (WCAG 2.2 level AA).
//!
//! # Leaving for the bank
//! Chromium applies `form-action` to every redirect that follows a form. Our forms post to ourselves
//! only (`form-action 'self'`), so a `POST` must never end at the bank: answer it with a 303 to a page
//! of ours, and put the bank's address there as a plain link. A link is no form, and the person sees
//! where they are about to go.
//!
//! # Waiting
//! Without script, a page that waits can only load itself again ([`NextLook`]): soon at first, because
//! most waits are short, and then after [`SELDOM_SECONDS`], which leaves a reader the twenty seconds that
//! WCAG 2.2.1 asks for. At every look the page must offer a link to itself standing still, and another
//! to look at once.
//!
//! # The insurer's face
//! [`Brand`] puts the insurer's name, logo, colour and legal pages around a page. All of it is text or
//! an address of ours; nothing is loaded from elsewhere.

mod messages;
mod theme;

use std::sync::LazyLock;

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFRESH};
use passerelle_domain::ids::{ClientId, CorrelationId};
use passerelle_domain::locale::Locale;
use passerelle_domain::tenant::{HttpsAddress, TenantSettings};
use ring::digest::{SHA256, digest};

pub use messages::{Messages, Words};
pub use theme::theme_address;

use crate::problem::{Code, Problem};

/// How long a page that has waited for a while stands before it loads itself again, in seconds: at least
/// twenty, so that it can be stopped first (WCAG 2.2.1).
pub const SELDOM_SECONDS: u8 = 25;

/// How long it stands the first times, in seconds.
const SOON_SECONDS: [u8; 4] = [2, 4, 8, 15];

/// When a page that waits loads itself again, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextLook {
    after_seconds: u8,
    at: String,
}

impl NextLook {
    /// After the look of this number, counted from 0: `at` is a path of ours without query, which is
    /// given the number of the next (`look`).
    #[must_use]
    pub fn after(look: u8, at: &str) -> Self {
        let after_seconds = SOON_SECONDS.get(usize::from(look)).copied();
        Self {
            after_seconds: after_seconds.unwrap_or(SELDOM_SECONDS),
            at: format!("{at}?look={}", look.saturating_add(1)),
        }
    }

    /// How long the page stands.
    #[must_use]
    pub fn after_seconds(&self) -> u8 {
        self.after_seconds
    }
}

const CSS_TYPE: &str = "text/css; charset=utf-8";

/// For what has its content in its address.
const KEPT_FOR_EVER: &str = "public, max-age=31536000, immutable";

/// No script, no foreign anything; forms post to ourselves only.
const CONTENT_SECURITY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
                                form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The stylesheet every page loads.
pub const STYLE: &str = include_str!("style.css");

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    Messages::compiled(&[
        (Locale::Fr, include_str!("../../messages/fr.toml")),
        (Locale::En, include_str!("../../messages/en.toml")),
    ])
});

/// The stylesheet's address. It changes with the content, so that it can be kept for a year.
static STYLE_ADDRESS: LazyLock<String> = LazyLock::new(|| {
    let digest = digest(&SHA256, STYLE.as_bytes());
    let version: String = digest
        .as_ref()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("/assets/passerelle.css?v={version}")
});

/// The words every page shares: months, layout, what to say when something goes wrong.
#[must_use]
pub fn words(locale: Locale) -> Words<'static> {
    MESSAGES.words(locale)
}

/// Where a person can go next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub label: String,
    /// Where it leads: `https://…` or an address of ours beginning with `/`.
    pub href: String,
}

/// Whose customers a page is for: the insurer's face around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Brand {
    /// The insurer's name.
    pub name: String,
    /// The address of its logo, one of ours.
    pub logo: Option<String>,
    /// The address of the stylesheet with its colour: see [`theme_address`].
    pub style: Option<String>,
    /// Its terms, `https://…`.
    pub terms: Option<String>,
    /// Its privacy policy, `https://…`.
    pub privacy: Option<String>,
}

impl Brand {
    /// The face a client gave itself in its settings.
    #[must_use]
    pub fn of(client: &ClientId, settings: &TenantSettings) -> Self {
        let text = |address: &HttpsAddress| address.as_str().to_owned();
        let colour = settings.accent.map(|accent| accent.to_string());
        Self {
            name: settings
                .display_name
                .clone()
                .unwrap_or_else(|| client.to_string()),
            logo: settings
                .logo
                .as_ref()
                .map(|logo| format!("/assets/logo/{client}/{}", logo.hash)),
            style: colour.map(|colour| theme_address(colour.trim_start_matches('#'))),
            terms: settings.terms_url.as_ref().map(text),
            privacy: settings.privacy_url.as_ref().map(text),
        }
    }
}

/// What a page is, around its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell<'a> {
    locale: Locale,
    title: &'a str,
    brand: Option<&'a Brand>,
    refreshes: Option<&'a NextLook>,
}

impl<'a> Shell<'a> {
    /// A page in one language; its title is its one heading and its name in the browser.
    #[must_use]
    pub fn new(locale: Locale, title: &'a str) -> Self {
        Self {
            locale,
            title,
            brand: None,
            refreshes: None,
        }
    }

    /// Under the insurer's name instead of ours.
    #[must_use]
    pub fn branded(self, brand: &'a Brand) -> Self {
        Self {
            brand: Some(brand),
            ..self
        }
    }

    /// Loads itself again: for a page that waits.
    #[must_use]
    pub fn refreshing(self, next: Option<&'a NextLook>) -> Self {
        Self {
            refreshes: next,
            ..self
        }
    }
}

#[derive(Template)]
#[template(path = "layout.html")]
struct Layout<'a> {
    words: Words<'static>,
    title: &'a str,
    style: &'a str,
    brand: Option<&'a Brand>,
    content: &'a str,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    paragraphs: &'a [&'a str],
    action: Option<&'a Link>,
}

/// Shows a content inside the layout.
pub fn page(shell: &Shell<'_>, content: &impl Template) -> Response {
    let html = content.render().and_then(|content| {
        Layout {
            words: words(shell.locale),
            title: shell.title,
            style: &STYLE_ADDRESS,
            brand: shell.brand,
            content: &content,
        }
        .render()
    });
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
    ];
    let mut response = match html {
        Ok(html) => (headers, html).into_response(),
        Err(cause) => return Problem::internal(&cause).into_response(),
    };
    let refresh = shell
        .refreshes
        .map(|next| format!("{}; url={}", next.after_seconds, next.at));
    if let Some(Ok(refresh)) = refresh.as_deref().map(HeaderValue::from_str) {
        response.headers_mut().insert(REFRESH, refresh);
    }
    response
}

/// A page that says one thing: an ending, wherever it happens. The text may hold several paragraphs,
/// separated by line ends. The status is 200; put another in front with `(status, notice(…))`.
#[must_use]
pub fn notice(locale: Locale, title: &str, text: &str, action: Option<(&str, &str)>) -> Response {
    let paragraphs: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    let action = action.map(|(label, href)| Link {
        label: label.to_owned(),
        href: href.to_owned(),
    });
    let content = Notice {
        paragraphs: &paragraphs,
        action: action.as_ref(),
    };
    page(&Shell::new(locale, title), &content)
}

/// What a person reads where a program reads a problem.
pub(crate) fn problem(locale: Locale, code: Code, request_id: &CorrelationId) -> Response {
    let words = words(locale);
    let kind = match code {
        Code::LinkExpired => "link-expired",
        Code::NotFound | Code::MethodNotAllowed => "not-found",
        Code::BankUnavailable => "bank-unavailable",
        Code::Unavailable | Code::Internal | Code::RateLimited | Code::InProgress => "try-again",
        Code::InvalidCallback => "invalid-callback",
        Code::Unauthenticated
        | Code::ScopeMissing
        | Code::TenantUnknown
        | Code::TenantSuspended
        | Code::PurposeNotGranted => "not-allowed",
        Code::Conflict | Code::IdempotencyKeyReused => "does-not-fit",
        Code::InvalidRequest
        | Code::InvalidBody
        | Code::InvalidQuery
        | Code::BodyTooLarge
        | Code::UnsupportedMediaType => "unreadable",
    };
    let reference = words.fill("problem.reference", &[("request", request_id.as_str())]);
    let text = words.text(&format!("problem.{kind}.text"));
    notice(
        locale,
        words.text(&format!("problem.{kind}.title")),
        &format!("{text}\n{reference}"),
        None,
    )
}

/// The routes of what pages load: `GET /assets/passerelle.css`, `GET /assets/theme/{rrggbb}.css`. One
/// function serves them for all.
pub fn assets<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let style = async || {
        let headers = [(CONTENT_TYPE, CSS_TYPE), (CACHE_CONTROL, KEPT_FOR_EVER)];
        (headers, STYLE)
    };
    Router::new()
        .route("/assets/passerelle.css", get(style))
        .route("/assets/theme/{file}", get(theme::serve))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_things() {
        assert_eq!(MESSAGES.differences(), Vec::<String>::new());
    }

    #[test]
    fn every_code_has_words_for_people() {
        for code in Code::ALL {
            for locale in [Locale::Fr, Locale::En] {
                let request_id = CorrelationId::from_entropy([7; 16]);
                let page = problem(locale, code, &request_id);
                let body = axum::body::to_bytes(page.into_body(), usize::MAX);
                let body = futures::executor::block_on(body).unwrap();
                let html = std::str::from_utf8(&body).unwrap();
                assert!(!html.contains('⟦'), "{code:?} {locale:?}\n{html}");
                assert!(html.contains(request_id.as_str()));
            }
        }
    }
}
