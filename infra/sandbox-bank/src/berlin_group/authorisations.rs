//! The authorisations of a consent: started by a call where the consent does not start it itself,
//! watched, confirmed with the code the person brought back.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bank::Bank;
use crate::berlin_group::consents::{begin_visit, find};
use crate::berlin_group::entrance::Form;
use crate::berlin_group::refusal::Refusal;
use crate::caller::Caller;
use crate::consent::{BankConsent, ConsentStatus, VisibleStatus};
use crate::people::Quirk;
use crate::state::SecretDigest;

/// The routes.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .route(
            "/v1/consents/{consent}/authorisations",
            get(list).post(start),
        )
        .route(
            "/v1/consents/{consent}/authorisations/{authorisation}",
            get(status).put(confirm),
        )
        // The dialect of 1.1 confirms on the consent itself (Q49).
        .route("/v1/consents/{consent}/confirmation", put(confirm_consent))
}

/// The one authorisation a consent has here.
pub(crate) fn authorisation_id(bank: &Bank, consent: &str) -> String {
    bank.derive(&format!("authorisation|{consent}"))
}

fn sca_status(consent: &BankConsent, status: VisibleStatus) -> &'static str {
    match status {
        VisibleStatus::Received if consent.opening.unconfirmed.is_some() => "unconfirmed",
        VisibleStatus::Received => "received",
        VisibleStatus::Rejected => "failed",
        VisibleStatus::Valid
        | VisibleStatus::Expired
        | VisibleStatus::RevokedByPsu
        | VisibleStatus::TerminatedByTpp => "finalised",
    }
}

async fn list(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    find(&bank, &caller, &id)?;
    let ids = [authorisation_id(&bank, &id)];
    Ok(Json(json!({ "authorisationIds": ids })).into_response())
}

async fn status(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path((id, authorisation)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (consent, status) = known(&bank, &caller, &id, &authorisation)?;
    Ok(Json(json!({"scaStatus": sca_status(&consent, status)})).into_response())
}

fn known(
    bank: &Bank,
    caller: &Caller,
    id: &str,
    authorisation: &str,
) -> Result<(BankConsent, VisibleStatus), Refusal> {
    let found = find(bank, caller, id)?;
    match authorisation == authorisation_id(bank, id) {
        true => Ok(found),
        false => Err(Refusal::ResourceUnknown),
    }
}

/// The explicit start: the page and the place for the confirmation code are told now.
async fn start(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (consent, status) = find(&bank, &caller, &id)?;
    if consent.opening.entrance.form != Form::Explicit || status != VisibleStatus::Received {
        return Err(Refusal::StatusInvalid);
    }
    let page = begin_visit(&bank, &id, &consent)?;
    let path = bank.path(&format!(
        "{}/v1/consents/{id}",
        consent.opening.entrance.path
    ));
    let authorisation = authorisation_id(&bank, &id);
    let own = format!("{path}/authorisations/{authorisation}");
    let body = match consent.opening.entrance.quirk {
        Some(Quirk::Q49) => json!({
            "optFormat": "characters",
            "optMaxLength": 6,
            "chosenScaMethod": {"authenticationType": []},
            "_links": {
                "scaRedirect": {"href": page},
                "confirmation": {"href": format!("{path}/confirmation")},
            },
        }),
        _ => json!({
            "scaStatus": "received",
            "authorisationId": authorisation,
            "_links": {
                "scaRedirect": {"href": page},
                "scaStatus": {"href": own},
                "confirmation": {"href": own},
            },
        }),
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Confirmation {
    confirmation_code: String,
}

async fn confirm(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path((id, authorisation)): Path<(String, String)>,
    Json(body): Json<Confirmation>,
) -> Result<Response, Refusal> {
    known(&bank, &caller, &id, &authorisation)?;
    Ok(Json(confirmed(&bank, &id, &body)?).into_response())
}

/// Says nothing about `scaStatus` (Q49).
async fn confirm_consent(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Confirmation>,
) -> Result<Response, Refusal> {
    find(&bank, &caller, &id)?;
    confirmed(&bank, &id, &body)?;
    Ok(Json(json!({})).into_response())
}

/// A wrong code loses the authorisation: it is not guessed at.
fn confirmed(bank: &Bank, id: &str, body: &Confirmation) -> Result<Value, Refusal> {
    let digest = SecretDigest::of(&body.confirmation_code);
    let status = bank.change(|state| {
        let consent = state.consents.get_mut(id)?;
        let waiting = consent.opening.unconfirmed.take()?;
        let right = waiting.code == digest;
        consent.status = match right {
            true => ConsentStatus::Valid {
                person: waiting.person,
                accounts: waiting.accounts,
                approved_at: waiting.approved_at,
            },
            false => ConsentStatus::Rejected,
        };
        Some(if right { "finalised" } else { "failed" })
    })?;
    let status = status.ok_or(Refusal::StatusInvalid)?;
    Ok(json!({ "scaStatus": status }))
}
