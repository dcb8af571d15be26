//! JSON Web Tokens signed with ES256 (RFC 7515, 7518 section 3.4), as far as one issuer needs them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde_json::{Map, Value, json};

use crate::error::LocalError;

/// A private key that signs tokens.
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey")
    }
}

/// The public keys of an issuer, by key id.
#[derive(Debug, Clone)]
pub(crate) struct KeySet(Vec<(String, Vec<u8>)>);

/// A token that cannot be trusted. Which of its faults it was is nobody's business but the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is not one of the issuer's")]
pub(crate) struct NotOurs;

impl SigningKey {
    /// A new key as PKCS#8, for [`SigningKey::from_pkcs8`].
    pub(crate) fn generate() -> Result<Vec<u8>, LocalError> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| document.as_ref().to_vec())
            .map_err(|_| LocalError::Entropy)
    }

    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, LocalError> {
        let random = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random)
            .map(|pair| Self { pair, random })
            .map_err(|_| LocalError::StateUnreadable {
                what: "the issuer's key",
                why: "it is not a P-256 key".to_owned(),
            })
    }

    fn key_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.pair.public_key().as_ref()))
    }

    /// A signed token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, LocalError> {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.key_id() });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = self
            .pair
            .sign(&self.random, signed.as_bytes())
            .map_err(|_| LocalError::Entropy)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The public half as a JWK set (RFC 7517).
    pub(crate) fn jwks(&self) -> Value {
        // An uncompressed point: 0x04, then both coordinates.
        let (x, y) = self
            .pair
            .public_key()
            .as_ref()
            .split_at_checked(33)
            .unwrap_or_default();
        let x = x.get(1..).unwrap_or_default();
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id(),
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }] })
    }
}

impl KeySet {
    /// Reads the P-256 keys of a JWK set; others are left out.
    pub(crate) fn from_jwks(jwks: &Value) -> Self {
        let keys = jwks.get("keys").and_then(Value::as_array);
        Self(keys.into_iter().flatten().filter_map(public_key).collect())
    }

    /// The claims of a token that one of these keys signed. What the claims say is not checked here.
    pub(crate) fn verified_claims(&self, token: &str) -> Result<Map<String, Value>, NotOurs> {
        let (signed, signature) = token.rsplit_once('.').ok_or(NotOurs)?;
        let (header, claims) = signed.split_once('.').ok_or(NotOurs)?;
        let header = decoded_object(header)?;
        // The algorithm is ours to choose, never the token's.
        if header.get("alg").and_then(Value::as_str) != Some("ES256") {
            return Err(NotOurs);
        }
        let key_id = header.get("kid").and_then(Value::as_str).ok_or(NotOurs)?;
        let (_, point) = self
            .0
            .iter()
            .find(|(known, _)| known == key_id)
            .ok_or(NotOurs)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotOurs)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| NotOurs)?;
        decoded_object(claims)
    }
}

fn public_key(jwk: &Value) -> Option<(String, Vec<u8>)> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if text("kty")? != "EC" || text("crv")? != "P-256" {
        return None;
    }
    let mut point = vec![4];
    point.extend(URL_SAFE_NO_PAD.decode(text("x")?).ok()?);
    point.extend(URL_SAFE_NO_PAD.decode(text("y")?).ok()?);
    Some((text("kid")?.to_owned(), point))
}

fn decoded_object(part: &str) -> Result<Map<String, Value>, NotOurs> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| NotOurs)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(NotOurs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_signed_token_verifies_with_the_published_key() {
        let key = key();
        let token = key.sign(&json!({ "sub": "cli_demo" })).unwrap();
        let claims = KeySet::from_jwks(&key.jwks())
            .verified_claims(&token)
            .unwrap();
        assert_eq!(claims["sub"], "cli_demo");
    }

    #[test]
    fn a_changed_claim_another_key_and_another_algorithm_are_refused() {
        let key = key();
        let known = KeySet::from_jwks(&key.jwks());
        let token = key.sign(&json!({ "sub": "cli_demo" })).unwrap();
        let parts: Vec<_> = token.split('.').collect();
        let forged_claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"cli_other"}"#);
        let unsigned_header =
            URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "kid": key.key_id() }).to_string());
        for forged in [
            format!("{}.{}.{}", parts[0], forged_claims, parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{unsigned_header}.{}.", parts[1]),
            format!("{unsigned_header}.{}.{}", parts[1], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
            "..".to_owned(),
            "é.é.é".to_owned(),
        ] {
            assert_eq!(known.verified_claims(&forged), Err(NotOurs), "{forged}");
        }
        let other = self::key().sign(&json!({ "sub": "cli_demo" })).unwrap();
        assert_eq!(known.verified_claims(&other), Err(NotOurs));
    }
}
