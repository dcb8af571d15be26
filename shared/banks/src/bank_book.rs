//! The banks as they are now: the directory and the settings of this deployment, with the banks an
//! operator says have registered us.
//!
//! Those are kept in a registry that may change while a function runs. It is read before the first piece
//! of work and again every five minutes; whatever is built from the banks is built anew only when they
//! changed. What cannot be used closes its own bank and no other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::registry::BankRegistry;
use tokio::sync::Mutex;

use crate::error::BankError;
use crate::onboarding::Onboarded;
use crate::{BankSettings, Banks};

/// How long what was read is believed.
const BELIEVED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// How soon a registry that did not answer is asked again; until then the banks are those of before.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// Builds something from the banks, and builds it anew when they change.
pub struct BankBook<T> {
    settings: BankSettings,
    registry: Arc<dyn BankRegistry>,
    build: Box<dyn Fn(Banks) -> T + Send + Sync>,
    page: Mutex<Page<T>>,
}

/// What was built last.
struct Page<T> {
    registrations: BTreeMap<String, String>,
    built: T,
    /// When to look again; nothing was read before the first look.
    next_look: Option<Timestamp>,
}

impl<T> fmt::Debug for BankBook<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BankBook")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

impl<T: Clone> BankBook<T> {
    /// A book over the settings of a deployment, whose `onboarded` banks come from the registry.
    ///
    /// # Errors
    /// Those of [`Banks::new`], for the settings without a registered bank.
    pub fn new(
        settings: BankSettings,
        registry: impl BankRegistry + 'static,
        build: impl Fn(Banks) -> T + Send + Sync + 'static,
    ) -> Result<Self, BankError> {
        let built = build(Banks::new(settings.clone())?);
        Ok(Self {
            settings,
            registry: Arc::new(registry),
            build: Box::new(build),
            page: Mutex::new(Page {
                registrations: BTreeMap::new(),
                built,
                next_look: None,
            }),
        })
    }

    /// What is built from the banks as they are now.
    ///
    /// # Errors
    /// [`BankError::Registry`] when the registry was never read. Later it may be out for a while: the
    /// banks are then those that were read last.
    pub async fn current(&self) -> Result<T, BankError> {
        let now = (self.settings.certificates.clock)();
        let mut page = self.page.lock().await;
        if page.next_look.is_some_and(|next_look| now < next_look) {
            return Ok(page.built.clone());
        }
        match self.registry.registrations().await {
            Ok(registrations) => {
                if registrations != page.registrations {
                    page.built = (self.build)(usable(&self.settings, &registrations)?);
                    tracing::info!(registrations = registrations.len(), "banks read anew");
                    page.registrations = registrations;
                }
                page.next_look = after(now, BELIEVED_FOR);
            }
            Err(error) if page.next_look.is_some() => {
                tracing::warn!(%error, "the registered banks are those of before");
                page.next_look = after(now, ASKED_AGAIN_AFTER);
            }
            Err(error) => return Err(BankError::Registry(error)),
        }
        Ok(page.built.clone())
    }
}

fn after(now: Timestamp, time: SignedDuration) -> Option<Timestamp> {
    Some(now.checked_add(time).unwrap_or(now))
}

/// Checks what a bank said when it registered us, before it is kept: read by the very parser that reads
/// it later. Answers the banks it opens.
///
/// # Errors
/// [`BankError::Onboarding`] naming what is missing, misspelt or, of our certificates, not there.
pub fn check_registration(
    settings: &BankSettings,
    name: &str,
    registration: &str,
) -> Result<Vec<InstitutionId>, BankError> {
    let banks = Banks::new(BankSettings {
        onboarded: Onboarded::one(name, registration)?,
        ..settings.clone()
    })?;
    let opened = banks.directory().onboarded();
    Ok(opened.map(|entry| entry.institution.id.clone()).collect())
}

