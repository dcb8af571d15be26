//! `DELETE /v1/connections/{connection}`: the client ends a connection.
//!
//! The consent ends first, so that nothing is served any more; then the key is destroyed, so that
//! nothing can be opened any more; then the rows go. Each end leaves its receipt. Stopped anywhere, the next sweep of
//! `consent-expiry` carries it on.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use passerelle_domain::consent::{Consent, ConsentEvent};
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::receipt::Actor;
use passerelle_runtime::{Caller, Path, Problem};

use crate::{Connections, refused};

pub(crate) async fn terminate(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
) -> Result<StatusCode, Problem> {
    let (table, now) = (connections.store.table(), connections.clock.now());
    let found = table
        .connection(&caller.client, &id)
        .await
        .map_err(refused)?;
    let (connection, _) = found.ok_or_else(Problem::not_found)?;
    let stored = table
        .consent(&caller.client, &connection.consent)
        .await
        .map_err(refused)?;
    let consent: Consent = stored.ok_or_else(Problem::not_found)?.consent;
    // A consent that ended before is not ended again, but what it owed is still done.
    if let Ok(ended) = consent.apply(ConsentEvent::Terminated, now) {
        let saved = connections
            .receipts
            .save_consent(&consent, &ended, Actor::Client, now);
        saved.await.map_err(refused)?;
    }
    table
        .erase_connection(&caller.client, &id, now)
        .await
        .map_err(refused)?;
    connections
        .receipts
        .record_erasure(&consent, &id, now)
        .await
        .map_err(refused)?;
    table
        .clear_calendar(&caller.client, &consent.id)
        .await
        .map_err(refused)?;
    tracing::info!(outcome = "terminated", connection = %id, "connection ended by the client");
    Ok(StatusCode::NO_CONTENT)
}
