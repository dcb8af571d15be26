//! The banks a person may look for.

use jiff::civil::Date;
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::institution::Institution;
use serde::{Deserialize, Serialize};

use crate::error::BankError;

/// The directory's rows, compiled in: a bank is data, reviewed like code.
const INSTITUTIONS: &str = include_str!("institutions.toml");

/// The interface standard a bank follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standard {
    /// Berlin Group NextGenPSD2.
    BerlinGroup,
    /// STET PSD2 API.
    Stet,
    /// The Powens API, an aggregator's.
    Powens,
    /// Not read in the bank's own documentation yet.
    Unconfirmed,
}

/// What a bank's interface offers beyond what every bank must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Movements that are not booked yet.
    pub pending: bool,
    /// The holder's name, when the consent asks for it.
    pub owner_name: bool,
    /// STET: the scope `extended_transaction_history`, which opens more than 90 days to the first
    /// access token.
    pub extended_history: bool,
    /// STET model A2: the accounts must be forwarded (`PUT /consents`) before they can be read.
    pub forwarded_consent: bool,
    /// Berlin Group: cards have a list of their own (`/v1/card-accounts`).
    pub card_accounts: bool,
    /// Berlin Group: a token is wanted before the consent is opened (OAuth pre-step).
    pub oauth_pre_step: bool,
    /// Berlin Group: the authorisation of a consent is started by a call of its own.
    pub explicit_start: bool,
}

/// What one bank does otherwise than its standard says. Data, so that no code names a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// A return may come without `state`: each attempt gets a return address of its own (Q53). Also
    /// set where the bank's redirect has no `state` at all (`scaRedirect`).
    pub returns_per_attempt: bool,
    /// Pending amounts carry no minus sign (Q09): they are taken for debits.
    pub pending_without_sign: bool,
    /// Card accounts write debits positive without saying so (Q10).
    pub card_debits_positive: bool,
    /// Nothing can be read unless the person is there (Q51): no unattended call is made.
    pub person_needed: bool,
}

/// Whether a person can be sent to the bank today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Reachability {
    /// Yes.
    Ready,
    /// Not before somebody did something.
    NeedsOnboarding {
        /// What has to be done.
        why: String,
    },
}

/// How many of a country's bank customers a bank serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerShare {
    /// Percent of the country's bank customers.
    pub percent: f64,
    /// Where the figure is published.
    pub source: String,
    /// The day it holds for, where the source says so.
    #[serde(default)]
    pub as_of: Option<Date>,
}

/// One bank of the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// What the rest of the house needs to know.
    #[serde(flatten)]
    pub institution: Institution,
    /// The banking group it belongs to.
    pub group: String,
    /// The interface standard.
    pub standard: Standard,
    /// The version of the standard; empty when unconfirmed.
    pub version: String,
    /// Other names people use.
    pub synonyms: Vec<String>,
    /// What its interface offers.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// What it wants signed, where it wants anything: a name of `signature_profiles.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What it does otherwise than its standard.
    #[serde(default)]
    pub quirks: Quirks,
    /// Where its tokens are given, below its address; only for a bank whose `scaOAuth` link is the
    /// authorisation page itself and describes nothing (Q48).
    #[serde(default)]
    pub token_path: Option<String>,
    /// The sandbox's part of its address: which form of the bank this row is.
    #[serde(default)]
    pub sandbox_path: Option<String>,
    /// Whether a person can be sent there today.
    pub reachable: Reachability,
    /// Its share of customers, where a source can be named.
    #[serde(default)]
    pub customer_share: Option<CustomerShare>,
    /// Whether it is the sandbox's and not a real bank.
    #[serde(default)]
    pub sandbox: bool,
}

/// Every bank a person may look for.
#[derive(Debug)]
pub struct Directory {
    entries: Vec<SearchableEntry>,
}

/// An entry and the texts it is found by, folded once.
#[derive(Debug)]
struct SearchableEntry {
    entry: DirectoryEntry,
    name: String,
    synonyms: Vec<String>,
    group: String,
    bic: String,
}

#[derive(Deserialize)]
struct Rows {
    institution: Vec<DirectoryEntry>,
}

impl Directory {
    /// Every bank there is, the sandbox's included: to name one, not to offer it.
    ///
    /// # Errors
    /// [`BankError::Directory`] when the compiled-in directory is damaged.
    pub fn of_every_bank() -> Result<Self, BankError> {
        Self::compiled(true)
    }

    /// Reads the compiled-in rows; those of the sandbox only where one runs.
    pub(crate) fn compiled(with_sandbox: bool) -> Result<Self, BankError> {
        let rows: Rows = toml::from_str(INSTITUTIONS)
            .map_err(|error| BankError::Directory(error.message().to_owned()))?;
        let entries = rows
            .institution
            .into_iter()
            .filter(|entry| with_sandbox || !entry.sandbox)
            .map(SearchableEntry::new)
            .collect();
        Ok(Self { entries })
    }

