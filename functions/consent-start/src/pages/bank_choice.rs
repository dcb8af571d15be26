//! The search for one's bank.

use askama::Template;
use axum::response::Response;
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Brand, Shell, Words, page};

use super::words;

/// One bank in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankRow {
    /// What choosing it posts, as `institution`.
    pub id: InstitutionId,
    /// The name people know.
    pub name: String,
    /// Its group, where that helps to tell it from another.
    pub group: Option<String>,
    /// Whether it can be chosen now. One that cannot is shown, and says so.
    pub today: Today,
    /// Whether the person came with it last time.
    pub last_time: bool,
}

/// Whether a bank can be chosen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Today {
    /// Yes.
    Open,
    /// It failed lately and is left alone for a while.
    Down,
    /// Nobody can go there from here yet.
    NotYet,
}

/// The page on which a person finds their bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankChoice {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// What was searched for; empty before the first search.
    pub query: String,
    /// Where the search goes (GET, `q`).
    pub search_at: String,
    /// Where a choice posts to (`institution`).
    pub choose_at: String,
    /// The banks to show, best first.
    pub banks: Vec<BankRow>,
    /// How many were found in all.
    pub found: usize,
    /// The page before, and the page after, where there are any.
    pub before: Option<String>,
    /// See `before`.
    pub after: Option<String>,
    /// Where to go back to.
    pub back_to: String,
}

#[derive(Template)]
#[template(path = "bank_choice.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a BankChoice,
    found: String,
}

impl BankChoice {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let view = View {
            words,
            page: self,
            found: words.count("bank-choice.found", self.found),
        };
        let title = words.text("bank-choice.title");
        page(&Shell::new(self.locale, title).branded(&self.brand), &view)
    }
}
