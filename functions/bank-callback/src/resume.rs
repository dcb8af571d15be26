//! `GET /v1/callback/{institution}/resume?journey=…`: carries a return on, from the journey page.
//!
//! Two reasons bring a person here. The bank answered in another browser (app to app) and they
//! confirm on the page still open; or a return stopped after the exchange. The journey's token and
//! the cookie of the browser that left for the bank are both needed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::table::Digest;
use passerelle_domain::authorisation::AuthorisationStatus;
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::private::Private;
use passerelle_runtime::{Path, Problem, Query};
use serde::Deserialize;

use crate::exchange::Returned;
use crate::visit::Visit;
use crate::{BankCallback, pages};

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
    Query(resumed): Query<Resumed>,
) -> Result<Response, Problem> {
    let table = callback.store.table();
    let link = Digest::of(resumed.journey.expose());
    let stored = table.consent_by_link(&link).await.map_err(pages::refused)?;
    let consent = stored.ok_or_else(Problem::not_found)?.consent;
    let latest = table
        .latest_authorisation(&consent.client, &consent.id)
        .await;
    let (state, attempt) = latest
        .map_err(pages::refused)?
        .ok_or_else(Problem::not_found)?;
    let same_browser = callback.is_same_browser(&attempt, &visit.browser, &visit.own);
    if attempt.institution != institution || !same_browser {
        return Ok(pages::back_to_first_browser(visit.visitor.locale));
    }
    let bank = match attempt.status {
        AuthorisationStatus::Returned { .. } => {
            let returned = Returned {
                state,
                answer: None,
            };
            callback.connect(returned, &visit).await?
        }
        AuthorisationStatus::Claimed { .. } => {
            let now = callback.clock.now();
            let exchanged = callback
                .store
                .exchanged(&state, now)
                .await
                .map_err(pages::refused)?;
            match exchanged {
                Some(exchanged) => callback.finish(exchanged, &state, &visit).await?,
                None => None,
            }
        }
        AuthorisationStatus::Started
        | AuthorisationStatus::Refused { .. }
        | AuthorisationStatus::Completed { .. }
        | AuthorisationStatus::Failed { .. } => None,
    };
    Ok(match bank {
        Some(bank) => pages::to_bank(&bank),
        None => pages::to_journey_having_asked(&resumed.journey),
    })
}
