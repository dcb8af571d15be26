//! `POST /v1/callback/{institution}/resume`: carries on a return that stopped half-way, or asks a bank
//! again that had not decided. In the browser that left for the bank alone, and by its own click: a page
//! of somebody else's can make a browser load an address, but not send this form with its cookie.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_domain::authorisation::{AuthorisationStatus, Phase};
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::private::Private;
use passerelle_runtime::{Form, Path, Problem};
use serde::Deserialize;

use crate::onward::Onward;
use crate::visit::Visit;
use crate::{BankCallback, refused};

/// Which journey is carried on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resumed {
    journey: Private,
}

pub(crate) async fn resume(
    State(callback): State<Arc<BankCallback>>,
    Path(institution): Path<InstitutionId>,
    visit: Visit,
    Form(resumed): Form<Resumed>,
) -> Result<Response, Problem> {
    let journey = &resumed.journey;
    let found = callback.own_journey(journey, &institution, &visit).await?;
    let Some((state, attempt)) = found else {
        return Ok(Onward::Journey.after_form(journey));
    };
    let now = callback.clock.now();
    let onward = match attempt.status {
        AuthorisationStatus::Exchanged { .. } => {
            let exchanged = callback.store.exchanged(&state, now).await;
            match exchanged.map_err(refused)? {
                Some(exchanged) => callback.finish(exchanged, &state, &visit).await?,
                None => Onward::Journey,
            }
        }
        ref stopped if stopped.phase() == Phase::Claimed && attempt.is_claimable(now) => {
            callback.connect(&attempt, &state, None, &visit).await?
        }
        _ => Onward::Journey,
    };
    Ok(onward.after_form(journey))
}
