//! Who read what, under which purpose, when. Written before anything is served: a read that cannot be
//! logged is not answered. Kept a year, shown to the client, the auditor and the person.

use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::ids::{CallerSubject, ClientId, ConnectionId, CustomerReference};
use passerelle_domain::purpose::{DataClass, PurposeCode};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::attributes::{get_json, json, moment, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table};

/// How long an entry is kept.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// The most entries of one page.
pub const LARGEST_PAGE: usize = 200;

/// One read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// When.
    pub at: Timestamp,
    /// The client that read.
    pub client: ClientId,
    /// Who at the client, where its token says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<CallerSubject>,
    /// Whose data.
    pub customer: CustomerReference,
    /// Of which connection; absent where all of a person's were read together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// What was read.
    pub read: DataClass,
    /// What for.
    pub purpose: PurposeCode,
}

/// A place in the log. Opaque to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessCursor(String);

/// A text that is no place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the `next` of an earlier page")]
pub struct InvalidAccessCursor;

impl FromStr for AccessCursor {
    type Err = InvalidAccessCursor;

    fn from_str(place: &str) -> Result<Self, InvalidAccessCursor> {
        let (millisecond, suffix) = place.split_once('-').ok_or(InvalidAccessCursor)?;
        let digits = millisecond.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = suffix.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (millisecond.len(), suffix.len(), digits && hexadecimal) {
            (15, 12, true) => Ok(Self(place.to_owned())),
            _ => Err(InvalidAccessCursor),
        }
    }
}

impl fmt::Display for AccessCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessPage {
    /// The reads.
    pub accesses: Vec<Access>,
    /// Pass it to get older ones; `None` on the last page.
    pub next: Option<AccessCursor>,
}

impl Table {
    /// Writes a read down. Serve it only when this succeeded.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn log_access(&self, access: &Access) -> Result<(), Error> {
        let until = access
            .at
            .checked_add(KEPT_FOR)
            .map_err(|_| Error::Unreadable("clock"))?;
        let place = format!(
            "{:015}-{}",
            access.at.as_millisecond().max(0),
            fresh_suffix()?
        );
        let item = Key::access(&access.client, &access.customer, &place)
            .with([("access", json(access)?), ("ttl", moment(until))]);
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

    /// Who read a person's data, newest first, from after `before` on.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn accesses(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        before: Option<&AccessCursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<AccessPage, Error> {
        let oldest = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::UNIX_EPOCH);
        let oldest = format!("{:015}", oldest.as_millisecond().max(0));
        let from = Key::access(client, customer, &oldest);
        // `:` sorts after every digit: nothing is newer.
        let to = Key::access(client, customer, before.map_or(":", |place| &place.0));
        if to.sk < from.sk {
            return Ok(AccessPage::default());
        }
        let limit = limit.clamp(1, LARGEST_PAGE);
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(from.pk))
            .expression_attribute_values(":from", text(from.sk))
            .expression_attribute_values(":to", text(&to.sk))
            .scan_index_forward(false)
            // One more for the place it was asked from, which is not shown again.
            .limit(i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        let items = answer.items.unwrap_or_default();
        let mut shown = items
            .iter()
            .filter_map(|item| Some((Key::of_item(item)?, item)))
            .filter(|(key, _)| key.sk != to.sk);
        let mut page = AccessPage::default();
        for (key, item) in shown.by_ref().take(limit) {
            page.accesses.push(get_json(item, "access")?);
            page.next = key
                .sk
                .strip_prefix("A#")
                .and_then(|place| place.parse().ok());
        }
        if answer.last_evaluated_key.is_none() && shown.next().is_none() {
            page.next = None;
        }
        Ok(page)
    }
}

/// Tells reads of the same millisecond apart.
fn fresh_suffix() -> Result<String, Error> {
    let mut bytes = [0_u8; 6];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Unavailable("the system gave no randomness".into()))?;
    Ok(hex::encode(bytes))
}
