//! `GET /v1/customers/{customer}/scores?purpose=…`: what was last learned about a person.
//!
//! Served when every connection it was computed from grants the purpose now. Otherwise
//! `POST /v1/scores` computes over those that do.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId, CustomerReference};
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_knowledge::Analysis;
use passerelle_runtime::{Caller, Code, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};

use crate::{Connections, refused};

/// What every read names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    purpose: PurposeCode,
}

/// What was learned.
#[derive(Debug, Serialize)]
pub(crate) struct Scores {
    customer: CustomerReference,
    purpose: PurposeCode,
    computed_at: Timestamp,
    connections: BTreeSet<ConnectionId>,
    #[serde(flatten)]
    analysis: Analysis,
}

pub(crate) async fn of_customer(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(customer): Path<CustomerReference>,
    Query(named): Query<Named>,
) -> Result<Json<Scores>, Problem> {
    let purpose = connections.purpose(&named.purpose, DataClass::Scores)?;
    let (store, now) = (connections.store.metered(), connections.clock.now());
    connections
        .require_any_grant(&caller.client, &customer, &named.purpose, now)
        .await?;
    let found = store
        .score::<Analysis>(&caller.client, &customer, now)
        .await
        .map_err(refused)?;
    let score = found.ok_or_else(not_ready)?;
    for connection in &score.connections {
        connections
            .require_grant(&caller.client, connection, &named.purpose, now)
            .await?;
    }
    Ok(Json(Scores {
        customer,
        computed_at: score.computed_at,
        connections: score.connections,
        analysis: score.analysis.visible_to(purpose),
        purpose: named.purpose,
    }))
}

fn not_ready() -> Problem {
    Problem::new(Code::NotFound).with_detail(
        "Nothing has been learned yet: wait for the first sync, or POST /v1/scores to compute now.",
    )
}

impl Connections {
    /// Without any grant, whether a score exists is not told either.
    async fn require_any_grant(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        purpose: &PurposeCode,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let ids = self
            .store
            .table()
            .connections_of(client, customer)
            .await
            .map_err(refused)?;
        for id in &ids {
            if self.require_grant(client, id, purpose, now).await.is_ok() {
                return Ok(());
            }
        }
        Err(Problem::purpose_not_granted())
    }

    async fn require_grant(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        purpose: &PurposeCode,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let found = self
            .store
            .table()
            .connection(client, connection)
            .await
            .map_err(refused)?;
        let (connection, _) = found.ok_or_else(Problem::purpose_not_granted)?;
        let granted = self
            .is_granted(&self.store, client, &connection.consent, purpose, now)
            .await?;
        if granted {
            Ok(())
        } else {
            Err(Problem::purpose_not_granted())
        }
    }
}
