//! `/v1/connections/{connection}/opt-ins`: moments that are looked for only when the person asked
//! for it. Off until then.

use std::sync::Arc;

use axum::extract::State;
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_knowledge::OptIns;
use passerelle_runtime::{Caller, Json, Path, Problem, Query};
use serde::Deserialize;

use crate::Connections;
use crate::grant::Named;

/// What the person decided, as their client heard it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decided {
    purpose: PurposeCode,
    new_child: bool,
    retirement: bool,
}

pub(crate) async fn read(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    Query(named): Query<Named>,
) -> Result<Json<OptIns>, Problem> {
    let history = connections
        .read(&caller, &id, &named.purpose, DataClass::Scores)
        .await?;
    Ok(Json(connections.choices(&history)?.choices.opt_ins))
}

pub(crate) async fn decide(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    Json(decided): Json<Decided>,
) -> Result<Json<OptIns>, Problem> {
    let history = connections
        .read(&caller, &id, &decided.purpose, DataClass::Scores)
        .await?;
    let opt_ins = OptIns {
        new_child: decided.new_child,
        retirement: decided.retirement,
    };
    let choices = connections
        .change_choices(&history, |choices| choices.opt_ins = opt_ins)
        .await?;
    Ok(Json(choices.opt_ins))
}
