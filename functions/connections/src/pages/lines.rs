//! The booked lines of a connection with what each is taken for, and one line with the means to say
//! otherwise (GDPR art. 16).

use askama::Template;
use axum::response::Response;
use passerelle_domain::Date;
use passerelle_domain::locale::Locale;
use passerelle_domain::money::Amount;
use passerelle_knowledge::Category;
use passerelle_runtime::pages::Words;

use super::{Frame, category_name};

/// A booked line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineRow {
    /// When it was booked.
    pub(crate) on: Date,
    /// How much; negative when money left.
    pub(crate) amount: Amount,
    /// What the bank wrote; empty for a protected line.
    pub(crate) label: String,
    /// What it is taken for.
    pub(crate) category: Category,
    /// Whether the person said so.
    pub(crate) was_said: bool,
    /// Where it can be said otherwise; `None` for a protected line.
    pub(crate) correct_at: Option<String>,
}

/// The lines of a connection, a page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lines {
    /// What surrounds it.
    pub(crate) frame: Frame,
    /// The bank.
    pub(crate) bank_name: String,
    /// The lines, newest first.
    pub(crate) rows: Vec<LineRow>,
    /// Where older ones are.
    pub(crate) older_at: Option<String>,
    /// The connection.
    pub(crate) back_at: String,
}

/// One line, and what it may be said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OneLine {
    /// What surrounds it.
    pub(crate) frame: Frame,
    /// The line.
    pub(crate) row: LineRow,
    /// What may be chosen.
    pub(crate) choices: Vec<Category>,
    /// Where the answer posts to.
    pub(crate) do_at: String,
    /// The lines.
    pub(crate) back_at: String,
}

/// A line in words.
struct SaidLine<'a> {
    on: String,
    amount: String,
    label: &'a str,
    category: &'static str,
    was_said: bool,
    correct_at: Option<&'a str>,
    correct: String,
}

/// A category that may be chosen.
struct Choice {
    code: &'static str,
    name: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "lines.html")]
struct LinesView<'a> {
    words: Words<'static>,
    frame: &'a Frame,
    page: &'a Lines,
    lead: &'static str,
    rows: Vec<SaidLine<'a>>,
}

#[derive(Template)]
#[template(path = "line.html")]
struct LineView<'a> {
    words: Words<'static>,
    frame: &'a Frame,
    page: &'a OneLine,
    line: SaidLine<'a>,
    choices: Vec<Choice>,
}

impl LineRow {
    fn said(&self, words: Words<'static>) -> SaidLine<'_> {
        let on = words.date(self.on);
        let label = match self.label.as_str() {
            "" => words.text("lines.no-text"),
            label => label,
        };
        SaidLine {
            amount: amount(self.amount, words.locale()),
            label,
            category: category_name(self.category, words.locale()),
            was_said: self.was_said,
            correct_at: self.correct_at.as_deref(),
            correct: words.fill("lines.correct", &[("label", label), ("on", &on)]),
            on,
        }
    }
}

fn amount(amount: Amount, locale: Locale) -> String {
    let decimal = amount.to_decimal();
    match locale {
        Locale::Fr => format!("{}\u{a0}{}", decimal.replace('.', ","), amount.currency),
        Locale::En => format!("{decimal}\u{a0}{}", amount.currency),
    }
}

impl Lines {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = self.frame.words();
        let key = match self.rows.is_empty() {
            true => "lines.none",
            false => "lines.lead",
        };
        let view = LinesView {
            words,
            frame: &self.frame,
            page: self,
            lead: words.text(key),
            rows: self.rows.iter().map(|row| row.said(words)).collect(),
        };
        let bank = [("bank", self.bank_name.as_str())];
        self.frame.show(&words.fill("lines.title", &bank), &view)
    }
}

impl OneLine {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = self.frame.words();
        let mut choices: Vec<Choice> = self
            .choices
            .iter()
            .map(|category| Choice {
                code: category.code(),
                name: category_name(*category, words.locale()),
                chosen: *category == self.row.category,
            })
            .collect();
        choices.sort_by_key(|choice| choice.name);
        let view = LineView {
            words,
            frame: &self.frame,
            page: self,
            line: self.row.said(words),
            choices,
        };
        self.frame.show(words.text("line.title"), &view)
    }
}
