//! The question itself: yes or no, purpose by purpose.

use askama::Template;
use axum::response::Response;
use passerelle_domain::Date;
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::{DataClass, Fact, PurposeCode, PurposeTerms, PurposeText};
use passerelle_runtime::pages::{Brand, Shell, Words, page};

use super::words;

/// One purpose with its switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurposeSwitch {
    /// What switching it on posts, as `purpose`.
    pub code: PurposeCode,
    /// What the person reads, in the page's language.
    pub text: PurposeText,
    /// What it allows.
    pub terms: PurposeTerms,
    /// Whether the journey makes no sense without it.
    pub required: bool,
    /// Whether the person switched it on before the page came back with an error. Off at first,
    /// required or not: consent is given, never assumed (GDPR art. 4(11), recital 32).
    pub on: bool,
}

/// Why the page comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurposesError {
    /// No purpose was switched on.
    NothingChosen,
    /// A required purpose is off.
    RequiredMissing,
}

impl PurposesError {
    fn key(self) -> &'static str {
        match self {
            Self::NothingChosen => "purposes.error.nothing-chosen",
            Self::RequiredMissing => "purposes.error.required-missing",
        }
    }
}

/// The page on which a person decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purposes {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// The bank that was chosen: the answer says which one it is for.
    pub bank: InstitutionId,
    /// Its name.
    pub bank_name: String,
    /// The purposes, in the catalogue's order.
    pub purposes: Vec<PurposeSwitch>,
    /// The day the access ends.
    pub until: Date,
    /// Why the page comes back, if it does.
    pub error: Option<PurposesError>,
    /// Where the decision posts to (`purpose`, once for each that is on).
    pub agree_at: String,
    /// Where "no, thank you" posts to.
    pub decline_to: String,
}

#[derive(Template)]
#[template(path = "purposes.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a Purposes,
    purposes: Vec<Shown<'a>>,
    lead: String,
    until: String,
    agree: String,
}

/// A purpose with what its terms mean, in words.
struct Shown<'a> {
    switch: &'a PurposeSwitch,
    how_long: String,
    preview: String,
    example: Vec<&'static str>,
}

impl<'a> Shown<'a> {
    fn new(switch: &'a PurposeSwitch, words: Words<'static>, client: &str, until: &str) -> Self {
        let kept = match switch.terms.retention_days {
            0 => words.text("purposes.kept.none").to_owned(),
            days => words.count("purposes.kept.days", days.into()),
        };
        let until = words.fill("purposes.valid", &[("until", until)]);
        Self {
            switch,
            how_long: format!("{until} {kept}"),
            preview: words.fill("purposes.preview.title", &[("client", client)]),
            example: example(&switch.terms)
                .into_iter()
                .map(|key| words.text(key))
                .collect(),
        }
    }
}

/// What the insurer would see of an invented person: one line for each thing the terms allow, and
/// none for what they do not.
fn example(terms: &PurposeTerms) -> Vec<&'static str> {
    let read = terms.reads.iter().map(|class| match class {
        DataClass::Accounts => "purposes.preview.accounts",
        DataClass::Transactions => "purposes.preview.transactions",
        DataClass::Scores => "purposes.preview.scores",
    });
    let learned = terms.learns.iter().filter_map(|fact| match fact {
        Fact::RegularFlows => Some("purposes.preview.regular-flows"),
        Fact::InsuranceContracts => Some("purposes.preview.insurance-contracts"),
        Fact::Household => Some("purposes.preview.household"),
        Fact::LifeMoments => Some("purposes.preview.life-moments"),
        // Told with what is read.
        Fact::Scores => None,
    });
    let mut lines: Vec<_> = read.chain(learned).collect();
    if !terms.may_read(DataClass::Transactions) {
        lines.push("purposes.preview.no-transactions");
    }
    lines
}

impl Purposes {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let names = [
            ("client", self.brand.name.as_str()),
            ("bank", self.bank_name.as_str()),
        ];
        let until = words.date(self.until);
        let view = View {
            words,
            page: self,
            purposes: self
                .purposes
                .iter()
                .map(|switch| Shown::new(switch, words, &self.brand.name, &until))
                .collect(),
            lead: words.fill("purposes.lead", &names),
            until: words.fill("purposes.until", &[("until", &until)]),
            agree: words.fill("purposes.agree", &names),
        };
        let title = match self.error {
            Some(_) => words.text("purposes.title-with-error"),
            None => words.text("purposes.title"),
        };
        page(&Shell::new(self.locale, title).branded(&self.brand), &view)
    }
}
