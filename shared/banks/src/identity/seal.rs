//! The QSealC and what signs for it: a key we were given, or one somebody keeps.

use std::fmt;
use std::sync::Arc;

use passerelle_domain::keys::{Hash, KeyHolder};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use url::Url;

use crate::error::BankError;
use crate::identity::AispCertificates;
use crate::identity::certificate::{Certificate, CertificateKind, private_key};

/// A certificate with the means to sign for it.
#[derive(Debug)]
pub(crate) struct Seal {
    certificate: Certificate,
    /// Where banks download the certificate from.
    pub(crate) published_at: Option<Url>,
    key: SealKey,
}

enum SealKey {
    /// Read from the secret, in memory.
    Open(Box<RsaKeyPair>),
    /// Kept by somebody who signs for us.
    Held {
        key: String,
        holder: Arc<dyn KeyHolder>,
    },
}

impl fmt::Debug for SealKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealKey(…)")
    }
}

impl Seal {
    /// Reads the QSealC, where one is configured.
    pub(crate) async fn open(names: &AispCertificates) -> Result<Option<Self>, BankError> {
        let Some(name) = &names.qseal else {
            return Ok(None);
        };
        let pem = names.holder.secret(name).await.map_err(BankError::Keys)?;
        let key = match &names.qseal_key {
            Some(key) => SealKey::Held {
                key: key.clone(),
                holder: Arc::clone(&names.holder),
            },
            None => SealKey::Open(Box::new(rsa_key(pem.expose())?)),
        };
        Ok(Some(Self {
            certificate: Certificate::read(CertificateKind::QSeal, pem.expose())?,
            published_at: names.qseal_url.clone(),
            key,
        }))
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// An RSASSA-PKCS1-v1_5 signature.
    pub(crate) async fn sign(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, BankError> {
        match &self.key {
            SealKey::Held { key, holder } => holder
                .sign(key, hash, message)
                .await
                .map_err(BankError::Keys),
            SealKey::Open(pair) => {
                let padding = match hash {
                    Hash::Sha256 => &RSA_PKCS1_SHA256,
                    Hash::Sha512 => &RSA_PKCS1_SHA512,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| unusable("its key does not sign"))?;
                Ok(signature)
            }
        }
    }
}

fn unusable(what: &'static str) -> BankError {
    BankError::Certificate {
        certificate: CertificateKind::QSeal,
        what,
    }
}

/// Signatures in the field are RSA: a key of another kind is refused here rather than by every bank.
fn rsa_key(pem: &str) -> Result<RsaKeyPair, BankError> {
    let pair = match private_key(CertificateKind::QSeal, pem)? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(unusable("its key is not an RSA key")),
    };
    pair.map_err(|_| unusable("its key is not an RSA key of 2048 bits or more"))
}
