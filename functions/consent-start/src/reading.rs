//! `GET /v1/consents/{consent}`: where a consent stands, both clocks included.

use std::sync::Arc;

use axum::extract::State;
use passerelle_domain::Timestamp;
use passerelle_domain::consent::{Consent, RequestedPurpose};
use passerelle_domain::ids::{ConsentId, CustomerReference};
use passerelle_runtime::{Caller, Json, OwnAddress, Path, Problem};
use serde::Serialize;
use serde_json::Value;

use crate::{ConsentStart, refused};

/// A consent as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    id: ConsentId,
    customer: CustomerReference,
    purposes: Vec<RequestedPurpose>,
    created_at: Timestamp,
    /// Only while the link can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    journey_url: Option<String>,
    /// `status` and what belongs to it: dates, bank, connection, what was granted.
    #[serde(flatten)]
    state: Value,
}

pub(crate) async fn read(
    State(consent_start): State<Arc<ConsentStart>>,
    caller: Caller,
    own: OwnAddress,
    Path(id): Path<ConsentId>,
) -> Result<Json<Shown>, Problem> {
    let table = consent_start.store.table();
    let stored = table.consent(&caller.client, &id).await.map_err(refused)?;
    let consent = stored.ok_or_else(Problem::not_found)?.consent;
    let address = consent_start.address(&own)?;
    Ok(Json(shown(&consent_start, consent, &address).await?))
}

/// The consent with its link, while there is something to do with it.
pub(crate) async fn shown(
    consent_start: &ConsentStart,
    consent: Consent,
    address: &str,
) -> Result<Shown, Problem> {
    let now = consent_start.clock.now();
    let open = consent.question(now).is_some();
    let journey_url = match open {
        true => Some(consent_start.journey_url(&consent, address).await?),
        false => None,
    };
    Ok(Shown {
        // A state is an enum of ids and dates: it always has a JSON form.
        state: serde_json::to_value(&consent.state).unwrap_or_default(),
        id: consent.id,
        customer: consent.customer,
        purposes: consent.requested,
        created_at: consent.created_at,
        journey_url,
    })
}
