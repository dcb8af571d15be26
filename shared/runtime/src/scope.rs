//! The scopes of the API: what a token may be used for.
//!
//! A scope is a group of routes. It is named here and nowhere else: the routes of a function are given
//! with their scope ([`crate::Routes`]), the API description repeats it, and a test tries every route.

use std::fmt;
use std::str::FromStr;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The bank directory and the taxonomy: what is the same for every client.
    ReferenceRead,
    /// Where a consent stands.
    ConsentsRead,
    /// Opens, renews and narrows consents.
    ConsentsWrite,
    /// Where a connection stands.
    ConnectionsRead,
    /// Ends a connection.
    ConnectionsWrite,
    /// Bank data and what was learned from it, purpose by purpose.
    DataRead,
    /// Corrections and opt-ins: what a person decided about what is learned.
    DataWrite,
    /// Scores that were computed.
    ScoresRead,
    /// Computes scores.
    ScoresCompute,
    /// A client's own settings.
    SettingsRead,
    /// Changes them; makes the key of one-click links.
    SettingsWrite,
    /// The events feed.
    EventsRead,
    /// Receipts, the texts they name, and the access log.
    ReceiptsRead,
    /// Links that open a person's self-care.
    SelfCareWrite,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 14] = [
        Self::ReferenceRead,
        Self::ConsentsRead,
        Self::ConsentsWrite,
        Self::ConnectionsRead,
        Self::ConnectionsWrite,
        Self::DataRead,
        Self::DataWrite,
        Self::ScoresRead,
        Self::ScoresCompute,
        Self::SettingsRead,
        Self::SettingsWrite,
        Self::EventsRead,
        Self::ReceiptsRead,
        Self::SelfCareWrite,
    ];

    /// The scope as a token carries it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReferenceRead => "reference:read",
            Self::ConsentsRead => "consents:read",
            Self::ConsentsWrite => "consents:write",
            Self::ConnectionsRead => "connections:read",
            Self::ConnectionsWrite => "connections:write",
            Self::DataRead => "data:read",
            Self::DataWrite => "data:write",
            Self::ScoresRead => "scores:read",
            Self::ScoresCompute => "scores:compute",
            Self::SettingsRead => "settings:read",
            Self::SettingsWrite => "settings:write",
            Self::EventsRead => "events:read",
            Self::ReceiptsRead => "receipts:read",
            Self::SelfCareWrite => "self-care:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that is no scope of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or(UnknownScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_text_of_its_own_that_leads_back_to_it() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert_eq!("consents".parse::<Scope>(), Err(UnknownScope));
    }
}
