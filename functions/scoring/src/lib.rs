//! Knowledge from transactions, across all of a customer's connections.
//!
//! Two ways in: the queue, after a sync that brought something new, and `POST /v1/scores`, which
//! computes over the connections that grant the purpose it names.

mod on_request;
mod person;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use passerelle_aws::due::Owed;
use passerelle_aws::{Clients, Store, Table, Tenants};
use passerelle_runtime::{
    Clock, Door, Environment, Function, Routes, Scope, StartError, Work, WorkError,
};

pub(crate) struct Scoring {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
}

/// Reads `TABLE_NAME`, `KEYS_TABLE_NAME`, `VAULT_KEY_ID` and `TENANT_CLAIM`.
///
/// # Errors
/// [`StartError`] naming the variable that is missing.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    let table = Table::new(
        clients,
        environment.text("TABLE_NAME")?,
        environment.text("KEYS_TABLE_NAME")?,
    );
    let door = Door::new(
        environment.text("TENANT_CLAIM")?,
        Tenants::new(table.clone()),
        environment.clock(),
    );
    let scoring = Arc::new(Scoring {
        store: Store::new(clients, table, environment.text("VAULT_KEY_ID")?),
        clock: environment.clock(),
    });
    let computing = Router::new().route("/v1/scores", post(on_request::compute));
    let routes = Routes::new()
        .scoped(&door, Scope::ScoresCompute, computing)
        .with_state(Arc::clone(&scoring));
    Ok(Function::new("scoring").http(routes).queue(move |work, _| {
        let scoring = Arc::clone(&scoring);
        async move { scoring.after_sync(work).await }
    }))
}

impl Scoring {
    /// Learns anew from everything the customer's connections hold.
    async fn after_sync(&self, work: Work) -> Result<(), WorkError> {
        let store = self.store.metered();
        let now = self.clock.now();
        let found = store
            .table()
            .connection(&work.client, &work.connection)
            .await?;
        let Some((connection, _)) = found else {
            return Ok(());
        };
        let histories = person::histories(&store, &work.client, &connection.customer, now).await?;
        if !histories.is_empty() {
            let analysis = person::analyse(&histories, now)?;
            let customer = &connection.customer;
            store
                .save_score(&work.client, customer, &histories, &analysis, now)
                .await?;
        }
        store
            .table()
            .clear_due(&work.client, &work.connection, Owed::Scoring)
            .await?;
        let usage = store.meter().usage();
        tracing::info!(
            connections = histories.len(),
            aws_calls = usage.table_requests + usage.kms_requests,
            rru = usage.read_units,
            wru = usage.write_units,
            "scored"
        );
        Ok(())
    }
}
