//! What time brings: each consent by the day something is next to be done about it (a warning, an end,
//! an erasure). Written with the change that moves it, never rescheduled; the sweep asks for what is due
//! and for nothing else.
//!
//! A consent for which it could not be done moves ahead by itself, further each time, so that it keeps
//! nobody waiting; any change of the consent puts it back where it belongs.

use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use passerelle_domain::Date;
use passerelle_domain::consent::Consent;
use passerelle_domain::ids::{ClientId, ConsentId};

use crate::attributes::{Item, get_number, get_text, number, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table, shard, sortable};

/// Partitions a day is spread over. Ten million consents of 90 days are warned three times and end: some
/// 444,000 entries a day, 44,000 a partition, and five writes a second.
pub const SHARDS: u32 = 10;

/// How long a consent waits for which it could not be done; twice as long each time.
const BACK_OFF: SignedDuration = SignedDuration::from_mins(5);

/// The longest it waits.
const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_hours(12);

/// Shards asked at a time.
const AT_ONCE: usize = 10;

const CURSOR: &str = "calendar";

pub(crate) struct Entry {
    pub(crate) day: String,
    pub(crate) key: String,
}

/// Where a consent stands in the calendar: the next thing time brings to it. One that is past stays
/// listed until what it owed is done.
///
/// What was due on an earlier day is listed today: the days before yesterday were walked, and are not
/// looked at again.
pub(crate) fn entry(consent: &Consent, now: Timestamp) -> Option<Entry> {
    let due = consent.next_due()?;
    Some(entry_at(&consent.id, due, due.max(now)))
}

fn entry_at(consent: &ConsentId, due: Timestamp, listed: Timestamp) -> Entry {
    let shard = shard(consent.as_str(), SHARDS);
    Entry {
        day: format!("{}#{shard}", day_of(listed)),
        key: format!("{}#{consent}", sortable(due)),
    }
}

fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// A consent for which something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueConsent {
    /// Whose it is.
    pub client: ClientId,
    /// The consent.
    pub consent: ConsentId,
    shard: u32,
    /// Its place in the calendar when it was listed.
    key: String,
}

/// A walk over what is due in some of the calendar's shards.
#[derive(Debug)]
pub struct CalendarWalk {
    now: Timestamp,
    shards: Vec<ShardWalk>,
}

#[derive(Debug)]
struct ShardWalk {
    shard: u32,
    day: Date,
    after: Option<Item>,
    /// Whether everything that was due in it was listed.
    walked: bool,
    /// Whether something of it is neither done nor moved ahead.
    left: bool,
}

impl CalendarWalk {
    /// Whether there may be more.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.shards.iter().any(|shard| !shard.walked)
    }

    /// A consent of this walk was neither done nor moved ahead: its day is looked at again.
    pub fn leave(&mut self, due: &DueConsent) {
        let mut shards = self.shards.iter_mut();
        if let Some(shard) = shards.find(|walk| walk.shard == due.shard) {
            shard.left = true;
        }
    }
}

