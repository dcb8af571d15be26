//! Who looks at a page, and the address they look at it by.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::call_budget::AttendedPsu;
use passerelle_domain::locale::Locale;

use crate::environment::StartError;
use crate::gateway::GatewayContext;
use crate::problem::{Code, Problem};
use crate::public_address::PublicAddress;

/// Longest user agent passed on to a bank.
const USER_AGENT_LIMIT: usize = 256;

/// How long a person's click stands behind the calls it causes.
const ATTENDANCE: SignedDuration = SignedDuration::from_mins(10);

/// The person on the other side of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The address of their device.
    pub ip_address: IpAddr,
    /// Their browser, reduced to printable characters.
    pub user_agent: Option<String>,
    /// The language their browser asks for.
    pub locale: Locale,
}

impl Visitor {
    /// The proof of presence a bank is given (`PSU-IP-Address`), for ten minutes from now.
    #[must_use]
    pub fn attended(&self, now: Timestamp) -> AttendedPsu {
        AttendedPsu {
            ip_address: self.ip_address,
            user_agent: self.user_agent.clone(),
            until: now.checked_add(ATTENDANCE).unwrap_or(Timestamp::MAX),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let ip_address = parts
            .extensions
            .get::<GatewayContext>()
            .and_then(|context| context.source_ip)
            .filter(|address| *address != IpAddr::V6(Ipv6Addr::UNSPECIFIED))
            .ok_or_else(|| {
                Problem::new(Code::InvalidRequest)
                    .with_detail("The address this request comes from is not known.")
            })?;
        Ok(Self {
            ip_address,
            user_agent: user_agent(&parts.headers),
            locale: preferred_locale(&parts.headers),
        })
    }
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    let printable: String = text
        .chars()
        .filter(|symbol| symbol.is_ascii_graphic() || *symbol == ' ')
        .take(USER_AGENT_LIMIT)
        .collect();
    (!printable.is_empty()).then_some(printable)
}

/// The language a browser asks for first, of those we have; French otherwise.
pub fn preferred_locale(headers: &HeaderMap) -> Locale {
    let wanted = headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    wanted
        .split(',')
        .filter_map(|choice| choice.split([';', '-']).next())
        .find_map(|tag| tag.trim().to_ascii_lowercase().parse().ok())
        .unwrap_or_default()
}

/// The address the suite itself was reached by, `https://…` without a slash at the end. `None` when
/// the request did not come through API Gateway.
///
/// For a deployment that sets no public address of its own. It is API Gateway's word, not the `Host`
/// header, so nobody can turn a link of ours elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddress(pub Option<String>);

impl OwnAddress {
    /// The address pages are served under, without a final slash: the deployment's own where it sets
    /// one (`PUBLIC_URL`), else the one the request came by.
    ///
    /// # Errors
    /// The `internal` problem when there is neither.
    pub fn or_public(&self, public: Option<&PublicAddress>) -> Result<String, Problem> {
        let address = public.map(PublicAddress::as_str).or(self.0.as_deref());
        let missing = || Problem::internal(&StartError::Missing { name: "PUBLIC_URL" });
        address.map(str::to_owned).ok_or_else(missing)
    }
}

impl<S: Sync> FromRequestParts<S> for OwnAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<GatewayContext>();
        let address = context.and_then(|context| {
            let domain = context.domain.as_deref()?;
            Some(match &context.stage {
                Some(stage) => format!("https://{domain}/{stage}"),
                None => format!("https://{domain}"),
            })
        });
        Ok(Self(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_we_have_wins() {
        let locale = |text: &str| {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, text.parse().unwrap())]);
            preferred_locale(&headers)
        };
        assert_eq!(locale("de-DE,de;q=0.9,en-GB;q=0.8,fr;q=0.7"), Locale::En);
        assert_eq!(locale("fr-FR,en"), Locale::Fr);
        assert_eq!(locale("*"), Locale::Fr);
    }
}
