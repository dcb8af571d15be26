//! `POST /v1/scores`: a score for one purpose, over the connections that grant it.

use std::sync::Arc;

use axum::extract::State;
use passerelle_aws::Error;
use passerelle_aws::pages::History;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{ClientId, CustomerReference};
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_knowledge::Analysis;
use passerelle_runtime::{Caller, Json, Problem};
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
    let now = scoring.clock.now();
    let purpose = scoring
        .catalogue
        .find(&request.purpose)
        .ok_or_else(Problem::purpose_not_granted)?;
    if !purpose.may_read(DataClass::Scores) {
        return Err(Problem::purpose_not_granted());
    }
    let histories = scoring.granting(&caller.client, &request, now).await?;
    if histories.is_empty() {
        return Err(Problem::purpose_not_granted());
    }
    let analysis = person::analyse(&histories, now)
        .map_err(refused)?
        .visible_to(purpose);
    Ok(Json(ScoreAnswer {
        customer: request.customer,
        purpose: request.purpose,
        computed_at: now,
        connections: histories.len(),
        analysis,
    }))
}

impl Scoring {
    /// The histories whose consent grants the purpose at this moment.
    async fn granting(
        &self,
        client: &ClientId,
        request: &ScoreRequest,
        now: Timestamp,
    ) -> Result<Vec<History>, Problem> {
        let store = self.store.metered();
        let histories = person::histories(&store, client, &request.customer, now)
            .await
            .map_err(refused)?;
        let mut granting = Vec::new();
        for history in histories {
            let consent = &history.connection.consent;
            let stored = store
                .table()
                .consent(client, consent)
                .await
                .map_err(refused)?;
            if stored.is_some_and(|stored| stored.consent.allows(&request.purpose, now)) {
                granting.push(history);
            }
        }
        Ok(granting)
    }
}

fn refused(error: Error) -> Problem {
    if error.is_retryable() {
        Problem::unavailable(&error)
    } else {
        Problem::internal(&error)
    }
}
