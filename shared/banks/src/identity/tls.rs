//! The line to a bank: TLS 1.2 or later, our certificate shown, and what its refusal means.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::tls::Version;
use rustls::AlertDescription;

use crate::error::{BankCode, BankError};
use crate::identity::certificate::CertificateKind;

/// How long one call may take from the first byte sent to the last byte read.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes `ring` the only cryptography of the process. A second time is refused and harmless.
pub(super) fn choose_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The client that shows our certificate.
pub(super) fn client(
    qwac: Option<&str>,
    private_roots: Option<&str>,
) -> Result<reqwest::Client, BankError> {
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("passerelle/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .tls_version_min(Version::TLS_1_2)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT);
    if let Some(pem) = qwac {
        let identity =
            reqwest::Identity::from_pem(pem.as_bytes()).map_err(|_| BankError::Certificate {
                certificate: CertificateKind::Qwac,
                what: "the secret must hold the certificate, its chain and its private key as PEM",
            })?;
        client = client.identity(identity);
    }
    if let Some(pem) = private_roots {
        let roots = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|_| BankError::Settings("the sandbox's authority is no PEM certificate"))?;
        client = client.tls_certs_only(roots);
    }
    client.build().map_err(BankError::Client)
}

/// What a call that got no answer means. The URL holds ids of the bank's: it must not travel inside an
/// error.
pub(crate) fn read_failure(error: reqwest::Error) -> BankError {
    match tls_failure(&error) {
        Some(rustls::Error::AlertReceived(alert)) => match refused_certificate(*alert) {
            Some(code) => BankError::IdentityRefused {
                code: BankCode::new(code),
            },
            None => BankError::Unreachable(error.without_url()),
        },
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            BankError::UntrustedBank
        }
        _ => BankError::Unreachable(error.without_url()),
    }
}

/// The TLS failure inside an error, where there is one: an I/O error carries it without naming it as
/// its source.
fn tls_failure<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        let found = error
            .downcast_ref()
            .or_else(|| carried.and_then(|inner| inner.downcast_ref()));
        if found.is_some() {
            return found;
        }
        next = carried.or_else(|| error.source());
    }
    None
}

/// The alerts by which a server refuses our certificate (RFC 8446 section 6.2).
fn refused_certificate(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateRequired => Some("TLS_CERTIFICATE_REQUIRED"),
        AlertDescription::CertificateExpired => Some("TLS_CERTIFICATE_EXPIRED"),
        AlertDescription::CertificateRevoked => Some("TLS_CERTIFICATE_REVOKED"),
        AlertDescription::CertificateUnknown => Some("TLS_CERTIFICATE_UNKNOWN"),
        AlertDescription::BadCertificate => Some("TLS_BAD_CERTIFICATE"),
        AlertDescription::UnsupportedCertificate => Some("TLS_UNSUPPORTED_CERTIFICATE"),
        AlertDescription::UnknownCA => Some("TLS_UNKNOWN_AUTHORITY"),
        // The signature in or over the certificate does not verify.
        AlertDescription::DecryptError => Some("TLS_DECRYPT_ERROR"),
        AlertDescription::AccessDenied => Some("TLS_ACCESS_DENIED"),
        _ => None,
    }
}
