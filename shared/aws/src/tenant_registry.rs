//! The clients an operator registered. A client id nobody registered is nobody here, whatever token it
//! carries: no item of its own is written and no key is made for it.
//!
//! Who is registered is remembered for a minute per environment, so a suspension counts within a minute.
//! Who is not is looked up each time: a registration counts at once, and strangers fill no memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::ids::ClientId;
use passerelle_domain::registry::{Asked, RegistryError, Standing, TenantRegistry};

use crate::attributes::{Item, get_moment, get_text, moment, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table};

/// How long a client that was found registered is served without another look.
const BELIEVED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// A client an operator registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The client id of its tokens.
    pub client: ClientId,
    /// What the operator calls it.
    pub name: String,
    /// When it was registered first.
    pub registered_at: Timestamp,
    /// Since when it is suspended, if it is.
    pub suspended_at: Option<Timestamp>,
}

impl Table {
    /// Registers a client, or gives it another name. One that is suspended stays so.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn register_tenant(
        &self,
        client: &ClientId,
        name: &str,
        now: Timestamp,
    ) -> Result<Tenant, Error> {
        let update = self
            .tenant_update(client)
            .update_expression(
                "SET #name = :name, registered_at = if_not_exists(registered_at, :now)",
            )
            .expression_attribute_names("#name", "name")
            .expression_attribute_values(":name", text(name))
            .expression_attribute_values(":now", moment(now));
        self.changed_tenant(update).await
    }

    /// Suspends a client; `None` when nobody registered it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn suspend_tenant(
        &self,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Option<Tenant>, Error> {
        let update = self
            .tenant_update(client)
            .update_expression("SET suspended_at = if_not_exists(suspended_at, :now)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", moment(now));
        registered(self.changed_tenant(update).await)
    }

    /// Ends a suspension; `None` when nobody registered the client.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn resume_tenant(&self, client: &ClientId) -> Result<Option<Tenant>, Error> {
        let update = self
            .tenant_update(client)
            .update_expression("REMOVE suspended_at")
            .condition_expression("attribute_exists(pk)");
        registered(self.changed_tenant(update).await)
    }

    /// Every client that was registered, suspended ones included.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        let items = self.whole_partition(Key::tenants()).await?;
        items.iter().map(read).collect()
    }

    /// A client that was registered.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn tenant(&self, client: &ClientId) -> Result<Option<Tenant>, Error> {
        let item = self.get(&self.name, Key::tenant(client)).await?;
        item.as_ref().map(read).transpose()
    }

    fn tenant_update(&self, client: &ClientId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::tenant(client).into_item()))
            .return_values(ReturnValue::AllNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    async fn changed_tenant(&self, update: UpdateItemFluentBuilder) -> Result<Tenant, Error> {
        let answer = update.send().await.map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        read(&answer.attributes.unwrap_or_default())
    }

    /// Every item of a partition.
    pub(crate) async fn whole_partition(&self, pk: &str) -> Result<Vec<Item>, Error> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(pk))
                .set_exclusive_start_key(start)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(Error::from_sdk)?;
            self.meter
                .table_read(answer.consumed_capacity.as_slice_of());
            items.extend(answer.items.unwrap_or_default());
            match answer.last_evaluated_key {
                Some(last) if !last.is_empty() => start = Some(last),
                _ => return Ok(items),
            }
        }
    }
}

fn registered(changed: Result<Tenant, Error>) -> Result<Option<Tenant>, Error> {
    match changed {
        Ok(tenant) => Ok(Some(tenant)),
        Err(Error::Conflict) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(item: &Item) -> Result<Tenant, Error> {
    let client = get_text(item, "sk")?.parse();
    let suspended_at = item
        .contains_key("suspended_at")
        .then(|| get_moment(item, "suspended_at"));
    Ok(Tenant {
        client: client.map_err(|_| Error::Unreadable("tenant"))?,
        name: get_text(item, "name")?.to_owned(),
        registered_at: get_moment(item, "registered_at")?,
        suspended_at: suspended_at.transpose()?,
    })
}

/// The registry as one environment knows it. Clones share what is known.
#[derive(Debug, Clone)]
pub struct Tenants {
    table: Table,
    served_until: Arc<Mutex<BTreeMap<ClientId, Timestamp>>>,
}

impl Tenants {
    /// The registry of a table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            table,
            served_until: Arc::default(),
        }
    }

    async fn look_up(&self, client: &ClientId, now: Timestamp) -> Result<Standing, Error> {
        let believed = self.known().get(client).is_some_and(|until| now < *until);
        if believed {
            return Ok(Standing::Registered);
        }
        let standing = match self.table.tenant(client).await? {
            None => Standing::Unknown,
            Some(tenant) if tenant.suspended_at.is_some() => Standing::Suspended,
            Some(_) => Standing::Registered,
        };
        match standing {
            Standing::Registered => {
                let until = now.checked_add(BELIEVED_FOR).unwrap_or(now);
                self.known().insert(client.clone(), until);
            }
            Standing::Suspended | Standing::Unknown => {
                self.known().remove(client);
            }
        }
        Ok(standing)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<ClientId, Timestamp>> {
        self.served_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl TenantRegistry for Tenants {
    fn standing<'a>(&'a self, client: &'a ClientId, now: Timestamp) -> Asked<'a, Standing> {
        Box::pin(async move { self.look_up(client, now).await.map_err(as_registry) })
    }
}

pub(crate) fn as_registry(error: Error) -> RegistryError {
    if error.is_retryable() {
        RegistryError::passing(error)
    } else {
        RegistryError::fatal(error)
    }
}
