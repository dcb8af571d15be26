//! `POST /v1/scores`: a score for one purpose, over the connections that grant it.

use std::sync::Arc;

use axum::extract::State;
use passerelle_aws::Error;
use passerelle_aws::access_log::Access;
use passerelle_aws::pages::History;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{ClientId, CustomerReference};
use passerelle_domain::purpose::{DataClass, PurposeCode, PurposeTerms};
use passerelle_knowledge::{Analysis, OwnInsurers};
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
    let granting = scoring.granting(&caller.client, &request, now).await?;
    if granting.histories.is_empty() {
        return Err(Problem::purpose_not_granted());
    }
    scoring.log(&caller, &request, now).await?;
    let histories = granting.histories;
    let whole = person::analyse(&histories, now).map_err(refused)?;
    // What one of them was not told of is shown of none.
    let told = granting.terms.iter();
    let analysis = told.fold(whole, |analysis, terms| analysis.visible_to(terms));
    let settings = scoring.store.table().settings(&caller.client).await;
    let names = settings.map_err(refused)?.insurer_names;
    let analysis = analysis.seen_by(&OwnInsurers::named(names.iter().map(String::as_str)));
    Ok(Json(ScoreAnswer {
        customer: request.customer,
        purpose: request.purpose,
        computed_at: now,
        connections: histories.len(),
        analysis,
    }))
}

/// What a purpose may be computed from now.
#[derive(Default)]
struct Granting {
    histories: Vec<History>,
    /// What the person was told, connection by connection.
    terms: Vec<PurposeTerms>,
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

    /// The histories whose consent grants the purpose at this moment.
    async fn granting(
        &self,
        client: &ClientId,
        request: &ScoreRequest,
        now: Timestamp,
    ) -> Result<Granting, Problem> {
        let store = self.store.metered();
        let histories = person::histories(&store, client, &request.customer, now)
            .await
            .map_err(refused)?;
        let mut granting = Granting::default();
        for history in histories {
            let consent = &history.connection.consent;
            let stored = store
                .table()
                .consent(client, consent)
                .await
                .map_err(refused)?;
            let purpose = &request.purpose;
            let granted =
                stored.filter(|stored| stored.consent.permits(purpose, DataClass::Scores, now));
            if let Some(terms) = granted.and_then(|it| it.consent.terms(purpose).cloned()) {
                granting.terms.push(terms);
                granting.histories.push(history);
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
