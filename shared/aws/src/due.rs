//! What is owed: the mark that makes a lost queue message harmless.
//!
//! A change that must lead to work leaves a mark in the same write. The mark stands on the item that
//! owes the work (a connection's data, a farewell, an attempt) and names the next step; the step's own commit replaces or removes it. The sweep queues what is
//! overdue and moves the mark ahead, so that a step that keeps failing is not queued every minute.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::ids::{ClientId, ConnectionId};

use crate::attributes::{get_text, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table, shard, sortable};

/// Index partitions a kind of work is spread over.
const SHARDS: u32 = 4;

/// The queue message travels first: the sweep steps in when it has not done its work by then.
const GRACE: SignedDuration = SignedDuration::from_secs(45);

/// How long the sweep waits before it queues the same work again.
const BACK_OFF: SignedDuration = SignedDuration::from_mins(5);

/// The next step a connection is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owed {
    /// The bank is to be read.
    Sync,
    /// What was read is to be scored.
    Scoring,
    /// The bank is to be told that a consent is over. Stands on a farewell, not on the data item.
    Farewell,
    /// A token that was exchanged is to be completed or given back. Stands on the attempt.
    Attempt,
}

impl Owed {
    fn code(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Scoring => "score",
            Self::Farewell => "farewell",
            Self::Attempt => "attempt",
        }
    }

    /// Whether a mark names this step.
    pub(crate) fn is_named_by(self, shard: &str) -> bool {
        let kind = shard.split_once('#').map(|(kind, _)| kind);
        kind == Some(self.code())
    }

    pub(crate) fn shard_text(self, connection: &ConnectionId) -> String {
        self.shard_of(connection.as_str())
    }

    /// The index partition of a mark, by what the mark stands for.
    pub(crate) fn shard_of(self, owner: &str) -> String {
        self.shard_numbered(shard(owner, SHARDS))
    }

    fn shard_numbered(self, number: u32) -> String {
        format!("{}#{number}", self.code())
    }
}

pub(crate) fn first_look(now: Timestamp) -> String {
    sortable(now.checked_add(GRACE).unwrap_or(now))
}

impl Table {
    /// Connections that are overdue for a step, at most `limit`, longest overdue first; each mark moves
    /// ahead.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn take_overdue(
        &self,
        owed: Owed,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(ClientId, ConnectionId)>, Error> {
        let taken = self.take_due(owed, now, limit).await?;
        Ok(taken.iter().filter_map(Key::connection_of).collect())
    }

    /// The items whose mark is due, at most `limit`, longest overdue first; each mark moves ahead.
    pub(crate) async fn take_due(
        &self,
        owed: Owed,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        // Every shard gets its part: a busy one never keeps the others waiting.
        let part = limit.div_ceil(usize::try_from(SHARDS).unwrap_or(1));
        let mut due = Vec::new();
        for number in 0..SHARDS {
            let shard = owed.shard_numbered(number);
            let found = self.overdue_of_shard(&shard, now, part).await?;
            due.extend(found.into_iter().map(|(at, key)| (at, key, shard.clone())));
        }
        due.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut taken = Vec::new();
        for (_, key, shard) in due.into_iter().take(limit) {
            if self.push_back(key.clone(), shard, now).await? {
                taken.push(key);
            }
        }
        Ok(taken)
    }

    /// Owes a sync from a moment on, unless something else is owed: what a bank that is down keeps
    /// waiting comes first when it is back, the longest waiting before the others.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn owe_sync(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        from: Timestamp,
    ) -> Result<(), Error> {
        self.owe(client, connection, Owed::Sync, sortable(from))
            .await
    }

    /// Owes a score, unless something else is owed: whatever that is ends in a score.
    pub(crate) async fn owe_scoring(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.owe(client, connection, Owed::Scoring, first_look(now))
            .await
    }

    async fn owe(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        owed: Owed,
        due: String,
    ) -> Result<(), Error> {
        let shard = owed.shard_text(connection);
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression("SET due_shard = :shard, due_at = :due")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(fenced) AND \
                 (attribute_not_exists(due_shard) OR due_shard = :shard)",
            )
            .expression_attribute_values(":shard", text(shard))
            .expression_attribute_values(":due", text(due))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => self
                .meter
                .table_write(answer.consumed_capacity.as_slice_of()),
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn overdue_of_shard(
        &self,
        shard: &str,
        now: Timestamp,
        left: usize,
    ) -> Result<Vec<(String, Key)>, Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", text(shard))
            .expression_attribute_values(":now", text(sortable(now)))
            .limit(i32::try_from(left).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        Ok(answer
            .items
            .unwrap_or_default()
            .iter()
            .filter_map(|item| {
                let due = get_text(item, "due_at").unwrap_or_default().to_owned();
                Some((due, Key::of_item(item)?))
            })
            .collect())
    }

    /// Moves the mark ahead, unless the work was done since the index was read.
    async fn push_back(&self, key: Key, shard: String, now: Timestamp) -> Result<bool, Error> {
        let later = sortable(now.checked_add(BACK_OFF).unwrap_or(now));
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .update_expression("SET due_at = :later")
            .condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":later", text(later))
            .expression_attribute_values(":now", text(sortable(now)))
            .expression_attribute_values(":shard", text(shard))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => {
                self.meter
                    .table_write(answer.consumed_capacity.as_slice_of());
                Ok(true)
            }
            Err(Error::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
