//! Who read what, for which purpose, when.

use askama::Template;
use axum::response::Response;
use passerelle_domain::Timestamp;
use passerelle_domain::purpose::DataClass;
use passerelle_runtime::pages::Words;

use super::{Frame, class_name};

/// One read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessRow {
    /// When.
    pub(crate) at: Timestamp,
    /// What was read.
    pub(crate) read: DataClass,
    /// What for, in the person's words.
    pub(crate) purpose: String,
    /// At which bank; `None` where all connections were read together.
    pub(crate) bank_name: Option<String>,
}

/// The page of who read what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessLog {
    /// What surrounds it.
    pub(crate) frame: Frame,
    /// The reads, newest first.
    pub(crate) rows: Vec<AccessRow>,
    /// Where older ones are.
    pub(crate) older_at: Option<String>,
}

struct SaidRow {
    when: String,
    what: &'static str,
    purpose: String,
    whose: String,
}

#[derive(Template)]
#[template(path = "access_log.html")]
struct View<'a> {
    words: Words<'static>,
    frame: &'a Frame,
    lead: String,
    rows: Vec<SaidRow>,
    older_at: Option<&'a str>,
}

impl AccessLog {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = self.frame.words();
        let client = [("client", self.frame.brand.name.as_str())];
        let key = match self.rows.is_empty() {
            true => "access.none",
            false => "access.lead",
        };
        let view = View {
            words,
            frame: &self.frame,
            lead: words.fill(key, &client),
            rows: self.rows.iter().map(|row| self.said(row)).collect(),
            older_at: self.older_at.as_deref(),
        };
        self.frame.show(words.text("access.title"), &view)
    }

    fn said(&self, row: &AccessRow) -> SaidRow {
        let words = self.frame.words();
        let everywhere = words.text("access.everywhere");
        SaidRow {
            when: words.moment(row.at),
            what: class_name(row.read, words),
            purpose: row.purpose.clone(),
            whose: row.bank_name.as_deref().unwrap_or(everywhere).to_owned(),
        }
    }
}
