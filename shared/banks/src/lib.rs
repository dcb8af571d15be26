#![doc = include_str!("../README.md")]

mod aggregator;
mod bank_book;
mod bank_day;
mod bank_http;
mod berlin_group;
mod connector;
mod directory;
mod error;
mod foreign;
#[cfg(test)]
mod fuzzing;
mod history;
mod identity;
mod interface;
mod links;
mod oauth;
mod onboarding;
mod pages;
mod powens;
mod presence;
mod remittance;
mod secrets;
mod signing;
mod stet;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use passerelle_domain::ids::InstitutionId;
use url::Url;

pub use crate::aggregator::Aggregator;
pub use crate::bank_book::{BankBook, check_registration};
pub use crate::connector::{
    Access, AuthorisationRequest, BankConsent, BankConsentEnd, Connector, ScaApproach,
    StartedAuthorisation, WayToBank,
};
pub use crate::directory::{
    Capabilities, Coverage, Directory, DirectoryEntry, GroupCoverage, Hosts, Quirks, Reachability,
    Standard, Through,
};
pub use crate::error::{BankCode, BankError};
pub use crate::history::{Continuation, HistoryPart, HistoryRequest, Rest};
pub use crate::identity::{AispCertificates, CertificateKind, Clock};
pub use crate::onboarding::Onboarded;
pub use crate::secrets::{AttemptSecrets, OpenToken};

use crate::aggregator::AggregatorAccess;
use crate::bank_http::BankHttp;
use crate::berlin_group::BerlinGroup;
use crate::identity::Identity;
use crate::interface::Interface;
use crate::links::BankAddress;
use crate::powens::Powens;
use crate::signing::SignatureProfile;
use crate::stet::Stet;

/// What differs from one deployment to another.
#[derive(Debug, Clone)]
pub struct BankSettings {
    /// Where the sandbox bank answers; its row is listed only when this is set. Plain `http` is
    /// taken for a loopback address only.
    pub sandbox_bank_url: Option<Url>,
    /// The authority behind the sandbox bank's own certificate, as PEM: the only one trusted there, and
    /// trusted nowhere else.
    pub sandbox_bank_authority: Option<String>,
    /// The aggregator, where one reads banks for us.
    pub aggregator: Option<Aggregator>,
    /// The name its client secret is kept under, where codes are exchanged.
    pub aggregator_secret: Option<String>,
    /// The banks we are registered with, each reached by its own interface.
    pub onboarded: Onboarded,
    /// The identity banks know us by: the organisation identifier of the PSD2 certificates
    /// (`PSDFR-ACPR-…`), which is also the OAuth `client_id`.
    pub client_id: String,
    /// What proves that identity.
    pub certificates: AispCertificates,
}

/// The banks of one environment. Cheap to clone: all of it is shared.
#[derive(Debug, Clone)]
pub struct Banks {
    directory: Arc<Directory>,
    connectors: Arc<BTreeMap<InstitutionId, Arc<dyn Connector>>>,
    aggregator: Option<FormerRoad>,
}

/// The aggregator, for connections it was used for before the bank registered us.
#[derive(Debug, Clone)]
struct FormerRoad {
    api: Url,
    connector: Arc<dyn Connector>,
}

impl Banks {
    /// Reads the directory and builds the connectors of every bank that can be reached.
    ///
    /// # Errors
    /// [`BankError::Settings`] when a setting cannot be used, [`BankError::Directory`] when the
    /// compiled-in directory is damaged.
    pub fn new(settings: BankSettings) -> Result<Self, BankError> {
        let directory = Directory::compiled(
            settings.sandbox_bank_url.is_some(),
            settings.aggregator.is_some(),
            &settings.onboarded,
        )?;
        let access = settings.aggregator.map(|aggregator| {
            let holder = &settings.certificates.holder;
            AggregatorAccess::new(&aggregator, settings.aggregator_secret, holder)
        });
        let access = access.transpose()?;
        let knows_us = KnownBy::of(&settings.certificates);
        let public = BankHttp::new(Identity::new(settings.certificates.clone(), None));
        // The sandbox's own authority is trusted there and nowhere else.
        let sandbox = match settings.sandbox_bank_authority {
            Some(authority) => BankHttp::new(Identity::new(settings.certificates, Some(authority))),
            None => public.clone(),
        };
        let mut connectors: BTreeMap<InstitutionId, Arc<dyn Connector>> = BTreeMap::new();
        if let Some(base) = settings.sandbox_bank_url {
            for entry in directory.sandboxes() {
                let connector = speak_at_the_sandbox(entry, &base, &settings.client_id, &sandbox)?;
                connectors.insert(entry.institution.id.clone(), connector);
            }
        }
        if let Some(access) = &access {
            for entry in directory.aggregated() {
                let connector = Powens::new(access, entry.aggregator_id.as_deref(), &public)?;
                connectors.insert(entry.institution.id.clone(), Arc::new(connector));
            }
        }
        for entry in directory.onboarded() {
            let interface = registered(entry, &settings.client_id)?;
            knows_us.enough_for(entry)?;
            let connector = speak(entry, interface, &public)?;
            connectors.insert(entry.institution.id.clone(), connector);
        }
        let aggregator = match access {
            Some(access) => Some(FormerRoad {
                connector: Arc::new(Powens::new(&access, None, &public)?),
                api: access.api,
            }),
            None => None,
        };
        Ok(Self {
            directory: Arc::new(directory),
            connectors: Arc::new(connectors),
            aggregator,
        })
    }

