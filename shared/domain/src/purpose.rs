//! Why data is read. Every read and every score names a purpose; no live grant, no data.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::InvalidId;
use crate::locale::Locale;

/// The code of a purpose in a client's catalogue: `quote`, `advice`, `claims`, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PurposeCode(String);

impl PurposeCode {
    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PurposeCode {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let shape = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        if !text.is_empty() && text.len() <= 32 && text.bytes().all(shape) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId {
                kind: "purpose",
                expected: "1 to 32 lower-case letters or `-`",
            })
        }
    }
}

impl TryFrom<String> for PurposeCode {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<PurposeCode> for String {
    fn from(code: PurposeCode) -> String {
        code.0
    }
}

impl std::fmt::Display for PurposeCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A kind of data a purpose may read. What is not listed is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataClass {
    /// Accounts and balances.
    Accounts,
    /// Lines with their category.
    Transactions,
    /// Scores with their reasons.
    Scores,
}

/// A kind of fact a purpose lets us derive. What is not listed is cut out before it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// What comes and goes regularly: income, rent, subscriptions, and lines that belong together.
    RegularFlows,
    /// Insurance contracts held, doubles and gaps among them, money received from insurers.
    InsuranceContracts,
    /// Housing, vehicle, loans, and numbers over months.
    Household,
    /// Changes such as a move, a birth, a new job.
    LifeMoments,
    /// Scores with their reasons.
    Scores,
}

/// On what ground data is processed for a purpose (GDPR art. 6(1)).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum LegalBasis {
    /// Consent to this purpose: letter (a).
    #[default]
    Consent,
    /// A contract with the person, or steps they asked for before one: letter (b).
    Contract,
    /// A duty the law sets: letter (c).
    LegalObligation,
    /// An interest weighed against the person's: letter (f).
    LegitimateInterest,
}

/// What a purpose allows, as the person was told. A consent keeps a copy: what a client changes in
/// its catalogue later never widens what was granted before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PurposeTerms {
    /// What it may read.
    pub reads: BTreeSet<DataClass>,
    /// What it may derive.
    pub learns: BTreeSet<Fact>,
    /// Whether it serves selling: then fragility is never available to it, nor are single lines.
    #[serde(default)]
    pub sells: bool,
    /// Days after the end for which what was read for it is kept, sealed and served to nobody.
    /// Withdrawal keeps nothing.
    pub retention_days: u16,
    /// On what ground.
    pub legal_basis: LegalBasis,
}

impl PurposeTerms {
    /// Whether the purpose may read a class of data.
    #[must_use]
    pub fn may_read(&self, class: DataClass) -> bool {
        self.reads.contains(&class)
    }

    /// Whether the purpose may derive a kind of fact.
    #[must_use]
    pub fn may_learn(&self, fact: Fact) -> bool {
        self.learns.contains(&fact)
    }
}

/// What a person reads about a purpose, in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeText {
    /// A few words.
    pub title: String,
    /// What is read, in plain words.
    pub explanation: String,
    /// What will be learned from it, in plain words.
    pub learned: String,
    /// What refusing changes.
    pub if_refused: String,
}

/// The document a purpose's text is kept as, for ever, under its hash.
#[derive(Serialize, Deserialize)]
struct KeptText<'a> {
    purpose: Cow<'a, PurposeCode>,
    locale: Locale,
    title: Cow<'a, str>,
    explanation: Cow<'a, str>,
    learned: Cow<'a, str>,
    if_refused: Cow<'a, str>,
}

impl PurposeText {
    /// Reads the document of [`Purpose::text_document`].
    #[must_use]
    pub fn from_document(document: &[u8]) -> Option<Self> {
        let kept: KeptText<'_> = serde_json::from_slice(document).ok()?;
        Some(Self {
            title: kept.title.into_owned(),
            explanation: kept.explanation.into_owned(),
            learned: kept.learned.into_owned(),
            if_refused: kept.if_refused.into_owned(),
        })
    }
}

/// One purpose of a client's catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// Its code.
    pub code: PurposeCode,
    /// Whether a journey makes no sense without it, unless the client says otherwise when it asks.
    #[serde(default)]
    pub required: bool,
    /// What it allows.
    #[serde(flatten)]
    pub terms: PurposeTerms,
    /// How it is explained, per language.
    pub texts: BTreeMap<Locale, PurposeText>,
}

impl Purpose {
    /// The text in a language, French where the language is missing.
    #[must_use]
    pub fn text(&self, locale: Locale) -> Option<&PurposeText> {
        self.kept(locale).map(|(_, text)| text)
    }

    /// The bytes of that text as they are kept and served: JSON, fields in a fixed order.
    #[must_use]
    pub fn text_document(&self, locale: Locale) -> Vec<u8> {
        let kept = self.kept(locale).map(|(locale, text)| KeptText {
            purpose: Cow::Borrowed(&self.code),
            locale,
            title: Cow::Borrowed(&text.title),
            explanation: Cow::Borrowed(&text.explanation),
            learned: Cow::Borrowed(&text.learned),
            if_refused: Cow::Borrowed(&text.if_refused),
        });
        // Texts always have a JSON form.
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    fn kept(&self, locale: Locale) -> Option<(Locale, &PurposeText)> {
        [locale, Locale::Fr]
            .into_iter()
            .find_map(|locale| Some((locale, self.texts.get(&locale)?)))
    }
}

/// The most purposes a client offers: a receipt names all that were granted and stays within what
/// KMS signs in one piece.
pub const MOST_PURPOSES: usize = 8;

const LONGEST_TITLE: usize = 80;
const LONGEST_TEXT: usize = 600;
const LONGEST_RETENTION_DAYS: u16 = 3650;

/// What is wrong with a purpose of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueFault {
    /// Where: a JSON pointer below the catalogue, `/0/texts/fr/title`.
    pub pointer: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

/// The purposes a client offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Catalogue {
    #[serde(rename = "purpose", default)]
    purposes: Vec<Purpose>,
}

