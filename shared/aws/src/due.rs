//! What is owed: the mark that makes a lost queue message harmless.
//!
//! A change that must lead to work leaves a mark in the same write. The mark stands on the item that
//! owes the work (a connection's data, a farewell, an attempt) and names the next step; the step's own
//! commit replaces or removes it. Each mark of a connection has a version: who does the work remembers the
//! one it read, and removes no other, so that work which was owed meanwhile stays owed.
//!
//! The sweep queues what is overdue and moves the mark ahead, further each time, so that a step that keeps
//! failing neither is queued every minute nor keeps others waiting.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValue};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::ids::{ClientId, ConnectionId};

use crate::attributes::{Item, get_number, get_text, moment, number, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table, shard, sortable};

/// Index partitions a kind of work is spread over. A partition takes a thousand writes a second: ten
/// million connections that are read four times a day write some 930 marks a second, and all of them
/// that come back from an outage together still find room.
pub const SHARDS: u32 = 32;

/// Marks moved ahead at a time.
const AT_ONCE: usize = 16;

/// The queue message travels first: the sweep steps in when it has not done its work by then.
const GRACE: SignedDuration = SignedDuration::from_secs(45);

/// How long the sweep waits before it queues the same work again.
const BACK_OFF: SignedDuration = SignedDuration::from_mins(5);

/// How often it waits just so long; from then on twice as long each time.
const PATIENT_TRIES: u64 = 3;

/// The longest it waits.
const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_hours(1);

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
    const ALL: [Self; 4] = [Self::Sync, Self::Scoring, Self::Farewell, Self::Attempt];

    fn code(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Scoring => "score",
            Self::Farewell => "farewell",
            Self::Attempt => "attempt",
        }
    }

    /// What the shards of this kind begin with.
    fn prefix(self) -> String {
        format!("{}#", self.code())
    }

    pub(crate) fn shard_text(self, connection: &ConnectionId) -> String {
        self.shard_of(connection.as_str())
    }

    /// The index partition of a mark, by what the mark stands for.
    pub(crate) fn shard_of(self, owner: &str) -> String {
        format!("{}{}", self.prefix(), shard(owner, SHARDS))
    }
}

/// A mark as somebody read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueMark {
    owed: Owed,
    version: u64,
}

impl DueMark {
    /// The mark a data item carries, if any.
    pub(crate) fn of_item(item: &Item) -> Option<Self> {
        let shard = get_text(item, "due_shard").ok()?;
        let owed = Owed::ALL
            .into_iter()
            .find(|owed| shard.starts_with(&owed.prefix()))?;
        Some(Self {
            owed,
            version: get_number(item, "due_version").unwrap_or_default(),
        })
    }

    /// The mark under which a sync that read the item owes the rest of its own reading: its version is the
    /// one that was read, so that whatever is owed by somebody else meanwhile is another mark.
    pub(crate) fn of_own_reading(item: &Item) -> Self {
        Self {
            owed: Owed::Sync,
            version: get_number(item, "due_version").unwrap_or_default(),
        }
    }

    /// The step it names.
    #[must_use]
    pub fn owed(&self) -> Owed {
        self.owed
    }

    /// The condition that it still is the one on the item, with the values it compares. One that was
    /// written with the item itself has no version yet.
    pub(crate) fn unchanged(&self) -> (&'static str, Vec<(String, AttributeValue)>) {
        let kind = (":marked".to_owned(), text(self.owed.prefix()));
        match self.version {
            0 => (
                "begins_with(due_shard, :marked) AND attribute_not_exists(due_version)",
                vec![kind],
            ),
            version => (
                "begins_with(due_shard, :marked) AND due_version = :marked_version",
                vec![kind, (":marked_version".to_owned(), number(version))],
            ),
        }
    }
}

/// Writes a mark inside an update: `SET …`, with the values of [`mark_values`].
pub(crate) const SET_MARK: &str = "due_shard = :due_shard, due_at = :due_at, due_tries = :no_mark, \
     due_version = if_not_exists(due_version, :no_mark) + :one_mark";

/// Owes the rest of a sync's own reading, inside an update, with the values of [`own_mark_values`]. The
/// version stays: it counts what others owe.
pub(crate) const SET_OWN_MARK: &str =
    "due_shard = :due_shard, due_at = :due_at, due_tries = :no_mark";

/// Says that the work already owed has more to do, inside an update, with the values of
/// [`version_values`]: who is at it now does not remove the mark.
pub(crate) const RENEW_MARK: &str =
    "due_version = if_not_exists(due_version, :no_mark) + :one_mark";