/// The banks of these registrations. One that cannot be used any more (a certificate that was taken
/// away, a row that changed with a release) is left out, loudly, and its neighbours stay.
fn usable(
    settings: &BankSettings,
    registrations: &BTreeMap<String, String>,
) -> Result<Banks, BankError> {
    if let Ok(banks) = Onboarded::of(registrations).and_then(|onboarded| {
        Banks::new(BankSettings {
            onboarded,
            ..settings.clone()
        })
    }) {
        return Ok(banks);
    }
    let mut kept = registrations.clone();
    kept.retain(
        |name, registration| match check_registration(settings, name, registration) {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(failure = true, bank = name, %error, "a registered bank stays closed");
                false
            }
        },
    );
    Banks::new(BankSettings {
        onboarded: Onboarded::of(&kept)?,
        ..settings.clone()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;
    use std::sync::atomic::{AtomicI64, Ordering};

    use passerelle_domain::registry::{Asked, RegistryError};

    use super::*;
    use crate::AispCertificates;

    /// A registry that a test writes, and takes away.
    #[derive(Debug, Clone, Default)]
    struct Written(Arc<StdMutex<Option<BTreeMap<String, String>>>>);

    impl Written {
        fn write(&self, registrations: &[(&str, &str)]) {
            let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
            *self.0.lock().unwrap() = Some(registrations.iter().map(owned).collect());
        }

        fn take_away(&self) {
            *self.0.lock().unwrap() = None;
        }
    }

    impl BankRegistry for Written {
        fn registrations(&self) -> Asked<'_, BTreeMap<String, String>> {
            let read = self.0.lock().unwrap().clone();
            Box::pin(async move { read.ok_or_else(|| RegistryError::passing("out")) })
        }
    }

    const N26: (&str, &str) = ("n26", r#"{"api": "https://n26.example"}"#);
    const LCL: (&str, &str) = (
        "lcl",
        r#"{"authorisation": "https://lcl.example/a", "token": "https://lcl.example/t"}"#,
    );

    struct Reader {
        registry: Written,
        minutes: Arc<AtomicI64>,
        book: BankBook<Vec<String>>,
    }

    /// A book that names the banks that are open, with a QWAC and no QSealC.
    fn reader() -> Reader {
        let minutes = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&minutes);
        let settings = BankSettings {
            sandbox_bank_url: None,
            sandbox_bank_authority: None,
            aggregator: None,
            aggregator_secret: None,
            onboarded: Onboarded::default(),
            client_id: "PSDFR-ACPR-12345".to_owned(),
            certificates: AispCertificates {
                qwac: Some("qwac".to_owned()),
                clock: Arc::new(move || {
                    Timestamp::from_second(clock.load(Ordering::Relaxed) * 60).unwrap()
                }),
                ..AispCertificates::none()
            },
        };
        let registry = Written::default();
        let open = |banks: Banks| {
            let open = banks.directory().onboarded();
            open.map(|entry| entry.institution.id.to_string()).collect()
        };
        let book = BankBook::new(settings, registry.clone(), open).unwrap();
        Reader {
            registry,
            minutes,
            book,
        }
    }

    #[tokio::test]
    async fn a_bank_that_registers_us_is_open_within_five_minutes_and_closed_again_as_soon() {
        let reader = reader();
        reader.registry.write(&[]);
        assert!(reader.book.current().await.unwrap().is_empty());
        reader.registry.write(&[N26]);
        reader.minutes.store(4, Ordering::Relaxed);
        assert!(reader.book.current().await.unwrap().is_empty(), "believed");
        reader.minutes.store(5, Ordering::Relaxed);
        assert_eq!(reader.book.current().await.unwrap(), ["n26"]);
        reader.registry.write(&[]);
        reader.minutes.store(10, Ordering::Relaxed);
        assert!(reader.book.current().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_registry_that_is_out_closes_no_bank_that_was_open() {
        let reader = reader();
        let error = reader.book.current().await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        reader.registry.write(&[N26]);
        assert_eq!(reader.book.current().await.unwrap(), ["n26"]);
        reader.registry.take_away();
        reader.minutes.store(60, Ordering::Relaxed);
        assert_eq!(reader.book.current().await.unwrap(), ["n26"]);
    }

    #[tokio::test]
    async fn a_registration_that_cannot_be_used_any_more_closes_its_own_bank_alone() {
        let reader = reader();
        let damaged = ("boursobank", "{");
        reader
            .registry
            .write(&[N26, LCL, damaged, ("gone-bank", "{}")]);
        assert_eq!(reader.book.current().await.unwrap(), ["n26"]);
    }

    #[test]
    fn a_registration_is_refused_with_the_reason_before_it_is_kept() {
        let settings = reader().book.settings;
        let checked = |(name, text): (&str, &str)| check_registration(&settings, name, text);
        assert_eq!(checked(N26).unwrap(), ["n26".parse().unwrap()]);
        for (registration, said) in [
            (LCL, "QSealC"),
            (("no-such-bank", "{}"), "no-such-bank"),
            (("n26", r#"{"apy": "https://n26.example"}"#), "apy"),
            (("n26", r#"{"api": "http://n26.example"}"#), "https"),
        ] {
            let error = checked(registration).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