    /// Every bank, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.entries.iter().map(|searchable| &searchable.entry)
    }

    pub(crate) fn sandboxes(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.entries().filter(|entry| entry.sandbox)
    }

    /// One bank.
    #[must_use]
    pub fn get(&self, id: &InstitutionId) -> Option<&DirectoryEntry> {
        self.entries().find(|entry| entry.institution.id == *id)
    }

    /// Banks by name, synonym, group or BIC, accents and case ignored, best match first; among
    /// equals those that can be reached, then by name. An empty query lists every bank.
    #[must_use]
    pub fn search(&self, query: &str, limit: usize) -> Vec<&DirectoryEntry> {
        let query = fold(query);
        let mut found: Vec<_> = self
            .entries
            .iter()
            .filter_map(|searchable| {
                let rank = searchable.rank(&query)?;
                let needs_work = searchable.entry.reachable != Reachability::Ready;
                Some((rank, needs_work, &searchable.name, &searchable.entry))
            })
            .collect();
        found.sort_by(|one, other| (one.0, one.1, one.2).cmp(&(other.0, other.1, other.2)));
        found
            .into_iter()
            .take(limit)
            .map(|(_, _, _, entry)| entry)
            .collect()
    }
}

impl SearchableEntry {
    fn new(entry: DirectoryEntry) -> Self {
        Self {
            name: fold(&entry.institution.name),
            synonyms: entry.synonyms.iter().map(|name| fold(name)).collect(),
            group: fold(&entry.group),
            bic: fold(entry.institution.bic.as_deref().unwrap_or_default()),
            entry,
        }
    }

    /// How well the entry answers a folded query: lower is better, `None` is not at all.
    fn rank(&self, query: &str) -> Option<u8> {
        if query.is_empty() || self.name == query {
            return Some(0);
        }
        if self.synonyms.iter().any(|name| name == query) {
            return Some(1);
        }
        if self.name.starts_with(query) {
            return Some(2);
        }
        if query.len() >= 4 && self.bic.starts_with(query) {
            return Some(3);
        }
        if starts_every_word(&self.name, query) {
            return Some(4);
        }
        let with_name = |other: &String| format!("{} {other}", self.name);
        let by_synonym = |synonym: &String| starts_every_word(&with_name(synonym), query);
        if self.synonyms.iter().any(by_synonym) {
            return Some(5);
        }
        starts_every_word(&with_name(&self.group), query).then_some(6)
    }
}

/// Whether each word of the query begins some word of the text.
fn starts_every_word(text: &str, query: &str) -> bool {
    query
        .split(' ')
        .all(|wanted| text.split(' ').any(|word| word.starts_with(wanted)))
}

/// Lower-case words of plain letters and digits: accents off, anything else a space.
fn fold(text: &str) -> String {
    let plain: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|symbol| !is_combining_mark(*symbol))
        .flat_map(|symbol| plain_letters(symbol).chars().collect::<Vec<_>>())
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Accents written as a mark of their own after the letter.
fn is_combining_mark(symbol: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&symbol)
}

fn plain_letters(symbol: char) -> String {
    let letters = match symbol {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => "a",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ý' | 'ÿ' => "y",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        letter if letter.is_alphanumeric() => return letter.to_string(),
        _ => " ",
    };
    letters.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn directory() -> Directory {
        Directory::compiled(true).unwrap()
    }

    fn first(query: &str) -> Option<String> {
        directory()
            .search(query, 1)
            .first()
            .map(|entry| entry.institution.id.to_string())
    }

    #[test]
    fn every_row_is_sound_and_ids_are_unique() {
        let directory = directory();
        let ids: BTreeSet<_> = directory
            .entries()
            .map(|entry| entry.institution.id.clone())
            .collect();
        assert_eq!(ids.len(), directory.entries().count());
        for entry in directory.entries() {
            let institution = &entry.institution;
            assert!((1..=180).contains(&institution.max_consent_days));
            assert!(institution.unattended_per_day >= 1);
            if let Some(bic) = &institution.bic {
                assert!(matches!(bic.len(), 8 | 11), "{bic}");
                assert_eq!(bic.get(4..6), Some("FR"), "{bic}");
            }
            if let Some(share) = &entry.customer_share {
                assert!(!share.source.is_empty());
            }
        }
    }

    #[test]
    fn a_bank_is_found_by_name_synonym_and_bic_without_accents_or_case() {
        for (query, expected) in [
            ("societe generale", "societe-generale"),
            ("SOCIÉTÉ  GÉNÉRALE", "societe-generale"),
            (
                "Socie\u{301}te\u{301} ge\u{301}ne\u{301}rale",
                "societe-generale",
            ),
            ("boursorama", "boursobank"),
            ("credit lyonnais", "lcl"),
            ("CRLYFRPP", "lcl"),
            ("psst", "la-banque-postale"),
            ("ca ile de france", "credit-agricole-ile-de-france"),
            ("agricole ile france", "credit-agricole-ile-de-france"),
            ("caisse epargne normandie", "caisse-d-epargne-normandie"),
            ("hello bank!", "hello-bank"),
            ("sandbox", "sandbox-bank"),
        ] {
            assert_eq!(first(query).as_deref(), Some(expected), "{query}");
        }
        assert_eq!(first("banque qui n'existe pas"), None);
    }

    #[test]
    fn an_empty_query_lists_what_can_be_reached_first() {
        assert_eq!(first("").as_deref(), Some("sandbox-bank"));
        assert_eq!(directory().search("", 7).len(), 7);
    }

    #[test]
    fn the_sandbox_is_listed_only_where_it_runs() {
        let directory = Directory::compiled(false).unwrap();
        assert!(directory.entries().all(|entry| !entry.sandbox));
        assert!(directory.search("sandbox", 5).is_empty());
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in ".{0,40}") {
            let _ = directory().search(&query, 3);
        }
    }
}
