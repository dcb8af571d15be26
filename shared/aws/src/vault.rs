//! The vault: KMS wraps a tenant key, the tenant key wraps two keys per connection. The data key seals
//! everything fetched, the token key the bank's tokens (AES-256-GCM): at an end what was fetched is
//! noise at once, while the bank can still be told with the token.
//!
//! Associated data names tenant, connection, kind and sequence number, so no blob can be swapped
//! between rows or rolled back unseen. The tenant key is cached for a quarter of an hour per
//! environment: one KMS call per tenant and environment in that time, none per connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use aws_sdk_kms::primitives::Blob;
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::account::FingerprintKey;
use passerelle_domain::ids::{AuthorisationId, ClientId, ConnectionId, ConsentId, LinkId};
use passerelle_domain::private::Private;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::attributes::{Item, bytes, get_bytes};
use crate::clients::Clients;
use crate::error::Error;
use crate::meter::Meter;
use crate::table::{AsSliceOf, Key, Table};

const CACHED_FOR: SignedDuration = SignedDuration::from_mins(15);
const KEY_LENGTH: usize = 32;
/// The first byte of every blob, so that a later format can be told apart.
const FORMAT: u8 = 1;

type KeyBytes = Zeroizing<[u8; KEY_LENGTH]>;

/// Opens and makes keys. Clones share the cache.
#[derive(Clone)]
pub struct Vault {
    kms: aws_sdk_kms::Client,
    key_id: String,
    table: Table,
    tenant_keys: Arc<Mutex<BTreeMap<ClientId, (TenantKey, Timestamp)>>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Vault")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// A client's key. Everything of the client's that is not a connection's derives from it.
#[derive(Clone)]
pub struct TenantKey(KeyBytes);

impl std::fmt::Debug for TenantKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TenantKey(…)")
    }
}

impl TenantKey {
    /// The key of account fingerprints.
    #[must_use]
    pub fn fingerprint_key(&self) -> FingerprintKey {
        FingerprintKey::new(&derive(&self.0, &[b"account-fingerprint"]))
    }

    /// The token of a consent's journey link: of the first journey (`renewal` 0) or of the renewal of
    /// that number. Derived, so that the link can be given again without being stored: 256 bits nobody
    /// can guess without the tenant key.
    #[must_use]
    pub fn journey_token(&self, consent: &ConsentId, renewal: u32) -> Private {
        let id = consent.as_str().as_bytes();
        let token = match renewal {
            0 => derive(&self.0, &[b"journey-link", id]),
            number => derive(&self.0, &[b"renewal-link", id, &number.to_be_bytes()]),
        };
        Private::new(hex::encode(*token))
    }

    /// The token of a link into self-care, derived for the same reason.
    #[must_use]
    pub fn self_care_token(&self, link: &LinkId) -> Private {
        let token = derive(&self.0, &[b"self-care-link", link.as_str().as_bytes()]);
        Private::new(hex::encode(*token))
    }

    /// The key of what belongs to a client's settings and is secret.
    pub(crate) fn settings_key(&self) -> DataKey {
        DataKey(derive(&self.0, &[b"settings"]))
    }

    /// A connection's key that this one wrapped. [`Error::Erased`] when it is not there any more.
    fn unwrap_key(&self, item: &Item, place: Place<'_>) -> Result<DataKey, Error> {
        let name = match place.kind {
            TOKEN_KEY => "token",
            _ => "wrapped",
        };
        let wrapped = get_bytes(item, name).map_err(|_| Error::Erased)?;
        let plain = open(&self.0, &place, wrapped)?;
        key_bytes(&plain).map(DataKey)
    }

    /// The key of what an attempt at the bank must remember until its return. Derived, so that an
    /// attempt nobody comes back from leaves no key behind.
    pub(crate) fn attempt_key(&self, attempt: &AuthorisationId) -> DataKey {
        DataKey(derive(&self.0, &[b"attempt", attempt.as_str().as_bytes()]))
    }
}

/// The two keys of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionKeys {
    /// Seals what was fetched.
    pub data: DataKey,
    /// Seals the bank's tokens.
    pub token: DataKey,
}

/// A connection's data key or token key, open in memory only.
#[derive(Clone)]
pub struct DataKey(KeyBytes);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DataKey(…)")
    }
}

impl DataKey {
    /// A key that exists only while each of these does: destroy one and what it sealed is noise.
    #[must_use]
    pub fn combined(keys: &BTreeMap<ConnectionId, DataKey>) -> Self {
        let mut parts: Vec<&[u8]> = vec![b"combined"];
        parts.extend(keys.values().map(|key| key.0.as_slice()));
        Self(derive(&[0; KEY_LENGTH], &parts))
    }

