//! The bank answered in another browser: the person types the code that browser shows.

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_runtime::pages::{Brand, Shell, Words, page};

use super::words;

/// The page on which the code of a return in another browser is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// The bank that answered.
    pub bank_name: String,
    /// The journey's token: the forms carry it.
    pub journey: Private,
    /// Where the code posts to.
    pub confirm_at: String,
    /// Where "it was not me" posts to: the answer is dropped and the journey starts again.
    pub refuse_at: String,
    /// Whether the code that was typed was not the right one.
    pub was_wrong: bool,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a Confirm,
    lead: String,
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
        };
        let title = match self.was_wrong {
            true => words.text("confirm.title-with-error").to_owned(),
            false => words.fill("confirm.title", &names),
        };
        page(&Shell::new(self.locale, &title).branded(&self.brand), &view)
    }
}
