//! The end of a connection before its time: `DELETE /v1/connections/{connection}` for the client, the
//! self-care pages for the person.
//!
//! One transaction ends the consent, closes the connection, destroys its key and owes the bank a
//! farewell, with its receipt; then the rows go. Stopped anywhere, or with the bank still to be told, the next sweep of
//! `consent-expiry` carries it on, and `GET /v1/connections/{connection}` shows how far it has come.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use passerelle_domain::consent::{Consent, ConsentEvent};
use passerelle_domain::ids::{ClientId, ConnectionId};
use passerelle_domain::receipt::Actor;
use passerelle_runtime::{Caller, Path, Problem};

use crate::{Connections, refused};

pub(crate) async fn terminate(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
) -> Result<StatusCode, Problem> {
    connections
        .end(&caller.client, &id, ConsentEvent::Terminated, Actor::Client)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Connections {
    /// Ends a connection and the consent behind it: [`ConsentEvent::Withdrawn`] by the person,
    /// [`ConsentEvent::Terminated`] by the client. Ending twice is ending once.
    pub(crate) async fn end(
        &self,
        client: &ClientId,
        id: &ConnectionId,
        event: ConsentEvent,
        actor: Actor,
    ) -> Result<(), Problem> {
        let (table, now) = (self.store.table(), self.clock.now());
        let found = table.connection(client, id).await.map_err(refused)?;
        let (connection, _) = found.ok_or_else(Problem::not_found)?;
        let stored = table.consent(client, &connection.consent).await;
        let stored = stored.map_err(refused)?;
        let consent: Consent = stored.ok_or_else(Problem::not_found)?.consent;
        // A consent that ended before is not ended again, but what it owed is still done.
        if let Ok(ended) = consent.apply(event, now) {
            let outcome = ended.state.code();
            self.receipts
                .end_connection(&consent, &ended, id, actor, now)
                .await
                .map_err(refused)?;
            tracing::info!(outcome, connection = %id, "connection ended");
        }
        table
            .erase_connection(client, id, now)
            .await
            .map_err(refused)?;
        self.receipts
            .record_erasure(&consent, id, now)
            .await
            .map_err(refused)?;
        table
            .clear_calendar(client, &consent.id)
            .await
            .map_err(refused)
    }
}
