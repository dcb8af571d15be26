//! Why data is read. Every read and every score names a purpose; no live grant, no data.

use std::collections::BTreeMap;
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

/// What a person reads about a purpose, in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeText {
    /// A few words.
    pub title: String,
    /// What is read and what is learned from it, in plain words.
    pub explanation: String,
    /// What refusing changes.
    pub if_refused: String,
}

/// One purpose of a client's catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// Its code.
    pub code: PurposeCode,
    /// What it may read.
    pub reads: Vec<DataClass>,
    /// Whether it serves selling: then fragility is never available to it.
    #[serde(default)]
    pub sells: bool,
    /// How it is explained, per language.
    pub texts: BTreeMap<Locale, PurposeText>,
}

impl Purpose {
    /// Whether the purpose may read a class of data.
    #[must_use]
    pub fn may_read(&self, class: DataClass) -> bool {
        self.reads.contains(&class)
    }

    /// The text in a language, French where the language is missing.
    #[must_use]
    pub fn text(&self, locale: Locale) -> Option<&PurposeText> {
        self.texts
            .get(&locale)
            .or_else(|| self.texts.get(&Locale::Fr))
    }
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

    /// A catalogue of these purposes.
    #[must_use]
    pub fn new(purposes: Vec<Purpose>) -> Self {
        Self { purposes }
    }

    /// The purpose with this code.
    #[must_use]
    pub fn find(&self, code: &PurposeCode) -> Option<&Purpose> {
        self.purposes.iter().find(|purpose| purpose.code == *code)
    }

    /// The codes, in catalogue order.
    pub fn codes(&self) -> impl Iterator<Item = &PurposeCode> {
        self.purposes.iter().map(|purpose| &purpose.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_catalogue_explains_every_purpose_in_both_languages() {
        let catalogue = Catalogue::standard();
        assert!(catalogue.codes().count() >= 5);
        for purpose in &catalogue.purposes {
            assert!(!purpose.reads.is_empty(), "{} reads nothing", purpose.code);
            for locale in [Locale::Fr, Locale::En] {
                let text = purpose.texts.get(&locale).expect("a text per language");
                assert!(!text.title.is_empty() && !text.explanation.is_empty());
                assert!(!text.if_refused.is_empty());
            }
        }
    }
}
