//! Consents, journey links, and creation that happens once per `Idempotency-Key`.

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem, Update,
};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::consent::{Consent, ConsentState};
use passerelle_domain::event::DomainEvent;
use passerelle_domain::ids::{ClientId, ConnectionId, ConsentId};

use crate::attributes::{
    Item, get_json, get_number, get_parsed, get_text, json, moment, number, text,
};
use crate::calendar;
use crate::error::Error;
use crate::table::{AsSliceOf, Digest, Key, Table};

/// How long a creation is remembered by its `Idempotency-Key`.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A client's promise that the same request may arrive twice.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// The header's value.
    pub key: String,
    /// SHA-256 of the request, so that another request under the same key is seen.
    pub request: Digest,
}

/// What came of creating a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It was created now.
    Created,
    /// The same request created this consent before.
    Before(ConsentId),
    /// The key was used for another request.
    KeyReused,
}

/// A consent with what the table knows beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConsent {
    /// The consent.
    pub consent: Consent,
    /// The connection it made, kept when the state that named it is gone.
    pub connection: Option<ConnectionId>,
}

/// A consent with the link that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedConsent {
    /// The consent.
    pub consent: Consent,
    /// Which of its links it was: 0 for the first journey, then the renewal's number.
    pub number: u32,
}

impl Table {
    /// Stores a new consent, its journey link and, where given, its idempotency record: all or none.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn open_consent(
        &self,
        consent: &Consent,
        link: &Digest,
        idempotency: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<Opened, Error> {
        let mut writes = vec![
            self.put_new(consent_item(consent, now)?),
            self.put_new(link_item(consent, link, now)),
        ];
        if let Some(key) = idempotency {
            let outcome = [("consent", text(consent.id.as_str()))];
            writes.push(self.put_idempotency(&consent.client, key, outcome, now)?);
        }
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match (answer, idempotency) {
            (Ok(answer), _) => {
                self.meter.table_write(answer.consumed_capacity());
                Ok(Opened::Created)
            }
            (Err(Error::Conflict), Some(key)) => self.opened_before(&consent.client, key).await,
            (Err(error), _) => Err(error),
        }
    }

    async fn opened_before(
        &self,
        client: &ClientId,
        key: &IdempotencyKey,
    ) -> Result<Opened, Error> {
        match self.made_before(client, key).await? {
            Some(item) => get_parsed(&item, "consent").map(Opened::Before),
            None => Ok(Opened::KeyReused),
        }
    }

    /// What the same request made before; `None` when the key came with another request.
    pub(crate) async fn made_before(
        &self,
        client: &ClientId,
        key: &IdempotencyKey,
    ) -> Result<Option<Item>, Error> {
        let item = self
            .get(&self.name, Key::idempotency(client, &key.key))
            .await?
            .ok_or(Error::Conflict)?;
        let same = get_text(&item, "request")? == key.request.as_str();
        Ok(same.then_some(item))
    }

