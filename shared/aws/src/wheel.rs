//! What is to be refreshed: a wheel of 1,440 minutes. A connection's slot is a hash of its id,
//! written once; a tick walks the slots of the minutes since the last one and remembers where it was,
//! also inside a minute.
//!
//! Minutes are dealt out to lanes in turn, so that several calls walk at a time: each lane has a place of
//! its own, and no two walk the same minute.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use jiff::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId, InstitutionId};

use serde::{Deserialize, Serialize};

use crate::attributes::{Item, get_json, get_number, get_parsed, json, number, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table, spread};

/// Minutes of a day.
const SLOTS: u32 = 1440;

/// Minutes are dealt out to so many lanes.
pub const LANES: u32 = 8;

const CURSOR: &str = "wheel";

pub(crate) fn slot_of(connection: &ConnectionId) -> String {
    slot_text(spread(connection.as_str()) % SLOTS)
}

fn slot_text(slot: u32) -> String {
    format!("{slot:04}")
}

/// How often a day each connection is visited. Divides the day evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshesPerDay(u32);

/// A number of refreshes that does not divide the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refreshes per day must be 1, 2, 3 or 4: banks allow four unattended accesses a day")]
pub struct InvalidRefreshesPerDay;

impl std::str::FromStr for RefreshesPerDay {
    type Err = InvalidRefreshesPerDay;

    fn from_str(text: &str) -> Result<Self, InvalidRefreshesPerDay> {
        match text {
            "1" => Ok(Self(1)),
            "2" => Ok(Self(2)),
            "3" => Ok(Self(3)),
            "4" => Ok(Self(4)),
            _ => Err(InvalidRefreshesPerDay),
        }
    }
}

impl RefreshesPerDay {
    /// Minutes in which every connection is visited once.
    fn round(self) -> u64 {
        u64::from(SLOTS / self.0)
    }
}

/// One minute of the wheel's life, counted from the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Minute(u64);

impl Minute {
    /// The minute a moment lies in.
    fn of(moment: Timestamp) -> Self {
        Self(u64::try_from(moment.as_second()).unwrap_or_default() / 60)
    }

    /// The slots visited in this minute.
    fn slots(self, refreshes: RefreshesPerDay) -> Vec<u32> {
        let period = SLOTS / refreshes.0;
        let minute = u32::try_from(self.0 % u64::from(SLOTS)).unwrap_or_default();
        (0..refreshes.0)
            .map(|turn| (minute % period) + turn * period)
            .collect()
    }
}

/// A connection whose minute has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visited {
    /// Whose it is.
    pub client: ClientId,
    /// The connection.
    pub connection: ConnectionId,
    /// Its bank: one that is down is not sent work.
    pub institution: InstitutionId,
}

fn visited(item: &Item) -> Option<Visited> {
    let (client, connection) = Key::of_item(item)?.connection_of()?;
    Some(Visited {
        client,
        connection,
        institution: get_parsed(item, "institution").ok()?,
    })
}

/// Where a walk of a lane is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// The minute being walked.
    minute: Minute,
    /// Which of its slots.
    slot: usize,
    /// The last connection of the slot that was visited: its `pk` and `sk`.
    after: Option<(String, String)>,
}

impl Place {
    fn start_of(minute: u64) -> Self {
        Self {
            minute: Minute(minute),
            slot: 0,
            after: None,
        }
    }
}

/// A walk over the minutes of one lane up to now.
#[derive(Debug)]
pub struct WheelWalk {
    lane: u32,
    place: Place,
    last: Minute,
    refreshes: RefreshesPerDay,
    /// How often the stored place had been moved when it was read.
    moves: u64,
}

impl WheelWalk {
    /// Whether there is more to visit.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.place.minute <= self.last
    }

    fn slot(&self) -> Option<u32> {
        let slots = self.place.minute.slots(self.refreshes);
        slots.get(self.place.slot).copied()
    }

    /// The place after a page of the present slot.
    fn advance(&mut self, next: Option<&Item>) {
        if let Some(Key { pk, sk }) = next.and_then(Key::of_item) {
            self.place.after = Some((pk, sk));
            return;
        }
        self.place.after = None;
        self.place.slot += 1;
        if self.slot().is_none() {
            let following = self.place.minute.0.saturating_add(u64::from(LANES));
            self.place = Place::start_of(following);
        }
    }
}

/// The first minute of a lane from a minute on.
fn first_of_lane(lane: u32, from: u64) -> u64 {
    let lanes = u64::from(LANES);
    let ahead = (u64::from(lane) + lanes - from % lanes) % lanes;
    from.saturating_add(ahead)
}

