//! What proves to a bank who we are: the QWAC on the line, the QSealC under a request.
//!
//! Both are opened with the first call and again every hour, so that a renewed certificate is taken up
//! without a deployment. A certificate that is over is said so before a bank is asked.

mod certificate;
mod seal;
mod tls;

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use passerelle_domain::keys::{KeyHolder, NoKeys};
use tokio::sync::Mutex;
use url::Url;

pub use self::certificate::CertificateKind;

pub(crate) use self::certificate::Certificate;
pub(crate) use self::seal::Seal;
pub(crate) use self::tls::read_failure;

use crate::error::BankError;

/// How long what was opened is used before it is read again.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The days before its end from which a certificate is warned about.
const RENEWAL_DAYS: i64 = 30;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The certificates of the account-information provider, by the names they are kept under. Nothing
/// of them is read before the first call to a bank.
#[derive(Clone)]
pub struct AispCertificates {
    /// The secret with the QWAC: a PEM text, our certificate first, then its chain and private key.
    pub qwac: Option<String>,
    /// The secret with the QSealC: a PEM text, certificate and, unless `qseal_key` is set, private
    /// key.
    pub qseal: Option<String>,
    /// The key that signs for the QSealC without ever being given away.
    pub qseal_key: Option<String>,
    /// Where banks download the QSealC from, without the fingerprint some append.
    pub qseal_url: Option<Url>,
    /// Who keeps them.
    pub holder: Arc<dyn KeyHolder>,
    /// Tells whether a certificate is over, and dates signed requests.
    pub clock: Clock,
}

impl AispCertificates {
    /// No certificate: enough for the directory, and for a bank that asks for none.
    #[must_use]
    pub fn none() -> Self {
        Self {
            qwac: None,
            qseal: None,
            qseal_key: None,
            qseal_url: None,
            holder: Arc::new(NoKeys),
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for AispCertificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AispCertificates")
            .field("qwac", &self.qwac)
            .field("qseal", &self.qseal)
            .field("qseal_key", &self.qseal_key)
            .finish_non_exhaustive()
    }
}

/// The identity one set of banks sees.
#[derive(Debug)]
pub(crate) struct Identity {
    certificates: AispCertificates,
    /// The only roots trusted, in place of the public ones.
    private_roots: Option<String>,
    open: Mutex<Option<Arc<OpenIdentity>>>,
}

/// An identity ready for use.
#[derive(Debug)]
pub(crate) struct OpenIdentity {
    pub(crate) client: reqwest::Client,
    pub(crate) seal: Option<Seal>,
    qwac: Option<Certificate>,
    opened_at: Timestamp,
}

impl Identity {
    pub(crate) fn new(certificates: AispCertificates, private_roots: Option<String>) -> Self {
        tls::choose_cryptography();
        Self {
            certificates,
            private_roots,
            open: Mutex::new(None),
        }
    }

    /// The time signed requests are dated with.
    pub(crate) fn now(&self) -> Timestamp {
        (self.certificates.clock)()
    }

    /// The certificates in force.
    ///
    /// # Errors
    /// [`BankError::CertificateExpired`] or [`BankError::Certificate`] when one cannot be used,
    /// [`BankError::Keys`] when who keeps them does not answer.
    pub(crate) async fn current(&self) -> Result<Arc<OpenIdentity>, BankError> {
        let now = self.now();
        let mut open = self.open.lock().await;
        let known = open.as_ref().map(Arc::clone);
        let current = match known {
            Some(known) if now.duration_since(known.opened_at) < OPEN_FOR => known,
            // What cannot be read again now is used on: it is checked below like any other.
            Some(known) => match self.open(now).await {
                Ok(renewed) => Arc::new(renewed),
                Err(error) => {
                    tracing::warn!(%error, "the certificates could not be read again");
                    known
                }
            },
            None => Arc::new(self.open(now).await?),
        };
        *open = Some(Arc::clone(&current));
        current.check(now)?;
        Ok(current)
    }

    async fn open(&self, now: Timestamp) -> Result<OpenIdentity, BankError> {
        let names = &self.certificates;
        let qwac_pem = match &names.qwac {
            Some(name) => Some(names.holder.secret(name).await.map_err(BankError::Keys)?),
            None => None,
        };
        let qwac = match &qwac_pem {
            Some(pem) => Some(Certificate::read(CertificateKind::Qwac, pem.expose())?),
            None => None,
        };
        let seal = Seal::open(names).await?;
        let watched = qwac.iter().chain(seal.iter().map(Seal::certificate));
        for certificate in watched {
            watch(certificate, now);
        }
        Ok(OpenIdentity {
            client: tls::client(
                qwac_pem.as_ref().map(|pem| pem.expose()),
                self.private_roots.as_deref(),
            )?,
            seal,
            qwac,
            opened_at: now,
        })
    }
}

impl OpenIdentity {
    fn check(&self, now: Timestamp) -> Result<(), BankError> {
        let certificates = self
            .qwac
            .iter()
            .chain(self.seal.iter().map(Seal::certificate));
        for certificate in certificates {
            certificate.check(now)?;
        }
        Ok(())
    }
}

/// One line a metric is read from (`template.yaml`): the operator hears of it a month ahead.
fn watch(certificate: &Certificate, now: Timestamp) {
    let certificate_days_left = certificate.days_left(now);
    let certificate = certificate.kind.to_string();
    if certificate_days_left < RENEWAL_DAYS {
        tracing::warn!(
            certificate,
            certificate_days_left,
            "a certificate has to be renewed"
        );
    } else {
        tracing::info!(
            certificate,
            certificate_days_left,
            "a certificate was opened"
        );
    }
}
