//! What a client decided for its people, its logo, and the keys it signs one-click links with.
//!
//! Settings are read where they are used and not cached: what a person sees is what was last saved.
//! What a consent was opened with stays with the consent, so nothing here changes a grant.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use jiff::Timestamp;
use passerelle_domain::content_hash::ContentHash;
use passerelle_domain::ids::ClientId;
use passerelle_domain::tenant::{Logo, LogoFormat, TenantSettings};
use zeroize::Zeroizing;

use crate::attributes::{
    Item, bytes, get_bytes, get_json, get_moment, get_number, json, moment, number,
};
use crate::consents::IdempotencyKey;
use crate::error::Error;
use crate::store::Store;
use crate::table::{Key, Table};
use crate::vault::{DataKey, Place};

/// Bytes of a link key: as long as the HMAC-SHA-256 it is for.
const LINK_KEY_LENGTH: usize = 32;

/// The keys a client may sign a one-click link with.
#[derive(Clone)]
pub struct LinkKeys {
    /// The one it was last given.
    pub current: Zeroizing<Vec<u8>>,
    /// The one before, so that links that are on their way stay good when the key is changed.
    pub previous: Option<Zeroizing<Vec<u8>>>,
    /// When the current one was made.
    pub since: Timestamp,
}

impl std::fmt::Debug for LinkKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LinkKeys(…)")
    }
}

/// A key that was made, to be shown to its client.
pub struct MadeLinkKey {
    /// Its bytes.
    pub key: Zeroizing<Vec<u8>>,
    /// When it was made.
    pub since: Timestamp,
}

impl std::fmt::Debug for MadeLinkKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MadeLinkKey(…)")
    }
}

/// What came of asking for a new link key.
#[derive(Debug)]
pub enum LinkKeyChange {
    /// This request made it, now or before.
    Made(MadeLinkKey),
    /// The idempotency key was used for another request.
    KeyReused,
}

/// What a link key is sealed as beside the request that made it.
const MADE_LINK_KEY: &str = "made-link-key";

impl Table {
    /// The client's settings; the defaults until it made its own.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn settings(&self, client: &ClientId) -> Result<TenantSettings, Error> {
        let item = self.get(&self.name, Key::settings(client)).await?;
        let stored = item.as_ref().map(|item| get_json(item, "body"));
        Ok(stored.transpose()?.unwrap_or_default())
    }

    /// Stores the next version of the settings, and with it the logo where it is new.
    ///
    /// # Errors
    /// [`Error::Conflict`] when they were changed since they were read.
    pub async fn save_settings(
        &self,
        client: &ClientId,
        next: &TenantSettings,
        logo: Option<&Logo>,
    ) -> Result<(), Error> {
        let item =
            Key::settings(client).with([("body", json(next)?), ("version", number(next.version))]);
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR version = :previous")
            .expression_attribute_values(":previous", number(next.version.saturating_sub(1)))
            .build();
        let mut writes = vec![TransactWriteItem::builder().set_put(put.ok()).build()];
        if let Some(logo) = logo {
            let item = Key::logo(client, &logo.reference().hash).with([
                ("picture", bytes(logo.bytes.as_slice())),
                ("format", json(&logo.format)?),
            ]);
            let put = Put::builder()
                .table_name(&self.name)
                .set_item(Some(item))
                .build();
            writes.push(TransactWriteItem::builder().set_put(put.ok()).build());
        }
        self.transact(writes).await
    }

    /// A logo of the client's, by its hash.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn logo(&self, client: &ClientId, hash: &ContentHash) -> Result<Option<Logo>, Error> {
        let item = self.get(&self.name, Key::logo(client, hash)).await?;
        let read = |item: &Item| {
            Ok(Logo {
                format: get_json::<LogoFormat>(item, "format")?,
                bytes: get_bytes(item, "picture")?.to_vec(),
            })
        };
        item.as_ref().map(read).transpose()
    }
}

