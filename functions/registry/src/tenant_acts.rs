//! The clients that may use the API: registered, suspended, resumed, told.

use passerelle_aws::tenant_registry::Tenant;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::ClientId;
use passerelle_runtime::Problem;
use serde::Serialize;
use serde_json::{Value, json};

use crate::command::Name;
use crate::{Registry, refused};

/// A client as the operator reads it.
#[derive(Serialize)]
struct Told {
    client: ClientId,
    name: String,
    status: &'static str,
    registered_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_at: Option<Timestamp>,
}

impl From<Tenant> for Told {
    fn from(tenant: Tenant) -> Self {
        Self {
            status: match tenant.suspended_at {
                None => "registered",
                Some(_) => "suspended",
            },
            client: tenant.client,
            name: tenant.name,
            registered_at: tenant.registered_at,
            suspended_at: tenant.suspended_at,
        }
    }
}

impl Registry {
    pub(crate) async fn register_tenant(
        &self,
        client: ClientId,
        name: Name,
    ) -> Result<Value, Problem> {
        let now = self.clock.now();
        let registered = self.table.register_tenant(&client, name.as_str(), now);
        let tenant = registered.await.map_err(refused)?;
        tracing::info!(outcome = "tenant-registered", tenant = %client, "the registry was changed");
        Ok(told(tenant))
    }

    pub(crate) async fn suspend_tenant(&self, client: ClientId) -> Result<Value, Problem> {
        let suspended = self.table.suspend_tenant(&client, self.clock.now());
        let tenant = suspended.await.map_err(refused)?.ok_or_else(unknown)?;
        tracing::info!(outcome = "tenant-suspended", tenant = %client, "the registry was changed");
        Ok(told(tenant))
    }

    pub(crate) async fn resume_tenant(&self, client: ClientId) -> Result<Value, Problem> {
        let resumed = self.table.resume_tenant(&client);
        let tenant = resumed.await.map_err(refused)?.ok_or_else(unknown)?;
        tracing::info!(outcome = "tenant-resumed", tenant = %client, "the registry was changed");
        Ok(told(tenant))
    }

    pub(crate) async fn list_tenants(&self) -> Result<Value, Problem> {
        let tenants = self.table.tenants().await.map_err(refused)?;
        let tenants: Vec<Told> = tenants.into_iter().map(Told::from).collect();
        Ok(json!({ "tenants": tenants }))
    }
}

fn told(tenant: Tenant) -> Value {
    json!({ "tenant": Told::from(tenant) })
}

fn unknown() -> Problem {
    Problem::not_found()
        .with_detail("No such client is registered: `list-tenants` tells those that are.")
}
