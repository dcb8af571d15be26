//! Self-care, page by page: what each shows, and nothing about when it is shown.
//!
//! Every page is a struct with what it needs and a `page()` that renders it. All addresses are given;
//! the words come from `messages/<language>.toml`.

mod access_log;
mod detail;
mod downloads;
mod ending;
mod landing;
mod learned;
mod lines;
mod overview;
mod question;

use std::sync::LazyLock;

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::DataClass;
use passerelle_runtime::pages::{Brand, Messages, Shell, Words, page};

pub(crate) use access_log::{AccessLog, AccessRow};
pub(crate) use detail::{Detail, PurposeRow};
pub(crate) use downloads::{Downloads, Parts};
pub(crate) use ending::{Ending, Onward, ending};
pub(crate) use landing::Landing;
pub(crate) use learned::{Knowledge, Learned, category_name};
pub(crate) use lines::{LineRow, Lines, OneLine};
pub(crate) use overview::{ConnectionCard, Erasure, Overview, Standing, UntilWhen};
pub(crate) use question::{Question, Subject};

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    Messages::compiled(&[
        (Locale::Fr, include_str!("messages/fr.toml")),
        (Locale::En, include_str!("messages/en.toml")),
    ])
});

pub(crate) fn words(locale: Locale) -> Words<'static> {
    MESSAGES.words(locale)
}

/// What a class of data is called.
fn class_name(class: DataClass, words: Words<'static>) -> &'static str {
    match class {
        DataClass::Accounts => words.text("reads.accounts"),
        DataClass::Transactions => words.text("reads.transactions"),
        DataClass::Scores => words.text("reads.scores"),
    }
}

/// What surrounds every page of a visit: whose it is, and the proof its forms carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The language.
    pub(crate) locale: Locale,
    /// The insurer's face.
    pub(crate) brand: Brand,
    /// What every form sends along.
    pub(crate) proof: String,
    /// Where one can go from everywhere.
    pub(crate) ways: Vec<Way>,
}

/// A link that stands on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    /// The key of its words.
    pub(crate) key: &'static str,
    /// Where it leads.
    pub(crate) href: String,
}

impl Frame {
    fn words(&self) -> Words<'static> {
        words(self.locale)
    }

    /// Renders a content under a title.
    fn show(&self, title: &str, content: &impl Template) -> Response {
        shown(self.locale, &self.brand, title, content)
    }

    /// The languages the page can be had in instead.
    fn other_languages(&self) -> Vec<Locale> {
        [Locale::Fr, Locale::En]
            .into_iter()
            .filter(|locale| *locale != self.locale)
            .collect()
    }
}

fn shown(locale: Locale, brand: &Brand, title: &str, content: &impl Template) -> Response {
    page(&Shell::new(locale, title).branded(brand), content)
}

#[cfg(test)]
mod gallery;
