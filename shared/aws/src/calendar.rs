//! What time brings: each consent by the day something is next to be done about it (a warning, an end,
//! an erasure). Written with the change that moves it, never rescheduled; the sweep asks for what is due
//! and for nothing else.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use passerelle_domain::Date;
use passerelle_domain::consent::Consent;
use passerelle_domain::ids::{ClientId, ConsentId};

use crate::attributes::text;
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table, shard, sortable};

/// Partitions a day is spread over: ten million consents of 90 days end 110,000 a day.
const SHARDS: u32 = 10;

const CURSOR: &str = "calendar";

pub(crate) struct Entry {
    pub(crate) day: String,
    pub(crate) key: String,
}

/// Where a consent stands in the calendar: the next thing time brings to it. One that is past stays
/// listed until what it owed is done.
pub(crate) fn entry(consent: &Consent) -> Option<Entry> {
    let due = consent.next_due()?;
    let shard = shard(consent.id.as_str(), SHARDS);
    Some(Entry {
        day: format!("{}#{shard}", day_of(due)),
        key: format!("{}#{}", sortable(due), consent.id),
    })
}

fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// Consents whose end has come.
#[derive(Debug, Clone, Default)]
pub struct DueConsents {
    /// Whose they are.
    pub consents: Vec<(ClientId, ConsentId)>,
    /// Whether the bound was reached before everything due was listed.
    pub more: bool,
}

impl Table {
    /// Consents whose end has come by `now`, at most `limit`, oldest day first.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn due_consents(&self, now: Timestamp, limit: usize) -> Result<DueConsents, Error> {
        let mut due = DueConsents::default();
        let today = day_of(now);
        let mut day = self.calendar_cursor().await?.unwrap_or(today).min(today);
        while day <= today {
            for shard in 0..SHARDS {
                let left = limit.saturating_sub(due.consents.len());
                if left == 0 {
                    due.more = true;
                    return Ok(due);
                }
                self.due_of_shard(day, shard, now, left, &mut due).await?;
            }
            day = day.tomorrow().map_err(|_| Error::Unreadable("clock"))?;
        }
        Ok(due)
    }

    async fn due_of_shard(
        &self,
        day: Date,
        shard: u32,
        now: Timestamp,
        left: usize,
        due: &mut DueConsents,
    ) -> Result<(), Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("calendar")
            .key_condition_expression("calendar_day = :day AND calendar_key < :after")
            .expression_attribute_values(":day", text(format!("{day}#{shard}")))
            // `~` sorts after `#`: everything that ends in this very second is due.
            .expression_attribute_values(":after", text(format!("{}~", sortable(now))))
            .limit(i32::try_from(left).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        due.more |= answer.last_evaluated_key.is_some();
        let keys = answer.items.unwrap_or_default();
        due.consents.extend(
            keys.iter()
                .filter_map(Key::of_item)
                .filter_map(|key| key.consent_of()),
        );
        Ok(())
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
            .update_expression("REMOVE calendar_day, calendar_key")
            .condition_expression("attribute_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// The first day that may still hold something due.
    async fn calendar_cursor(&self) -> Result<Option<Date>, Error> {
        let item = self.get(&self.name, Key::cursor(CURSOR)).await?;
        let stored = item
            .as_ref()
            .map(|item| crate::attributes::get_parsed(item, "day"));
        stored.transpose()
    }

    /// Remembers that every day before yesterday is done. Yesterday stays: a consent may have been
    /// written into it while it was being walked.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn calendar_walked(&self, now: Timestamp) -> Result<(), Error> {
        let yesterday = now
            .checked_sub(SignedDuration::from_hours(24))
            .unwrap_or(now);
        let item = Key::cursor(CURSOR).with([("day", text(day_of(yesterday).to_string()))]);
        let answer = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }
}