/// The values of [`SET_MARK`].
pub(crate) fn mark_values(
    owed: Owed,
    connection: &ConnectionId,
    due: String,
) -> Vec<(String, AttributeValue)> {
    let mut values = version_values();
    values.push((":due_shard".to_owned(), text(owed.shard_text(connection))));
    values.push((":due_at".to_owned(), text(due)));
    values
}

/// The values of [`SET_OWN_MARK`].
pub(crate) fn own_mark_values(
    connection: &ConnectionId,
    due: String,
) -> Vec<(String, AttributeValue)> {
    let mut values = mark_values(Owed::Sync, connection, due);
    values.retain(|(name, _)| name != ":one_mark");
    values
}

/// The values of [`RENEW_MARK`].
pub(crate) fn version_values() -> Vec<(String, AttributeValue)> {
    vec![
        (":no_mark".to_owned(), number(0)),
        (":one_mark".to_owned(), number(1)),
    ]
}

pub(crate) fn first_look(now: Timestamp) -> String {
    sortable(now.checked_add(GRACE).unwrap_or(now))
}

/// How long the sweep waits after having handed out a mark so many times.
fn pause(tries: u64) -> SignedDuration {
    let doublings = tries.saturating_sub(PATIENT_TRIES).min(10);
    let factor = 1_i32.checked_shl(u32::try_from(doublings).unwrap_or_default());
    BACK_OFF
        .saturating_mul(factor.unwrap_or(1))
        .min(LONGEST_BACK_OFF)
}

/// A walk over what is overdue for a step, in some of the index's shards.
#[derive(Debug)]
pub struct OverdueWalk {
    owed: Owed,
    now: Timestamp,
    /// The shards that are not walked to their end, with where each page begins.
    open: Vec<(u32, Option<Item>)>,
}

impl OverdueWalk {
    /// A walk over what is overdue at a moment in these shards (of [`SHARDS`]).
    #[must_use]
    pub fn new(owed: Owed, shards: impl IntoIterator<Item = u32>, now: Timestamp) -> Self {
        Self {
            owed,
            now,
            open: shards.into_iter().map(|shard| (shard, None)).collect(),
        }
    }

    /// Whether there may be more.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.open.is_empty()
    }
}

