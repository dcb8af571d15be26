//! Where one bank is reached and who we are to it.

use url::Url;

use crate::error::{BankCode, BankError};
use crate::links::BankAddress;
use crate::secrets::OpenToken;

/// One bank's interface.
#[derive(Debug, Clone)]
pub(crate) struct Interface {
    /// The interface: endpoints and links of the bank's live below it.
    pub(crate) api: BankAddress,
    /// The page people authorise on, where it is known beforehand.
    pub(crate) authorisation: Option<Url>,
    /// Where codes and refresh tokens are taken, where it is known beforehand.
    pub(crate) token: Option<Url>,
    /// Where tokens are given back (RFC 7009), where the bank said so.
    pub(crate) revocation: Option<Url>,
    /// How the authorisation server names itself (RFC 9207), where it is known beforehand.
    pub(crate) issuer: Option<String>,
    /// Who we are to the bank.
    pub(crate) client_id: String,
}

impl Interface {
    /// An interface below an address, which describes the rest itself.
    ///
    /// # Errors
    /// [`BankError::Settings`] when the address cannot carry a bank.
    pub(crate) fn at(api: &Url, client_id: &str) -> Result<Self, BankError> {
        Ok(Self {
            api: BankAddress::new(api)?,
            authorisation: None,
            token: None,
            revocation: None,
            issuer: None,
            client_id: client_id.to_owned(),
        })
    }

    /// Refuses to hand a code or a refresh token to anybody but the bank: its own host, or the very
    /// address that was registered.
    pub(crate) fn takes_tokens(&self, endpoint: &Url) -> Result<(), BankError> {
        match &self.token {
            Some(token) if token == endpoint => Ok(()),
            _ => self.api.own(endpoint),
        }
    }

    /// Refuses to read with a token another interface gave: an aggregator's shown to a bank, or a bank's
    /// whose authorisation server is another one now. The person connects the bank anew.
    pub(crate) fn reads_with(&self, token: &OpenToken) -> Result<(), BankError> {
        match &token.token_endpoint {
            Some(endpoint) if self.takes_tokens(endpoint).is_err() => {
                Err(BankError::TokenRefused {
                    code: BankCode::new("given_elsewhere"),
                })
            }
            _ => Ok(()),
        }
    }

    /// The page a link sends a person to: on the bank's own host or on that of its registered
    /// authorisation page. No token ever goes there.
    pub(crate) fn page(&self, href: &str) -> Result<Url, BankError> {
        let home = self.authorisation.as_ref().map(Url::origin);
        match (Url::parse(href), home) {
            (Ok(page), Some(home)) if page.origin() == home && has_no_user(&page) => Ok(page),
            _ => self.api.resolve(self.api.base(), href),
        }
    }
}

fn has_no_user(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface() -> Interface {
        let url = |text: &str| Some(Url::parse(text).unwrap());
        Interface {
            authorisation: url("https://login.bank.example/authorize"),
            token: url("https://tokens.bank.example/token"),
            ..Interface::at(&url("https://api.bank.example/psd2").unwrap(), "us").unwrap()
        }
    }

    #[test]
    fn tokens_go_to_the_bank_or_to_the_registered_endpoint_and_nowhere_else() {
        let taken = |url: &str| interface().takes_tokens(&Url::parse(url).unwrap()).is_ok();
        assert!(taken("https://tokens.bank.example/token"));
        assert!(taken("https://api.bank.example/other/token"));
        assert!(!taken("https://tokens.bank.example/other"));
        assert!(!taken("https://login.bank.example/token"));
        assert!(!taken("https://evil.example/token"));
    }

    #[test]
    fn a_person_is_sent_to_the_banks_hosts_only() {
        let page = |href: &str| interface().page(href).is_ok();
        assert!(page("https://login.bank.example/sca?id=1"));
        assert!(page("https://api.bank.example/sca"));
        assert!(page("v1/sca"));
        assert!(!page("https://evil.example/sca"));
        assert!(!page("http://login.bank.example/sca"));
        assert!(!page("https://user@login.bank.example/sca"));
        assert!(!page("javascript:alert(1)"));
    }
}