    /// Every bank a person may look for, reachable or not.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The way a token was given on: a connection made through the aggregator stays there until the
    /// person renews it, even when the bank registers us meanwhile.
    ///
    /// # Errors
    /// Those of [`Self::connector`].
    pub fn connector_of(
        &self,
        id: &InstitutionId,
        token: &OpenToken,
    ) -> Result<Arc<dyn Connector>, BankError> {
        match &self.aggregator {
            Some(road) if token.is_given_at(&road.api) => Ok(Arc::clone(&road.connector)),
            _ => self.connector(id),
        }
    }

    /// The way to one bank, for a new authorisation.
    ///
    /// # Errors
    /// [`BankError::UnknownInstitution`] when the directory does not list it,
    /// [`BankError::NeedsOnboarding`] when it is listed but we are not registered there yet.
    pub fn connector(&self, id: &InstitutionId) -> Result<Arc<dyn Connector>, BankError> {
        if let Some(connector) = self.connectors.get(id) {
            return Ok(Arc::clone(connector));
        }
        match self.directory.get(id) {
            Some(_) => Err(BankError::NeedsOnboarding {
                institution: id.clone(),
            }),
            None => Err(BankError::UnknownInstitution),
        }
    }
}

/// The connector of a bank's dialect.
fn speak(
    entry: &DirectoryEntry,
    interface: Interface,
    http: &BankHttp,
) -> Result<Arc<dyn Connector>, BankError> {
    let named = || entry.signature.as_deref().map(SignatureProfile::named);
    let profile = match &entry.own_signature {
        Some(own) => Some(own.clone()),
        None => named().transpose()?,
    };
    let http = &http.signed_as(profile);
    match entry.standard {
        Standard::BerlinGroup => Ok(Arc::new(BerlinGroup::new(entry, interface, http))),
        Standard::Stet => Ok(Arc::new(Stet::new(entry, interface, http)?)),
        Standard::Powens => Err(BankError::Settings(
            "an aggregator is no bank we can be registered with",
        )),
        Standard::Unconfirmed => Err(BankError::Settings(
            "a bank whose standard is not confirmed cannot be reached",
        )),
    }
}

/// What we can prove to a bank that we are.
struct KnownBy {
    qwac: bool,
    qseal: bool,
}

impl KnownBy {
    fn of(certificates: &AispCertificates) -> Self {
        Self {
            qwac: certificates.qwac.is_some(),
            qseal: certificates.qseal.is_some(),
        }
    }

    /// Refuses a bank that would refuse us at the first call: by its own interface it is reached with our
    /// certificate (RTS 2018/389 art. 34), and what it wants signed is signed with our seal. A bank on this
    /// machine stands in for one and asks for neither.
    fn enough_for(&self, entry: &DirectoryEntry) -> Result<(), BankError> {
        let stands_in = entry
            .hosts
            .as_ref()
            .is_some_and(|hosts| hosts.api.scheme() == "http");
        let is_signed = entry.signature.is_some() || entry.own_signature.is_some();
        let missing = match self {
            _ if stands_in => return Ok(()),
            Self { qwac: false, .. } => "its interface is reached with your QWAC, and none is set",
            Self { qseal: false, .. } if is_signed => {
                "its requests are signed with your QSealC, and none is set"
            }
            Self { .. } => return Ok(()),
        };
        Err(BankError::Onboarding {
            bank: entry.institution.id.to_string(),
            what: missing.to_owned(),
        })
    }
}

/// The interface of a bank that registered us.
fn registered(entry: &DirectoryEntry, client_id: &str) -> Result<Interface, BankError> {
    let Some(hosts) = &entry.hosts else {
        return Err(BankError::NeedsOnboarding {
            institution: entry.institution.id.clone(),
        });
    };
    Ok(Interface {
        authorisation: hosts.authorisation.clone(),
        token: hosts.token.clone(),
        revocation: hosts.revocation.clone(),
        issuer: entry.issuer.clone(),
        ..Interface::at(&hosts.api, entry.client_id.as_deref().unwrap_or(client_id))?
    })
}

/// The sandbox is many banks: each form of it has an address below its own.
fn speak_at_the_sandbox(
    entry: &DirectoryEntry,
    base: &Url,
    client_id: &str,
    http: &BankHttp,
) -> Result<Arc<dyn Connector>, BankError> {
    let address = BankAddress::new(base)?;
    let base = match &entry.sandbox_path {
        Some(path) => address.path(&[path]),
        None => address.base().clone(),
    };
    let interface = match entry.standard {
        Standard::Powens => {
            let access = AggregatorAccess::of_sandbox(&base, client_id)?;
            let id = entry.aggregator_id.as_deref();
            return Ok(Arc::new(Powens::new(&access, id, http)?));
        }
        Standard::Stet => stet_of_the_sandbox(entry, &BankAddress::new(&base)?, client_id)?,
        Standard::BerlinGroup | Standard::Unconfirmed => Interface::at(&base, client_id)?,
    };
    speak(entry, interface, http)
}

/// The sandbox speaks STET below its version, authorisation server included.
fn stet_of_the_sandbox(
    entry: &DirectoryEntry,
    base: &BankAddress,
    client_id: &str,
) -> Result<Interface, BankError> {
    let version = format!("v{}", entry.version);
    let below = |name: &str| base.path(&["stet", &version, name]);
    Ok(Interface {
        authorisation: Some(below("authorize")),
        token: Some(below("token")),
        revocation: None,
        issuer: Some(base.path(&["stet", ""]).into()),
        ..Interface::at(&base.path(&["stet", &version]), client_id)?
    })
}
