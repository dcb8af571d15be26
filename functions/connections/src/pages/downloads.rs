//! What the person can take along.

use askama::Template;
use axum::response::Response;
use passerelle_runtime::pages::Words;

use super::Frame;

/// How much there is, and in how many files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Files a copy comes in.
    pub(crate) count: usize,
    /// Booked lines in all of them.
    pub(crate) lines: usize,
}

/// The page of downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Downloads {
    /// What surrounds it.
    pub(crate) frame: Frame,
    /// How much there is.
    pub(crate) parts: Parts,
    /// Where everything is, as JSON.
    pub(crate) json_at: String,
    /// Where the lines are, as CSV.
    pub(crate) transactions_at: String,
    /// Where the accounts are, as CSV.
    pub(crate) accounts_at: String,
    /// Where the receipts are.
    pub(crate) receipts_at: String,
}

struct File {
    label: String,
    href: String,
}

#[derive(Template)]
#[template(path = "downloads.html")]
struct View<'a> {
    words: Words<'static>,
    frame: &'a Frame,
    lines: String,
    receipts_at: &'a str,
    documents: Vec<File>,
    sheets: Vec<File>,
}

impl Downloads {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = self.frame.words();
        let mut sheets = self.files(words, "downloads.transactions", &self.transactions_at);
        sheets.push(File {
            label: words.text("downloads.accounts").to_owned(),
            href: self.accounts_at.clone(),
        });
        let view = View {
            words,
            frame: &self.frame,
            lines: words.count("downloads.lines", self.parts.lines),
            receipts_at: &self.receipts_at,
            documents: self.files(words, "downloads.data", &self.json_at),
            sheets,
        };
        self.frame.show(words.text("downloads.title"), &view)
    }

    /// One file, or its parts.
    fn files(&self, words: Words<'static>, key: &str, at: &str) -> Vec<File> {
        let name = words.text(key);
        let part = |number: usize| {
            let (number, of) = (number.to_string(), self.parts.count.to_string());
            let values = [("name", name), ("number", &number), ("of", &of)];
            File {
                label: words.fill("downloads.part", &values),
                href: format!("{at}?part={number}"),
            }
        };
        match self.parts.count {
            1 => vec![File {
                label: name.to_owned(),
                href: at.to_owned(),
            }],
            count => (1..=count).map(part).collect(),
        }
    }
}
