//! What a bank wants signed: data, compiled in.

use std::collections::BTreeMap;

use passerelle_domain::keys::Hash;
use serde::Deserialize;

use crate::error::BankError;
use crate::identity::{Certificate, Seal};

/// The profiles, by name.
const PROFILES: &str = include_str!("signature_profiles.toml");

/// What one bank wants signed, and how it finds our certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SignatureProfile {
    #[serde(alias = "key_id")]
    key_id: KeyIdStyle,
    /// The hash of the `Digest` header.
    pub(super) digest: Hash,
    /// The hash of the signature.
    pub(super) hash: Hash,
    pub(super) always: Vec<String>,
    #[serde(alias = "when_present")]
    pub(super) when_present: Vec<String>,
    /// Whether `TPP-Signature-Certificate` goes along.
    #[serde(alias = "certificate_header")]
    pub(super) certificate_header: bool,
}

/// How `keyId` names our certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeyIdStyle {
    SerialAndIssuer,
    CertificateUrl,
    CertificateUrlWithFingerprint,
}

impl SignatureProfile {
    /// The profile a row of the directory names.
    ///
    /// # Errors
    /// [`BankError::Directory`] when there is none of that name.
    pub(crate) fn named(name: &str) -> Result<Self, BankError> {
        Self::all()?
            .remove(name)
            .ok_or_else(|| BankError::Directory(format!("no signature profile `{name}`")))
    }

    /// Whether it can be signed with: it binds the request and its body, names headers as they are
    /// signed, and keeps the token out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn checked(&self) -> Result<(), &'static str> {
        let signed = || self.always.iter().chain(&self.when_present);
        if !self.always.iter().any(|header| header == "x-request-id") {
            return Err("`signature.always` must have `x-request-id`: a request could be replayed");
        }
        if !signed().any(|header| header == "digest") {
            return Err("`signature` must have `digest`: the body would be open");
        }
        if signed().any(|header| header == "authorization") {
            return Err("`signature` must not have `authorization`");
        }
        if signed().any(|header| *header != header.to_lowercase()) {
            return Err("`signature` names headers in lower case");
        }
        Ok(())
    }

    pub(super) fn all() -> Result<BTreeMap<String, Self>, BankError> {
        toml::from_str(PROFILES).map_err(|error| BankError::Directory(error.message().to_owned()))
    }

    /// `keyId`, as this bank wants it.
    ///
    /// # Errors
    /// [`BankError::Settings`] when banks are to download a certificate and nobody said from where.
    pub(super) fn key_id(&self, seal: &Seal) -> Result<String, BankError> {
        let certificate: &Certificate = seal.certificate();
        let url = || {
            seal.published_at.as_ref().ok_or(BankError::Settings(
                "this bank downloads the QSealC: say from where",
            ))
        };
        Ok(match self.key_id {
            KeyIdStyle::SerialAndIssuer => {
                let issuer = quotable(&certificate.issuer);
                format!("SN={},CA={issuer}", certificate.serial)
            }
            KeyIdStyle::CertificateUrl => url()?.to_string(),
            KeyIdStyle::CertificateUrlWithFingerprint => {
                format!("{}_{}", url()?, certificate.fingerprint())
            }
        })
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self.hash {
            Hash::Sha256 => "rsa-sha256",
            Hash::Sha512 => "rsa-sha512",
        }
    }
}

/// A distinguished name inside a quoted parameter: whatever could end it, or is no plain ASCII, is
/// percent-encoded, as banks do with spaces.
fn quotable(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'%' => format!("%{byte:02X}"),
            byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_parameter_it_is_in() {
        assert_eq!(
            quotable("CN=Société \"A\",C=FR"),
            "CN=Soci%C3%A9t%C3%A9%20%22A%22,C=FR"
        );
    }

    #[test]
    fn every_profile_signs_what_binds_a_request() {
        let profiles = SignatureProfile::all().unwrap();
        assert!(profiles.len() >= 4);
        for (name, profile) in profiles {
            assert_eq!(profile.checked(), Ok(()), "{name}");
        }
        let directory = crate::Directory::of_every_bank().unwrap();
        for entry in directory.entries() {
            if let Some(name) = &entry.signature {
                assert!(
                    SignatureProfile::named(name).is_ok(),
                    "{}",
                    entry.institution.id
                );
            }
        }
        assert!(matches!(
            SignatureProfile::named("no such profile"),
            Err(BankError::Directory(_))
        ));
    }
}
