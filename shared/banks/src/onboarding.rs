//! The banks an insurer is registered with, and what each said at registration.
//!
//! ```json
//! {
//!   "societe-generale": { "token": "https://…/token" },
//!   "BPCE": { "api": "https://www.{establishment}.…/stet/psd2/v1.6.2", "token": "https://…" }
//! }
//! ```
//!
//! A name is a bank's `id` or a `group` of the directory; a bank's own entry comes before its group's, and a
//! group's opens those of its banks whose standard and establishment are known.
//! What is not said is the directory row's: a bank tells the rest when it registers us.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

use crate::directory::{
    Capabilities, DirectoryEntry, Hosts, Quirks, Reachability, Standard, Through,
};
use crate::error::BankError;
use crate::links::BankAddress;
use crate::signing::SignatureProfile;

/// The place of an establishment in an address of its group.
const PLACE: &str = "{establishment}";

/// The banks we are registered with, each reached by its own interface.
#[derive(Debug, Clone, Default)]
pub struct Onboarded(BTreeMap<String, Registration>);

/// What a bank said when it registered us.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Registration {
    standard: Option<Standard>,
    version: Option<String>,
    signature: Option<Signature>,
    /// Who we are to this bank, where it is not the identifier of our certificates.
    client_id: Option<String>,
    api: Option<String>,
    authorisation: Option<String>,
    token: Option<String>,
    revocation: Option<String>,
    issuer: Option<String>,
    capabilities: Option<Capabilities>,
    quirks: Option<Quirks>,
}

/// What a bank wants signed: a profile by its name, or told here.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Signature {
    Named(String),
    Told(SignatureProfile),
}

impl FromStr for Onboarded {
    type Err = BankError;

    fn from_str(text: &str) -> Result<Self, BankError> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|error| BankError::Onboarding {
                bank: "the setting is not read".to_owned(),
                what: error.to_string(),
            })
    }
}

impl Onboarded {
    /// One bank or group, by its name, and what it said as JSON.
    ///
    /// # Errors
    /// [`BankError::Onboarding`] naming the member that cannot be read.
    pub fn one(name: &str, registration: &str) -> Result<Self, BankError> {
        let read = serde_json::from_str(registration).map_err(|error| BankError::Onboarding {
            bank: name.to_owned(),
            what: error.to_string(),
        })?;
        Ok(Self(BTreeMap::from([(name.to_owned(), read)])))
    }

    /// Several, as a registry keeps them.
    ///
    /// # Errors
    /// [`BankError::Onboarding`] naming the first that cannot be read.
    pub fn of(registrations: &BTreeMap<String, String>) -> Result<Self, BankError> {
        let mut all = Self::default();
        for (name, registration) in registrations {
            all.0.extend(Self::one(name, registration)?.0);
        }
        Ok(all)
    }

    /// Makes a row reachable by the bank's own interface, where we are registered there. Answers the
    /// names it was found under: its own and its group's, of which the first counts.
    ///
    /// # Errors
    /// [`BankError::Onboarding`] when something is missing before the first call.
    pub(crate) fn open(&self, entry: &mut DirectoryEntry) -> Result<Vec<&str>, BankError> {
        if entry.sandbox {
            return Ok(Vec::new());
        }
        let by_id = self.0.get_key_value(entry.institution.id.as_str());
        let by_group = self.0.get_key_value(&entry.group);
        let by_group = by_group.filter(|(_, registration)| registration.fits(entry));
        let names = [by_id, by_group].into_iter().flatten();
        let names = names.map(|(name, _)| name.as_str()).collect();
        let Some((_, registration)) = by_id.or(by_group) else {
            return Ok(names);
        };
        registration
            .apply(entry)
            .map_err(|what| BankError::Onboarding {
                bank: entry.institution.id.to_string(),
                what: what.to_owned(),
            })?;
        Ok(names)
    }

