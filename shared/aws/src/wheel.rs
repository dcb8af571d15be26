//! What is to be refreshed: a wheel of 1,440 minutes. A connection's slot is a hash of its id,
//! written once; a tick walks the slots of the minutes since the last one and remembers where it was.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use jiff::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId, InstitutionId};

use crate::attributes::{Item, get_number, get_parsed, number, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table, spread};

/// Minutes of a day.
const SLOTS: u32 = 1440;

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

/// One minute of the wheel's life, counted from the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u64);

impl Minute {
    /// The minute a moment lies in.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
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

impl Table {
    /// The minutes to walk at `now`, oldest first: those since the last walk, at most `limit`, and
    /// never more than a day back, because a day visits every connection.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn minutes_to_walk(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Minute>, Error> {
        let last = Minute::of(now).0;
        let item = self.get(&self.name, Key::cursor(CURSOR)).await?;
        let walked = item
            .as_ref()
            .map(|item| get_number(item, "minute"))
            .transpose()?;
        let first = match walked {
            Some(minute) => (minute + 1).max(last.saturating_sub(u64::from(SLOTS) - 1)),
            None => last,
        };
        Ok((first..=last).take(limit).map(Minute).collect())
    }

    /// One page of the connections a minute visits; `from` continues where the last page ended.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn connections_of_minute(
        &self,
        minute: Minute,
        refreshes: RefreshesPerDay,
    ) -> Result<Vec<Visited>, Error> {
        let mut connections = Vec::new();
        for slot in minute.slots(refreshes) {
            let mut from: Option<Item> = None;
            loop {
                let (mut page, next) = self.slot_page(slot, from).await?;
                connections.append(&mut page);
                from = next;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(connections)
    }

    async fn slot_page(
        &self,
        slot: u32,
        from: Option<Item>,
    ) -> Result<(Vec<Visited>, Option<Item>), Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("wheel")
            .key_condition_expression("wheel_slot = :slot")
            .expression_attribute_values(":slot", text(slot_text(slot)))
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

    /// Remembers that a minute was walked. A tick that runs twice walks twice at worst: the claim
    /// decides who works.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn minute_walked(&self, minute: Minute) -> Result<(), Error> {
        let key = Key::cursor(CURSOR).into_item();
        let value: AttributeValue = number(minute.0);
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression("SET #minute = :minute")
            .condition_expression("attribute_not_exists(#minute) OR #minute < :minute")
            .expression_attribute_names("#minute", "minute")
            .expression_attribute_values(":minute", value)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => {
                self.meter
                    .table_write(answer.consumed_capacity.as_slice_of());
                Ok(())
            }
            Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

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