impl Store {
    /// The keys of one-click links; `None` until the client asked for one.
    ///
    /// # Errors
    /// When AWS does not answer.
    pub async fn link_keys(
        &self,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Option<LinkKeys>, Error> {
        let stored = self.stored_link_keys(client).await?;
        let Some(item) = stored else { return Ok(None) };
        let key = self.settings_key(client, now).await?;
        opened(client, &key, &item).map(Some)
    }

    async fn stored_link_keys(&self, client: &ClientId) -> Result<Option<Item>, Error> {
        let key = Key::link_keys(client);
        self.table.get(&self.table.name, key).await
    }

    /// Makes a new link key; the one before stays good until the next change. The key is returned
    /// to be given to the client, and is stored sealed. The same request under the same idempotency key
    /// makes one key and is answered with it again, for a day: what it made is remembered, sealed too,
    /// in the write that makes it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another change came in between: nothing was changed by this one.
    pub async fn change_link_key(
        &self,
        client: &ClientId,
        idempotency: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<LinkKeyChange, Error> {
        let key = self.settings_key(client, now).await?;
        // Read once: what is kept as the key before is what the write replaces, or nothing is written.
        let stored = self.stored_link_keys(client).await?;
        let (seq, before) = match &stored {
            Some(item) => (
                get_number(item, "seq")?,
                Some(opened(client, &key, item)?.current),
            ),
            None => (0, None),
        };
        let next = seq.saturating_add(1);
        let made = MadeLinkKey {
            key: fresh_link_key()?,
            // Moments are stored in whole seconds: what is told now is what is read later.
            since: Timestamp::from_second(now.as_second()).unwrap_or(now),
        };
        let mut item = Key::link_keys(client).with([
            (
                "current",
                bytes(key.seal(&place(client, "link-key", next), &made.key)?),
            ),
            ("since", moment(made.since)),
            ("seq", number(next)),
        ]);
        if let Some(before) = before {
            let sealed = key.seal(&place(client, "former-link-key", next), &before)?;
            item.insert("previous".to_owned(), bytes(sealed));
        }
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR seq = :seq")
            .expression_attribute_values(":seq", number(seq))
            .build();
        let mut writes = vec![TransactWriteItem::builder().set_put(put.ok()).build()];
        if let Some(idempotency) = idempotency {
            let sealed = key.seal(&place(client, MADE_LINK_KEY, next), &made.key)?;
            let outcome = [
                ("link_key", bytes(sealed)),
                ("since", moment(made.since)),
                ("seq", number(next)),
            ];
            let remembered = self
                .table
                .put_idempotency(client, idempotency, outcome, now)?;
            writes.push(remembered);
        }
        match (self.table.transact(writes).await, idempotency) {
            (Ok(()), _) => Ok(LinkKeyChange::Made(made)),
            (Err(Error::Conflict), Some(idempotency)) => {
                self.link_key_made_before(client, &key, idempotency).await
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn link_key_made_before(
        &self,
        client: &ClientId,
        key: &DataKey,
        idempotency: &IdempotencyKey,
    ) -> Result<LinkKeyChange, Error> {
        let Some(item) = self.table.made_before(client, idempotency).await? else {
            return Ok(LinkKeyChange::KeyReused);
        };
        let place = place(client, MADE_LINK_KEY, get_number(&item, "seq")?);
        Ok(LinkKeyChange::Made(MadeLinkKey {
            key: key.open(&place, get_bytes(&item, "link_key")?)?,
            since: get_moment(&item, "since")?,
        }))
    }

    async fn settings_key(&self, client: &ClientId, now: Timestamp) -> Result<DataKey, Error> {
        Ok(self.vault.tenant_key(client, now).await?.settings_key())
    }
}

fn opened(client: &ClientId, key: &DataKey, item: &Item) -> Result<LinkKeys, Error> {
    let seq = get_number(item, "seq")?;
    let current = key.open(&place(client, "link-key", seq), get_bytes(item, "current")?)?;
    let previous = match item.contains_key("previous") {
        false => None,
        true => {
            let sealed = get_bytes(item, "previous")?;
            Some(key.open(&place(client, "former-link-key", seq), sealed)?)
        }
    };
    Ok(LinkKeys {
        current,
        previous,
        since: get_moment(item, "since")?,
    })
}

fn fresh_link_key() -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut key = Zeroizing::new(vec![0; LINK_KEY_LENGTH]);
    crate::vault::fill_random(&mut key)?;
    Ok(key)
}

fn place<'a>(client: &'a ClientId, kind: &'a str, seq: u64) -> Place<'a> {
    Place {
        client,
        owner: "settings",
        kind,
        seq,
    }
}
