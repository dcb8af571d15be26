//! Typed identifiers.
//!
//! Ours are a prefix and 26 characters of Crockford base 32 (128 bits), so that a log line or an
//! error says what kind of thing it speaks of. The others belong to somebody else (the client, the
//! directory) and are only checked for shape. Parsing or fresh entropy is the only way in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An identifier that does not have the shape its kind requires.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: expected {expected}")]
pub struct InvalidId {
    /// What was being read, for instance `consent id`.
    pub kind: &'static str,
    /// The shape that would have been accepted.
    pub expected: &'static str,
}

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LENGTH: usize = 26;

fn encode_base32(bytes: [u8; 16]) -> String {
    let value = u128::from_be_bytes(bytes);
    (0..ENCODED_LENGTH)
        .rev()
        .map(|position| {
            let index = (value >> (position * 5)) & 0x1f;
            let index = usize::try_from(index).unwrap_or_default();
            char::from(CROCKFORD.get(index).copied().unwrap_or(b'0'))
        })
        .collect()
}

fn is_encoded(text: &str) -> bool {
    text.len() == ENCODED_LENGTH && text.bytes().all(|byte| CROCKFORD.contains(&byte))
}

macro_rules! text_id_traits {
    ($name:ident) => {
        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Makes an identifier from 128 fresh random bits, or from a digest for a derived one.
            #[must_use]
            pub fn from_entropy(entropy: [u8; 16]) -> Self {
                Self(format!(concat!($prefix, "{}"), encode_base32(entropy)))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match text.strip_prefix($prefix) {
                    Some(rest) if is_encoded(rest) => Ok(Self(text.to_owned())),
                    _ => Err(InvalidId {
                        kind: $kind,
                        expected: concat!("`", $prefix, "` and 26 base-32 characters"),
                    }),
                }
            }
        }

        text_id_traits!($name);
    };
}

macro_rules! foreign_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let allowed: fn(u8) -> bool = $allowed;
                if !text.is_empty() && text.len() <= $max && text.bytes().all(allowed) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { kind: $kind, expected: $expected })
                }
            }
        }

        text_id_traits!($name);
    };
}

prefixed_id!(
    /// A consent: the PSU's permission.
    ConsentId, "cns_", "consent id"
);
prefixed_id!(
    /// A connection: PSU × institution × client, outlives consents.
    ConnectionId, "cnx_", "connection id"
);
prefixed_id!(
    /// A payment account. Derived from a keyed hash of IBAN and currency, never the bank's resource id.
    AccountId, "acc_", "account id"
);
prefixed_id!(
    /// One attempt at the bank for a consent.
    AuthorisationId, "aut_", "authorisation id"
);
prefixed_id!(
    /// One booked movement, stable over every fetch of the same history, unique within its account.
    TransactionId, "txn_", "transaction id"
);
prefixed_id!(
    /// An event a client is told. Derived from what it is about, so that a repetition is recognised.
    EventId, "evt_", "event id"
);
prefixed_id!(
    /// One link into self-care.
    LinkId, "lnk_", "link id"
);
prefixed_id!(
    /// Follows one piece of work across functions and queues. Carries no meaning.
    CorrelationId, "cor_", "correlation id"
);

foreign_id!(
    /// The insurer: the tenant. Part of every key.
    ClientId, "client id", "1 to 64 letters, digits, `_`, `-` or `.`", 64,
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
);
foreign_id!(
    /// The client's own reference for its customer. A pseudonym: an `@` (an e-mail address) or a
    /// space (a name) is refused.
    CustomerReference, "customer reference", "1 to 64 letters, digits, `_`, `-`, `.` or `:`", 64,
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':')
);
foreign_id!(
    /// A bank of the directory.
    InstitutionId, "institution id", "1 to 64 lower-case letters, digits or `-`", 64,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
);
foreign_id!(
    /// Who at the client asked, where its token says so (`sub`).
    CallerSubject, "subject", "1 to 128 printable characters", 128,
    |byte| byte.is_ascii_graphic()
);
foreign_id!(
    /// The bank's id of an account inside one consent. Never a key of ours.
    ResourceId, "resource id", "1 to 128 printable characters", 128,
    |byte| byte.is_ascii_graphic()
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_made_from_entropy_parses_back() {
        let id = ConsentId::from_entropy([0xff; 16]);
        assert_eq!(id.as_str(), "cns_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_eq!(id.as_str().parse::<ConsentId>(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let consent = ConsentId::from_entropy([1; 16]);
        assert!(consent.as_str().parse::<ConnectionId>().is_err());
    }

    #[test]
    fn a_customer_reference_refuses_an_email_address_and_a_name() {
        assert!("jean@example.fr".parse::<CustomerReference>().is_err());
        assert!("Jean Martin".parse::<CustomerReference>().is_err());
        assert!("customer-42".parse::<CustomerReference>().is_ok());
    }
}