    /// Refuses a name no row was found under: a bank that was meant would stay closed in silence.
    ///
    /// # Errors
    /// [`BankError::Onboarding`] naming the first.
    pub(crate) fn all_found(&self, found: &BTreeSet<String>) -> Result<(), BankError> {
        match self.0.keys().find(|name| !found.contains(*name)) {
            Some(name) => Err(BankError::Onboarding {
                bank: name.clone(),
                what: "no bank of the directory has this id or, with what is said here, this group"
                    .to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Registration {
    /// Whether a group's registration says enough of one of its banks.
    fn fits(&self, entry: &DirectoryEntry) -> bool {
        let has_place = |text: &Option<String>| text.as_ref().is_some_and(|it| it.contains(PLACE));
        let places = [&self.api, &self.authorisation, &self.token];
        let is_placed = entry.establishment.is_some() || !places.into_iter().any(has_place);
        self.standard.unwrap_or(entry.standard) != Standard::Unconfirmed && is_placed
    }

    fn apply(&self, entry: &mut DirectoryEntry) -> Result<(), &'static str> {
        entry.standard = self.standard.unwrap_or(entry.standard);
        entry.version = self.version.clone().unwrap_or(entry.version.clone());
        entry.capabilities = self.capabilities.unwrap_or(entry.capabilities);
        entry.quirks = self.quirks.unwrap_or(entry.quirks);
        entry.client_id.clone_from(&self.client_id);
        entry.issuer.clone_from(&self.issuer);
        self.sign(entry)?;
        let hosts = self.hosts(entry)?;
        match entry.standard {
            Standard::Stet if hosts.authorisation.is_none() => {
                return Err("`authorisation` is missing: the page people authorise on");
            }
            Standard::Stet if hosts.token.is_none() => {
                return Err("`token` is missing: where codes are exchanged");
            }
            Standard::Stet | Standard::BerlinGroup => {}
            Standard::Powens | Standard::Unconfirmed => {
                return Err("`standard` must be `stet` or `berlin-group`");
            }
        }
        entry.hosts = Some(hosts);
        entry.reachable = Reachability::Ready {
            through: Through::Bank,
        };
        Ok(())
    }

    fn sign(&self, entry: &mut DirectoryEntry) -> Result<(), &'static str> {
        match &self.signature {
            Some(Signature::Told(profile)) => {
                profile.checked()?;
                entry.own_signature = Some(profile.clone());
            }
            Some(Signature::Named(name)) => entry.signature = Some(name.clone()),
            None if entry.signature.is_none() => {
                entry.signature = signed_by_standard(entry.standard);
            }
            None => {}
        }
        match &entry.signature {
            Some(name) => SignatureProfile::named(name)
                .map(drop)
                .map_err(|_| "no signature profile has this name"),
            None => Ok(()),
        }
    }

    fn hosts(&self, entry: &DirectoryEntry) -> Result<Hosts, &'static str> {
        let known = entry.hosts.as_ref();
        let place = entry.establishment.as_deref();
        let told = |text: &Option<String>| match text {
            Some(text) => address(text, place).map(Some),
            None => Ok(None),
        };
        let api = told(&self.api)?.or_else(|| known.map(|hosts| hosts.api.clone()));
        let page =
            told(&self.authorisation)?.or_else(|| known.and_then(|it| it.authorisation.clone()));
        let token = told(&self.token)?.or_else(|| known.and_then(|it| it.token.clone()));
        Ok(Hosts {
            api: api.ok_or("`api` is missing: where the interface lives")?,
            authorisation: page,
            token,
            revocation: told(&self.revocation)?,
            source: match known {
                Some(hosts) if self.api.is_none() => hosts.source.clone(),
                _ => "told by the bank at our registration".to_owned(),
            },
        })
    }
}

/// What a bank wants signed unless it says otherwise: STET demands a signature, the Berlin Group leaves
/// it to the bank.
fn signed_by_standard(standard: Standard) -> Option<String> {
    (standard == Standard::Stet).then(|| "stet".to_owned())
}

/// An address with its establishment filled in, which a bank may live at.
fn address(text: &str, establishment: Option<&str>) -> Result<Url, &'static str> {
    let filled = match establishment {
        Some(establishment) => text.replace(PLACE, establishment),
        None => text.to_owned(),
    };
    if filled.contains('{') {
        return Err("an address is not filled in: the directory knows no `establishment`");
    }
    let url = Url::parse(&filled).map_err(|_| "an address cannot be read")?;
    BankAddress::new(&url).map_err(|_| "an address is not https")?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;

    fn directory(setting: &str) -> Result<Directory, BankError> {
        Directory::compiled(true, true, &setting.parse()?)
    }

    fn through(directory: &Directory, id: &str) -> Reachability {
        directory
            .get(&id.parse().unwrap())
            .unwrap()
            .reachable
            .clone()
    }

    #[test]
    fn a_registered_bank_is_reached_by_its_own_interface_and_its_neighbours_as_before() {
        let directory =
            directory(r#"{"societe-generale": {"token": "https://sg.example/token"}}"#).unwrap();
        let own = Reachability::Ready {
            through: Through::Bank,
        };
        let read_for_us = Reachability::Ready {
            through: Through::Aggregator,
        };
        assert_eq!(through(&directory, "societe-generale"), own);
        assert_eq!(through(&directory, "boursobank"), read_for_us);
        let id = "societe-generale".parse().unwrap();
        let entry = directory.get(&id).unwrap();
        assert_eq!(entry.signature.as_deref(), Some("stet"));
        let hosts = entry.hosts.as_ref().unwrap();
        assert_eq!(
            hosts.token.as_ref().unwrap().as_str(),
            "https://sg.example/token"
        );
        assert!(hosts.api.as_str().contains("societegenerale.fr"));
    }

    #[test]
    fn a_group_opens_its_establishments_and_a_bank_of_it_may_differ() {
        let directory = directory(
            r#"{
                "BPCE": {
                    "api": "https://www.{establishment}.example/stet/v1.6",
                    "authorisation": "https://www.{establishment}.example/authorize",
                    "token": "https://www.{establishment}.example/token"
                },
                "caisse-d-epargne-normandie": {
                    "api": "https://other.example/v1.6",
                    "authorisation": "https://other.example/authorize",
                    "token": "https://other.example/token"
                }
            }"#,
        )
        .unwrap();
        let api = |id: &str| {
            let entry = directory.get(&id.parse().unwrap()).unwrap();
            entry.hosts.as_ref().unwrap().api.to_string()
        };
        assert_eq!(
            api("caisse-d-epargne-ile-de-france"),
            "https://www.17515.example/stet/v1.6"
        );
        assert_eq!(
            api("caisse-d-epargne-normandie"),
            "https://other.example/v1.6"
        );
        assert!(directory.onboarded().count() > 20);
    }

    #[test]
    fn a_bank_may_want_something_signed_that_no_profile_has() {
        let directory = directory(
            r#"{"societe-generale": {
                "token": "https://sg.example/token",
                "revocation": "https://sg.example/give-back",
                "signature": {
                    "key_id": "certificate-url", "digest": "sha-512", "hash": "sha-256",
                    "always": ["(request-target)", "digest", "x-request-id"],
                    "when_present": ["psu-*"], "certificate_header": false
                }
            }}"#,
        )
        .unwrap();
        let id = "societe-generale".parse().unwrap();
        let entry = directory.get(&id).unwrap();
        assert_eq!(entry.own_signature.as_ref().unwrap().checked(), Ok(()));
        let hosts = entry.hosts.as_ref().unwrap();
        let back = hosts.revocation.as_ref().map(Url::as_str);
        assert_eq!(back, Some("https://sg.example/give-back"));
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        for (setting, said) in [
            ("{", "not read"),
            (r#"{"lcl": {"tokn": "https://x.example"}}"#, "tokn"),
            (r#"{"no-such-bank": {}}"#, "no-such-bank"),
            (r#"{"sandbox-bank": {}}"#, "sandbox-bank"),
            (r#"{"bnp-paribas": {}}"#, "`api`"),
            (r#"{"lcl": {}}"#, "`authorisation`"),
            (
                r#"{"lcl": {"authorisation": "https://x.example/a"}}"#,
                "`token`",
            ),
            (r#"{"revolut": {"api": "https://x.example"}}"#, "`standard`"),
            (r#"{"n26": {"api": "http://x.example"}}"#, "https"),
            (
                r#"{"n26": {"api": "https://{establishment}.example"}}"#,
                "establishment",
            ),
            (r#"{"n26": {"signature": "none-such"}}"#, "signature"),
            (r#"{"n26": {"signature": {"always": []}}}"#, "not read"),
            (
                r#"{"n26": {"signature": {"key_id": "certificate-url", "digest": "sha-256",
                    "hash": "sha-256", "always": ["digest"], "when_present": [],
                    "certificate_header": true}}}"#,
                "replayed",
            ),
        ] {
            let error = directory(setting).err().unwrap().to_string();
            assert!(error.contains(said), "{setting}: {error}");
        }
    }
}
