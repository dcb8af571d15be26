//! The banks that registered us: one item per bank or group, with what it said as JSON. What may be
//! written there is decided by who reads it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use passerelle_domain::registry::{Asked, BankRegistry};

use crate::attributes::{get_text, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table};
use crate::tenant_registry::as_registry;

impl Table {
    /// Keeps what a bank said, in place of what it said before.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn register_bank(&self, name: &str, registration: &str) -> Result<(), Error> {
        let item = Key::registered_bank(name).with([("registration", text(registration))]);
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

    /// Forgets a bank. Forgetting one that was never kept is nothing.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn forget_bank(&self, name: &str) -> Result<(), Error> {
        self.delete(&self.name, Key::registered_bank(name)).await
    }

    /// Every bank that was kept, with what it said, by name.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn registered_banks(&self) -> Result<BTreeMap<String, String>, Error> {
        let items = self.whole_partition(Key::registered_banks()).await?;
        let read = items.iter().map(|item| {
            let registration = get_text(item, "registration")?.to_owned();
            Ok((get_text(item, "sk")?.to_owned(), registration))
        });
        read.collect()
    }
}

impl BankRegistry for Table {
    fn registrations(&self) -> Asked<'_, BTreeMap<String, String>> {
        Box::pin(async move { self.registered_banks().await.map_err(as_registry) })
    }
}
