//! The façade's addresses: one bank to whoever knocks, another form or oddity behind each door.

use crate::people::Quirk;
use serde::{Deserialize, Serialize};

/// How a person is sent to approve a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// `scaOAuth`: a code comes back, tokens are given for it.
    #[default]
    OAuth,
    /// `scaRedirect`: nothing comes back, the consent is the access.
    Redirect,
    /// `startAuthorisation`, then `scaRedirect`; a confirmation code comes back.
    Explicit,
    /// A token before the consent, then `scaRedirect`.
    PreStep,
    /// On the person's phone.
    Decoupled,
}

impl Form {
    /// Whether reads carry a token beside the consent.
    pub(crate) fn has_tokens(self) -> bool {
        matches!(self, Self::OAuth | Self::PreStep)
    }
}

/// One door.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Entrance {
    /// The part of the address before `/v1`, empty or with its slash.
    pub(crate) path: String,
    pub(crate) form: Form,
    /// What everybody shows who is read through this door.
    pub(crate) quirk: Option<Quirk>,
    /// Whether cards have a list of their own (`/v1/card-accounts`).
    pub(crate) cards_apart: bool,
}

impl Entrance {
    /// Every door.
    pub(crate) fn all() -> Vec<Self> {
        let form = |path: &str, form, cards_apart| Self {
            path: path.to_owned(),
            form,
            quirk: None,
            cards_apart,
        };
        let mut doors = vec![
            form("", Form::OAuth, false),
            form("/redirect", Form::Redirect, true),
            form("/explicit", Form::Explicit, false),
            form("/pre-step", Form::PreStep, false),
            form("/decoupled", Form::Decoupled, false),
        ];
        doors.extend(Quirk::all().map(|quirk| Self {
            path: format!("/{}", quirk.name()),
            form: match quirk {
                Quirk::Q49 => Form::Explicit,
                _ => Form::OAuth,
            },
            quirk: Some(quirk),
            cards_apart: quirk == Quirk::Q10,
        }));
        doors.push(Self {
            path: OPENID.to_owned(),
            form: Form::OAuth,
            quirk: Some(Quirk::Q48),
            cards_apart: false,
        });
        doors
    }

    /// Whether `scaOAuth` leads to an `openid-configuration` (Q48, its other half).
    pub(crate) fn describes_by_openid(&self) -> bool {
        self.path == OPENID
    }

    /// Whether the authorisation server names itself in the return (RFC 9207): only where its
    /// metadata promised it.
    pub(crate) fn names_issuer(&self) -> bool {
        let described = self.quirk != Some(Quirk::Q48) || self.describes_by_openid();
        self.form.has_tokens() && described
    }
}

const OPENID: &str = "/quirk-q48-openid";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_door_has_an_address_of_its_own() {
        let doors = Entrance::all();
        let paths: std::collections::BTreeSet<_> = doors.iter().map(|door| &door.path).collect();
        assert_eq!(paths.len(), doors.len());
    }
}
