//! What must be kept sealed between two calls to a bank: an attempt's secrets, a bank's tokens.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use crate::error::{BankCode, BankError};

/// How long before its end an access token is renewed: longer than the slowest sync.
const RENEWAL_MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// What the return of a person from the bank needs. Open only while a return is worked on.
pub struct AttemptSecrets {
    /// The bank's consent, in the dialects that have one.
    pub(crate) bank_consent_id: Option<String>,
    pub(crate) awaited: Awaited,
}

/// What a person brings back.
pub(crate) enum Awaited {
    /// A code to exchange for tokens (OAuth).
    Code(CodeFlow),
    /// Nothing that proves anything: the consent was approved at the bank, or not.
    Approval(Approval),
}

/// How a code is exchanged.
pub(crate) struct CodeFlow {
    pub(crate) code_verifier: SecretString,
    pub(crate) redirect_uri: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) issuer: String,
    /// Whether the bank promised to name itself in the return (RFC 9207).
    pub(crate) issuer_required: bool,
}

/// What follows an approval.
#[derive(Default)]
pub(crate) struct Approval {
    /// Where a confirmation code goes, at a bank that gives one.
    pub(crate) confirmation: Option<Url>,
    /// The tokens of a bank that wanted them before the consent (OAuth pre-step).
    pub(crate) token: Option<OpenToken>,
}

#[derive(Serialize)]
struct StoredAttempt<'a> {
    bank_consent_id: Option<&'a str>,
    awaited: StoredAwaited<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum StoredAwaited<'a> {
    Code {
        code_verifier: &'a str,
        redirect_uri: &'a Url,
        token_endpoint: &'a Url,
        issuer: &'a str,
        issuer_required: bool,
    },
    Approval {
        confirmation: Option<&'a Url>,
        token: Option<StoredToken<'a>>,
    },
}