    /// Bytes that only whoever has this key and knows every part can compute.
    pub(crate) fn fingerprint(&self, parts: &[&[u8]]) -> [u8; KEY_LENGTH] {
        *derive(&self.0, parts)
    }

    /// Seals bytes for one place.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the system gives no randomness.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, Error> {
        seal(&self.0, place, plain)
    }

    /// Opens what was sealed for the same place.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`] for another key, another place or changed bytes.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        open(&self.0, place, sealed)
    }
}

/// Where a blob belongs: its associated data.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The tenant.
    pub client: &'a ClientId,
    /// The connection, or the customer for what spans connections.
    pub owner: &'a str,
    /// What it is: `token`, `content`, `month acc_… 2026-11`, …
    pub kind: &'a str,
    /// The sequence number stored beside it.
    pub seq: u64,
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        format!("{}|{}|{}|{}", self.client, self.owner, self.kind, self.seq).into_bytes()
    }
}

impl Vault {
    /// The vault behind a KMS key (`VAULT_KEY_ID`) and a keys table.
    #[must_use]
    pub fn new(clients: &Clients, key_id: impl Into<String>, table: Table) -> Self {
        Self {
            kms: clients.kms.clone(),
            key_id: key_id.into(),
            table,
            tenant_keys: Arc::default(),
        }
    }

    pub(crate) fn metered(&self, meter: &Meter) -> Self {
        let table = Table {
            meter: meter.clone(),
            ..self.table.clone()
        };
        Self {
            table,
            ..self.clone()
        }
    }

    /// The client's key: from the cache, else opened by KMS, else made.
    ///
    /// # Errors
    /// When KMS or the keys table does not answer.
    pub async fn tenant_key(&self, client: &ClientId, now: Timestamp) -> Result<TenantKey, Error> {
        if let Some(key) = self.cached(client, now) {
            return Ok(key);
        }
        let stored = self
            .table
            .get(&self.table.keys_name, Key::tenant_key(client))
            .await?;
        let key = match stored {
            Some(item) => {
                self.unwrap_tenant_key(client, get_bytes(&item, "wrapped")?)
                    .await?
            }
            None => self.make_tenant_key(client).await?,
        };
        let until = now.checked_add(CACHED_FOR).unwrap_or(now);
        let mut cache = self
            .tenant_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        cache.insert(client.clone(), (key.clone(), until));
        Ok(key)
    }

    fn cached(&self, client: &ClientId, now: Timestamp) -> Option<TenantKey> {
        let cache = self
            .tenant_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        cache
            .get(client)
            .filter(|(_, until)| now < *until)
            .map(|(key, _)| key.clone())
    }

    async fn unwrap_tenant_key(
        &self,
        client: &ClientId,
        wrapped: &[u8],
    ) -> Result<TenantKey, Error> {
        self.table.meter.kms();
        let answer = self
            .kms
            .decrypt()
            .key_id(&self.key_id)
            .ciphertext_blob(Blob::new(wrapped))
            .encryption_context("tenant", client.as_str())
            .encryption_context("purpose", "tenant-key")
            .send()
            .await
            .map_err(Error::from_sdk)?;
        let plain = answer.plaintext.ok_or(Error::Unreadable("tenant key"))?;
        key_bytes(plain.as_ref()).map(TenantKey)
    }

    async fn make_tenant_key(&self, client: &ClientId) -> Result<TenantKey, Error> {
        self.table.meter.kms();
        let answer = self
            .kms
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(aws_sdk_kms::types::DataKeySpec::Aes256)
            .encryption_context("tenant", client.as_str())
            .encryption_context("purpose", "tenant-key")
            .send()
            .await
            .map_err(Error::from_sdk)?;
        let wrapped = answer
            .ciphertext_blob
            .ok_or(Error::Unreadable("tenant key"))?;
        let stored = self
            .put_new_keys(
                Key::tenant_key(client),
                [("wrapped", bytes(wrapped.into_inner()))],
            )
            .await;
        match stored {
            Ok(()) => {
                let plain = answer.plaintext.ok_or(Error::Unreadable("tenant key"))?;
                key_bytes(plain.as_ref()).map(TenantKey)
            }
            // Another environment was first: its key is the one.
            Err(Error::Conflict) => {
                let item = self
                    .table
                    .get(&self.table.keys_name, Key::tenant_key(client))
                    .await?;
                let item = item.ok_or(Error::Unreadable("tenant key"))?;
                self.unwrap_tenant_key(client, get_bytes(&item, "wrapped")?)
                    .await
            }
            Err(error) => Err(error),
        }
    }

