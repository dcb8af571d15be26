//! `POST /v1/scores`: a score for one purpose, over the connections that grant it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use passerelle_aws::Error;
use passerelle_aws::access_log::Access;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{ConnectionId, CustomerReference};
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_knowledge::{Analysis, OwnInsurers};
use passerelle_runtime::{Caller, Code, Json, Problem};
use serde::{Deserialize, Serialize};

use crate::{Scoring, person};

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScoreRequest {
    customer: CustomerReference,
    purpose: PurposeCode,
}

/// What is answered.
#[derive(Debug, Serialize)]
pub(crate) struct ScoreAnswer {
    customer: CustomerReference,
    purpose: PurposeCode,
    computed_at: Timestamp,
    connections: usize,
    #[serde(flatten)]
    analysis: Analysis,
}

pub(crate) async fn compute(
    State(scoring): State<Arc<Scoring>>,
    caller: Caller,
    Json(request): Json<ScoreRequest>,
) -> Result<Json<ScoreAnswer>, Problem> {
    let (store, now) = (scoring.store.metered(), scoring.clock.now());
    let (client, customer) = (&caller.client, &request.customer);
    let grounds = store.table().score_grounds(client, customer, now).await;
    let grounds = grounds.map_err(refused)?;
    let connections = grounds.connections_for(&request.purpose);
    if connections.is_empty() {
        return Err(Problem::purpose_not_granted());
    }
    let histories = person::histories(&store, client, &connections, now).await;
    let histories = histories.map_err(refused)?;
    if histories.is_empty() {
        return Err(not_read());
    }
    scoring.log(&caller, &request, now).await?;
    let whole = person::analyse(&histories.iter().collect::<Vec<_>>(), now).map_err(refused)?;
    let read = histories.iter().map(|it| it.connection.id.clone());
    let read: BTreeSet<ConnectionId> = read.collect();
    // What one of them was not told of is shown of none.
    let told = grounds.terms(&request.purpose, &read);
    let analysis = told.fold(whole, |analysis, terms| analysis.visible_to(terms));
    let settings = scoring.store.table().settings(&caller.client).await;
    let names = settings.map_err(refused)?.insurer_names;
    let analysis = analysis.seen_by(&OwnInsurers::named(names.iter().map(String::as_str)));
    Ok(Json(ScoreAnswer {
        customer: request.customer,
        purpose: request.purpose,
        computed_at: now,
        connections: read.len(),
        analysis,
    }))
}

fn not_read() -> Problem {
    Problem::new(Code::NotFound)
        .with_detail("Nothing has been read yet: wait for the first sync of a connection.")
}

impl Scoring {
    /// Writes the read down: what cannot be logged is not computed.
    async fn log(
        &self,
        caller: &Caller,
        request: &ScoreRequest,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let access = Access {
            at: now,
            client: caller.client.clone(),
            subject: caller.subject.clone(),
            customer: request.customer.clone(),
            connection: None,
            read: DataClass::Scores,
            purpose: request.purpose.clone(),
        };
        let table = self.store.table();
        table.log_access(&access).await.map_err(refused)
    }
}

fn refused(error: Error) -> Problem {
    if error.is_retryable() {
        Problem::unavailable(&error)
    } else {
        Problem::internal(&error)
    }
}
