//! The first page: who asks, for what, for how long, and what nobody gets.

use askama::Template;
use axum::response::Response;
use passerelle_domain::Date;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Brand, Shell, Words, page};

use super::words;

/// The licensed company that carries out the access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aisp {
    /// Its name.
    pub name: String,
    /// Its number in the supervisor's register.
    pub registration: String,
}

/// The first page of the journey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassurance {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// Who carries out the access.
    pub aisp: Aisp,
    /// The titles of the purposes, already in the language.
    pub purposes: Vec<String>,
    /// How long the access lasts, in days.
    pub days: u16,
    /// The day it ends if it starts today.
    pub until: Date,
    /// Where "continue" posts to.
    pub continue_to: String,
    /// Where "no, thank you" posts to.
    pub decline_to: String,
}

#[derive(Template)]
#[template(path = "reassurance.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a Reassurance,
    lead: String,
    duration: String,
    where_it_lives: String,
}

impl Reassurance {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let client = [("client", self.brand.name.as_str())];
        let title = words.fill("reassurance.title", &client);
        let until = words.date(self.until);
        let days = self.days.to_string();
        let view = View {
            words,
            page: self,
            lead: words.fill("reassurance.lead", &client),
            where_it_lives: words.fill("reassurance.encryption.text", &client),
            duration: words.fill(
                "reassurance.duration",
                &[("days", &days), ("until", &until)],
            ),
        };
        page(&Shell::new(self.locale, &title).branded(&self.brand), &view)
    }
}
