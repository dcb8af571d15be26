//! `POST /v1/consents`: a client opens a consent and gets the link to give to its customer.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use passerelle_aws::consents::{IdempotencyKey, Opened};
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::consent::{
    Consent, ConsentState, DEFAULT_DURATION, LINK_LIFETIME, RequestedPurpose,
};
use passerelle_domain::ids::{ClientId, ConsentId, CustomerReference};
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::PurposeCode;
use passerelle_runtime::{Caller, Code, Json, OwnAddress, Problem, entropy};
use serde::{Deserialize, Serialize};

use crate::reading::shown;
use crate::{ConsentStart, refused};

const BRAND_LENGTH: usize = 60;
const RETURN_URL_LENGTH: usize = 512;
const MAX_DAYS: u16 = 90;

/// What a client asks for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenRequest {
    customer: CustomerReference,
    purposes: Vec<AskedPurpose>,
    #[serde(default)]
    locale: Locale,
    /// The name the person knows the client by.
    brand: Option<String>,
    /// Where the person goes at the end.
    return_url: Option<String>,
    /// How long the consent should last: 1 to 90 days, 90 unless said otherwise.
    duration_days: Option<u16>,
}

/// A purpose as asked for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AskedPurpose {
    code: PurposeCode,
    #[serde(default)]
    required: bool,
}

pub(crate) async fn open(
    State(consent_start): State<Arc<ConsentStart>>,
    caller: Caller,
    own: OwnAddress,
    headers: HeaderMap,
    Json(request): Json<OpenRequest>,
) -> Result<Response, Problem> {
    consent_start.check(&request)?;
    let idempotency = idempotency_key(&headers, &request)?;
    let now = consent_start.clock.now();
    let consent = consent(caller.client.clone(), request, now);
    let id = consent_start
        .store_once(&consent, idempotency.as_ref(), now)
        .await?;
    let address = consent_start.address(&own)?;
    let consent = consent_start.existing(&caller.client, &id).await?;
    let answer = shown(&consent_start, consent, &address).await?;
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

impl ConsentStart {
    fn check(&self, request: &OpenRequest) -> Result<(), Problem> {
        if request.purposes.is_empty() {
            return Err(Problem::invalid_body(
                "#/purposes",
                "expected at least one purpose",
            ));
        }
        let mut seen = BTreeSet::new();
        for (index, purpose) in request.purposes.iter().enumerate() {
            let pointer = format!("#/purposes/{index}/code");
            if self.catalogue.find(&purpose.code).is_none() {
                let known: Vec<_> = self.catalogue.codes().map(PurposeCode::as_str).collect();
                let detail = format!("expected one of: {}", known.join(", "));
                return Err(Problem::invalid_body(pointer, detail));
            }
            if !seen.insert(&purpose.code) {
                return Err(Problem::invalid_body(pointer, "expected each purpose once"));
            }
        }
        check_brand(request.brand.as_deref())?;
        check_return_url(request.return_url.as_deref())?;
        match request.duration_days {
            Some(days) if !(1..=MAX_DAYS).contains(&days) => Err(Problem::invalid_body(
                "#/duration_days",
                "expected 1 to 90 days",
            )),
            _ => Ok(()),
        }
    }

    /// Stores the consent, or finds the one the same request made before.
    async fn store_once(
        &self,
        consent: &Consent,
        idempotency: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<ConsentId, Problem> {
        let tenant_key = self.store.vault().tenant_key(&consent.client, now).await;
        let token = tenant_key.map_err(refused)?.journey_token(&consent.id);
        let link = Digest::of(token.expose());
        let opened = self
            .store
            .table()
            .open_consent(consent, &link, idempotency, now)
            .await;
        match opened.map_err(refused)? {
            Opened::Created => {
                tracing::info!(consent = %consent.id, outcome = "opened", "consent opened");
                Ok(consent.id.clone())
            }
            Opened::Before(id) => Ok(id),
            Opened::KeyReused => Err(Problem::new(Code::IdempotencyKeyReused)),
        }
    }

    async fn existing(&self, client: &ClientId, id: &ConsentId) -> Result<Consent, Problem> {
        let stored = self
            .store
            .table()
            .consent(client, id)
            .await
            .map_err(refused)?;
        Ok(stored.ok_or_else(Problem::not_found)?.consent)
    }
}

fn check_brand(brand: Option<&str>) -> Result<(), Problem> {
    let sound = |text: &str| {
        let length = text.chars().count();
        (1..=BRAND_LENGTH).contains(&length) && !text.chars().any(char::is_control)
    };
    match brand {
        Some(text) if !sound(text) => Err(Problem::invalid_body(
            "#/brand",
            "expected 1 to 60 printable characters",
        )),
        _ => Ok(()),
    }
}

/// The person is sent there with a link: `https`, or plain `http` on this machine.
fn check_return_url(url: Option<&str>) -> Result<(), Problem> {
    let Some(text) = url else { return Ok(()) };
    let detail = "expected an absolute https address of at most 512 characters";
    let refused = || Problem::invalid_body("#/return_url", detail);
    let parsed: url::Url = text.parse().map_err(|_| refused())?;
    let local = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let safe = parsed.scheme() == "https" || (parsed.scheme() == "http" && local);
    let bare = parsed.username().is_empty() && parsed.password().is_none();
    if safe && bare && text.len() <= RETURN_URL_LENGTH {
        Ok(())
    } else {
        Err(refused())
    }
}

/// The key and the digest of what is asked under it.
fn idempotency_key(
    headers: &HeaderMap,
    request: &OpenRequest,
) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let refused = || {
        Problem::new(Code::InvalidRequest)
            .with_detail("Send an `Idempotency-Key` of 1 to 128 visible ASCII characters.")
    };
    let key = value.to_str().map_err(|_| refused())?;
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || !(1..=128).contains(&key.len()) {
        return Err(refused());
    }
    let canonical = serde_json::to_string(request).map_err(|error| Problem::internal(&error))?;
    Ok(Some(IdempotencyKey {
        key: key.to_owned(),
        request: Digest::of(&canonical),
    }))
}

fn consent(client: ClientId, request: OpenRequest, now: Timestamp) -> Consent {
    let asked = |purpose: AskedPurpose| RequestedPurpose {
        code: purpose.code,
        required: purpose.required,
        retention_days: 0,
    };
    let days = request
        .duration_days
        .map(|days| SignedDuration::from_hours(24 * i64::from(days)));
    Consent {
        id: ConsentId::from_entropy(entropy()),
        client,
        customer: request.customer,
        requested: request.purposes.into_iter().map(asked).collect(),
        duration: days.unwrap_or(DEFAULT_DURATION),
        locale: request.locale,
        brand: request.brand,
        return_url: request.return_url,
        created_at: now,
        state: ConsentState::Received {
            link_expires_at: now.checked_add(LINK_LIFETIME).unwrap_or(now),
            institution: None,
            chosen: None,
        },
        version: 1,
    }
}
