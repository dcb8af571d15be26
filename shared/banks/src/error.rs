//! Everything that can go wrong with a bank, and what to do about it.
//!
//! Nothing a bank wrote in free text is kept: it may name a person. Codes are, because they are a
//! closed vocabulary.

use passerelle_domain::failure::Failure;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use passerelle_domain::connection::ReauthenticationReason;
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::keys::KeyHolderError;
use passerelle_domain::registry::RegistryError;

use crate::identity::CertificateKind;

/// A machine-readable code a bank answered (Berlin Group `tppMessages[].code`, OAuth `error`).
#[derive(Clone, PartialEq, Eq)]
pub struct BankCode(String);

impl BankCode {
    /// Keeps a code only when it has the shape of one; anything else could be a sentence.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let shaped = !text.is_empty()
            && text.len() <= 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        Self(if shaped { text } else { "unlisted" }.to_owned())
    }

    /// The code as the bank wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BankCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for BankCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A bank could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// No such bank in the directory.
    #[error("the directory lists no such institution")]
    UnknownInstitution,
    /// The bank is listed, but it wants us to register first.
    #[error("`{institution}` needs onboarding before it can be reached")]
    NeedsOnboarding {
        /// The bank.
        institution: InstitutionId,
    },
    /// A setting cannot be used.
    #[error("bank settings: {0}")]
    Settings(&'static str),
    /// The registry of banks we are registered with could not be read.
    #[error("the registered banks could not be read")]
    Registry(#[source] RegistryError),
    /// What is said of a bank we are registered with cannot be used.
    #[error("onboarded banks: {bank}: {what}")]
    Onboarding {
        /// The bank or group, as the setting names it.
        bank: String,
        /// What is missing or wrong.
        what: String,
    },
    /// The compiled-in directory cannot be read.
    #[error("the institution directory is damaged: {0}")]
    Directory(String),
    /// A certificate of ours is over: no bank is asked until the renewed one is installed.
    #[error("our {certificate} ended on {since}: install the renewed certificate")]
    CertificateExpired {
        /// Which one.
        certificate: CertificateKind,
        /// When it ended.
        since: Timestamp,
    },
    /// A certificate of ours cannot be used.
    #[error("our {certificate} cannot be used: {what}")]
    Certificate {
        /// Which one.
        certificate: CertificateKind,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Who keeps our certificates and keys did not give them.
    #[error("our certificates could not be opened")]
    Keys(#[source] KeyHolderError),
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[source] reqwest::Error),
    /// Stored bank secrets are not what this version wrote.
    #[error("stored bank secrets cannot be read")]
    DamagedSecrets,

    /// Whoever answers at the bank's address cannot prove to be the bank.
    #[error("the certificate at the bank's address is not trusted")]
    UntrustedBank,
    /// No answer: connection refused, broken or too slow.
    #[error("the bank did not answer")]
    Unreachable(#[source] reqwest::Error),
    /// The work that made the call had no time left for it, or not enough: the bank was not asked, or not
    /// heard to the end. It says nothing about the bank.
    #[error("no time was left for the call to the bank")]
    OutOfTime,
    /// The bank says it cannot serve now.
    #[error("the bank is unavailable (status {status})")]
    Unavailable {
        /// The HTTP status.
        status: u16,
    },
    /// The aggregator has not read the bank to the end yet: what it holds is no history.
    #[error("the aggregator has not read the bank yet")]
    NotReadYet,
    /// The bank's call limit is reached. Never to be read as "no data".
    #[error("the bank's call limit is reached")]
    RateLimited {
        /// How long the bank asks to wait, where it says so.
        retry_after: Option<SignedDuration>,
    },
    /// An answer that is not what the standard describes.
    #[error("the bank's answer is unusable: {what}")]
    Nonsense {
        /// What was wrong with it.
        what: &'static str,
    },
    /// A link that leaves the bank's own addresses.
    #[error("the bank's answer links to a foreign address")]
    ForeignLink,

    /// The access token is not taken: refresh it once, then try again.
    #[error("the bank refused the access token ({code})")]
    AccessTokenRefused {
        /// The bank's code.
        code: BankCode,
    },
    /// The refresh token is not taken: only the person can mend it.
    #[error("the bank refused the refresh token ({code})")]
    TokenRefused {
        /// The bank's code.
        code: BankCode,
    },
    /// The bank's consent is over.
    #[error("the bank's consent has ended ({code})")]
    ConsentEnded {
        /// The bank's code.
        code: BankCode,
    },
    /// The authorisation code is used up, too old or not ours.
    #[error("the bank refused the authorisation code ({code})")]
    CodeRefused {
        /// The bank's code.
        code: BankCode,
    },
    /// The return names another authorisation server than the one the person was sent to.
    #[error("the return from the bank names another issuer")]
    IssuerMismatch,
    /// The bank blocked this access: on the person's wish, or for fear of fraud.
    #[error("the bank blocked the access ({code})")]
    Blocked {
        /// The bank's code.
        code: BankCode,
    },
    /// The account is not there any more: read the accounts again.
    #[error("the bank no longer knows the account ({code})")]
    UnknownAccount {
        /// The bank's code.
        code: BankCode,
    },
    /// Our certificate, signature, role or registration is the problem.
    #[error("the bank refused our identity ({code})")]
    IdentityRefused {
        /// The bank's code.
        code: BankCode,
    },
    /// The bank answers only while the person is there (Q51): nothing can be read unattended.
    #[error("the bank answers only while the person is there")]
    PersonNeeded,
    /// The bank refused the request itself.
    #[error("the bank refused the request (status {status}, {code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The bank's code.
        code: BankCode,
    },
}

impl Failure for BankError {
    fn is_retryable(&self) -> bool {
        self.is_retryable()
    }
}

impl BankError {
    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::OutOfTime
            | Self::Unavailable { .. }
            | Self::NotReadYet
            | Self::RateLimited { .. } => true,
            // Half a page or a gateway's HTML is usually a bad moment, not a bad bank.
            Self::Nonsense { .. } => true,
            Self::Keys(error) => error.is_retryable(),
            Self::Registry(error) => error.is_retryable(),
            Self::UnknownInstitution
            | Self::CertificateExpired { .. }
            | Self::Certificate { .. }
            | Self::UntrustedBank
            | Self::NeedsOnboarding { .. }
            | Self::Onboarding { .. }
            | Self::Settings(_)
            | Self::Directory(_)
            | Self::Client(_)
            | Self::DamagedSecrets
            | Self::ForeignLink
            | Self::AccessTokenRefused { .. }
            | Self::TokenRefused { .. }
            | Self::ConsentEnded { .. }
            | Self::CodeRefused { .. }
            | Self::IssuerMismatch
            | Self::Blocked { .. }
            | Self::UnknownAccount { .. }
            | Self::IdentityRefused { .. }
            | Self::PersonNeeded
            | Self::Refused { .. } => false,
        }
    }

    /// Why the person must come back to the bank, when nothing else can help.
    #[must_use]
    pub fn needs_psu(&self) -> Option<ReauthenticationReason> {
        match self {
            Self::TokenRefused { .. } => Some(ReauthenticationReason::TokenRefused),
            Self::ConsentEnded { .. } | Self::Blocked { .. } => {
                Some(ReauthenticationReason::BankConsentEnded)
            }
            _ => None,
        }
    }

    /// Whether the bank wants us to call less.
    #[must_use]
    pub fn rate_limited(&self) -> bool {
        matches!(self, Self::RateLimited { .. })
    }

    /// Whether refreshing the access token once may help.
    #[must_use]
    pub fn wants_refresh(&self) -> bool {
        matches!(self, Self::AccessTokenRefused { .. })
    }

    /// Whether the bank is down, for everybody: not there, or saying that it cannot serve.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unavailable { .. })
    }

    /// Whether the fault is ours: a certificate, a key, a registration. Neither the person nor the bank
    /// can mend it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::CertificateExpired { .. }
                | Self::Certificate { .. }
                | Self::Keys(_)
                | Self::Registry(_)
                | Self::IdentityRefused { .. }
        )
    }

    /// Whether the bank was not there, was not heard to the end or answered nothing usable, as opposed to
    /// refusing.
    #[must_use]
    pub fn bank_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::OutOfTime
                | Self::Unavailable { .. }
                | Self::NotReadYet
                | Self::RateLimited { .. }
                | Self::Nonsense { .. }
                | Self::ForeignLink
                | Self::UntrustedBank
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_never_passes_for_a_code() {
        for text in ["", "Compte de M. MARTIN", "FR76 3000", "a-b", "<html>"] {
            assert_eq!(BankCode::new(text).as_str(), "unlisted");
        }
        assert_eq!(BankCode::new("CONSENT_EXPIRED").as_str(), "CONSENT_EXPIRED");
    }

    #[test]
    fn an_ended_consent_needs_the_person_and_is_not_retried() {
        let ended = BankError::ConsentEnded {
            code: BankCode::new("CONSENT_EXPIRED"),
        };
        assert!(!ended.is_retryable());
        assert_eq!(
            ended.needs_psu(),
            Some(ReauthenticationReason::BankConsentEnded)
        );
    }

    #[test]
    fn a_call_without_time_is_retried_and_is_no_outage_of_the_bank() {
        let cut = BankError::OutOfTime;
        assert!(cut.is_retryable() && cut.bank_unavailable());
        assert!(!cut.is_outage() && cut.needs_psu().is_none());
    }

    #[test]
    fn a_call_limit_is_retried_later_and_needs_nobody() {
        let limited = BankError::RateLimited { retry_after: None };
        assert!(limited.is_retryable() && limited.rate_limited());
        assert_eq!(limited.needs_psu(), None);
    }
}
