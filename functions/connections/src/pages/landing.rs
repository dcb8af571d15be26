//! The page a link leads to: one button, so that a preview of the link opens nothing.

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Brand, Words};

use super::{shown, words};

/// The page in front of self-care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landing {
    /// The language.
    pub(crate) locale: Locale,
    /// The insurer's face.
    pub(crate) brand: Brand,
    /// Where the button posts to.
    pub(crate) enter_at: String,
}

#[derive(Template)]
#[template(path = "landing.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a Landing,
    lead: String,
}

impl Landing {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = words(self.locale);
        let client = [("client", self.brand.name.as_str())];
        let view = View {
            words,
            page: self,
            lead: words.fill("landing.lead", &client),
        };
        shown(self.locale, &self.brand, words.text("landing.title"), &view)
    }
}
