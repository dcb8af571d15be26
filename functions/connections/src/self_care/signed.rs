//! A one-click link the client signs by itself, without asking us first.
//!
//! It names the person by a consent of theirs: an id of ours that tells nothing to whoever reads the
//! address. The signature is HMAC-SHA-256 under the client's link key, in lower-case hexadecimal, over
//! five lines without a last line end:
//!
//! ```text
//! passerelle-self-care-v1
//! {client}
//! {consent}
//! {expires, seconds since 1970}
//! {nonce}
//! ```
//!
//! It opens one visit, within a day. The recipe with `openssl` stands in the README of this folder.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use jiff::SignedDuration;
use passerelle_aws::self_care::{Pass, Psu};
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{ClientId, ConsentId};
use passerelle_domain::private::Private;
use passerelle_runtime::{OwnAddress, Problem, Query};
use ring::hmac;
use serde::Deserialize;

use super::entry::closed;
use super::visit::require_own_page;
use crate::pages::Ending;
use crate::{Connections, refused};

const VERSION: &str = "passerelle-self-care-v1";
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// What the address says, before anything of it is believed.
#[derive(Debug, Deserialize)]
pub(crate) struct UnverifiedLink {
    client: ClientId,
    consent: ConsentId,
    expires: i64,
    nonce: String,
    signature: Private,
}

/// A link whose signature holds.
#[derive(Debug)]
struct SignedLink {
    psu: Psu,
    expires_at: Timestamp,
    address: String,
    /// What its use is remembered by.
    used_as: Digest,
}

pub(crate) async fn show(
    State(connections): State<Arc<Connections>>,
    Query(unverified): Query<UnverifiedLink>,
) -> Result<Response, Problem> {
    let link = connections.verified(unverified).await?;
    match connections.ending_of_signed(&link).await? {
        None => connections.landing(&link.psu, link.address).await,
        Some(ending) => Ok(closed(&link.psu, ending, link.again_at())),
    }
}

pub(crate) async fn enter(
    State(connections): State<Arc<Connections>>,
    Query(unverified): Query<UnverifiedLink>,
    own: OwnAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    require_own_page(&headers)?;
    let link = connections.verified(unverified).await?;
    if let Some(ending) = connections.ending_of_signed(&link).await? {
        return Ok(closed(&link.psu, ending, link.again_at()));
    }
    let again_at = link.again_at();
    let pass = Pass::Signed {
        signature: link.used_as,
        expires_at: link.expires_at,
    };
    connections.enter(&pass, link.psu, &own, again_at).await
}

/// "Send me a new link", from one that was used or is late.
pub(crate) async fn ask_again(
    State(connections): State<Arc<Connections>>,
    Query(unverified): Query<UnverifiedLink>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    require_own_page(&headers)?;
    let link = connections.verified(unverified).await?;
    connections.ask_for_link(&link.psu).await
}

impl SignedLink {
    fn again_at(&self) -> String {
        self.address
            .replacen("/self-care/signed?", "/self-care/signed/again?", 1)
    }
}

impl UnverifiedLink {
    /// When it ends, if its signature holds under the key and everything it says has its shape.
    fn verified(&self, key: &[u8], now: Timestamp) -> Option<Timestamp> {
        let signature = self.signature_bytes()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::verify(&key, self.signed_text().as_bytes(), &signature).ok()?;
        let expires_at = Timestamp::from_second(self.expires).ok()?;
        let soon = expires_at.duration_since(now) <= LONGEST;
        (soon && self.has_sound_nonce()).then_some(expires_at)
    }

    fn signed_text(&self) -> String {
        let Self {
            client,
            consent,
            expires,
            nonce,
            ..
        } = self;
        format!("{VERSION}\n{client}\n{consent}\n{expires}\n{nonce}")
    }

    /// Only the lower-case form is taken, so that a link cannot be used again in other letters.
    fn signature_bytes(&self) -> Option<Vec<u8>> {
        let text = self.signature.expose();
        let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        hex::decode(text).ok().filter(|_| !upper)
    }

    fn has_sound_nonce(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (16..=64).contains(&self.nonce.len()) && self.nonce.bytes().all(plain)
    }

