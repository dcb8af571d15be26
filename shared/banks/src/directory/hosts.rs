//! Where banks' interfaces live: one template for the establishments of a group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::directory::DirectoryEntry;
use crate::error::BankError;

/// The place of an establishment in a template.
const PLACE: &str = "{establishment}";

/// A group's addresses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostTemplate {
    api: String,
    #[serde(default)]
    authorisation: Option<String>,
    #[serde(default)]
    token: Option<String>,
    source: String,
}

/// Where a bank's interface lives, as met in public. The bank's own documentation has the last word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hosts {
    /// The interface.
    pub api: Url,
    /// The page people authorise on, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<Url>,
    /// Where codes are exchanged, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Url>,
    /// Where tokens are given back, where the bank said so at our registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Url>,
    /// Where that was read.
    pub source: String,
}

/// The addresses of one entry, where its group has templates.
pub(crate) fn of(
    entry: &DirectoryEntry,
    templates: &BTreeMap<String, HostTemplate>,
) -> Result<Option<Hosts>, BankError> {
    let Some(name) = &entry.host else {
        return Ok(None);
    };
    let damaged = |what: &str| BankError::Directory(format!("`{}`: {what}", entry.institution.id));
    let template = templates
        .get(name)
        .ok_or_else(|| damaged("no such host template"))?;
    let filled = |text: &str| {
        let address = match &entry.establishment {
            Some(establishment) => text.replace(PLACE, establishment),
            None => text.to_owned(),
        };
        let url: Url = address.parse().map_err(|_| damaged("no address"))?;
        if url.scheme() == "https" && !address.contains('{') {
            Ok(url)
        } else {
            Err(damaged("an address that is not https, or not filled in"))
        }
    };
    Ok(Some(Hosts {
        api: filled(&template.api)?,
        authorisation: template.authorisation.as_deref().map(filled).transpose()?,
        token: template.token.as_deref().map(filled).transpose()?,
        revocation: None,
        source: template.source.clone(),
    }))
}
