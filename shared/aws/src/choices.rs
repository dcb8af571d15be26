//! What a person or their client decided about what is learned from a connection: corrections and
//! opt-ins, sealed with the connection's own key and gone with it.
//!
//! A change owes a new score in the same write. While a sync is owed its mark stays, and its commit
//! owes the score instead: `rescore` on the data item says so.

use aws_sdk_dynamodb::types::{Put, ReturnConsumedCapacity, TransactWriteItem, Update};
use jiff::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attributes::{Item, bytes, get_bytes, get_number, moment, number};
use crate::content::{pack, unpack};
use crate::due::{Owed, RENEW_MARK, SET_MARK, first_look, mark_values, version_values};
use crate::error::Error;
use crate::pages::History;
use crate::store::Store;
use crate::table::Key;
use crate::vault::{DataKey, Place};

/// Choices as they are stored, with the version a change must start from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredChoices<C> {
    /// What was decided.
    pub choices: C,
    /// How often it was changed; 0 before the first time.
    pub version: u64,
}

/// Choices that are still sealed.
#[derive(Debug, Clone)]
pub(crate) struct SealedChoices {
    sealed: Vec<u8>,
    version: u64,
}

impl SealedChoices {
    pub(crate) fn of_item(item: &Item) -> Result<Self, Error> {
        Ok(Self {
            sealed: get_bytes(item, "choices")?.to_vec(),
            version: get_number(item, "version")?,
        })
    }
}

/// What a change of choices leaves to be done.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// Nothing else is owed: the score is.
    Score,
    /// A sync is owed and will owe the score.
    AfterSync,
}

impl History {
    /// What was decided about this connection; the default where nothing was.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn choices<C: DeserializeOwned + Default>(&self) -> Result<StoredChoices<C>, Error> {
        let Some(stored) = &self.choices else {
            return Ok(StoredChoices::default());
        };
        let connection = &self.connection;
        let plain = self.key.open(
            &place(&connection.client, &connection.id, stored.version),
            &stored.sealed,
        )?;
        Ok(StoredChoices {
            choices: unpack(&plain)?,
            version: stored.version,
        })
    }
}

impl Store {
    /// Replaces the choices of the connection `history` was read from. What changed in between is
    /// never overwritten.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the choices changed or the connection ended since they were read.
    pub async fn save_choices<C: Serialize>(
        &self,
        history: &History,
        changed: &StoredChoices<C>,
        now: Timestamp,
    ) -> Result<(), Error> {
        match self.put_choices(history, changed, Mark::Score, now).await {
            Err(Error::Conflict) => {
                self.put_choices(history, changed, Mark::AfterSync, now)
                    .await
            }
            answer => answer,
        }
    }

    async fn put_choices<C: Serialize>(
        &self,
        history: &History,
        changed: &StoredChoices<C>,
        mark: Mark,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (client, connection) = (&history.connection.client, &history.connection.id);
        let version = changed.version.saturating_add(1);
        let item = self.sealed_item(
            &history.key,
            (client, connection),
            version,
            &changed.choices,
        )?;
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR version = :before")
            .expression_attribute_values(":before", number(changed.version))
            .build()
            .map_err(|_| Error::Unreadable("choices"))?;
        let mark = self.owe_score(client, connection, mark, now)?;
        let answer = self
            .table
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(mark).build())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.table.meter.table_write(answer.consumed_capacity());
        Ok(())
    }

    fn sealed_item<C: Serialize>(
        &self,
        key: &DataKey,
        (client, connection): (&ClientId, &ConnectionId),
        version: u64,
        choices: &C,
    ) -> Result<Item, Error> {
        let sealed = key.seal(&place(client, connection, version), &pack(choices)?)?;
        Ok(Key::choices(client, connection)
            .with([("choices", bytes(sealed)), ("version", number(version))]))
    }

    fn owe_score(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        mark: Mark,
        now: Timestamp,
    ) -> Result<Update, Error> {
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(Key::data(client, connection).into_item()));
        let update = match mark {
            Mark::Score => update
                .update_expression(format!("SET {SET_MARK}"))
                .condition_expression(
                    "attribute_exists(pk) AND \
                     (attribute_not_exists(due_shard) OR due_shard = :due_shard)",
                )
                .set_expression_attribute_values(Some(
                    mark_values(Owed::Scoring, connection, first_look(now))
                        .into_iter()
                        .collect(),
                )),
            Mark::AfterSync => update
                .update_expression(format!("SET rescore = :now, {RENEW_MARK}"))
                .condition_expression("attribute_exists(pk)")
                .set_expression_attribute_values(Some(version_values().into_iter().collect()))
                .expression_attribute_values(":now", moment(now)),
        };
        update.build().map_err(|_| Error::Unreadable("choices"))
    }
}

fn place<'a>(client: &'a ClientId, connection: &'a ConnectionId, version: u64) -> Place<'a> {
    Place {
        client,
        owner: connection.as_str(),
        kind: "choices",
        seq: version,
    }
}