#[derive(Deserialize)]
struct LoadedAttempt {
    bank_consent_id: Option<String>,
    awaited: LoadedAwaited,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum LoadedAwaited {
    Code {
        code_verifier: SecretString,
        redirect_uri: Url,
        token_endpoint: Url,
        issuer: String,
        issuer_required: bool,
    },
    Approval {
        confirmation: Option<Url>,
        token: Option<LoadedToken>,
    },
}

impl AttemptSecrets {
    /// The bytes to seal. They are wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let awaited = match &self.awaited {
            Awaited::Code(flow) => StoredAwaited::Code {
                code_verifier: flow.code_verifier.expose_secret(),
                redirect_uri: &flow.redirect_uri,
                token_endpoint: &flow.token_endpoint,
                issuer: &flow.issuer,
                issuer_required: flow.issuer_required,
            },
            Awaited::Approval(approval) => StoredAwaited::Approval {
                confirmation: approval.confirmation.as_ref(),
                token: approval.token.as_ref().map(StoredToken::of),
            },
        };
        to_bytes(&StoredAttempt {
            bank_consent_id: self.bank_consent_id.as_deref(),
            awaited,
        })
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BankError::DamagedSecrets`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BankError> {
        let loaded: LoadedAttempt =
            serde_json::from_slice(bytes).map_err(|_| BankError::DamagedSecrets)?;
        let awaited = match loaded.awaited {
            LoadedAwaited::Code {
                code_verifier,
                redirect_uri,
                token_endpoint,
                issuer,
                issuer_required,
            } => Awaited::Code(CodeFlow {
                code_verifier,
                redirect_uri,
                token_endpoint,
                issuer,
                issuer_required,
            }),
            LoadedAwaited::Approval {
                confirmation,
                token,
            } => Awaited::Approval(Approval {
                confirmation,
                token: token.map(OpenToken::from),
            }),
        };
        Ok(Self {
            bank_consent_id: loaded.bank_consent_id,
            awaited,
        })
    }

    /// Whether the bank has opened a consent for this attempt alone, so that ending it leaves every other
    /// one as it is.
    #[must_use]
    pub fn opens_a_consent_of_its_own(&self) -> bool {
        self.bank_consent_id.is_some()
    }

    /// The consent the bank opened for this attempt, and no token of its code: enough to end it where the
    /// code was not exchanged. A bank asks for a token there only when one opened the consent (`NextGenPSD2`
    /// 1.3, `DELETE /v1/consents/{consentId}`). `None` at banks without consents of their own.
    #[must_use]
    pub fn consent_alone(&self, now: Timestamp) -> Option<OpenToken> {
        let consent = self.bank_consent_id.clone()?;
        Some(match &self.awaited {
            Awaited::Approval(Approval {
                token: Some(token), ..
            }) => token.with_consent(consent, now),
            Awaited::Approval(_) | Awaited::Code(_) => OpenToken::of_consent(consent, now),
        })
    }

    /// How the code is exchanged.
    ///
    /// # Errors
    /// [`BankError::DamagedSecrets`] for an attempt that awaits none.
    pub(crate) fn code_flow(&self) -> Result<&CodeFlow, BankError> {
        match &self.awaited {
            Awaited::Code(flow) => Ok(flow),
            Awaited::Approval(_) => Err(BankError::DamagedSecrets),
        }
    }
}

impl fmt::Debug for AttemptSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AttemptSecrets(…)")
    }
}

/// A bank's tokens, open: they live in memory for the length of one piece of work.
///
/// A bank without OAuth gives none: naming its consent is the access.
pub struct OpenToken {
    pub(crate) access: Option<SecretString>,
    pub(crate) refresh: Option<SecretString>,
    pub(crate) expires_at: Timestamp,
    /// The bank's consent, in the dialects that have one.
    pub(crate) bank_consent_id: Option<String>,
    pub(crate) token_endpoint: Option<Url>,
    /// When the person authorised: stays over every renewal.
    pub(crate) authorised_at: Timestamp,
    /// Whether the pair was renewed since: some banks then give 90 days only.
    pub(crate) renewed: bool,
}

#[derive(Serialize)]
struct StoredToken<'a> {
    access: Option<&'a str>,
    refresh: Option<&'a str>,
    expires_at: Timestamp,
    bank_consent_id: Option<&'a str>,
    token_endpoint: Option<&'a Url>,
    authorised_at: Timestamp,
    renewed: bool,
}

#[derive(Deserialize)]
struct LoadedToken {
    access: Option<SecretString>,
    refresh: Option<SecretString>,
    expires_at: Timestamp,
    bank_consent_id: Option<String>,
    token_endpoint: Option<Url>,
    authorised_at: Timestamp,
    renewed: bool,
}

impl<'a> StoredToken<'a> {
    fn of(token: &'a OpenToken) -> Self {
        Self {
            access: token.access.as_ref().map(ExposeSecret::expose_secret),
            refresh: token.refresh.as_ref().map(ExposeSecret::expose_secret),
            expires_at: token.expires_at,
            bank_consent_id: token.bank_consent_id.as_deref(),
            token_endpoint: token.token_endpoint.as_ref(),
            authorised_at: token.authorised_at,
            renewed: token.renewed,
        }
    }
}

impl From<LoadedToken> for OpenToken {
    fn from(loaded: LoadedToken) -> Self {
        Self {
            access: loaded.access,
            refresh: loaded.refresh,
            expires_at: loaded.expires_at,
            bank_consent_id: loaded.bank_consent_id,
            token_endpoint: loaded.token_endpoint,
            authorised_at: loaded.authorised_at,
            renewed: loaded.renewed,
        }
    }
}

impl OpenToken {
    /// When the person authorised it: renewals keep it, another authorisation has another.
    #[must_use]
    pub fn authorised_at(&self) -> Timestamp {
        self.authorised_at
    }

    /// What a bank without OAuth gives: its consent, and no token that could end before it.
    pub(crate) fn of_consent(bank_consent_id: String, authorised_at: Timestamp) -> Self {
        Self {
            access: None,
            refresh: None,
            expires_at: Timestamp::MAX,
            bank_consent_id: Some(bank_consent_id),
            token_endpoint: None,
            authorised_at,
            renewed: false,
        }
    }

    /// The same tokens, with the consent they were used to open and the person approved now.
    pub(crate) fn with_consent(&self, bank_consent_id: String, authorised_at: Timestamp) -> Self {
        Self {
            access: self.access.clone(),
            refresh: self.refresh.clone(),
            expires_at: self.expires_at,
            bank_consent_id: Some(bank_consent_id),
            token_endpoint: self.token_endpoint.clone(),
            authorised_at,
            renewed: self.renewed,
        }
    }

    /// Whether the access token ends too soon to start a piece of work with it.
    #[must_use]
    pub fn needs_refresh(&self, now: Timestamp) -> bool {
        self.expires_at.duration_since(now) <= RENEWAL_MARGIN
    }

    /// Whether the bank keeps the consent behind this token apart from the one behind another, so that
    /// ending one leaves the other alone. Where a bank has no consent of its own (STET), a new token
    /// replaces the former one by itself, and giving that back could end both.
    #[must_use]
    pub fn stands_apart_from(&self, other: &Self) -> bool {
        match (&self.bank_consent_id, &other.bank_consent_id) {
            (Some(one), Some(other)) => one != other,
            // Read by an aggregator before and by the bank's own interface now, or the other way round.
            _ => match (&self.token_endpoint, &other.token_endpoint) {
                (Some(one), Some(other)) => one.origin() != other.origin(),
                _ => false,
            },
        }
    }

    /// Whether it was given at the host of this address.
    pub(crate) fn is_given_at(&self, address: &Url) -> bool {
        let endpoint = self.token_endpoint.as_ref();
        endpoint.is_some_and(|endpoint| endpoint.origin() == address.origin())
    }

    /// When the access token ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The bytes to seal. They are wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        to_bytes(&StoredToken::of(self))
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BankError::DamagedSecrets`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BankError> {
        let loaded: LoadedToken =
            serde_json::from_slice(bytes).map_err(|_| BankError::DamagedSecrets)?;
        Ok(loaded.into())
    }

