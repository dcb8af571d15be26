//! How far a first sync has come, for the person who waits for it. Nothing else depends on it.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use jiff::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId};

use crate::attributes::moment;
use crate::claims::Claim;
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table};

impl Table {
    /// Notes that the bank has listed the accounts and their movements are being read.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the connection is gone.
    pub async fn note_accounts_listed(&self, claim: &Claim, now: Timestamp) -> Result<(), Error> {
        let connection = &claim.connection;
        let key = Key::gate(&connection.client, &connection.id);
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .update_expression("SET listed_at = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", moment(now))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// Whether the bank has listed the accounts of a connection.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn are_accounts_listed(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
    ) -> Result<bool, Error> {
        let gate = self.get(&self.name, Key::gate(client, connection)).await?;
        Ok(gate.is_some_and(|gate| gate.contains_key("listed_at")))
    }
}
