//! The bank answered in another browser: the person says on the page still open whether it was them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use passerelle_aws::Error;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, FailureReason};
use passerelle_domain::private::Private;
use passerelle_runtime::{Browser, OwnAddress, Path, Problem};

use super::standing::is_same_browser;
use super::{Journey, Step};
use crate::pages::Confirm;
use crate::{ConsentStart, refused};

/// "Yes, it was me": the return from another browser is carried on by the callback.
pub(crate) async fn confirm(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let (consent, table) = (&journey.consent, consent_start.store.table());
    let latest = table.latest_authorisation(&consent.client, &consent.id);
    match latest.await.map_err(refused)? {
        Some((_, attempt)) => Ok(carried_on(&journey, &attempt)),
        None => Ok(journey.go_to(Step::Reassurance)),
    }
}

/// "No, it was not me": the parked code is used up unexchanged.
pub(crate) async fn not_me(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let address = consent_start.address(&own)?;
    let consent = &journey.consent;
    let (store, now) = (&consent_start.store, consent_start.clock.now());
    let table = store.table();
    let latest = table.latest_authorisation(&consent.client, &consent.id);
    if let Some((state, attempt)) = latest.await.map_err(refused)? {
        let parked = matches!(attempt.status, AuthorisationStatus::Returned { .. });
        if parked && is_same_browser(&attempt, browser.cookie(&address)) {
            unless_moved(store.claim_authorisation(&state, now).await)?;
            let reason = FailureReason::BankRefused;
            unless_moved(table.fail_authorisation(&state, reason, now).await)?;
        }
    }
    Ok(journey.go_to(Step::Bank))
}

/// Another request was faster: what it decided stands.
fn unless_moved<T>(result: Result<T, Error>) -> Result<(), Problem> {
    match result {
        Ok(_) | Err(Error::Conflict) => Ok(()),
        Err(error) => Err(refused(error)),
    }
}

/// Leads to the callback, which goes on where the return stopped.
pub(super) fn carried_on(journey: &Journey, attempt: &Authorisation) -> Response {
    let token = journey.token.expose();
    let address = format!(
        "/v1/callback/{}/resume?journey={token}",
        attempt.institution
    );
    Redirect::to(&address).into_response()
}

impl ConsentStart {
    pub(super) fn confirm_page(&self, journey: &Journey) -> Response {
        Confirm {
            locale: journey.consent.locale,
            brand: journey.brand.clone(),
            bank_name: self.bank_name(journey).unwrap_or_default(),
            confirm_at: journey.step(Step::Confirm),
            refuse_at: journey.step(Step::NotMe),
        }
        .page()
    }
}
