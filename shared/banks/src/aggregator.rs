//! How an aggregator knows us.

use std::str::FromStr;
use std::sync::Arc;

use passerelle_domain::keys::KeyHolder;
use secrecy::SecretString;
use url::Url;

use crate::error::BankError;
use crate::links::BankAddress;

/// The pages of Powens, the same for every domain.
const WEBVIEW: &str = "https://webview.powens.com/";

/// The secret of the sandbox's aggregator, which is no secret.
const SANDBOX_SECRET: &str = "sandbox-aggregator-secret";

/// An application at an aggregator: `1234@acme.biapi.pro`, its client id and its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregator {
    client_id: String,
    domain: String,
}

impl FromStr for Aggregator {
    type Err = BankError;

    fn from_str(text: &str) -> Result<Self, BankError> {
        let unusable = BankError::Settings(
            "the aggregator is not a client id and a host: 1234@acme.biapi.pro",
        );
        let is_name = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        };
        match text.split_once('@') {
            Some((client_id, domain))
                if is_name(client_id) && is_name(domain) && domain.contains('.') =>
            {
                Ok(Self {
                    client_id: client_id.to_owned(),
                    domain: domain.to_owned(),
                })
            }
            _ => Err(unusable),
        }
    }
}

/// Where an aggregator is and who we are to it.
#[derive(Debug, Clone)]
pub(crate) struct AggregatorAccess {
    /// The API of our domain.
    pub(crate) api: Url,
    /// The pages a person connects their bank on.
    pub(crate) webview: Url,
    pub(crate) client_id: String,
    pub(crate) client_secret: ClientSecret,
}

/// The application's secret: opened when a code is exchanged, and at no other time.
#[derive(Debug, Clone)]
pub(crate) enum ClientSecret {
    /// Everybody knows it: the sandbox's.
    Public,
    /// Somebody keeps it for us under a name.
    Kept {
        name: String,
        holder: Arc<dyn KeyHolder>,
    },
    /// Not given: a function that exchanges no code needs none.
    NotHere,
}

impl ClientSecret {
    /// The secret.
    ///
    /// # Errors
    /// [`BankError::Settings`] where none is given, [`BankError::Keys`] when its keeper does not give
    /// it.
    pub(crate) async fn open(&self) -> Result<SecretString, BankError> {
        match self {
            Self::Public => Ok(SecretString::from(SANDBOX_SECRET)),
            Self::Kept { name, holder } => {
                let secret = holder.secret(name).await.map_err(BankError::Keys)?;
                Ok(SecretString::from(secret.expose().trim().to_owned()))
            }
            Self::NotHere => Err(BankError::Settings(
                "the aggregator's client secret is not set where a code is exchanged",
            )),
        }
    }
}

impl AggregatorAccess {
    /// The access of an application, with its secret where the function has it.
    pub(crate) fn new(
        aggregator: &Aggregator,
        secret: Option<String>,
        holder: &Arc<dyn KeyHolder>,
    ) -> Result<Self, BankError> {
        let unusable = |_| BankError::Settings("the aggregator's domain is not a host name");
        Ok(Self {
            api: Url::parse(&format!("https://{}/2.0/", aggregator.domain)).map_err(unusable)?,
            webview: Url::parse(WEBVIEW).map_err(unusable)?,
            client_id: aggregator.client_id.clone(),
            client_secret: secret.map_or(ClientSecret::NotHere, |name| ClientSecret::Kept {
                name,
                holder: Arc::clone(holder),
            }),
        })
    }

    /// The aggregator of the sandbox bank, which reads the sandbox bank only.
    pub(crate) fn of_sandbox(base: &Url, client_id: &str) -> Result<Self, BankError> {
        let base = BankAddress::new(base)?;
        Ok(Self {
            api: base.path(&["powens", "2.0"]),
            webview: base.path(&["powens", "webview"]),
            client_id: client_id.to_owned(),
            client_secret: ClientSecret::Public,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_domain::keys::{Hash, Kept, KeyHolderError, NoKeys};
    use passerelle_domain::private::Private;
    use secrecy::ExposeSecret;

    #[derive(Debug)]
    struct OneSecret;

    impl KeyHolder for OneSecret {
        fn secret<'a>(&'a self, name: &'a str) -> Kept<'a, Private> {
            Box::pin(async move {
                match name {
                    "arn" => Ok(Private::new("s3cret\n")),
                    _ => Err(KeyHolderError::fatal("no such name")),
                }
            })
        }

        fn sign<'a>(&'a self, _: &'a str, _: Hash, _: &'a [u8]) -> Kept<'a, Vec<u8>> {
            Box::pin(async { Err(KeyHolderError::fatal("no signing here")) })
        }
    }

    fn secret(name: Option<&str>, holder: Arc<dyn KeyHolder>) -> ClientSecret {
        let aggregator = "1234@acme.biapi.pro".parse().unwrap();
        AggregatorAccess::new(&aggregator, name.map(str::to_owned), &holder)
            .unwrap()
            .client_secret
    }

    #[tokio::test]
    async fn the_secret_is_asked_for_by_name_when_it_is_needed() {
        let opened = secret(Some("arn"), Arc::new(OneSecret)).open().await;
        assert_eq!(opened.unwrap().expose_secret(), "s3cret");
        let refused = secret(Some("arn"), Arc::new(NoKeys)).open().await;
        assert!(matches!(refused, Err(BankError::Keys(_))));
        let none = secret(None, Arc::new(OneSecret)).open().await;
        assert!(matches!(none, Err(BankError::Settings(_))));
    }

    #[test]
    fn what_is_no_client_id_and_host_is_refused() {
        for text in [
            "",
            "acme.biapi.pro",
            "@acme.biapi.pro",
            "1234@",
            "1234@acme",
            "1234@https://acme.biapi.pro",
            "1234@acme.biapi.pro/x",
            "1234@a b.pro",
            "1@2@acme.biapi.pro",
        ] {
            assert!(text.parse::<Aggregator>().is_err(), "{text}");
        }
    }
}
