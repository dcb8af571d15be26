//! The end of a connection: the key first, then the rows.
//!
//! From the moment the wrapped key is gone every copy, backups included, is noise; what follows only
//! tidies up. Each step can be repeated, so an erasure that stopped half-way is carried on.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use jiff::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId, CustomerReference};

use crate::attributes::{get_parsed, moment, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table};

impl Table {
    /// Erases everything of a connection but the fact that it existed.
    ///
    /// # Errors
    /// When the table does not answer; call again.
    pub async fn erase_connection(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.delete(&self.keys_name, Key::connection_key(client, connection))
            .await?;
        let Some(customer) = self.close_gate(client, connection, now).await? else {
            return Ok(());
        };
        self.delete(&self.name, Key::score(client, &customer))
            .await?;
        for key in self.keys_of_partition(client, connection).await? {
            if key.sk != "G" {
                self.delete(&self.name, key).await?;
            }
        }
        Ok(())
    }

    /// Closes the gate and takes it off the wheel; tells whose connection it was.
    async fn close_gate(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Option<CustomerReference>, Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::gate(client, connection).into_item()))
            .update_expression(
                "SET phase = :closed, since = if_not_exists(since, :now) REMOVE wheel_slot",
            )
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":closed", text("closed"))
            .expression_attribute_values(":now", moment(now))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => {
                self.meter
                    .table_write(answer.consumed_capacity.as_slice_of());
                answer
                    .attributes
                    .as_ref()
                    .map(|gate| get_parsed(gate, "customer"))
                    .transpose()
            }
            Err(Error::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn keys_of_partition(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
    ) -> Result<Vec<Key>, Error> {
        let mut keys = Vec::new();
        let mut from = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(
                    ":pk",
                    text(Key::connection_partition(client, connection)),
                )
                .projection_expression("pk, sk")
                .consistent_read(true)
                .set_exclusive_start_key(from)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(Error::from_sdk)?;
            self.meter
                .table_read(answer.consumed_capacity.as_slice_of());
            keys.extend(
                answer
                    .items
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Key::of_item),
            );
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(keys);
            }
        }
    }
}
