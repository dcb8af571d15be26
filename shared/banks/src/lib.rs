#![doc = include_str!("../README.md")]

mod aggregator;
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
mod link_memory;
mod links;
mod oauth;
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
pub use crate::connector::{
    Access, AuthorisationRequest, BankConsent, BankConsentEnd, Connector, ScaApproach,
    StartedAuthorisation, WayToBank,
};
pub use crate::directory::{
    Capabilities, Coverage, Directory, DirectoryEntry, GroupCoverage, Hosts, Quirks, Reachability,
    Standard, Through,
};
pub use crate::error::{BankCode, BankError};
pub use crate::identity::{AispCertificates, CertificateKind, Clock};
pub use crate::secrets::{AttemptSecrets, OpenToken};

use crate::aggregator::AggregatorAccess;
use crate::bank_http::BankHttp;
use crate::berlin_group::BerlinGroup;
use crate::identity::Identity;
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
        )?;
        let access = settings.aggregator.map(|aggregator| {
            let holder = &settings.certificates.holder;
            AggregatorAccess::new(&aggregator, settings.aggregator_secret, holder)
        });
        let access = access.transpose()?;
        let identity = Identity::new(settings.certificates, settings.sandbox_bank_authority);
        let http = BankHttp::new(identity);
        let mut connectors: BTreeMap<InstitutionId, Arc<dyn Connector>> = BTreeMap::new();
        if let Some(base) = settings.sandbox_bank_url {
            for entry in directory.sandboxes() {
                let connector = speak(entry, &base, &settings.client_id, &http)?;
                connectors.insert(entry.institution.id.clone(), connector);
            }
        }
        if let Some(access) = &access {
            for entry in directory.aggregated() {
                let connector = Powens::new(access, entry.aggregator_id.as_deref(), &http)?;
                connectors.insert(entry.institution.id.clone(), Arc::new(connector));
            }
        }
        Ok(Self {
            directory: Arc::new(directory),
            connectors: Arc::new(connectors),
        })
    }

    /// Every bank a person may look for, reachable or not.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The way to one bank.
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
    base: &Url,
    client_id: &str,
    http: &BankHttp,
) -> Result<Arc<dyn Connector>, BankError> {
    let profile = entry.signature.as_deref().map(SignatureProfile::named);
    let http = &http.signed_as(profile.transpose()?);
    let base = form_of_the_sandbox(entry, base)?;
    match entry.standard {
        Standard::BerlinGroup => Ok(Arc::new(BerlinGroup::new(entry, &base, client_id, http)?)),
        Standard::Stet => Ok(Arc::new(Stet::new(entry, &base, client_id, http)?)),
        Standard::Powens => {
            let access = AggregatorAccess::of_sandbox(&base, client_id)?;
            Ok(Arc::new(Powens::new(
                &access,
                entry.aggregator_id.as_deref(),
                http,
            )?))
        }
        Standard::Unconfirmed => Err(BankError::Settings(
            "a bank whose standard is not confirmed cannot be reached",
        )),
    }
}

/// The sandbox is many banks: each form of it has an address below its own.
fn form_of_the_sandbox(entry: &DirectoryEntry, base: &Url) -> Result<Url, BankError> {
    let address = BankAddress::new(base)?;
    Ok(match &entry.sandbox_path {
        Some(path) => address.path(&[path]),
        None => address.base().clone(),
    })
}
