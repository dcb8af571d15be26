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
use passerelle_aws::{Clients, Error, Store, Table, Tenants};
use passerelle_domain::ids::{ClientId, CustomerReference};
use passerelle_domain::score_grounds::ScoreGrounds;
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
    /// Learns anew from what the person's consents allow to be scored at this moment.
    async fn after_sync(&self, work: Work) -> Result<(), WorkError> {
        let store = self.store.metered();
        let (table, now) = (store.table(), self.clock.now());
        let (client, id) = (&work.client, &work.connection);
        let mark = table.due_mark(client, id).await?;
        let Some((connection, _)) = table.connection(client, id).await? else {
            return Ok(());
        };
        let customer = &connection.customer;
        let grounds = table.score_grounds(client, customer, now).await?;
        let histories = person::histories(&store, client, &grounds.connections(), now).await?;
        let learned = person::learn(&histories, &grounds, now)?;
        store.save_scores(client, customer, &learned, now).await?;
        let still = self
            .is_still_so(&store, (client, customer), &grounds)
            .await?;
        if let Some(mark) = mark.filter(|mark| still && mark.owed() == Owed::Scoring) {
            table.clear_due(client, id, mark).await?;
        }
        let usage = store.meter().usage();
        tracing::info!(
            connections = histories.len(),
            analyses = learned.len(),
            aws_calls = usage.table_requests + usage.kms_requests,
            rru = usage.read_units,
            wru = usage.write_units,
            "scored"
        );
        Ok(())
    }

    /// Whether the consents allow what they allowed when the work began. Otherwise what they no longer
    /// justify goes again: whoever narrowed them looked before this was stored.
    async fn is_still_so(
        &self,
        store: &Store,
        (client, customer): (&ClientId, &CustomerReference),
        grounds: &ScoreGrounds,
    ) -> Result<bool, Error> {
        let (table, now) = (store.table(), self.clock.now());
        let still = table.score_grounds(client, customer, now).await? == *grounds;
        if !still {
            table
                .forget_unjustified_scores(client, customer, now)
                .await?;
        }
        Ok(still)
    }
}
