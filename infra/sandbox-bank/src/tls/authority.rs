//! A certification authority for tests: it lives as long as the process and nobody trusts it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::ToSpan;
use jiff::civil::Date;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
    date_time_ymd,
};
use ring::digest;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::SandboxError;

/// `organizationIdentifier` (2.5.4.97): where the authorisation number of a third party stands
/// (ETSI TS 119 495).
const ORGANISATION_IDENTIFIER: [u64; 4] = [2, 5, 4, 97];

/// The days a certificate is valid: the first one and the one after the last.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// The first day.
    pub from: Date,
    /// The day it has ended.
    pub until: Date,
}

impl Life {
    /// Longer than any test.
    const LONG: Self = Self {
        from: Date::constant(2020, 1, 1),
        until: Date::constant(2100, 1, 1),
    };
}

/// A certification authority for tests.
pub struct TestAuthority {
    certificate: Certificate,
    key: KeyPair,
    /// The QSealCs it issued: banks that are told an address only know them from here.
    seals: Mutex<Vec<CertificateDer<'static>>>,
}

impl fmt::Debug for TestAuthority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TestAuthority(…)")
    }
}

impl TestAuthority {
    /// A new authority, with a new key.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`] when the system gives no randomness.
    pub fn new() -> Result<Self, SandboxError> {
        let key = KeyPair::generate().map_err(SandboxError::Certificate)?;
        // Two authorities must not pass for one another by name.
        let mark: String = hex::encode(digest::digest(&digest::SHA256, &key.public_key_der()))
            .chars()
            .take(8)
            .collect();
        let mut request = request(&format!("Sandbox authority {mark}"), Life::LONG)?;
        request.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        request.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self {
            certificate: request
                .self_signed(&key)
                .map_err(SandboxError::Certificate)?,
            key,
            seals: Mutex::default(),
        })
    }

    /// Its own certificate, as PEM: what a client has to trust.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A QWAC with its private key, as PEM, for a third party known by `client_id`.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`] for dates or names no certificate holds.
    pub fn qwac(&self, client_id: &str, life: Life) -> Result<String, SandboxError> {
        let key = KeyPair::generate().map_err(SandboxError::Certificate)?;
        let mut request = third_party("Sandbox QWAC", client_id, life)?;
        request.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = self.sign(request, &key)?;
        Ok(bundle(&certificate, &key))
    }

    /// A QSealC with its private key (RSA), as PEM, for a third party known by `client_id`.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`] for dates or names no certificate holds.
    pub fn qseal(&self, client_id: &str, life: Life) -> Result<String, SandboxError> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .map_err(SandboxError::Certificate)?;
        let mut request = third_party("Sandbox QSealC", client_id, life)?;
        request.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = self.sign(request, &key)?;
        self.seals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(certificate.der().clone());
        Ok(bundle(&certificate, &key))
    }

    /// Writes what a client needs into a folder: `authority.pem` to trust, `qwac.pem` and `qseal.pem`
    /// with their private keys, valid for a year.
    ///
    /// # Errors
    /// [`SandboxError::CertificateFolder`] when the folder cannot be written.
    pub(crate) fn write_client_files(
        &self,
        folder: &Path,
        client_id: &str,
        today: Date,
    ) -> Result<(), SandboxError> {
        let life = Life {
            from: today.saturating_sub(1.day()),
            until: today.saturating_add(1.year()),
        };
        let failed = |source| SandboxError::CertificateFolder {
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        for (name, text) in [
            ("authority.pem", self.pem()),
            ("qwac.pem", self.qwac(client_id, life)?),
            ("qseal.pem", self.qseal(client_id, life)?),
        ] {
            fs::write(folder.join(name), text).map_err(failed)?;
        }
        Ok(())
    }

    /// The certificate of a server on this machine, with its key.
    pub(super) fn server(
        &self,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), SandboxError> {
        let key = KeyPair::generate().map_err(SandboxError::Certificate)?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut request = CertificateParams::new(names).map_err(SandboxError::Certificate)?;
        request.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = self.sign(request, &key)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok((certificate.der().clone(), key.into()))
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }

    pub(super) fn seals(&self) -> Vec<CertificateDer<'static>> {
        self.seals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn sign(&self, request: CertificateParams, key: &KeyPair) -> Result<Certificate, SandboxError> {
        request
            .signed_by(key, &self.certificate, &self.key)
            .map_err(SandboxError::Certificate)
    }
}

fn request(name: &str, life: Life) -> Result<CertificateParams, SandboxError> {
    let mut request = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "FR");
    subject.push(DnType::OrganizationName, "Passerelle sandbox");
    subject.push(DnType::CommonName, name);
    request.distinguished_name = subject;
    let day = |date: Date| -> Result<_, SandboxError> {
        let part = |number: i8| u8::try_from(number).map_err(|_| SandboxError::CertificateDates);
        Ok(date_time_ymd(
            i32::from(date.year()),
            part(date.month())?,
            part(date.day())?,
        ))
    };
    request.not_before = day(life.from)?;
    request.not_after = day(life.until)?;
    Ok(request)
}

fn third_party(name: &str, client_id: &str, life: Life) -> Result<CertificateParams, SandboxError> {
    let mut request = request(name, life)?;
    let identifier = DnType::CustomDnType(ORGANISATION_IDENTIFIER.to_vec());
    request.distinguished_name.push(identifier, client_id);
    Ok(request)
}

fn bundle(certificate: &Certificate, key: &KeyPair) -> String {
    format!("{}{}", certificate.pem(), key.serialize_pem())
}
