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
use passerelle_domain::consent::{Consent, ConsentState, LINK_LIFETIME, RequestedPurpose};
use passerelle_domain::ids::{ClientId, ConsentId, CustomerReference};
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::PurposeCode;
use passerelle_domain::tenant::TenantSettings;
use passerelle_runtime::{
    Caller, Code, Json, OwnAddress, Problem, entropy, idempotency_key as header_key,
};
use serde::{Deserialize, Serialize};

use crate::pages::words_document;
use crate::reading::shown;
use crate::{ConsentStart, refused};

const BRAND_LENGTH: usize = 60;
const RETURN_URL_LENGTH: usize = 512;

/// What a client asks for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenRequest {
    customer: CustomerReference,
    purposes: Vec<AskedPurpose>,
    /// The first language of the settings unless said otherwise.
    locale: Option<Locale>,
    /// The name the person knows the client by: that of the settings unless said otherwise.
    brand: Option<String>,
    /// Where the person goes at the end.
    return_url: Option<String>,
    /// How long the consent should last: at most, and unless said otherwise, as the settings have it.
    duration_days: Option<u16>,
}

/// A purpose as asked for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AskedPurpose {
    code: PurposeCode,
    /// As the catalogue has it unless said otherwise.
    required: Option<bool>,
}

pub(crate) async fn open(
    State(consent_start): State<Arc<ConsentStart>>,
    caller: Caller,
    own: OwnAddress,
    headers: HeaderMap,
    Json(request): Json<OpenRequest>,
) -> Result<Response, Problem> {
    let idempotency = idempotency_key(&headers, &request)?;
    let now = consent_start.clock.now();
    let settings = consent_start.settings(&caller.client).await?;
    check(&request, &settings)?;
    let consent = consent_start
        .consent(caller.client.clone(), request, settings, now)
        .await?;
    let id = consent_start
        .store_once(&consent, idempotency.as_ref(), now)
        .await?;
    let address = consent_start.address(&own)?;
    let consent = consent_start.existing(&caller.client, &id).await?;
    let answer = shown(&consent_start, consent, &address).await?;
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

impl ConsentStart {
    /// The consent as the settings of this moment make it. Everything the person will read is kept
    /// before anybody reads it, under the hashes the consent then names.
    async fn consent(
        &self,
        client: ClientId,
        request: OpenRequest,
        settings: TenantSettings,
        now: Timestamp,
    ) -> Result<Consent, Problem> {
        let table = self.store.table();
        let locale = request.locale.or(settings.locales.first().copied());
        let locale = locale.unwrap_or_default();
        let mut requested = Vec::new();
        for asked in request.purposes {
            let Some(purpose) = settings.catalogue.find(&asked.code) else {
                continue;
            };
            let document = purpose.text_document(locale);
            let kept = table.keep_text(&client, &document, now);
            requested.push(RequestedPurpose {
                required: asked.required.unwrap_or(purpose.required),
                code: asked.code,
                terms: purpose.terms.clone(),
                text: kept.await.map_err(refused)?,
            });
        }
        let words = words_document(locale).as_bytes();
        let journey_text = table.keep_text(&client, words, now);
        let days = request.duration_days.unwrap_or(settings.consent_days);
        Ok(Consent {
            id: ConsentId::from_entropy(entropy()),
            journey_text: journey_text.await.map_err(refused)?,
            client,
            customer: request.customer,
            requested,
            duration: SignedDuration::from_hours(24 * i64::from(days)),
            locale,
            brand: request.brand.or(settings.display_name),
            provider: self.provider.clone(),
            return_url: request.return_url,
            created_at: now,
            state: ConsentState::Received {
                link_expires_at: now.checked_add(LINK_LIFETIME).unwrap_or(now),
                institution: None,
            },
            version: 1,
        })
    }

    /// Stores the consent, or finds the one the same request made before.
    async fn store_once(
        &self,
        consent: &Consent,
        idempotency: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<ConsentId, Problem> {
        let tenant_key = self.store.vault().tenant_key(&consent.client, now).await;
        let token = tenant_key.map_err(refused)?.journey_token(&consent.id, 0);
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

fn check(request: &OpenRequest, settings: &TenantSettings) -> Result<(), Problem> {
    if request.purposes.is_empty() {
        return Err(Problem::invalid_body(
            "#/purposes",
            "expected at least one purpose",
        ));
    }
    let catalogue = &settings.catalogue;
    let mut seen = BTreeSet::new();
    for (index, purpose) in request.purposes.iter().enumerate() {
        let pointer = format!("#/purposes/{index}/code");
        if catalogue.find(&purpose.code).is_none() {
            let known: Vec<_> = catalogue.codes().map(PurposeCode::as_str).collect();
            let detail = format!("expected one of: {}", known.join(", "));
            return Err(Problem::invalid_body(pointer, detail));
        }
        if !seen.insert(&purpose.code) {
            return Err(Problem::invalid_body(pointer, "expected each purpose once"));
        }
    }
    check_brand(request.brand.as_deref())?;
    check_return_url(request.return_url.as_deref())?;
    let offered = |locale: &Locale| settings.locales.contains(locale);
    if request.locale.is_some_and(|locale| !offered(&locale)) {
        let detail = "expected one of the languages of the settings";
        return Err(Problem::invalid_body("#/locale", detail));
    }
    let longest = settings.consent_days;
    match request.duration_days {
        Some(days) if !(1..=longest).contains(&days) => {
            let detail = format!("expected 1 to {longest} days");
            Err(Problem::invalid_body("#/duration_days", detail))
        }
        _ => Ok(()),
    }
}

fn check_brand(brand: Option<&str>) -> Result<(), Problem> {
    let sound = |text: &str| {
        let length = text.chars().count();
        (1..=BRAND_LENGTH).contains(&length) && !text.chars().any(is_unseen)
    };
    match brand {
        Some(text) if !sound(text) => Err(Problem::invalid_body(
            "#/brand",
            "expected 1 to 60 printable characters",
        )),
        _ => Ok(()),
    }
}

/// A control character, or one that is not seen and changes how others are (Unicode, general category Cf):
/// it could make a name look like another.
fn is_unseen(symbol: char) -> bool {
    let formats = matches!(
        symbol,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    );
    symbol.is_control() || formats
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
    let Some(key) = header_key(headers)? else {
        return Ok(None);
    };
    let canonical = serde_json::to_string(request).map_err(|error| Problem::internal(&error))?;
    Ok(Some(IdempotencyKey {
        key,
        request: Digest::of(&canonical),
    }))
}
