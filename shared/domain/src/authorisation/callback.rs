//! What a browser brings back from the bank.

use serde::Deserialize;

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
