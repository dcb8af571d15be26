//! Consent receipts: a chain per customer of everything their consents went through.
//!
//! A receipt is JSON whose bytes are made once, signed (ECDSA P-256, SHA-256, DER) and served as they
//! are for ever. It names the hash of the one before, so none can be changed, dropped or put in
//! between unseen; only a tail cut off needs a head somebody else remembers. It holds ids, codes,
//! dates and the client's own reference, nothing of a bank: it stays when everything else is erased.
//!
//! [`Head::next`] makes the receipt that follows, [`verify`] is the rule an auditor applies. The same
//! rule, with `openssl` and `sha256sum` alone, is `tests/verify_receipts.sh`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::consent::{Consent, Provider, RequestedPurpose};
use crate::content_hash::ContentHash;
use crate::ids::{ClientId, ConnectionId, ConsentId, CustomerReference, InstitutionId};
use crate::locale::Locale;
use crate::purpose::PurposeCode;

/// What KMS signs in one piece, in bytes.
pub const LONGEST_RECEIPT: usize = 4096;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The person.
    Psu,
    /// The client.
    Client,
    /// Whoever runs this deployment.
    Operator,
    /// Nobody: its time had come.
    Time,
}

/// What a person said yes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The language it was read in.
    pub locale: Locale,
    /// The words of the pages, kept under this hash.
    pub journey_text: ContentHash,
    /// What was granted, each with its own text.
    pub purposes: Vec<RequestedPurpose>,
    /// The end of our consent.
    pub valid_until: Timestamp,
    /// The end of the bank's own authorisation.
    pub bank_valid_until: Timestamp,
    /// Who carries out the access.
    pub provider: Provider,
}

/// What happened to a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// The person and the bank agreed.
    Granted(Terms),
    /// It was given again, before its end, on the same connection.
    Renewed(Terms),
    /// Purposes were taken back, or the end comes earlier than it was to.
    Narrowed {
        /// What is no longer allowed.
        removed: BTreeSet<PurposeCode>,
        /// What still is.
        purposes: BTreeSet<PurposeCode>,
        /// The end.
        valid_until: Timestamp,
    },
    /// It was ended before its time.
    Withdrawn,
    /// Its time was up.
    Expired,
    /// The data key was destroyed: from then on every copy, backups included, is noise.
    Erased {
        /// The connection whose key it was. A key is named by its connection.
        destroyed_key_of: ConnectionId,
        /// When it was destroyed.
        destroyed_at: Timestamp,
    },
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// The client the consent is given to.
    pub client: ClientId,
    /// The client's reference for the person.
    pub customer: CustomerReference,
    /// The name the person knows the client by.
    pub name_shown: String,
    /// Who acted.
    pub actor: Actor,
    /// The consent.
    pub consent: ConsentId,
    /// The connection it feeds.
    pub connection: ConnectionId,
    /// The bank.
    pub institution: InstitutionId,
    /// What happened.
    #[serde(flatten)]
    pub act: Act,
}

impl Entry {
    /// What happened to a consent that feeds a connection to a bank.
    #[must_use]
    pub fn about(
        consent: &Consent,
        connection: &ConnectionId,
        institution: &InstitutionId,
        actor: Actor,
        act: Act,
        at: Timestamp,
    ) -> Self {
        Self {
            at,
            client: consent.client.clone(),
            name_shown: consent.name_shown().to_owned(),
            customer: consent.customer.clone(),
            actor,
            consent: consent.id.clone(),
            connection: connection.clone(),
            institution: institution.clone(),
            act,
        }
    }
}

/// The version of the rule a receipt follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "passerelle-receipt-1")]
    First,
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    format: Format,
    /// 1 for the first of a customer, then one more each time.
    pub sequence: u64,
    /// SHA-256 of the bytes of the one before; 64 zeros for the first.
    pub previous: ContentHash,
    /// The key that signs it.
    pub signing_key: String,
    /// What is recorded.
    #[serde(flatten)]
    pub entry: Entry,
}

