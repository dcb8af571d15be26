//! "Renew": the person is led to the journey that renews a connection in place.
//!
//! Nothing changes until the bank has agreed again; a bank that does not answer is told there.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use passerelle_domain::ids::ConnectionId;
use passerelle_runtime::{Path, Problem};

use super::Place;
use super::visit::Answer;
use crate::Connections;

pub(crate) async fn begin(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<ConnectionId>,
    answer: Answer,
) -> Result<Response, Problem> {
    let psu = &answer.here.psu;
    let held = connections.held(psu, &id).await?;
    if !held.is_live(connections.clock.now()) {
        return Ok(Place::Connection(&id).go());
    }
    let link = connections.renew(&psu.client, &held.consent.id).await?;
    Ok(Redirect::to(&format!("/journey/{}", link.token.expose())).into_response())
}
