//! How an aggregator knows us.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::error::BankError;

/// A secret that is opened when it is needed, and held no longer.
#[async_trait]
pub trait SecretSource: Send + Sync + Debug {
    /// The secret.
    ///
    /// # Errors
    /// [`BankError::Settings`] when it is not there or cannot be opened.
    async fn open(&self) -> Result<SecretString, BankError>;
}

/// Where an aggregator is and who we are to it.
#[derive(Debug, Clone)]
pub struct AggregatorAccess {
    /// The API of our domain: `https://acme.biapi.pro/2.0/`.
    pub api: Url,
    /// The pages a person connects their bank on: `https://webview.powens.com/`.
    pub webview: Url,
    /// The application's identity at the aggregator.
    pub client_id: String,
    /// Its secret, asked for when a code is exchanged and at no other time.
    pub client_secret: Arc<dyn SecretSource>,
}

/// The secret of the sandbox's aggregator, which is no secret.
pub(crate) const SANDBOX_SECRET: &str = "sandbox-aggregator-secret";

/// A secret everybody knows.
#[derive(Debug)]
pub(crate) struct PublicSecret(pub(crate) &'static str);

#[async_trait]
impl SecretSource for PublicSecret {
    async fn open(&self) -> Result<SecretString, BankError> {
        Ok(SecretString::from(self.0))
    }
}

/// A secret nobody gave: functions that exchange no code need none.
#[derive(Debug)]
pub struct NoSecret;

#[async_trait]
impl SecretSource for NoSecret {
    async fn open(&self) -> Result<SecretString, BankError> {
        Err(BankError::Settings(
            "the aggregator's client secret is not set where a code is exchanged",
        ))
    }
}
