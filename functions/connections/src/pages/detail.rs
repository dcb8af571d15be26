//! One connection, and everything that can be changed about it.

use askama::Template;
use axum::response::Response;
use passerelle_domain::purpose::{DataClass, PurposeCode, PurposeText};
use passerelle_runtime::pages::Words;

use super::overview::{ConnectionCard, SaidCard};
use super::{Frame, class_name};

/// A purpose that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PurposeRow {
    /// Its code.
    pub(crate) code: PurposeCode,
    /// How it is explained.
    pub(crate) text: PurposeText,
    /// What may be read for it.
    pub(crate) reads: Vec<DataClass>,
    /// Where switching it off begins.
    pub(crate) narrow_at: String,
}

/// A purpose in words.
struct SaidPurpose<'a> {
    row: &'a PurposeRow,
    reads: String,
    narrow: String,
}

impl PurposeRow {
    fn said(&self, words: Words<'static>) -> SaidPurpose<'_> {
        let reads: Vec<_> = self
            .reads
            .iter()
            .map(|class| class_name(*class, words))
            .collect();
        SaidPurpose {
            row: self,
            reads: reads.join(", "),
            narrow: words.fill("detail.narrow", &[("purpose", self.text.title.as_str())]),
        }
    }
}

/// The page of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detail {
    /// What surrounds it.
    pub(crate) frame: Frame,
    /// The connection.
    pub(crate) card: ConnectionCard,
    /// The purposes that are allowed.
    pub(crate) purposes: Vec<PurposeRow>,
    /// Where its lines are, while they can be read.
    pub(crate) lines_at: Option<String>,
    /// Where renewing posts to, while it is allowed.
    pub(crate) renew_at: Option<String>,
    /// Where withdrawing begins, while it is allowed.
    pub(crate) withdraw_at: Option<String>,
}

#[derive(Template)]
#[template(path = "detail.html")]
struct View<'a> {
    words: Words<'static>,
    frame: &'a Frame,
    page: &'a Detail,
    card: SaidCard<'a>,
    heading: String,
    purposes: Vec<SaidPurpose<'a>>,
}

impl Detail {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = self.frame.words();
        let client = [("client", self.frame.brand.name.as_str())];
        let view = View {
            words,
            frame: &self.frame,
            page: self,
            card: self.card.said(words),
            heading: words.fill("detail.purposes", &client),
            purposes: self.purposes.iter().map(|row| row.said(words)).collect(),
        };
        let bank = [("bank", self.card.bank_name.as_str())];
        self.frame.show(&words.fill("detail.title", &bank), &view)
    }
}