impl Table {
    /// The next connections of a walk, at most `limit`, longest overdue first; each mark moves ahead.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn take_overdue(
        &self,
        walk: &mut OverdueWalk,
        limit: usize,
    ) -> Result<Vec<(ClientId, ConnectionId)>, Error> {
        let taken = self.take_due(walk, limit).await?;
        Ok(taken.iter().filter_map(Key::connection_of).collect())
    }

    /// The next items of a walk, at most `limit`, longest overdue first; each mark moves ahead.
    pub(crate) async fn take_due(
        &self,
        walk: &mut OverdueWalk,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        // Every shard gets its part: a busy one never keeps the others waiting.
        let part = limit.div_ceil(walk.open.len().max(1));
        let (owed, now) = (walk.owed, walk.now);
        let pages = stream::iter(std::mem::take(&mut walk.open))
            .map(|(shard, from)| async move {
                let page = self.overdue_of_shard(owed, shard, now, part, from).await?;
                Ok::<_, Error>((shard, page))
            })
            .buffer_unordered(AT_ONCE);
        let pages: Vec<_> = pages.try_collect().await?;
        let mut due = Vec::new();
        for (shard, (found, next)) in pages {
            due.extend(found);
            if next.is_some() {
                walk.open.push((shard, next));
            }
        }
        due.sort_by(|(one, _), (other, _)| one.cmp(other));
        let moved = stream::iter(due)
            .map(|(_, key)| async move {
                let moved = self.push_back(key.clone(), owed, now).await?;
                Ok::<_, Error>(moved.then_some(key))
            })
            .buffered(AT_ONCE);
        moved
            .try_filter_map(|key| async { Ok(key) })
            .try_collect()
            .await
    }

    /// The mark of a connection, for who begins to do what is owed.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn due_mark(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
    ) -> Result<Option<DueMark>, Error> {
        let data = self.get(&self.name, Key::data(client, connection)).await?;
        Ok(data.as_ref().and_then(DueMark::of_item))
    }

    /// Removes the mark of a step that was done, unless more was owed since it was read.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn clear_due(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        mark: DueMark,
    ) -> Result<(), Error> {
        let (same, values) = mark.unchanged();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            // The version stays: the next mark is told from this one by it.
            .update_expression("REMOVE due_shard, due_at, due_tries")
            .condition_expression(same);
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let answer = update
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
            .map(drop)
    }

    /// Owes a score; where a sync is owed, it ends in one. `false` when the connection is gone.
    pub(crate) async fn owe_scoring(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let owed = self.owe(client, connection, Owed::Scoring, first_look(now));
        Ok(owed.await? || self.owe_scoring_after_sync(client, connection, now).await?)
    }

    async fn owe(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        owed: Owed,
        due: String,
    ) -> Result<bool, Error> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression(format!("SET {SET_MARK}"))
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(fenced) AND \
                 (attribute_not_exists(due_shard) OR begins_with(due_shard, :kind))",
            )
            .set_expression_attribute_values(Some(
                mark_values(owed, connection, due).into_iter().collect(),
            ))
            .expression_attribute_values(":kind", text(owed.prefix()));
        let answer = update
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        self.was_written(answer.map(|it| it.consumed_capacity))
    }

    /// The sync that is owed owes a score whatever it finds. One that is at work now has read that it
    /// need not: its mark is renewed, so that it is done again.
    async fn owe_scoring_after_sync(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression(format!("SET rescore = :now, {RENEW_MARK}"))
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(fenced)")
            .set_expression_attribute_values(Some(version_values().into_iter().collect()))
            .expression_attribute_values(":now", moment(now))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        self.was_written(answer.map(|it| it.consumed_capacity))
    }

    fn was_written(
        &self,
        answer: Result<Option<aws_sdk_dynamodb::types::ConsumedCapacity>, Error>,
    ) -> Result<bool, Error> {
        match answer {
            Ok(consumed) => {
                self.meter.table_write(consumed.as_slice_of());
                Ok(true)
            }
            Err(Error::Conflict) => {
                // A refused condition is billed like the write it refused.
                self.meter.table_write(&[]);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn overdue_of_shard(
        &self,
        owed: Owed,
        shard: u32,
        now: Timestamp,
        left: usize,
        from: Option<Item>,
    ) -> Result<(Vec<(String, Key)>, Option<Item>), Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", text(format!("{}{shard}", owed.prefix())))
            .expression_attribute_values(":now", text(sortable(now)))
            .limit(i32::try_from(left).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        let found = answer.items.unwrap_or_default();
        let found = found.iter().filter_map(|item| {
            let due = get_text(item, "due_at").unwrap_or_default().to_owned();
            Some((due, Key::of_item(item)?))
        });
        Ok((found.collect(), answer.last_evaluated_key))
    }

    /// Moves the mark ahead, unless the work was done since the index was read.
    async fn push_back(&self, key: Key, owed: Owed, now: Timestamp) -> Result<bool, Error> {
        let soon = sortable(now.checked_add(BACK_OFF).unwrap_or(now));
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.clone().into_item()))
            .update_expression(
                "SET due_at = :soon, due_tries = if_not_exists(due_tries, :none) + :one",
            )
            .condition_expression("begins_with(due_shard, :kind) AND due_at <= :now")
            .expression_attribute_values(":soon", text(soon.clone()))
            .expression_attribute_values(":now", text(sortable(now)))
            .expression_attribute_values(":kind", text(owed.prefix()))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.was_written(Err(error)),
        };
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        let updated = answer.attributes.unwrap_or_default();
        let tries = get_number(&updated, "due_tries").unwrap_or_default();
        let later = now.checked_add(pause(tries)).unwrap_or(now);
        if sortable(later) > soon {
            tracing::warn!(
                step = owed.code(),
                tries,
                connection = key.connection_of().map(|(_, id)| id.to_string()),
                "a step keeps being owed: it is queued less often"
            );
            self.push_further(key, soon, sortable(later)).await?;
        }
        Ok(true)
    }

    async fn push_further(&self, key: Key, from: String, to: String) -> Result<(), Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .update_expression("SET due_at = :to")
            .condition_expression("due_at = :from")
            .expression_attribute_values(":to", text(to))
            .expression_attribute_values(":from", text(from))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        self.was_written(answer.map(|it| it.consumed_capacity))
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_keeps_failing_is_handed_out_less_and_less_often_but_never_given_up() {
        let minutes: Vec<i64> = (1..=9).map(|tries| pause(tries).as_mins()).collect();
        assert_eq!(minutes, [5, 5, 5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(pause(u64::MAX), LONGEST_BACK_OFF);
    }
}
