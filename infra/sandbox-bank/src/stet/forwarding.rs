//! `PUT /consents` (model A2): the third party says which accounts the person let it read. Each
//! call replaces the former one.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::put;
use serde::Deserialize;

use crate::bank::Bank;
use crate::caller::Caller;
use crate::stet::refusal::Refusal;
use crate::stet::{Version, granted};

/// The route.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new().route("/stet/{version}/consents", put(forward))
}

/// All four members are required.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    balances: Vec<AccountId>,
    transactions: Vec<AccountId>,
    #[serde(rename = "trustedBeneficiaries")]
    _trusted_beneficiaries: bool,
    #[serde(rename = "psuIdentity")]
    _psu_identity: bool,
}

#[derive(Deserialize)]
struct AccountId {
    iban: Option<String>,
}

async fn forward(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(version): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let version = Version::read(&version)?;
    let granted = granted(&bank, &caller, version)?;
    let access: Access = serde_json::from_slice(&body)
        .map_err(|_| Refusal::BadRequest("the body is not an access list"))?;
    if version != Version::V16 {
        return Err(Refusal::BadRequest("this bank works in model A1"));
    }
    let mut keys = Vec::new();
    for id in access.transactions.iter().chain(&access.balances) {
        let account = granted
            .accounts
            .iter()
            .find(|account| Some(&account.iban) == id.iban.as_ref())
            .ok_or(Refusal::Forbidden("an account the person did not open"))?;
        if !keys.contains(&account.key) {
            keys.push(account.key.clone());
        }
    }
    bank.change(|state| {
        if let Some(consent) = state.consents.get_mut(&granted.consent_id) {
            consent.forwarded = Some(keys);
        }
    })?;
    Ok(StatusCode::CREATED)
}