impl Table {
    /// The walk of a lane (of [`LANES`]) up to `now`, from where it was left: the oldest minute first, and
    /// never more than a round back, because a round visits every connection.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn wheel_walk(
        &self,
        lane: u32,
        refreshes: RefreshesPerDay,
        now: Timestamp,
    ) -> Result<WheelWalk, Error> {
        let last = Minute::of(now);
        let cursor = self.get(&self.name, Key::cursor(&cursor(lane))).await?;
        let (stored, moves) = match &cursor {
            Some(item) => (
                Some(get_json::<Place>(item, "place")?),
                get_number(item, "moves")?,
            ),
            None => (None, 0),
        };
        let oldest = last.0.saturating_sub(refreshes.round() - 1);
        let place = match stored {
            Some(place) if place.minute.0 >= oldest => place,
            // Never walked before: from the lane's next minute on.
            None => Place::start_of(first_of_lane(lane, last.0)),
            Some(_) => Place::start_of(first_of_lane(lane, oldest)),
        };
        let mut walk = WheelWalk {
            lane,
            place,
            last,
            refreshes,
            moves,
        };
        if cursor.is_none() {
            // From here on the lane misses no minute, whenever its first one comes.
            self.visited(&mut walk).await?;
        }
        Ok(walk)
    }

    /// The next connections of a walk, at most `limit`; none at its end. They count as visited once
    /// [`Table::visited`] has remembered it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn next_visits(
        &self,
        walk: &mut WheelWalk,
        limit: usize,
    ) -> Result<Vec<Visited>, Error> {
        while walk.has_more() {
            let Some(slot) = walk.slot() else {
                walk.advance(None);
                continue;
            };
            let (page, next) = self.slot_page(slot, &walk.place, limit).await?;
            walk.advance(next.as_ref());
            if !page.is_empty() {
                return Ok(page);
            }
        }
        Ok(Vec::new())
    }

    async fn slot_page(
        &self,
        slot: u32,
        place: &Place,
        limit: usize,
    ) -> Result<(Vec<Visited>, Option<Item>), Error> {
        let from = place.after.as_ref().map(|(pk, sk)| {
            Item::from([
                ("pk".to_owned(), text(pk)),
                ("sk".to_owned(), text(sk)),
                ("wheel_slot".to_owned(), text(slot_text(slot))),
            ])
        });
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("wheel")
            .key_condition_expression("wheel_slot = :slot")
            .expression_attribute_values(":slot", text(slot_text(slot)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        let keys = answer.items.unwrap_or_default();
        let connections = keys.iter().filter_map(visited).collect();
        Ok((connections, answer.last_evaluated_key))
    }

    /// Remembers how far a walk has come. `false` when another call walks the same lane and has come
    /// further since: this one leaves it to that one.
    ///
    /// # Errors
    /// When the table does not answer; what was visited since is then visited again, and the claim decides
    /// who works.
    pub async fn visited(&self, walk: &mut WheelWalk) -> Result<bool, Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::cursor(&cursor(walk.lane)).into_item()))
            .update_expression("SET place = :place, moves = :next")
            .condition_expression("attribute_not_exists(moves) OR moves = :seen")
            .expression_attribute_values(":place", json(&walk.place)?)
            .expression_attribute_values(":seen", number(walk.moves))
            .expression_attribute_values(":next", number(walk.moves.saturating_add(1)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => {
                self.meter
                    .table_write(answer.consumed_capacity.as_slice_of());
                walk.moves = walk.moves.saturating_add(1);
                Ok(true)
            }
            Err(Error::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn cursor(lane: u32) -> String {
    format!("{CURSOR}#{lane}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_minute_belongs_to_one_lane_and_a_lane_goes_on_with_its_own() {
        for from in 0..40 {
            for lane in 0..LANES {
                let minute = first_of_lane(lane, from);
                assert_eq!(minute % u64::from(LANES), u64::from(lane));
                assert!((from..from + u64::from(LANES)).contains(&minute));
            }
        }
    }

    #[test]
    fn a_day_of_minutes_visits_every_slot_as_often_as_asked() {
        for refreshes in [1, 2, 3, 4] {
            let mut visits = vec![0_u32; 1440];
            for minute in 0..1440 {
                for slot in Minute(minute).slots(RefreshesPerDay(refreshes)) {
                    visits[usize::try_from(slot).unwrap()] += 1;
                }
            }
            assert_eq!(BTreeSet::from_iter(visits), BTreeSet::from([refreshes]));
        }
    }
}
