//! One attempt at the bank, keyed by a single-use `state`.
//!
//! The attempt is claimed before the code is exchanged, so a code is used once whatever is replayed.
//! An error from the bank does not end the attempt: a late valid code beats an early error.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AuthorisationId, ClientId, ConnectionId, ConsentId, InstitutionId};
use crate::private::Private;

/// What a browser brought back, before anything of it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct UnverifiedCallback {
    /// The single-use `state` we sent.
    pub state: Option<Private>,
    /// The authorisation code.
    pub code: Option<Private>,
    /// An OAuth error code instead.
    pub error: Option<String>,
    /// The issuer that answers (RFC 9207), where the bank sends it.
    pub iss: Option<String>,
}

/// What a callback says once its shape is sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callback {
    /// The bank agreed and gave a code.
    Code {
        /// The `state` we sent.
        state: Private,
        /// The authorisation code.
        code: Private,
        /// The issuer that answers, where sent.
        issuer: Option<String>,
    },
    /// The person came back to their attempt's own address with nothing in hand: the bank's consent
    /// says what they decided.
    EmptyHanded {
        /// The `state` we sent.
        state: Private,
    },
    /// The bank answered without a code.
    Error {
        /// The `state` we sent.
        state: Private,
        /// Whether the person refused, as opposed to a failure or a time-out.
        refused: bool,
    },
}

impl Callback {
    /// The `state` it returns.
    #[must_use]
    pub fn state(&self) -> &Private {
        match self {
            Self::Code { state, .. } | Self::EmptyHanded { state } | Self::Error { state, .. } => {
                state
            }
        }
    }
}

/// A callback that cannot be what a bank sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCallback {
    /// Without `state` nothing tells which attempt returns.
    #[error("the return from the bank carries no usable `state`")]
    NoState,
    /// Neither a code nor an error.
    #[error("the return from the bank carries neither a code nor an error")]
    NoAnswer,
    /// A value far longer than any bank sends.
    #[error("the return from the bank is oversized")]
    Oversized,
}

impl UnverifiedCallback {
    /// Reads the callback.
    ///
    /// # Errors
    /// [`InvalidCallback`] when it cannot be what a bank sends.
    pub fn parse(self) -> Result<Callback, InvalidCallback> {
        self.read()?.ok_or(InvalidCallback::NoAnswer)
    }

    /// Reads a callback to an address that is one attempt's own: `state` is in its path, and a bank
    /// may lose its copy (when the person says no, for one) or bring nothing at all.
    ///
    /// # Errors
    /// [`InvalidCallback`] when it cannot be what a bank sends.
    pub fn parse_at(self, own: Private) -> Result<Callback, InvalidCallback> {
        let agrees = self.state.as_ref().is_none_or(|state| *state == own);
        if !agrees || own.expose().len() > 256 {
            return Err(InvalidCallback::NoState);
        }
        let returned = Self {
            state: Some(own.clone()),
            ..self
        };
        Ok(returned
            .read()?
            .unwrap_or(Callback::EmptyHanded { state: own }))
    }

    fn read(self) -> Result<Option<Callback>, InvalidCallback> {
        let within = |text: &Option<Private>, limit: usize| {
            text.as_ref()
                .is_none_or(|value| value.expose().len() <= limit)
        };
        let short = |text: &Option<String>| text.as_ref().is_none_or(|value| value.len() <= 512);
        if !within(&self.state, 256) || !within(&self.code, 4096) {
            return Err(InvalidCallback::Oversized);
        }
        if !short(&self.error) || !short(&self.iss) {
            return Err(InvalidCallback::Oversized);
        }
        let present = |text: Option<Private>| text.filter(|value| !value.is_empty());
        let state = present(self.state).ok_or(InvalidCallback::NoState)?;
        Ok(match (present(self.code), self.error) {
            (Some(code), _) => Some(Callback::Code {
                state,
                code,
                issuer: self.iss,
            }),
            (None, Some(error)) => Some(Callback::Error {
                state,
                refused: error == "access_denied",
            }),
            (None, None) => None,
        })
    }
}

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum AuthorisationStatus {
    /// The person is at the bank.
    Started,
    /// The bank answered without a code; a late code may still come.
    Refused {
        /// Whether the person refused, as opposed to a failure or a time-out.
        by_psu: bool,
        /// When.
        at: Timestamp,
    },
    /// The bank answered in another browser: the person confirms on the page still open.
    Returned {
        /// When.
        at: Timestamp,
    },
    /// The code is being exchanged. Never claimable again.
    Claimed {
        /// When.
        at: Timestamp,
    },
    /// The bank's consent is valid and the connection stands.
    Completed {
        /// When.
        at: Timestamp,
    },
    /// The exchange failed: the person starts again.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        reason: FailureReason,
    },
}

