//! Where connections stand. No bank data, so no purpose: status, dates and the call budget.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use passerelle_domain::Timestamp;
use passerelle_domain::call_budget::{CallBudget, CallRule};
use passerelle_domain::connection::{Connection, ConnectionStatus};
use passerelle_domain::ids::{ConnectionId, ConsentId, CustomerReference, InstitutionId};
use passerelle_runtime::{Caller, Json, Path, Problem};
use serde::Serialize;
use serde_json::Value;

use crate::{Connections, refused};

/// A connection as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    id: ConnectionId,
    customer: CustomerReference,
    institution: InstitutionId,
    consent: ConsentId,
    consent_until: Timestamp,
    created_at: Timestamp,
    /// `status` and what belongs to it: since when, why, last sync, notice.
    #[serde(flatten)]
    status: Value,
    call_budget: Budget,
}

/// The ledger of unattended accesses: what the bank allows without the person (RTS art. 36(5)(b)).
#[derive(Debug, Serialize)]
struct Budget {
    /// The bank's own rule; the law's four in any 24 hours hold beside it.
    rule: CallRule,
    /// The accesses that count now, oldest first.
    used: Vec<Timestamp>,
    unattended_left: usize,
    /// When the next one is possible.
    next_possible: Timestamp,
}

/// Several connections.
#[derive(Debug, Serialize)]
pub(crate) struct Standings {
    connections: Vec<Standing>,
}

pub(crate) async fn of_connection(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
) -> Result<Json<Standing>, Problem> {
    let table = connections.store.table();
    let found = table
        .connection(&caller.client, &id)
        .await
        .map_err(refused)?;
    let (connection, budget) = found.ok_or_else(Problem::not_found)?;
    Ok(Json(standing(connection, budget, connections.clock.now())))
}

pub(crate) async fn of_customer(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(customer): Path<CustomerReference>,
) -> Result<Json<Standings>, Problem> {
    let (table, now) = (connections.store.table(), connections.clock.now());
    let ids = table
        .connections_of(&caller.client, &customer)
        .await
        .map_err(refused)?;
    let mut shown = Vec::new();
    for id in ids {
        if let Some((connection, budget)) = table
            .connection(&caller.client, &id)
            .await
            .map_err(refused)?
        {
            let over = matches!(connection.status, ConnectionStatus::Closed { .. });
            shown.push((standing(connection, budget, now), over));
        }
    }
    // Newest first; of two made in the same second, the one that still stands.
    shown.sort_by_key(|(standing, over)| (Reverse(standing.created_at), *over));
    let shown = shown.into_iter().map(|(standing, _)| standing).collect();
    Ok(Json(Standings { connections: shown }))
}

fn standing(connection: Connection, budget: CallBudget, now: Timestamp) -> Standing {
    Standing {
        // A status is an enum of texts and dates: it always has a JSON form.
        status: serde_json::to_value(&connection.status).unwrap_or_default(),
        id: connection.id,
        customer: connection.customer,
        institution: connection.institution,
        consent: connection.consent,
        consent_until: connection.consent_until,
        created_at: connection.created_at,
        call_budget: Budget {
            rule: budget.rule(),
            used: budget.used(now).collect(),
            unattended_left: budget.remaining(now),
            next_possible: budget.next_possible(now),
        },
    }
}
