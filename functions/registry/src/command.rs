//! What an operator may write.

use passerelle_domain::ids::{ClientId, InvalidId};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One command: an object with the command's name and, inside, what it is about.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Command {
    /// Lets a client in, or gives it another name.
    RegisterTenant { client: ClientId, name: Name },
    /// Refuses a client until it is resumed.
    SuspendTenant { client: ClientId },
    /// Serves a suspended client again.
    ResumeTenant { client: ClientId },
    /// Tells every client.
    ListTenants {},
    /// Opens a bank, or a group of them, that registered us.
    RegisterBank {
        bank: Name,
        registration: Map<String, Value>,
    },
    /// Closes it again.
    ForgetBank { bank: Name },
    /// Tells every bank that was registered, with what it said.
    ListBanks {},
}

/// A name: 1 to 100 characters, none of which controls a terminal.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let fits = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        fits.then_some(Self(text)).ok_or(InvalidId {
            kind: "name",
            expected: "1 to 100 characters",
        })
    }
}
