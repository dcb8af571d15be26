//! The banks a person may look for.

mod coverage;
mod hosts;
mod search;

use std::collections::{BTreeMap, BTreeSet};

use passerelle_domain::ids::InstitutionId;
use passerelle_domain::institution::Institution;
use serde::{Deserialize, Serialize};

use crate::directory::coverage::Market;
pub use crate::directory::coverage::{Coverage, GroupCoverage};
use crate::directory::hosts::HostTemplate;
pub use crate::directory::hosts::Hosts;
use crate::directory::search::{SearchableEntry, fold};
use crate::error::BankError;
use crate::onboarding::Onboarded;
use crate::signing::SignatureProfile;

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
    /// The bank's application takes the login over and answers in the browser the device prefers, which
    /// may be another one than the person left with. Only then is a return in another browser accepted,
    /// against a code; otherwise it is turned away.
    pub app_to_app: bool,
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
    Ready {
        /// Whose interface is called.
        #[serde(default)]
        through: Through,
    },
    /// Not before somebody did something.
    NeedsOnboarding {
        /// What has to be done.
        why: String,
    },
}

/// Whose interface a bank is reached through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// The bank's own.
    #[default]
    Bank,
    /// An aggregator's, which reads the bank for us.
    Aggregator,
}

impl Reachability {
    /// Whether a person can be sent there today.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Ready { .. } => true,
            Self::NeedsOnboarding { .. } => false,
        }
    }
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
    /// Which establishment of its group it is, as the group's host names write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub establishment: Option<String>,
    /// The name of its group's host templates.
    #[serde(default, skip_serializing)]
    host: Option<String>,
    /// Where its interface lives, where that is known before onboarding.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Hosts>,
    /// What the aggregator calls it; without it the person chooses the bank on the aggregator's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregator_id: Option<String>,
    /// Who we are to this bank, where it is not the identifier of our certificates.
    #[serde(skip)]
    pub(crate) client_id: Option<String>,
    /// What it wants signed, where it said so when it registered us and no named profile fits.
    #[serde(skip)]
    pub(crate) own_signature: Option<SignatureProfile>,
    /// How its authorisation server names itself, where it said so when it registered us.
    #[serde(skip)]
    pub(crate) issuer: Option<String>,
    /// Whether it is the sandbox's and not a real bank.
    #[serde(default)]
    pub sandbox: bool,
}

/// Every bank a person may look for.
#[derive(Debug)]
pub struct Directory {
    entries: Vec<SearchableEntry>,
    market: Market,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    institution: Vec<DirectoryEntry>,
    market: Market,
    aggregator: Aggregated,
    host: BTreeMap<String, HostTemplate>,
}

/// The groups whose banks an aggregator reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Aggregated {
    groups: BTreeSet<String>,
}

impl Directory {
    /// Every bank there is, the sandbox's included: to name one, not to offer it.
    ///
    /// # Errors
    /// [`BankError::Directory`] when the compiled-in directory is damaged.
    pub fn of_every_bank() -> Result<Self, BankError> {
        Self::compiled(true, false, &Onboarded::default())
    }

    /// Reads the compiled-in rows; those of the sandbox only where one runs. Banks we are registered
    /// with are reached by their own interface; with an aggregator, those it reads as well.
    pub(crate) fn compiled(
        with_sandbox: bool,
        with_aggregator: bool,
        onboarded: &Onboarded,
    ) -> Result<Self, BankError> {
        let rows: Rows = toml::from_str(INSTITUTIONS)
            .map_err(|error| BankError::Directory(error.message().to_owned()))?;
        let mut entries = Vec::new();
        let mut found = BTreeSet::new();
        for mut entry in rows.institution {
            if entry.sandbox && !with_sandbox {
                continue;
            }
            entry.hosts = hosts::of(&entry, &rows.host)?;
            found.extend(onboarded.open(&mut entry)?.into_iter().map(str::to_owned));
            let is_read = with_aggregator && rows.aggregator.groups.contains(&entry.group);
            if is_read && !entry.reachable.is_ready() {
                entry.reachable = Reachability::Ready {
                    through: Through::Aggregator,
                };
            }
            entries.push(SearchableEntry::new(entry));
        }
        onboarded.all_found(&found)?;
        let market = rows.market;
        Ok(Self { entries, market })
    }

    /// How much of the country's banking the directory lists, and how much of it can be reached.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.market
            .coverage(self.entries().filter(|entry| !entry.sandbox))
    }

    /// Every bank, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = &DirectoryEntry> + Clone {
        self.entries.iter().map(|searchable| &searchable.entry)
    }

    pub(crate) fn sandboxes(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.entries().filter(|entry| entry.sandbox)
    }

    /// Real banks we are registered with.
    pub(crate) fn onboarded(&self) -> impl Iterator<Item = &DirectoryEntry> {
        let through = Through::Bank;
        self.entries()
            .filter(|entry| !entry.sandbox)
            .filter(move |entry| entry.reachable == Reachability::Ready { through })
    }

    pub(crate) fn aggregated(&self) -> impl Iterator<Item = &DirectoryEntry> {
        let through = Through::Aggregator;
        self.entries()
            .filter(move |entry| entry.reachable == Reachability::Ready { through })
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
                let needs_work = !searchable.entry.reachable.is_ready();
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

#[cfg(test)]
mod tests;
