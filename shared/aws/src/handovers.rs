//! A journey handed to another device of the same person: a short code, good once and for ten minutes.
//!
//! The code leads to the journey and to nothing else: not to the bank, and not into the browser that
//! left for it. Who takes it over begins where everybody with the journey's link begins, and nothing
//! comes of the attempt that was under way.

use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::ids::{ClientId, ConsentId};

use crate::attributes::{Item, get_moment, get_parsed, get_text, moment, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Digest, Key, Table};

/// How long a code can be used.
pub const HANDOVER_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// Which journey a code leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The client.
    pub client: ClientId,
    /// The consent whose journey it is.
    pub consent: ConsentId,
    /// The attempt under way in the browser that offers it.
    pub state: Digest,
}

impl Table {
    /// Remembers a code for [`HANDOVER_LIFETIME`].
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn offer_handover(
        &self,
        code: &Digest,
        handover: &Handover,
        now: Timestamp,
    ) -> Result<(), Error> {
        let until = now
            .checked_add(HANDOVER_LIFETIME)
            .map_err(|_| Error::Unreadable("clock"))?;
        let item = Key::handover(code).with([
            ("client", text(handover.client.as_str())),
            ("consent", text(handover.consent.as_str())),
            ("state", text(handover.state.as_str())),
            ("expires_at", moment(until)),
            ("ttl", moment(until)),
        ]);
        let answer = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// The journey of a code that can still be used. Looking does not use it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn handover(&self, code: &Digest, now: Timestamp) -> Result<Option<Handover>, Error> {
        let item = self.get(&self.name, Key::handover(code)).await?;
        let Some(item) = item.filter(|item| !item.contains_key("used_at")) else {
            return Ok(None);
        };
        // TTL deletes late, so the end is judged here.
        match now < get_moment(&item, "expires_at")? {
            true => read_handover(&item).map(Some),
            false => Ok(None),
        }
    }

    /// Uses a code: it works this once.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was used before, its time is over, or nobody was given it.
    pub async fn take_handover(&self, code: &Digest, now: Timestamp) -> Result<Handover, Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::handover(code).into_item()))
            .update_expression("SET used_at = :now")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(used_at) AND expires_at > :now",
            )
            .expression_attribute_values(":now", moment(now))
            .return_values(ReturnValue::AllNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        read_handover(&answer.attributes.unwrap_or_default())
    }
}

fn read_handover(item: &Item) -> Result<Handover, Error> {
    Ok(Handover {
        client: get_parsed(item, "client")?,
        consent: get_parsed(item, "consent")?,
        state: Digest::from_stored(get_text(item, "state")?),
    })
}