    /// Fresh keys for a new connection, with their wrapped forms: they exist once these are stored.
    pub(crate) async fn fresh_connection_keys(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<(ConnectionKeys, [(&'static str, AttributeValue); 2]), Error> {
        let tenant_key = self.tenant_key(client, now).await?;
        let owner = connection.as_str();
        let (data, wrapped_data) = fresh_key(&tenant_key, wrapping_place(client, owner, DATA_KEY))?;
        let (token, wrapped_token) =
            fresh_key(&tenant_key, wrapping_place(client, owner, TOKEN_KEY))?;
        let wrapped = [
            ("wrapped", bytes(wrapped_data)),
            ("token", bytes(wrapped_token)),
        ];
        Ok((ConnectionKeys { data, token }, wrapped))
    }

    /// A fresh key for the token of one attempt, with its wrapped form.
    pub(crate) async fn fresh_attempt_token_key(
        &self,
        client: &ClientId,
        attempt: &AuthorisationId,
        now: Timestamp,
    ) -> Result<(DataKey, Vec<u8>), Error> {
        let tenant_key = self.tenant_key(client, now).await?;
        fresh_key(
            &tenant_key,
            wrapping_place(client, attempt.as_str(), TOKEN_KEY),
        )
    }

    /// The key of an attempt's token.
    ///
    /// # Errors
    /// [`Error::Erased`] when it was destroyed.
    pub(crate) async fn attempt_token_key(
        &self,
        client: &ClientId,
        attempt: &AuthorisationId,
        now: Timestamp,
    ) -> Result<DataKey, Error> {
        let key = Key::attempt_token_key(client, attempt);
        let item = self.table.get(&self.table.keys_name, key).await?;
        let item = item.ok_or(Error::Erased)?;
        let tenant_key = self.tenant_key(client, now).await?;
        tenant_key.unwrap_key(&item, wrapping_place(client, attempt.as_str(), TOKEN_KEY))
    }

    /// Both keys of a connection.
    ///
    /// # Errors
    /// [`Error::Erased`] when one was destroyed.
    pub async fn connection_keys(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<ConnectionKeys, Error> {
        let item = self.wrapped_keys(client, connection).await?;
        self.unwrap_connection_keys(client, connection, &item, now)
            .await
    }

    /// The data key of a connection.
    ///
    /// # Errors
    /// [`Error::Erased`] when it was destroyed.
    pub async fn connection_key(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<DataKey, Error> {
        let item = self.wrapped_keys(client, connection).await?;
        let tenant_key = self.tenant_key(client, now).await?;
        tenant_key.unwrap_key(&item, wrapping_place(client, connection.as_str(), DATA_KEY))
    }

    /// The token key of a connection: it outlives the data key until the bank was told of the end.
    ///
    /// # Errors
    /// [`Error::Erased`] when it was destroyed.
    pub(crate) async fn token_key(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<DataKey, Error> {
        let item = self.wrapped_keys(client, connection).await?;
        let tenant_key = self.tenant_key(client, now).await?;
        tenant_key.unwrap_key(
            &item,
            wrapping_place(client, connection.as_str(), TOKEN_KEY),
        )
    }

    async fn wrapped_keys(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
    ) -> Result<Item, Error> {
        let key = Key::connection_key(client, connection);
        let item = self.table.get(&self.table.keys_name, key).await?;
        item.ok_or(Error::Erased)
    }

    pub(crate) async fn unwrap_connection_keys(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        item: &Item,
        now: Timestamp,
    ) -> Result<ConnectionKeys, Error> {
        let tenant_key = self.tenant_key(client, now).await?;
        Ok(ConnectionKeys {
            data: tenant_key
                .unwrap_key(item, wrapping_place(client, connection.as_str(), DATA_KEY))?,
            token: tenant_key
                .unwrap_key(item, wrapping_place(client, connection.as_str(), TOKEN_KEY))?,
        })
    }

    /// A fresh data key for a connection and its wrapped form: whoever stores it destroys the one
    /// before.
    pub(crate) async fn fresh_data_key(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<(DataKey, Vec<u8>), Error> {
        let tenant_key = self.tenant_key(client, now).await?;
        fresh_key(
            &tenant_key,
            wrapping_place(client, connection.as_str(), DATA_KEY),
        )
    }

    async fn put_new_keys(
        &self,
        key: Key,
        wrapped: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<(), Error> {
        let answer = self
            .table
            .client
            .put_item()
            .table_name(&self.table.keys_name)
            .set_item(Some(key.with(wrapped)))
            .condition_expression("attribute_not_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.table
            .meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }
}

/// What the keys of a connection and of an attempt are called in their associated data.
const DATA_KEY: &str = "data-key";
const TOKEN_KEY: &str = "token-key";

fn wrapping_place<'a>(client: &'a ClientId, owner: &'a str, kind: &'static str) -> Place<'a> {
    Place {
        client,
        owner,
        kind,
        seq: 0,
    }
}

/// A fresh key and the form in which a tenant key wraps it.
fn fresh_key(tenant_key: &TenantKey, place: Place<'_>) -> Result<(DataKey, Vec<u8>), Error> {
    let mut key: KeyBytes = Zeroizing::new([0; KEY_LENGTH]);
    fill_random(key.as_mut())?;
    let wrapped = seal(&tenant_key.0, &place, key.as_ref())?;
    Ok((DataKey(key), wrapped))
}

fn key_bytes(plain: &[u8]) -> Result<KeyBytes, Error> {
    <[u8; KEY_LENGTH]>::try_from(plain)
        .map(Zeroizing::new)
        .map_err(|_| Error::Unreadable("key"))
}

fn derive(key: &[u8; KEY_LENGTH], parts: &[&[u8]]) -> KeyBytes {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let tag = context.sign();
    let mut derived = Zeroizing::new([0; KEY_LENGTH]);
    for (target, source) in derived.iter_mut().zip(tag.as_ref()) {
        *target = *source;
    }
    derived
}

pub(crate) fn fill_random(target: &mut [u8]) -> Result<(), Error> {
    SystemRandom::new()
        .fill(target)
        .map_err(|_| Error::Unavailable("the system gave no randomness".into()))
}

fn cipher(key: &[u8; KEY_LENGTH]) -> Result<LessSafeKey, Error> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| Error::Unreadable("key"))
}

fn seal(key: &[u8; KEY_LENGTH], place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, Error> {
    let mut nonce = [0_u8; NONCE_LEN];
    fill_random(&mut nonce)?;
    let mut body = plain.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.associated_data()),
            &mut body,
        )
        .map_err(|_| Error::Unreadable("value"))?;
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
    sealed.push(FORMAT);
    sealed.extend_from_slice(&nonce);
    sealed.append(&mut body);
    Ok(sealed)
}

fn open(
    key: &[u8; KEY_LENGTH],
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let refused = || Error::NotAuthentic("value");
    let (format, rest) = sealed.split_first().ok_or_else(refused)?;
    if *format != FORMAT {
        return Err(Error::Unreadable("sealed value"));
    }
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(refused)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = cipher(key)?
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(place.associated_data()),
            body.as_mut_slice(),
        )
        .map_err(|_| refused())?
        .len();
    body.truncate(length);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> DataKey {
        DataKey(Zeroizing::new([byte; KEY_LENGTH]))
    }

    fn client() -> ClientId {
        "cli_demo".parse().unwrap()
    }

    fn place<'a>(client: &'a ClientId, kind: &'a str, seq: u64) -> Place<'a> {
        Place {
            client,
            owner: "cnx_1",
            kind,
            seq,
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_only_in_its_place(plain in proptest::collection::vec(any::<u8>(), 0..200)) {
            let client = client();
            let sealed = key(1).seal(&place(&client, "token", 3), &plain).unwrap();
            prop_assert_eq!(&*key(1).open(&place(&client, "token", 3), &sealed).unwrap(), &plain);
            prop_assert!(key(1).open(&place(&client, "token", 2), &sealed).is_err(), "rolled back");
            prop_assert!(key(1).open(&place(&client, "month", 3), &sealed).is_err(), "swapped");
            prop_assert!(key(2).open(&place(&client, "token", 3), &sealed).is_err(), "other key");
        }

        #[test]
        fn no_bytes_make_opening_panic(noise in proptest::collection::vec(any::<u8>(), 0..80)) {
            let client = client();
            prop_assert!(key(1).open(&place(&client, "token", 1), &noise).is_err());
        }
    }

    #[test]
    fn a_combined_key_changes_when_one_of_its_parts_does() {
        let id = |byte| ConnectionId::from_entropy([byte; 16]);
        let one = DataKey::combined(&BTreeMap::from([(id(1), key(1)), (id(2), key(2))]));
        let other = DataKey::combined(&BTreeMap::from([(id(1), key(1)), (id(2), key(3))]));
        assert_ne!(*one.0, *other.0);
    }
}
