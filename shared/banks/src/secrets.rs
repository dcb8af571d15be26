//! What must be kept sealed between two calls to a bank: an attempt's secrets, a bank's tokens.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use crate::error::BankError;

/// How long before its end an access token is renewed: longer than the slowest sync.
const RENEWAL_MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// What the return of a person from the bank needs. Open only while a code is exchanged.
pub struct AttemptSecrets {
    pub(crate) code_verifier: SecretString,
    /// The bank's consent, in the dialects that have one.
    pub(crate) bank_consent_id: Option<String>,
    pub(crate) redirect_uri: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) issuer: String,
    /// Whether the bank promised to name itself in the return (RFC 9207).
    pub(crate) issuer_required: bool,
}

#[derive(Serialize)]
struct StoredAttempt<'a> {
    code_verifier: &'a str,
    bank_consent_id: Option<&'a str>,
    redirect_uri: &'a Url,
    token_endpoint: &'a Url,
    issuer: &'a str,
    issuer_required: bool,
}

#[derive(Deserialize)]
struct LoadedAttempt {
    code_verifier: SecretString,
    bank_consent_id: Option<String>,
    redirect_uri: Url,
    token_endpoint: Url,
    issuer: String,
    issuer_required: bool,
}

impl AttemptSecrets {
    /// The bytes to seal. They are wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        to_bytes(&StoredAttempt {
            code_verifier: self.code_verifier.expose_secret(),
            bank_consent_id: self.bank_consent_id.as_deref(),
            redirect_uri: &self.redirect_uri,
            token_endpoint: &self.token_endpoint,
            issuer: &self.issuer,
            issuer_required: self.issuer_required,
        })
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BankError::DamagedSecrets`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BankError> {
        let loaded: LoadedAttempt =
            serde_json::from_slice(bytes).map_err(|_| BankError::DamagedSecrets)?;
        Ok(Self {
            code_verifier: loaded.code_verifier,
            bank_consent_id: loaded.bank_consent_id,
            redirect_uri: loaded.redirect_uri,
            token_endpoint: loaded.token_endpoint,
            issuer: loaded.issuer,
            issuer_required: loaded.issuer_required,
        })
    }
}

impl fmt::Debug for AttemptSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AttemptSecrets(…)")
    }
}

/// A bank's tokens, open: they live in memory for the length of one piece of work.
pub struct OpenToken {
    pub(crate) access: SecretString,
    pub(crate) refresh: Option<SecretString>,
    pub(crate) expires_at: Timestamp,
    /// The bank's consent, in the dialects that have one.
    pub(crate) bank_consent_id: Option<String>,
    pub(crate) token_endpoint: Url,
    /// When the person authorised: stays over every renewal.
    pub(crate) authorised_at: Timestamp,
    /// Whether the pair was renewed since: some banks then give 90 days only.
    pub(crate) renewed: bool,
}

#[derive(Serialize)]
struct StoredToken<'a> {
    access: &'a str,
    refresh: Option<&'a str>,
    expires_at: Timestamp,
    bank_consent_id: Option<&'a str>,
    token_endpoint: &'a Url,
    authorised_at: Timestamp,
    renewed: bool,
}

#[derive(Deserialize)]
struct LoadedToken {
    access: SecretString,
    refresh: Option<SecretString>,
    expires_at: Timestamp,
    bank_consent_id: Option<String>,
    token_endpoint: Url,
    authorised_at: Timestamp,
    renewed: bool,
}

impl OpenToken {
    /// Whether the access token ends too soon to start a piece of work with it.
    #[must_use]
    pub fn needs_refresh(&self, now: Timestamp) -> bool {
        self.expires_at.duration_since(now) <= RENEWAL_MARGIN
    }

    /// When the access token ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The bytes to seal. They are wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        to_bytes(&StoredToken {
            access: self.access.expose_secret(),
            refresh: self.refresh.as_ref().map(ExposeSecret::expose_secret),
            expires_at: self.expires_at,
            bank_consent_id: self.bank_consent_id.as_deref(),
            token_endpoint: &self.token_endpoint,
            authorised_at: self.authorised_at,
            renewed: self.renewed,
        })
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BankError::DamagedSecrets`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BankError> {
        let loaded: LoadedToken =
            serde_json::from_slice(bytes).map_err(|_| BankError::DamagedSecrets)?;
        Ok(Self {
            access: loaded.access,
            refresh: loaded.refresh,
            expires_at: loaded.expires_at,
            bank_consent_id: loaded.bank_consent_id,
            token_endpoint: loaded.token_endpoint,
            authorised_at: loaded.authorised_at,
            renewed: loaded.renewed,
        })
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
            access: SecretString::from("access-secret"),
            refresh: Some(SecretString::from("refresh-secret")),
            expires_at: "2026-11-22T12:10:00Z".parse().unwrap(),
            bank_consent_id: Some("consent-1".to_owned()),
            token_endpoint: Url::parse("https://bank.example/token").unwrap(),
            authorised_at: "2026-11-22T12:00:00Z".parse().unwrap(),
            renewed: false,
        }
    }

    #[test]
    fn tokens_survive_storage_and_never_show_in_debug() {
        let read = OpenToken::from_bytes(&token().to_bytes()).unwrap();
        assert_eq!(read.access.expose_secret(), "access-secret");
        assert_eq!(read.refresh.unwrap().expose_secret(), "refresh-secret");
        assert_eq!(format!("{:?}", token()), "OpenToken(…)");
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