impl Table {
    /// A walk over what is due by `now` in these shards (of [`SHARDS`]), from the first day that may hold
    /// something.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn calendar_walk(
        &self,
        shards: impl IntoIterator<Item = u32>,
        now: Timestamp,
    ) -> Result<CalendarWalk, Error> {
        let today = day_of(now);
        let cursor = self.get(&self.name, Key::cursor(CURSOR)).await?;
        let cursor = cursor.unwrap_or_default();
        let stored = |name: &str| {
            let item = cursor.get_key_value(name);
            item.and_then(|(_, value)| value.as_s().ok()?.parse::<Date>().ok())
        };
        // `day` was the place of all shards together.
        let day = |shard| stored(&day_name(shard)).or_else(|| stored("day"));
        let shards = shards.into_iter().map(|shard| ShardWalk {
            shard,
            day: day(shard).unwrap_or(today).min(today),
            after: None,
            walked: false,
            left: false,
        });
        Ok(CalendarWalk {
            now,
            shards: shards.collect(),
        })
    }

    /// The next consents of a walk, at most `limit`, longest due first; none at its end.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn due_consents(
        &self,
        walk: &mut CalendarWalk,
        limit: usize,
    ) -> Result<Vec<DueConsent>, Error> {
        let (now, today) = (walk.now, day_of(walk.now));
        let mut due = Vec::new();
        while due.is_empty() && walk.has_more() {
            let shards = std::mem::take(&mut walk.shards).into_iter();
            let (open, walked): (Vec<_>, Vec<_>) = shards.partition(|shard| !shard.walked);
            walk.shards = walked;
            // Every shard gets its part: a busy one never keeps the others waiting.
            let part = limit.div_ceil(open.len().max(1));
            let found = stream::iter(open)
                .map(|mut shard| async move {
                    let found = self.due_of_shard(&mut shard, now, part).await?;
                    if shard.after.is_none() {
                        shard.walked = shard.day >= today;
                        if !shard.walked {
                            let next = shard.day.tomorrow();
                            shard.day = next.map_err(|_| Error::Unreadable("clock"))?;
                        }
                    }
                    Ok::<_, Error>((shard, found))
                })
                .buffer_unordered(AT_ONCE);
            let found: Vec<(ShardWalk, Vec<DueConsent>)> = found.try_collect().await?;
            for (shard, found) in found {
                walk.shards.push(shard);
                due.extend(found);
            }
        }
        due.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(due)
    }

    async fn due_of_shard(
        &self,
        walk: &mut ShardWalk,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueConsent>, Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("calendar")
            .key_condition_expression("calendar_day = :day AND calendar_key < :after")
            .expression_attribute_values(":day", text(format!("{}#{}", walk.day, walk.shard)))
            // `~` sorts after `#`: everything that ends in this very second is due.
            .expression_attribute_values(":after", text(format!("{}~", sortable(now))))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(walk.after.take())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        walk.after = answer.last_evaluated_key;
        let keys = answer.items.unwrap_or_default();
        let due = keys.iter().filter_map(|item| {
            let (client, consent) = Key::of_item(item)?.consent_of()?;
            Some(DueConsent {
                client,
                consent,
                shard: walk.shard,
                key: get_text(item, "calendar_key").ok()?.to_owned(),
            })
        });
        Ok(due.collect())
    }

    /// Moves a consent ahead for which it could not be done, further each time. Answers how often that
    /// was, and when it comes up again; `None` when it was changed meanwhile and stands where it belongs.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_off(
        &self,
        due: &DueConsent,
        now: Timestamp,
    ) -> Result<Option<(u64, Timestamp)>, Error> {
        let counted = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::consent(&due.client, &due.consent).into_item()))
            .update_expression("SET calendar_tries = if_not_exists(calendar_tries, :none) + :one")
            .condition_expression("calendar_key = :seen")
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":seen", text(&due.key))
            .return_values(ReturnValue::UpdatedNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        let counted = match counted {
            Ok(counted) => counted,
            Err(Error::Conflict) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.meter
            .table_write(counted.consumed_capacity.as_slice_of());
        let tries = get_number(&counted.attributes.unwrap_or_default(), "calendar_tries")?;
        let again = now.checked_add(pause(tries)).unwrap_or(now);
        let entry = entry_at(&due.consent, again, again);
        let moved = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::consent(&due.client, &due.consent).into_item()))
            .update_expression("SET calendar_day = :day, calendar_key = :key")
            .condition_expression("calendar_key = :seen")
            .expression_attribute_values(":day", text(entry.day))
            .expression_attribute_values(":key", text(entry.key))
            .expression_attribute_values(":seen", text(&due.key))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match moved {
            Ok(moved) => {
                self.meter
                    .table_write(moved.consumed_capacity.as_slice_of());
                Ok(Some((tries, again)))
            }
            Err(Error::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes an ended consent out of the calendar: nothing is owed for it any more.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn clear_calendar(
        &self,
        client: &ClientId,
        consent: &ConsentId,
    ) -> Result<(), Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::consent(client, consent).into_item()))
            .update_expression("REMOVE calendar_day, calendar_key, calendar_tries")
            .condition_expression("attribute_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// Remembers for each shard of a walk the first day that may still hold something: the day it stopped
    /// in, or yesterday where all was listed. Yesterday stays: a consent may have been written into it
    /// while it was being walked.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn calendar_walked(&self, walk: &CalendarWalk) -> Result<(), Error> {
        let yesterday = walk.now.checked_sub(SignedDuration::from_hours(24));
        let yesterday = day_of(yesterday.unwrap_or(walk.now));
        let reached = walk.shards.iter().filter(|shard| !shard.left);
        let reached: Vec<(String, Date)> = reached
            .map(|shard| (day_name(shard.shard), shard.day.min(yesterday)))
            .collect();
        if reached.is_empty() {
            return Ok(());
        }
        let sets = reached.iter().map(|(name, _)| format!("{name} = :{name}"));
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::cursor(CURSOR).into_item()))
            .update_expression(format!("SET {}", sets.collect::<Vec<_>>().join(", ")));
        for (name, day) in reached {
            update = update.expression_attribute_values(format!(":{name}"), text(day.to_string()));
        }
        let answer = update
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }
}

fn day_name(shard: u32) -> String {
    format!("day_{shard}")
}

fn pause(tries: u64) -> SignedDuration {
    let doublings = u32::try_from(tries.saturating_sub(1).min(10)).unwrap_or_default();
    BACK_OFF
        .saturating_mul(1 << doublings)
        .min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_comes_up_less_and_less_often_but_twice_a_day_at_least() {
        let minutes: Vec<i64> = (1..=9).map(|tries| pause(tries).as_mins()).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 640, 720]);
        assert_eq!(pause(u64::MAX), LONGEST_BACK_OFF);
    }
}