/// Why an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureReason {
    /// The bank refused the code or its consent is not valid.
    BankRefused,
    /// The bank could not be reached or answered nonsense.
    BankUnavailable,
}

/// One attempt at the bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorisation {
    /// Its id.
    pub id: AuthorisationId,
    /// The client it belongs to.
    pub client: ClientId,
    /// The consent it is for.
    pub consent: ConsentId,
    /// The bank it was started at: a return through another bank's address is refused (mix-up).
    pub institution: InstitutionId,
    /// The connection it will make, or renew.
    pub connection: ConnectionId,
    /// Which link it was started from: 0 for the first journey, then the renewal's number.
    #[serde(default)]
    pub link_number: u32,
    /// SHA-256 (hex) of the journey cookie of the browser that left for the bank.
    pub browser: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// Until when a return is accepted.
    pub expires_at: Timestamp,
    /// How far it has come.
    #[serde(flatten)]
    pub status: AuthorisationStatus,
}

impl Authorisation {
    /// The attempt that carries this one on at a bank with two steps: the same person, browser and
    /// connection, as much time again, a `state` of its own.
    #[must_use]
    pub fn next_step(&self, id: AuthorisationId, now: Timestamp) -> Self {
        let lifetime = self.expires_at.duration_since(self.started_at);
        Self {
            id,
            started_at: now,
            expires_at: now.checked_add(lifetime).unwrap_or(now),
            status: AuthorisationStatus::Started,
            ..self.clone()
        }
    }

    /// Whether a code may still be exchanged for this attempt at a moment.
    #[must_use]
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        let open = match self.status {
            AuthorisationStatus::Started
            | AuthorisationStatus::Refused { .. }
            | AuthorisationStatus::Returned { .. } => true,
            AuthorisationStatus::Claimed { .. }
            | AuthorisationStatus::Completed { .. }
            | AuthorisationStatus::Failed { .. } => false,
        };
        open && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_code_beats_an_error_in_the_same_callback() {
        let both = UnverifiedCallback {
            state: Some("s".into()),
            code: Some("c".into()),
            error: Some("server_error".into()),
            iss: None,
        };
        assert!(matches!(both.parse(), Ok(Callback::Code { .. })));
    }

    #[test]
    fn q53_an_attempts_own_address_stands_in_for_a_lost_state() {
        let refused = UnverifiedCallback {
            error: Some("access_denied".to_owned()),
            ..UnverifiedCallback::default()
        };
        assert_eq!(refused.clone().parse(), Err(InvalidCallback::NoState));
        let refused = refused.parse_at("own".into()).unwrap();
        assert_eq!(refused.state().expose(), "own");
        assert!(matches!(refused, Callback::Error { refused: true, .. }));
        let nothing = UnverifiedCallback::default();
        assert!(matches!(
            nothing.parse_at("own".into()),
            Ok(Callback::EmptyHanded { .. })
        ));
    }

    #[test]
    fn a_state_that_contradicts_the_address_is_refused() {
        let other = UnverifiedCallback {
            state: Some("other".into()),
            code: Some("c".into()),
            ..UnverifiedCallback::default()
        };
        assert_eq!(other.parse_at("own".into()), Err(InvalidCallback::NoState));
    }

    #[test]
    fn without_an_address_of_its_own_a_return_needs_an_answer() {
        let bare = UnverifiedCallback {
            state: Some("s".into()),
            ..UnverifiedCallback::default()
        };
        assert_eq!(bare.parse(), Err(InvalidCallback::NoAnswer));
    }

    #[test]
    fn an_oversized_callback_is_refused() {
        let huge = UnverifiedCallback {
            state: Some("s".into()),
            code: Some("c".repeat(5000).into()),
            ..UnverifiedCallback::default()
        };
        assert_eq!(huge.parse(), Err(InvalidCallback::Oversized));
    }
}