impl Catalogue {
    /// The catalogue a client has until it brings its own: `catalogue.toml`, data reviewed like code.
    #[must_use]
    pub fn standard() -> Self {
        // A test reads the same file, so the empty catalogue (nothing may be read) never ships.
        toml::from_str(include_str!("catalogue.toml")).unwrap_or_default()
    }

    /// A catalogue of these purposes, each explained in each of these languages.
    ///
    /// # Errors
    /// Everything that does not fit, each with its place.
    pub fn parse(purposes: Vec<Purpose>, locales: &[Locale]) -> Result<Self, Vec<CatalogueFault>> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, expected| {
            faults.push(CatalogueFault { pointer, expected });
        };
        if !(1..=MOST_PURPOSES).contains(&purposes.len()) {
            fault(String::new(), "expected 1 to 8 purposes");
        }
        let mut codes = BTreeSet::new();
        for (index, purpose) in purposes.iter().enumerate() {
            if !codes.insert(&purpose.code) {
                fault(format!("/{index}/code"), "expected each code once");
            }
            if purpose.terms.reads.is_empty() {
                fault(
                    format!("/{index}/reads"),
                    "expected at least one class of data",
                );
            }
            if purpose.terms.sells && purpose.terms.may_read(DataClass::Transactions) {
                // Among the lines themselves stand the fees and games nobody may sell by.
                fault(
                    format!("/{index}/reads"),
                    "expected no transactions where `sells` is true",
                );
            }
            if purpose.terms.retention_days > LONGEST_RETENTION_DAYS {
                fault(format!("/{index}/retention_days"), "expected 0 to 3650");
            }
            for locale in locales {
                let place = format!("/{index}/texts/{}", locale.tag());
                match purpose.texts.get(locale) {
                    None => fault(place, "expected a text in every language offered"),
                    Some(text) => {
                        for (field, expected) in text.faults() {
                            fault(format!("{place}/{field}"), expected);
                        }
                    }
                }
            }
        }
        match faults.is_empty() {
            true => Ok(Self { purposes }),
            false => Err(faults),
        }
    }

    /// The purpose with this code.
    #[must_use]
    pub fn find(&self, code: &PurposeCode) -> Option<&Purpose> {
        self.purposes.iter().find(|purpose| purpose.code == *code)
    }

    /// The purposes, in the client's order.
    #[must_use]
    pub fn purposes(&self) -> &[Purpose] {
        &self.purposes
    }

    /// The codes, in catalogue order.
    pub fn codes(&self) -> impl Iterator<Item = &PurposeCode> {
        self.purposes.iter().map(|purpose| &purpose.code)
    }
}

impl PurposeText {
    fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let sound = |text: &str, longest: usize| {
            let length = text.chars().count();
            (1..=longest).contains(&length) && !text.chars().any(char::is_control)
        };
        let title = (!sound(&self.title, LONGEST_TITLE))
            .then_some(("title", "expected 1 to 80 printable characters"));
        let long = [
            ("explanation", &self.explanation),
            ("learned", &self.learned),
            ("if_refused", &self.if_refused),
        ];
        let long = long
            .into_iter()
            .filter(|(_, text)| !sound(text, LONGEST_TEXT))
            .map(|(field, _)| (field, "expected 1 to 600 printable characters"));
        title.into_iter().chain(long).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Locale; 2] = [Locale::Fr, Locale::En];

    #[test]
    fn the_standard_catalogue_is_one_a_client_could_bring() {
        let catalogue = Catalogue::standard();
        assert!(catalogue.codes().count() >= 5);
        for purpose in catalogue.purposes() {
            assert!(!purpose.terms.learns.is_empty(), "{}", purpose.code);
        }
        let again = Catalogue::parse(catalogue.purposes.clone(), &BOTH);
        assert_eq!(again, Ok(catalogue));
    }

    #[test]
    fn every_fault_of_a_catalogue_is_told_with_its_place() {
        let mut purposes = Catalogue::standard().purposes;
        purposes[1].code = purposes[0].code.clone();
        purposes[2].terms.reads.clear();
        purposes[3].texts.remove(&Locale::En);
        if let Some(text) = purposes[4].texts.get_mut(&Locale::Fr) {
            text.learned = "a\u{0}".to_owned();
        }
        let faults = Catalogue::parse(purposes, &BOTH).unwrap_err();
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(
            places,
            ["/1/code", "/2/reads", "/3/texts/en", "/4/texts/fr/learned"]
        );
    }

    #[test]
    fn a_purpose_that_sells_reads_no_lines() {
        let mut purposes = Catalogue::standard().purposes;
        let sells = purposes.iter().position(|purpose| purpose.terms.sells);
        let purpose = &mut purposes[sells.unwrap()];
        purpose.terms.reads.insert(DataClass::Transactions);
        let faults = Catalogue::parse(purposes, &BOTH).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].pointer.ends_with("/reads"));
    }

    #[test]
    fn a_text_is_another_document_when_a_word_or_the_language_changes() {
        let mut purpose = Catalogue::standard().purposes.remove(0);
        let before = purpose.text_document(Locale::Fr);
        let read = PurposeText::from_document(&before);
        assert_eq!(read.as_ref(), purpose.text(Locale::Fr));
        assert_ne!(before, purpose.text_document(Locale::En));
        if let Some(text) = purpose.texts.get_mut(&Locale::Fr) {
            text.learned.push('.');
        }
        assert_ne!(before, purpose.text_document(Locale::Fr));
    }
}
