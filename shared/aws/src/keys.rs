//! The certificates and keys of the account-information provider, as AWS keeps them.

use std::fmt;

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use passerelle_domain::keys::{Hash, Kept, KeyHolder, KeyHolderError};
use passerelle_domain::private::Private;

use crate::clients::Clients;
use crate::error::Error;
use crate::secrets::Secrets;

/// Reads secrets (Secrets Manager, Parameter Store) and signs with KMS.
#[derive(Clone)]
pub struct Keys {
    kms: aws_sdk_kms::Client,
    secrets: Secrets,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys(…)")
    }
}

impl Keys {
    /// Keys over the clients every function has.
    #[must_use]
    pub fn new(clients: &Clients) -> Self {
        Self {
            kms: clients.kms.clone(),
            secrets: clients.secrets.clone(),
        }
    }

    async fn sign_with_kms(&self, key: &str, hash: Hash, message: &[u8]) -> Result<Vec<u8>, Error> {
        let algorithm = match hash {
            Hash::Sha256 => SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
            Hash::Sha512 => SigningAlgorithmSpec::RsassaPkcs1V15Sha512,
        };
        // Digested here: KMS takes at most 4096 bytes as they are.
        let signed = self
            .kms
            .sign()
            .key_id(key)
            .message(Blob::new(hash.of(message)))
            .message_type(MessageType::Digest)
            .signing_algorithm(algorithm)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        signed
            .signature
            .map(Blob::into_inner)
            .ok_or(Error::Unreadable("signature"))
    }
}

impl KeyHolder for Keys {
    fn secret<'a>(&'a self, name: &'a str) -> Kept<'a, Private> {
        Box::pin(async move { self.secrets.read(name).await.map_err(as_held) })
    }

    fn sign<'a>(&'a self, key: &'a str, hash: Hash, message: &'a [u8]) -> Kept<'a, Vec<u8>> {
        Box::pin(async move {
            self.sign_with_kms(key, hash, message)
                .await
                .map_err(as_held)
        })
    }
}

fn as_held(error: Error) -> KeyHolderError {
    if error.is_retryable() {
        KeyHolderError::passing(error)
    } else {
        KeyHolderError::fatal(error)
    }
}