    /// A client's consent.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn consent(
        &self,
        client: &ClientId,
        consent: &ConsentId,
    ) -> Result<Option<StoredConsent>, Error> {
        let item = self.get(&self.name, Key::consent(client, consent)).await?;
        item.as_ref().map(read_consent).transpose()
    }

    /// The consent a journey link leads to.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn consent_by_link(&self, link: &Digest) -> Result<Option<LinkedConsent>, Error> {
        let Some(item) = self.get(&self.name, Key::link(link)).await? else {
            return Ok(None);
        };
        let (client, consent) = (get_parsed(&item, "client")?, get_parsed(&item, "consent")?);
        let number = u32::try_from(get_number(&item, "number")?);
        let number = number.map_err(|_| Error::Unreadable("link"))?;
        let stored = self.consent(&client, &consent).await?;
        Ok(stored.map(|stored| LinkedConsent {
            consent: stored.consent,
            number,
        }))
    }

    /// Stores the next version of a consent with what the client is told of it. For changes that
    /// leave no receipt: choices and refusals before anything was granted. Every other change goes
    /// through [`crate::ReceiptBook::save_consent`].
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was changed since it was read.
    pub async fn save_consent(
        &self,
        next: &Consent,
        told: &[DomainEvent],
        now: Timestamp,
    ) -> Result<(), Error> {
        let update = consent_update(&self.name, next, now)?;
        if !told.is_empty() {
            let mut writes = vec![TransactWriteItem::builder().update(update).build()];
            for event in told {
                writes.push(self.put_event(event)?);
            }
            return self.transact(writes).await;
        }
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(update.key))
            .update_expression(update.update_expression)
            .set_condition_expression(update.condition_expression)
            .set_expression_attribute_names(update.expression_attribute_names)
            .set_expression_attribute_values(update.expression_attribute_values)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    pub(crate) fn put_new(&self, item: Item) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        TransactWriteItem::builder().set_put(put.ok()).build()
    }

    /// The write of a row of wrapped keys that must not exist yet.
    pub(crate) fn put_new_key(&self, item: Item) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.keys_name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        TransactWriteItem::builder().set_put(put.ok()).build()
    }

    /// Remembers what a request made, unless its key is remembered already.
    pub(crate) fn put_idempotency(
        &self,
        client: &ClientId,
        key: &IdempotencyKey,
        outcome: impl IntoIterator<Item = (&'static str, AttributeValue)>,
        now: Timestamp,
    ) -> Result<TransactWriteItem, Error> {
        let until = now
            .checked_add(REMEMBERED_FOR)
            .map_err(|_| Error::Unreadable("clock"))?;
        let mut item = Key::idempotency(client, &key.key).with(outcome);
        item.insert("request".to_owned(), text(key.request.as_str()));
        item.insert("ttl".to_owned(), moment(until));
        // An expired record may still be there: TTL deletes late, so it is judged here.
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", moment(now))
            .build();
        Ok(TransactWriteItem::builder().set_put(put.ok()).build())
    }
}

fn consent_item(consent: &Consent, now: Timestamp) -> Result<Item, Error> {
    let mut item = Key::consent(&consent.client, &consent.id).with([
        ("body", json(consent)?),
        ("version", number(consent.version)),
    ]);
    if let Some(entry) = calendar::entry(consent, now) {
        item.insert("calendar_day".into(), text(entry.day));
        item.insert("calendar_key".into(), text(entry.key));
    }
    Ok(item)
}

pub(crate) fn link_item(consent: &Consent, link: &Digest, now: Timestamp) -> Item {
    let mut item = Key::link(link).with([
        ("client", text(consent.client.as_str())),
        ("consent", text(consent.id.as_str())),
        ("number", number(u64::from(consent.link_number()))),
    ]);
    // The link outlives its use by a month, so that an old link says "expired", not "unknown".
    if let Ok(until) = now.checked_add(SignedDuration::from_hours(31 * 24)) {
        item.insert("ttl".into(), moment(until));
    }
    item
}

fn read_consent(item: &Item) -> Result<StoredConsent, Error> {
    let consent: Consent = get_json(item, "body")?;
    let connection = item
        .contains_key("connection")
        .then(|| get_parsed(item, "connection"));
    Ok(StoredConsent {
        consent,
        connection: connection.transpose()?,
    })
}

/// The conditional update that stores the next version, alone or inside a transaction.
pub(crate) fn consent_update(table: &str, next: &Consent, now: Timestamp) -> Result<Update, Error> {
    let previous = next.version.saturating_sub(1);
    let mut expression = "SET body = :body, version = :version".to_owned();
    let mut update = Update::builder()
        .table_name(table)
        .set_key(Some(Key::consent(&next.client, &next.id).into_item()))
        .condition_expression("version = :previous")
        .expression_attribute_values(":body", json(next)?)
        .expression_attribute_values(":version", number(next.version))
        .expression_attribute_values(":previous", number(previous));
    if let ConsentState::Valid { connection, .. } = &next.state {
        expression.push_str(", #connection = :connection");
        update = update
            .expression_attribute_names("#connection", "connection")
            .expression_attribute_values(":connection", text(connection.as_str()));
    }
    match calendar::entry(next, now) {
        Some(entry) => {
            expression.push_str(", calendar_day = :day, calendar_key = :key REMOVE calendar_tries");
            update = update
                .expression_attribute_values(":day", text(entry.day))
                .expression_attribute_values(":key", text(entry.key));
        }
        None => expression.push_str(" REMOVE calendar_day, calendar_key, calendar_tries"),
    }
    update
        .update_expression(expression)
        .build()
        .map_err(|_| Error::Unreadable("consent"))
}