/// A receipt larger than KMS signs in one piece. The bounds of names and catalogues prevent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a receipt of {0} bytes cannot be signed in one piece")]
pub struct ReceiptTooLong(pub usize);

impl Receipt {
    /// Its bytes: made once, then signed, stored and served as they are.
    ///
    /// # Errors
    /// [`ReceiptTooLong`].
    pub fn canonical(&self) -> Result<Vec<u8>, ReceiptTooLong> {
        // Texts, numbers and dates always have a JSON form.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        match bytes.len() {
            1..=LONGEST_RECEIPT => Ok(bytes),
            length => Err(ReceiptTooLong(length)),
        }
    }
}

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The number of receipts.
    pub sequence: u64,
    /// SHA-256 of the bytes of the last one; 64 zeros when there is none.
    pub hash: ContentHash,
}

impl Head {
    /// A chain without receipts.
    #[must_use]
    pub fn start() -> Self {
        Self {
            sequence: 0,
            hash: ContentHash::none(),
        }
    }

    /// The chain that ends with these bytes.
    #[must_use]
    pub fn after(sequence: u64, bytes: &[u8]) -> Self {
        Self {
            sequence,
            hash: ContentHash::of(bytes),
        }
    }

    /// The receipt that follows.
    #[must_use]
    pub fn next(&self, entry: Entry, signing_key: impl Into<String>) -> Receipt {
        Receipt {
            format: Format::First,
            sequence: self.sequence.saturating_add(1),
            previous: self.hash.clone(),
            signing_key: signing_key.into(),
            entry,
        }
    }
}

/// A receipt as it is stored and served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// The bytes that were signed.
    pub bytes: Vec<u8>,
    /// ECDSA signature over them, DER.
    pub signature: Vec<u8>,
}

/// The public half of the key that signs receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey(Vec<u8>);

/// DER of everything that stands before the point in the public key of a P-256 key (RFC 5480).
const P256_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

impl VerifyingKey {
    /// Reads a DER SubjectPublicKeyInfo, as KMS gives it; `None` unless it is of a P-256 key.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let point = der.strip_prefix(&P256_HEADER)?;
        (point.len() == 65).then(|| Self(point.to_vec()))
    }

    fn accepts(&self, receipt: &SignedReceipt) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0)
            .verify(&receipt.bytes, &receipt.signature)
            .is_ok()
    }
}

/// What is wrong with a chain, and at which receipt (counted from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// The bytes are not those that were signed.
    #[error("receipt {0}: the signature does not fit")]
    Signature(u64),
    /// The bytes are no receipt.
    #[error("receipt {0}: this is no receipt")]
    Unreadable(u64),
    /// One is missing, doubled or moved.
    #[error("receipt {0}: it does not follow the one before")]
    Order(u64),
    /// It belongs to another customer or client.
    #[error("receipt {0}: it belongs to another chain")]
    Foreign(u64),
}

/// Checks a whole chain and tells where it ends. Compare the end with one you remember: a tail that
/// was cut off leaves a chain that is sound in itself.
///
/// # Errors
/// The first [`ChainFault`].
pub fn verify(receipts: &[SignedReceipt], key: &VerifyingKey) -> Result<Head, ChainFault> {
    let mut head = Head::start();
    let mut whose: Option<(ClientId, CustomerReference)> = None;
    for signed in receipts {
        let number = head.sequence.saturating_add(1);
        if !key.accepts(signed) {
            return Err(ChainFault::Signature(number));
        }
        let receipt: Receipt =
            serde_json::from_slice(&signed.bytes).map_err(|_| ChainFault::Unreadable(number))?;
        if receipt.sequence != number || receipt.previous != head.hash {
            return Err(ChainFault::Order(number));
        }
        let owner = (receipt.entry.client, receipt.entry.customer);
        if whose.get_or_insert_with(|| owner.clone()) != &owner {
            return Err(ChainFault::Foreign(number));
        }
        head = Head::after(number, &signed.bytes);
    }
    Ok(head)
}
