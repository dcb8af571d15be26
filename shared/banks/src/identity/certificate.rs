//! What we must know of a certificate of our own: how long it lives and how a signature names it.

use std::fmt;

use jiff::Timestamp;
use ring::digest;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::der::Decode;

use crate::error::BankError;

/// The two certificates a regulated third party has (RTS 2018/389 art. 34).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// Qualified website authentication certificate: who we are on the line.
    Qwac,
    /// Qualified seal certificate: who signed a request.
    QSeal,
}

impl fmt::Display for CertificateKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Qwac => "QWAC",
            Self::QSeal => "QSealC",
        })
    }
}

/// A certificate of ours, read once.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) kind: CertificateKind,
    pub(crate) der: CertificateDer<'static>,
    /// Hexadecimal, capitals, as banks print it.
    pub(crate) serial: String,
    /// The issuer's distinguished name, most particular part first (RFC 4514).
    pub(crate) issuer: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Certificate {
    /// The first certificate of a PEM text: the chain begins with our own.
    pub(crate) fn read(kind: CertificateKind, pem: &str) -> Result<Self, BankError> {
        let unusable = |what| BankError::Certificate {
            certificate: kind,
            what,
        };
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| unusable("the secret holds no PEM certificate"))?;
        let read = x509_cert::Certificate::from_der(&der)
            .map_err(|_| unusable("the certificate cannot be read"))?;
        let tbs = read.tbs_certificate;
        let moment = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs())
                .ok()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .ok_or(unusable("its dates are out of range"))
        };
        Ok(Self {
            kind,
            serial: hex::encode_upper(without_sign(tbs.serial_number.as_bytes())),
            issuer: tbs.issuer.to_string(),
            not_before: moment(tbs.validity.not_before)?,
            not_after: moment(tbs.validity.not_after)?,
            der,
        })
    }

    /// Refuses a certificate outside its life, before a bank does.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), BankError> {
        if now < self.not_before {
            return Err(BankError::Certificate {
                certificate: self.kind,
                what: "it is not valid yet",
            });
        }
        if now >= self.not_after {
            return Err(BankError::CertificateExpired {
                certificate: self.kind,
                since: self.not_after,
            });
        }
        Ok(())
    }

    /// Whole days until it ends; negative once it has.
    pub(crate) fn days_left(&self, now: Timestamp) -> i64 {
        self.not_after
            .duration_since(now)
            .as_secs()
            .div_euclid(24 * 60 * 60)
    }

    /// SHA-256 of the certificate, hexadecimal.
    pub(crate) fn fingerprint(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, &self.der))
    }
}

/// A DER integer that begins with a high bit carries a zero byte in front; banks do not print it.
fn without_sign(serial: &[u8]) -> &[u8] {
    match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        _ => serial,
    }
}

/// The private key of a PEM text, where there is one.
pub(crate) fn private_key(
    kind: CertificateKind,
    pem: &str,
) -> Result<PrivateKeyDer<'static>, BankError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| BankError::Certificate {
        certificate: kind,
        what: "the secret holds no PEM private key",
    })
}