    fn address(&self) -> String {
        format!(
            "/self-care/signed?client={}&consent={}&expires={}&nonce={}&signature={}",
            self.client,
            self.consent,
            self.expires,
            self.nonce,
            self.signature.expose()
        )
    }
}

impl Connections {
    /// The link, if the client signed it. Whatever is wrong with it, the answer is the same.
    async fn verified(&self, link: UnverifiedLink) -> Result<SignedLink, Problem> {
        let now = self.clock.now();
        let keys = self.store.link_keys(&link.client, now).await;
        let keys = keys.map_err(refused)?.ok_or_else(Problem::not_found)?;
        let expires_at = [Some(&keys.current), keys.previous.as_ref()]
            .into_iter()
            .flatten()
            .find_map(|key| link.verified(key, now))
            .ok_or_else(Problem::not_found)?;
        let consent = self
            .store
            .table()
            .consent(&link.client, &link.consent)
            .await;
        let consent = consent.map_err(refused)?;
        let consent = consent.ok_or_else(Problem::not_found)?.consent;
        Ok(SignedLink {
            expires_at,
            address: link.address(),
            used_as: Digest::of(&format!("signed|{}", link.signature.expose())),
            psu: Psu {
                client: consent.client,
                customer: consent.customer,
                locale: consent.locale,
            },
        })
    }

    async fn ending_of_signed(&self, link: &SignedLink) -> Result<Option<Ending>, Problem> {
        let used = self.store.table().self_care_link(&link.used_as).await;
        Ok(match used.map_err(refused)? {
            Some(_) => Some(Ending::LinkUsed),
            None => (self.clock.now() >= link.expires_at).then_some(Ending::LinkExpired),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = &[7; 32];

    fn now() -> Timestamp {
        Timestamp::from_second(1_795_374_000).unwrap()
    }

    fn signed(expires: i64, nonce: &str) -> UnverifiedLink {
        let mut link = UnverifiedLink {
            client: "cli_demo".parse().unwrap(),
            consent: ConsentId::from_entropy([3; 16]),
            expires,
            nonce: nonce.to_owned(),
            signature: Private::default(),
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
        let tag = hmac::sign(&key, link.signed_text().as_bytes());
        link.signature = Private::new(hex::encode(tag.as_ref()));
        link
    }

    #[test]
    fn a_link_is_good_as_signed_and_for_a_day_at_most() {
        let soon = now().as_second() + 900;
        assert!(
            signed(soon, "abcdefghijklmnop")
                .verified(KEY, now())
                .is_some()
        );
        let far = now().as_second() + 24 * 3600 + 1;
        assert!(
            signed(far, "abcdefghijklmnop")
                .verified(KEY, now())
                .is_none()
        );
        assert!(signed(soon, "short").verified(KEY, now()).is_none());
        assert!(
            signed(soon, "abcdefghijklmnop")
                .verified(&[8; 32], now())
                .is_none()
        );
        let mut shouted = signed(soon, "abcdefghijklmnop");
        shouted.signature = Private::new(shouted.signature.expose().to_ascii_uppercase());
        assert!(shouted.verified(KEY, now()).is_none());
    }

    proptest! {
        #[test]
        fn no_changed_link_is_good(byte in 0_usize..64, change in 1_u8..16, seconds in 1_i64..900) {
            let soon = now().as_second() + 900;
            let mut other_time = signed(soon, "abcdefghijklmnop");
            other_time.expires += seconds;
            prop_assert!(other_time.verified(KEY, now()).is_none());
            let mut other_signature = signed(soon, "abcdefghijklmnop");
            let mut text: Vec<u8> = other_signature.signature.expose().bytes().collect();
            let digit = char::from(text[byte]).to_digit(16).unwrap() ^ u32::from(change);
            text[byte] = u8::try_from(char::from_digit(digit, 16).unwrap()).unwrap();
            other_signature.signature = Private::new(String::from_utf8(text).unwrap());
            prop_assert!(other_signature.verified(KEY, now()).is_none());
        }

        #[test]
        fn no_nonsense_panics(expires in any::<i64>(), nonce in ".{0,80}", signature in ".{0,80}") {
            let mut link = signed(0, "abcdefghijklmnop");
            link.expires = expires;
            link.nonce = nonce;
            link.signature = Private::new(signature);
            prop_assert!(link.verified(KEY, now()).is_none());
        }
    }
}
