//! Keys and secrets that somebody else keeps for us.
//!
//! Who speaks to banks needs them, who speaks to the cloud has them, and neither knows the other: this
//! is what they agree on.

use std::fmt;
use std::pin::Pin;

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::private::Private;

/// What a key holder will answer.
pub type Kept<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeyHolderError>> + Send + 'a>>;

/// Whoever keeps our keys.
pub trait KeyHolder: fmt::Debug + Send + Sync {
    /// Reads out a secret text: a PEM bundle of certificates and a private key.
    fn secret<'a>(&'a self, name: &'a str) -> Kept<'a, Private>;

    /// Signs a message (RSASSA-PKCS1-v1_5) with a key that is never given away.
    fn sign<'a>(&'a self, key: &'a str, hash: Hash, message: &'a [u8]) -> Kept<'a, Vec<u8>>;
}

/// Nobody keeps anything for us: whatever is asked for is refused.
#[derive(Debug, Clone, Copy)]
pub struct NoKeys;

impl KeyHolder for NoKeys {
    fn secret<'a>(&'a self, _name: &'a str) -> Kept<'a, Private> {
        Box::pin(async { Err(KeyHolderError::fatal("no key holder is configured")) })
    }

    fn sign<'a>(&'a self, _key: &'a str, _hash: Hash, _message: &'a [u8]) -> Kept<'a, Vec<u8>> {
        Box::pin(async { Err(KeyHolderError::fatal("no key holder is configured")) })
    }
}

/// A hash function, for digests and signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hash {
    /// SHA-256.
    #[serde(rename = "sha-256")]
    Sha256,
    /// SHA-512.
    #[serde(rename = "sha-512")]
    Sha512,
}

impl Hash {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

/// A secret or a signature could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the key holder gave nothing")]
pub struct KeyHolderError {
    retryable: bool,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl KeyHolderError {
    /// A bad moment: the same question may be answered later.
    pub fn passing(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            retryable: true,
            cause: cause.into(),
        }
    }

    /// A name or a permission is wrong: somebody has to change it.
    pub fn fatal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            retryable: false,
            cause: cause.into(),
        }
    }

    /// Whether asking again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}
