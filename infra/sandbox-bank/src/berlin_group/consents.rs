//! `/v1/consents`: opened by the third party, approved by the person, read and ended by either.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{bearer, is_attended, issued, opening};
use crate::bank::Bank;
use crate::berlin_group::authorisations;
use crate::berlin_group::entrance::{Entrance, Form};
use crate::berlin_group::refusal::Refusal;
use crate::caller::Caller;
use crate::consent::{
    BankConsent, ConsentStatus, Dialect, MAX_FREQUENCY, Opening, VisibleStatus, granted_until,
};
use crate::oauth;
use crate::people::Quirk;
use crate::state::Visit;
use crate::stet::is_registered;

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
    /// Empty lists: the person picks the accounts here.
    fn is_bank_offered(&self) -> bool {
        let empty = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(Vec::is_empty);
        let more = [&self.balances, &self.transactions];
        let all = more.into_iter().all(empty);
        let none = more.into_iter().all(Option::is_none);
        empty(&self.accounts) && (all || none)
    }

    fn asks_owner_name(&self) -> bool {
        self.additional_information
            .as_ref()
            .is_some_and(|asked| asked.owner_name.is_some())
    }
}

async fn create(
    State(bank): State<Arc<Bank>>,
    Extension(entrance): Extension<Entrance>,
    caller: Caller,
    body: axum::body::Bytes,
) -> Result<Response, Refusal> {
    let (now, today) = (bank.now(), bank.today());
    let redirect_uri = redirect_uri(&caller.headers)?;
    if !is_attended(&caller.headers)? {
        return Err(Refusal::Format("PSU-IP-Address is missing"));
    }
    let request: ConsentRequest = serde_json::from_slice(&body)
        .map_err(|_| Refusal::Format("the body is not a consent request"))?;
    if !request.access.is_bank_offered() {
        return Err(Refusal::ServiceInvalid(
            "only consents with empty lists are offered",
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
        opening: Opening {
            third_party: caller.third_party.as_ref().map(|party| party.0.clone()),
            accounts_only: request.access.balances.is_none(),
            login: login_behind(&bank, &entrance, &caller)?,
            ..Opening::default()
        },
    };
    let form = entrance.form;
    let (id, consent) = bank.change(|state| {
        let id = bank.fresh(state, "consent");
        let mut consent = consent;
        consent.opening.entrance = entrance;
        if form == Form::Decoupled {
            consent.opening.phone_code = Some(phone_code(&bank, &id));
        }
        state.consents.insert(id.clone(), consent.clone());
        (id, consent)
    })?;
    let place = format!("{}/v1/consents/{id}", consent.opening.entrance.path);
    let path = bank.path(&place);
    let mut body = json!({
        "consentStatus": VisibleStatus::Received.code(),
        "consentId": id,
        "_links": links(&bank, &id, &consent, &path)?,
    });
    if let (Some(code), Some(members)) = (&consent.opening.phone_code, body.as_object_mut()) {
        let text = format!(
            "Ouvrez {} et saisissez le code {code}.",
            bank.address("/phone")
        );
        members.insert("psuMessage".to_owned(), json!(text));
    }
    let approach = match form {
        Form::Decoupled => "DECOUPLED",
        _ => "REDIRECT",
    };
    let headers = [
        // An absolute address, as the description has it; links may be paths.
        (header::LOCATION.as_str(), bank.address(&place)),
        ("aspsp-sca-approach", approach.to_owned()),
    ];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

/// The links that say what the person must do, and those that say how it went.
fn links(bank: &Bank, id: &str, consent: &BankConsent, path: &str) -> Result<Value, Refusal> {
    let entrance = &consent.opening.entrance;
    let (name, href) = match entrance.form {
        Form::OAuth if entrance.describes_by_openid() => {
            ("scaOAuth", bank.address(oauth::OPENID_PATH))
        }
        Form::OAuth if entrance.quirk == Some(Quirk::Q48) => {
            ("scaOAuth", bank.address("/authorize"))
        }
        Form::OAuth => ("scaOAuth", bank.address(oauth::METADATA_PATH)),
        Form::Redirect | Form::PreStep => ("scaRedirect", begin_visit(bank, id, consent)?),
        Form::Explicit => ("startAuthorisation", format!("{path}/authorisations")),
        Form::Decoupled => {
            let own = authorisations::authorisation_id(bank, id);
            ("scaStatus", format!("{path}/authorisations/{own}"))
        }
    };
    let mut links = json!({
        "self": {"href": path},
        "status": {"href": format!("{path}/status")},
    });
    if let Some(members) = links.as_object_mut() {
        members.insert(name.to_owned(), json!({ "href": href }));
    }
    Ok(links)
}

/// Opens the bank's door for one person: who logged in for the token need not log in again.
pub(crate) fn begin_visit(bank: &Bank, id: &str, consent: &BankConsent) -> Result<String, Refusal> {
    let visit = Visit {
        consent: id.to_owned(),
        client_id: consent.third_party().unwrap_or_default().to_owned(),
        redirect_uri: consent.redirect_uri.clone(),
        state: None,
        code_challenge: None,
        extended_history: false,
        person: consent.opening.login.clone(),
        started_at: bank.now(),
    };
    let page = match visit.person {
        Some(_) => "approval",
        None => "login",
    };
    let id = bank.change(|state| oauth::begin_visit(bank, state, visit))?;
    Ok(bank.address(&format!("/{page}/{id}")))
}

/// OAuth pre-step: a consent is opened with the token of a person who logged in.
fn login_behind(
    bank: &Bank,
    entrance: &Entrance,
    caller: &Caller,
) -> Result<Option<String>, Refusal> {
    if entrance.form != Form::PreStep {
        return Ok(None);
    }
    let token = bearer(&caller.headers).ok_or(Refusal::TokenMissing)?;
    let behind = issued(bank, token)?.consent;
    let login = bank
        .look(|state| state.consents.get(&behind).cloned())
        .ok_or(Refusal::TokenUnknown)?;
    if !caller.owns(&login) {
        return Err(Refusal::TokenInvalid);
    }
    match login.status {
        ConsentStatus::Valid { person, .. } => Ok(Some(person)),
        _ => Err(Refusal::TokenUnknown),
    }
}

/// Six digits for one consent.
fn phone_code(bank: &Bank, id: &str) -> String {
    let text = bank.derive(&format!("phone|{id}"));
    let number = text.bytes().fold(0_u32, |number, byte| {
        number.wrapping_mul(31).wrapping_add(u32::from(byte)) % 1_000_000
    });
    format!("{number:06}")
}

/// Where the person will go back to: an address the third party may have registered.
fn redirect_uri(headers: &HeaderMap) -> Result<String, Refusal> {
    headers
        .get("tpp-redirect-uri")
        .and_then(|value| value.to_str().ok())
        .filter(|text| is_registered(text))
        .map(str::to_owned)
        .ok_or(Refusal::Format(
            "TPP-Redirect-URI is missing or not registered",
        ))
}

/// A consent, for who opened it: by their certificate where the bank demands one, and by the token
/// where one is shown. An ended consent tells more than a token that ended with it.
pub(crate) fn find(
    bank: &Bank,
    caller: &Caller,
    id: &str,
) -> Result<(BankConsent, VisibleStatus), Refusal> {
    let consent = bank
        .look(|state| state.consents.get(id).cloned())
        .filter(|consent| consent.dialect == Dialect::BerlinGroup && !oauth::is_login(consent))
        .filter(|consent| caller.owns(consent))
        .ok_or(Refusal::ConsentUnknown)?;
    let status = consent.visible_status(bank.now(), bank.today());
    let lives = matches!(status, VisibleStatus::Received | VisibleStatus::Valid);
    match bearer(&caller.headers) {
        Some(token) if lives => {
            opening(bank, caller, token, id, &consent)?;
        }
        None if lives && consent.opening.login.is_some() => return Err(Refusal::TokenMissing),
        _ => {}
    }
    Ok((consent, status))
}

async fn read(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (consent, status) = find(&bank, &caller, &id)?;
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
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (_, status) = find(&bank, &caller, &id)?;
    Ok(Json(json!({"consentStatus": status.code()})).into_response())
}

async fn end(
    State(bank): State<Arc<Bank>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let today = bank.today();
    let (_, status) = find(&bank, &caller, &id)?;
    if matches!(status, VisibleStatus::Received | VisibleStatus::Valid) {
        bank.change(|state| {
            let Some(consent) = state.consents.get_mut(&id) else {
                return;
            };
            consent.status = ConsentStatus::TerminatedByTpp;
            consent.last_action = today;
            if let Some(login) = consent.opening.login.clone() {
                oauth::end_logins(state, &login);
            }
        })?;
    }
    Ok(StatusCode::NO_CONTENT)
}
