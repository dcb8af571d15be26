//! What tells a bank who reads, and whether the person is there.

use passerelle_domain::call_budget::{AttendedPsu, PsuPresence};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::connector::Access;
use crate::error::BankError;
use crate::secrets::OpenToken;

/// The token, and the person when they are there.
pub(crate) fn headers(access: &Access<'_>) -> Result<HeaderMap, BankError> {
    let mut headers = HeaderMap::new();
    authorise(&mut headers, access.token)?;
    match access.presence {
        PsuPresence::Attended(psu) => name_psu(&mut headers, psu)?,
        PsuPresence::Unattended(_) => {}
    }
    Ok(headers)
}

/// Adds the access token, where the bank gave one.
pub(crate) fn authorise(headers: &mut HeaderMap, token: &OpenToken) -> Result<(), BankError> {
    if let Some(access) = &token.access {
        let mut bearer = header(&format!("Bearer {}", access.expose_secret()))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(())
}

/// Says that the person is asking right now. Never sent otherwise (RTS art. 36(5)).
pub(crate) fn name_psu(headers: &mut HeaderMap, psu: &AttendedPsu) -> Result<(), BankError> {
    headers.insert(
        HeaderName::from_static("psu-ip-address"),
        header(&psu.ip_address.to_string())?,
    );
    // A browser's name that is no header value is left out: it is a courtesy to the bank.
    if let Some(agent) = psu.user_agent.as_deref().and_then(|text| header(text).ok()) {
        headers.insert(HeaderName::from_static("psu-user-agent"), agent);
    }
    Ok(())
}

/// Text as a header value.
pub(crate) fn header(text: &str) -> Result<HeaderValue, BankError> {
    HeaderValue::try_from(text).map_err(|_| BankError::Nonsense {
        what: "a value the bank gave cannot be sent back in a header",
    })
}
