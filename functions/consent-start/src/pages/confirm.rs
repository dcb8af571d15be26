//! The bank answered in another browser: the person who started says whether it was them.

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Brand, Shell, Words, page};

use super::words;

/// The page on which a person confirms a return that came by another browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// The bank that answered.
    pub bank_name: String,
    /// Where "yes, it was me" posts to.
    pub confirm_at: String,
    /// Where "no" posts to: the answer is dropped and the journey starts again.
    pub refuse_at: String,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a Confirm,
    lead: String,
    question: String,
}

impl Confirm {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let names = [
            ("bank", self.bank_name.as_str()),
            ("client", self.brand.name.as_str()),
        ];
        let view = View {
            words,
            page: self,
            lead: words.fill("confirm.lead", &names),
            question: words.fill("confirm.question", &names),
        };
        let title = words.fill("confirm.title", &names);
        page(&Shell::new(self.locale, &title).branded(&self.brand), &view)
    }
}
