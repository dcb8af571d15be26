//! The last page of ours before the bank.

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Brand, Shell, Words, page};

use super::words;

/// The page that leads to the bank. A link and not a form: see [`passerelle_runtime::pages`].
#[derive(Clone, PartialEq, Eq)]
pub struct AtBank {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// The bank.
    pub bank_name: String,
    /// The host the link leads to, so that the person can compare it with the address bar.
    pub bank_host: String,
    /// The bank's address with everything it needs. Secret: it carries the `state`.
    pub href: String,
    /// Where asking for a fresh link posts to.
    pub ask_again_at: String,
    /// Where to choose another bank.
    pub other_bank: String,
    /// The page that shows how far things are, for who comes back by another way.
    pub progress: String,
}

impl std::fmt::Debug for AtBank {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AtBank")
            .field("bank_host", &self.bank_host)
            .finish_non_exhaustive()
    }
}

#[derive(Template)]
#[template(path = "at_bank.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a AtBank,
    leave: String,
    host: String,
}

impl AtBank {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let bank = [("bank", self.bank_name.as_str())];
        let view = View {
            words,
            page: self,
            leave: words.fill("at-bank.leave", &bank),
            host: words.fill("at-bank.host", &[("host", &self.bank_host)]),
        };
        let title = words.fill("at-bank.title", &bank);
        page(&Shell::new(self.locale, &title).branded(&self.brand), &view)
    }
}
