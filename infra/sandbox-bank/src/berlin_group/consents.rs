//! `/v1/consents`: opened by the third party, approved by the person, read and ended by either.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::access::is_attended;
use crate::bank::Bank;
use crate::berlin_group::refusal::Refusal;
use crate::consent::{
    BankConsent, ConsentStatus, Dialect, MAX_FREQUENCY, VisibleStatus, granted_until,
};
use crate::oauth;

/// The routes.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .route("/v1/consents", post(create))
        .route("/v1/consents/{consent}", get(read).delete(end))
        .route("/v1/consents/{consent}/status", get(read_status))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsentRequest {
    access: RequestedAccess,
    recurring_indicator: bool,
    valid_until: String,
    frequency_per_day: u8,
    #[serde(rename = "combinedServiceIndicator")]
    _combined_service_indicator: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestedAccess {
    accounts: Option<Vec<Value>>,
    balances: Option<Vec<Value>>,
    transactions: Option<Vec<Value>>,
    additional_information: Option<AdditionalInformation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdditionalInformation {
    owner_name: Option<Vec<Value>>,
}

impl RequestedAccess {
    /// Three empty lists: the person picks the accounts here.
    fn is_bank_offered(&self) -> bool {
        [&self.accounts, &self.balances, &self.transactions]
            .into_iter()
            .all(|list| list.as_ref().is_some_and(Vec::is_empty))
    }

    fn asks_owner_name(&self) -> bool {
        self.additional_information
            .as_ref()
            .is_some_and(|asked| asked.owner_name.is_some())
    }
}

async fn create(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Response, Refusal> {
    let (now, today) = (bank.now(), bank.today());
    let redirect_uri = redirect_uri(&headers)?;
    if !is_attended(&headers)? {
        return Err(Refusal::Format("PSU-IP-Address is missing"));
    }
    let request: ConsentRequest = serde_json::from_slice(&body)
        .map_err(|_| Refusal::Format("the body is not a consent request"))?;
    if !request.access.is_bank_offered() {
        return Err(Refusal::ServiceInvalid(
            "only consents with three empty lists are offered",
        ));
    }
    let asked: Date = request
        .valid_until
        .parse()
        .map_err(|_| Refusal::Format("validUntil is not a date"))?;
    if asked < today {
        return Err(Refusal::Format("validUntil is in the past"));
    }
    if request.frequency_per_day == 0 {
        return Err(Refusal::Format("frequencyPerDay is below one"));
    }
    let consent = BankConsent {
        status: ConsentStatus::Received,
        dialect: Dialect::BerlinGroup,
        created_at: now,
        valid_until: granted_until(asked, today),
        recurring: request.recurring_indicator,
        frequency_per_day: request.frequency_per_day.min(MAX_FREQUENCY),
        owner_name: request.access.asks_owner_name(),
        redirect_uri,
        last_action: today,
        client_id: None,
        forwarded: None,
    };
    let id = bank.change(|state| {
        let id = bank.fresh(state, "consent");
        state.consents.insert(id.clone(), consent);
        id
    })?;
    let path = bank.path(&format!("/v1/consents/{id}"));
    let body = json!({
        "consentStatus": VisibleStatus::Received.code(),
        "consentId": id,
        "_links": {
            "scaOAuth": {"href": bank.address(oauth::METADATA_PATH)},
            "self": {"href": path},
            "status": {"href": format!("{path}/status")},
        },
    });
    let headers = [
        (header::LOCATION.as_str(), path),
        ("aspsp-sca-approach", "REDIRECT".to_owned()),
    ];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

/// Where the person will go back to: an absolute address without a fragment.
fn redirect_uri(headers: &HeaderMap) -> Result<String, Refusal> {
    headers
        .get("tpp-redirect-uri")
        .and_then(|value| value.to_str().ok())
        .filter(|text| Url::parse(text).is_ok_and(|url| url.fragment().is_none()))
        .map(str::to_owned)
        .ok_or(Refusal::Format("TPP-Redirect-URI is missing or no address"))
}

fn find(bank: &Bank, id: &str) -> Result<(BankConsent, VisibleStatus), Refusal> {
    let consent = bank
        .look(|state| state.consents.get(id).cloned())
        .filter(|consent| consent.dialect == Dialect::BerlinGroup)
        .ok_or(Refusal::ConsentUnknown)?;
    let status = consent.visible_status(bank.now(), bank.today());
    Ok((consent, status))
}

async fn read(State(bank): State<Arc<Bank>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let (consent, status) = find(&bank, &id)?;
    let references = opened_accounts(&bank, &consent);
    Ok(Json(json!({
        "access": {
            "accounts": references,
            "balances": references,
            "transactions": references,
        },
        "recurringIndicator": consent.recurring,
        "validUntil": consent.valid_until.to_string(),
        "frequencyPerDay": consent.frequency_per_day,
        "lastActionDate": consent.last_action.to_string(),
        "consentStatus": status.code(),
    }))
    .into_response())
}

/// The accounts the person opened, as the consent names them afterwards.
fn opened_accounts(bank: &Bank, consent: &BankConsent) -> Vec<Value> {
    let ConsentStatus::Valid {
        person, accounts, ..
    } = &consent.status
    else {
        return Vec::new();
    };
    bank.accounts_of(person)
        .iter()
        .filter(|account| accounts.contains(&account.key))
        .map(|account| json!({"iban": account.iban, "currency": account.currency.as_str()}))
        .collect()
}

async fn read_status(
    State(bank): State<Arc<Bank>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (_, status) = find(&bank, &id)?;
    Ok(Json(json!({"consentStatus": status.code()})).into_response())
}

async fn end(State(bank): State<Arc<Bank>>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let today = bank.today();
    let (_, status) = find(&bank, &id)?;
    if matches!(status, VisibleStatus::Received | VisibleStatus::Valid) {
        bank.change(|state| {
            if let Some(consent) = state.consents.get_mut(&id) {
                consent.status = ConsentStatus::TerminatedByTpp;
                consent.last_action = today;
            }
        })?;
    }
    Ok(StatusCode::NO_CONTENT)
}
