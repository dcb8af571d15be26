//! Real signatures in front of an emulator that makes up its own.
//!
//! The emulator knows which key exists, is enabled and may sign, and answers `Sign` and `GetPublicKey`
//! with bytes nobody can verify. Here the same answers get the signature and the public key of a P-256
//! key pair made for that key and kept beside the emulator's own file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::Value;
use tokio::sync::Mutex;
use winterbaume_core::MockResponse;

use super::{read_if_present, write_private};
use crate::error::LocalError;

/// DER of everything before the point in the public key of a P-256 key (RFC 5480).
const P256_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Key pairs by key id, PKCS #8.
type Pairs = BTreeMap<String, Vec<u8>>;

/// The signing keys of one suite.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    file: Option<PathBuf>,
    pairs: Mutex<Pairs>,
}

impl SigningKeys {
    /// Takes up the keys of an earlier start.
    pub(crate) fn open(file: Option<PathBuf>) -> Result<Self, LocalError> {
        let stored = match &file {
            Some(path) => read_if_present(path)?,
            None => None,
        };
        let pairs = match stored {
            None => Pairs::new(),
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| LocalError::StateUnreadable {
                    what: "the signing keys",
                    why: format!("line {}", error.line()),
                })?
            }
        };
        Ok(Self {
            file,
            pairs: Mutex::new(pairs),
        })
    }

    /// Whether an operation's answer is completed here.
    pub(crate) fn completes(operation: &str) -> bool {
        matches!(operation, "Sign" | "GetPublicKey")
    }

    /// Puts the real signature or public key into an answer the emulator gave.
    pub(crate) async fn complete(
        &self,
        operation: &str,
        request: &[u8],
        answer: MockResponse,
    ) -> MockResponse {
        if answer.status >= 300 {
            return answer;
        }
        match self.completed(operation, request, &answer.body).await {
            Ok(body) => MockResponse::json(200, body),
            Err(error) => {
                tracing::error!(%error, operation, "the signing key could not be used");
                MockResponse::json(
                    400,
                    r#"{"__type":"UnsupportedOperationException","message":"the local suite signs ECDSA_SHA_256 over RAW messages"}"#,
                )
            }
        }
    }

    async fn completed(
        &self,
        operation: &str,
        request: &[u8],
        answer: &[u8],
    ) -> Result<String, LocalError> {
        let mut body: Value = serde_json::from_slice(answer).map_err(|_| unusable("answer"))?;
        let arn = body.get("KeyId").and_then(Value::as_str);
        let id = arn.and_then(|arn| arn.rsplit('/').next());
        let pair = self.pair(id.ok_or_else(|| unusable("key id"))?).await?;
        let (field, bytes) = match operation {
            "Sign" => ("Signature", signature(&pair, request)?),
            _ => (
                "PublicKey",
                [&P256_HEADER, pair.public_key().as_ref()].concat(),
            ),
        };
        if let Some(fields) = body.as_object_mut() {
            fields.insert(field.to_owned(), Value::String(STANDARD.encode(bytes)));
        }
        Ok(body.to_string())
    }

    /// The pair of a key. It is on disk before anything is signed with it.
    async fn pair(&self, id: &str) -> Result<EcdsaKeyPair, LocalError> {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let random = SystemRandom::new();
        let mut pairs = self.pairs.lock().await;
        if !pairs.contains_key(id) {
            let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random);
            let made = made.map_err(|_| unusable("random source"))?;
            pairs.insert(id.to_owned(), made.as_ref().to_vec());
            if let Some(path) = &self.file {
                let bytes = serde_json::to_vec(&*pairs).map_err(|_| unusable("key"))?;
                write_private(path, &bytes)?;
            }
        }
        let stored = pairs.get(id).ok_or_else(|| unusable("key"))?;
        EcdsaKeyPair::from_pkcs8(algorithm, stored, &random).map_err(|_| unusable("key"))
    }
}

fn signature(pair: &EcdsaKeyPair, request: &[u8]) -> Result<Vec<u8>, LocalError> {
    let request: Value = serde_json::from_slice(request).map_err(|_| unusable("request"))?;
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    // RAW is what KMS takes when nothing is said.
    let raw = text("MessageType").is_none_or(|kind| kind == "RAW");
    if !raw || text("SigningAlgorithm") != Some("ECDSA_SHA_256") {
        return Err(unusable("algorithm"));
    }
    let message = STANDARD
        .decode(text("Message").unwrap_or_default())
        .map_err(|_| unusable("message"))?;
    // The same bound as in KMS, so that nothing is signed here that would be refused there.
    if message.len() > 4096 {
        return Err(unusable("message length"));
    }
    let signed = pair.sign(&SystemRandom::new(), &message);
    signed
        .map(|signature| signature.as_ref().to_vec())
        .map_err(|_| unusable("key"))
}

fn unusable(what: &str) -> LocalError {
    LocalError::StateUnreadable {
        what: "a signing key",
        why: format!("its {what} cannot be used"),
    }
}