    /// The bank's consent a read must name.
    ///
    /// # Errors
    /// [`BankError::DamagedSecrets`] for a token of a dialect without one.
    pub(crate) fn consent_id(&self) -> Result<&str, BankError> {
        self.bank_consent_id
            .as_deref()
            .ok_or(BankError::DamagedSecrets)
    }

    /// Where and with what the access token is renewed.
    ///
    /// # Errors
    /// [`BankError::TokenRefused`] when there is nothing to renew it with.
    pub(crate) fn renewal(&self) -> Result<(&Url, &SecretString), BankError> {
        match (&self.token_endpoint, &self.refresh) {
            (Some(endpoint), Some(refresh)) => Ok((endpoint, refresh)),
            _ => Err(BankError::TokenRefused {
                code: BankCode::new("no_refresh_token"),
            }),
        }
    }
}

impl fmt::Debug for OpenToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OpenToken(…)")
    }
}

/// A growing buffer would leave copies behind that nobody wipes, hence the room made beforehand.
fn to_bytes(stored: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    // Strings, URLs and timestamps always serialise; an empty result would be refused on reading.
    if serde_json::to_writer(&mut *bytes, stored).is_err() {
        bytes.clear();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> OpenToken {
        OpenToken {
            access: Some(SecretString::from("access-secret")),
            refresh: Some(SecretString::from("refresh-secret")),
            expires_at: "2026-11-22T12:10:00Z".parse().unwrap(),
            bank_consent_id: Some("consent-1".to_owned()),
            token_endpoint: Some(Url::parse("https://bank.example/token").unwrap()),
            authorised_at: "2026-11-22T12:00:00Z".parse().unwrap(),
            renewed: false,
        }
    }

    #[test]
    fn tokens_survive_storage_and_never_show_in_debug() {
        let read = OpenToken::from_bytes(&token().to_bytes()).unwrap();
        assert_eq!(read.access.unwrap().expose_secret(), "access-secret");
        assert_eq!(read.refresh.unwrap().expose_secret(), "refresh-secret");
        assert_eq!(format!("{:?}", token()), "OpenToken(…)");
    }

    #[test]
    fn an_approval_and_the_token_behind_it_survive_storage() {
        let attempt = AttemptSecrets {
            bank_consent_id: Some("consent-1".to_owned()),
            awaited: Awaited::Approval(Approval {
                confirmation: Some(Url::parse("https://bank.example/confirm").unwrap()),
                token: Some(token()),
            }),
        };
        let read = AttemptSecrets::from_bytes(&attempt.to_bytes()).unwrap();
        let Awaited::Approval(approval) = read.awaited else {
            panic!("an approval");
        };
        assert!(approval.confirmation.is_some());
        assert_eq!(
            approval.token.unwrap().access.unwrap().expose_secret(),
            "access-secret"
        );
        assert_eq!(format!("{attempt:?}"), "AttemptSecrets(…)");
    }

    #[test]
    fn an_access_without_a_token_never_asks_for_a_renewal() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let access = OpenToken::of_consent("consent-1".to_owned(), now);
        assert!(
            !access.needs_refresh(
                Timestamp::MAX
                    .checked_sub(SignedDuration::from_hours(1))
                    .unwrap()
            )
        );
        assert!(access.renewal().unwrap_err().needs_psu().is_some());
    }

    #[test]
    fn a_token_about_to_end_is_renewed_first() {
        assert!(!token().needs_refresh("2026-11-22T12:08:59Z".parse().unwrap()));
        assert!(token().needs_refresh("2026-11-22T12:09:00Z".parse().unwrap()));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        assert!(matches!(
            OpenToken::from_bytes(b""),
            Err(BankError::DamagedSecrets)
        ));
        assert!(matches!(
            AttemptSecrets::from_bytes(&token().to_bytes()),
            Err(BankError::DamagedSecrets)
        ));
    }
}
