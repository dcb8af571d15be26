//! The outbox: what clients are told, written with the change and read as a feed.
//!
//! Other code in this crate adds [`Table::put_event`] to its transaction, so an event exists exactly
//! when its change does. A client's events lie in one partition per day and shard: no client makes a
//! hot one, and a reader asks for the days since its cursor and for nothing else. How a reader never
//! skips an event that was committed late is told in [`crate::event_feed`].

use aws_sdk_dynamodb::types::{Put, ReturnConsumedCapacity, TransactWriteItem};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use passerelle_domain::Date;
use passerelle_domain::event::DomainEvent;
use passerelle_domain::ids::ClientId;

use crate::attributes::{get_json, json, moment, text};
use crate::error::Error;
use crate::event_feed::{EventCursor, EventPage, Found, Position, Walk};
use crate::table::{AsSliceOf, Key, Table, shard};

/// Partitions a client's day is spread over: each takes a thousand writes a second.
const SHARDS: u32 = 4;

/// How long events are kept.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How often a transaction that met another one is tried before the last time.
const TRIES_WHILE_BUSY: usize = 2;

/// Days one page looks at: an old cursor of a silent client is walked in steps.
const DAYS_PER_PAGE: usize = 8;

/// The most events of one page.
pub const LARGEST_PAGE: usize = 500;

impl Table {
    /// The write that stores an event, for a transaction with the change it speaks of.
    pub(crate) fn put_event(&self, event: &DomainEvent) -> Result<TransactWriteItem, Error> {
        let until = event
            .at
            .checked_add(KEPT_FOR)
            .map_err(|_| Error::Unreadable("clock"))?;
        let spread = shard(event.id.as_str(), SHARDS);
        let place = Position::of(event).to_string();
        let key = Key::event(&event.about.client, day_of(event.at), spread, &place);
        let item = key.with([("event", json(event)?), ("ttl", moment(until))]);
        // The same event has the same key: stored again, it is still one.
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .build();
        Ok(TransactWriteItem::builder().set_put(put.ok()).build())
    }

    /// Stores events that go with no other change.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn tell(&self, events: &[DomainEvent]) -> Result<(), Error> {
        let puts: Result<Vec<_>, Error> =
            events.iter().map(|event| self.put_event(event)).collect();
        self.transact(puts?).await
    }

    /// Makes several writes, all or none.
    pub(crate) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<(), Error> {
        for _ in 0..TRIES_WHILE_BUSY {
            match self.transact_once(writes.clone()).await {
                // Another transaction was passing over one of the items: it is through by now.
                Err(Error::Busy(_)) => {}
                done => return done,
            }
        }
        self.transact_once(writes).await
    }

    async fn transact_once(&self, writes: Vec<TransactWriteItem>) -> Result<(), Error> {
        if writes.is_empty() {
            return Ok(());
        }
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter.table_write(answer.consumed_capacity());
        Ok(())
    }

    /// The client's events after a cursor, oldest first, at most `limit` (at most [`LARGEST_PAGE`]).
    /// Without a cursor: from the oldest that is kept.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn events(
        &self,
        client: &ClientId,
        after: Option<EventCursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<EventPage, Error> {
        let oldest = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::UNIX_EPOCH);
        let today = day_of(now);
        let mut walk = Walk::begin(after, oldest, limit.clamp(1, LARGEST_PAGE), now);
        let mut day = day_of(walk.from().moment()?);
        let mut days = 0;
        while day <= today && days < DAYS_PER_PAGE && !walk.is_full() {
            let found = self.events_of_day(client, day, walk.from(), walk.wanted());
            walk.take(found.await?);
            day = day.tomorrow().map_err(|_| Error::Unreadable("clock"))?;
            days += 1;
        }
        let unwalked = (day <= today).then(|| start_of(day)).transpose()?;
        Ok(walk.end(unwalked))
    }

    /// The first events of a day after a position, over all its shards, in order.
    async fn events_of_day(
        &self,
        client: &ClientId,
        day: Date,
        from: &Position,
        wanted: usize,
    ) -> Result<Found, Error> {
        let mut found = Found::default();
        for number in 0..SHARDS {
            let partition = Key::event(client, day, number, "").pk;
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND sk > :from")
                .expression_attribute_values(":pk", text(partition))
                .expression_attribute_values(":from", text(from.to_string()))
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(Error::from_sdk)?;
            self.meter
                .table_read(answer.consumed_capacity.as_slice_of());
            found.cut |= answer.last_evaluated_key.is_some();
            for item in answer.items.unwrap_or_default() {
                found.events.push(get_json::<DomainEvent>(&item, "event")?);
            }
        }
        // Each shard gave its first ones, so the first of all are among them.
        found.events.sort_by_key(Position::of);
        found.cut |= found.events.len() > wanted;
        found.events.truncate(wanted);
        Ok(found)
    }
}

fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

fn start_of(day: Date) -> Result<Timestamp, Error> {
    let midnight = day.to_zoned(TimeZone::UTC);
    midnight
        .map(|midnight| midnight.timestamp())
        .map_err(|_| Error::Unreadable("clock"))
}
