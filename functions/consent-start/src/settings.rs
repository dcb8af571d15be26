//! `/v1/settings`: what a client decides for its people. Read, replaced whole, never half.
//!
//! A change counts for consents opened from then on. Those before keep the purposes, the texts and the
//! terms they were opened with: a purpose that leaves the catalogue can no longer be asked for, and is
//! served for the consents that were given it until they end.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use passerelle_aws::Error;
use passerelle_aws::consents::IdempotencyKey;
use passerelle_aws::table::Digest;
use passerelle_aws::tenants::LinkKeyChange;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::ClientId;
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::Purpose;
use passerelle_domain::tenant::{
    HttpsAddress, Logo, LogoReference, SettingsFault, TenantSettings, UnverifiedSettings,
};
use passerelle_runtime::{Caller, Code, FieldError, Json, Place, Problem, idempotency_key};
use serde::Serialize;

use crate::{ConsentStart, refused};

/// Settings as the API shows them.
#[derive(Debug, Serialize)]
struct Shown {
    version: u64,
    display_name: Option<String>,
    logo: Option<LogoReference>,
    accent: Option<String>,
    terms_url: Option<HttpsAddress>,
    privacy_url: Option<HttpsAddress>,
    contact: Option<String>,
    consent_days: u16,
    locales: Vec<Locale>,
    purposes: Vec<Purpose>,
    insurer_names: Vec<String>,
    /// When the key of one-click links was made, if there is one.
    link_key_since: Option<Timestamp>,
}

/// A key of one-click links, shown this once.
#[derive(Debug, Serialize)]
struct LinkKey {
    /// 32 bytes in hexadecimal.
    link_key: String,
    since: Timestamp,
}

pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    caller: Caller,
) -> Result<Response, Problem> {
    let settings = consent_start.settings(&caller.client).await?;
    consent_start.shown(&caller.client, settings).await
}

pub(crate) async fn save(
    State(consent_start): State<Arc<ConsentStart>>,
    caller: Caller,
    headers: HeaderMap,
    Json(sent): Json<UnverifiedSettings>,
) -> Result<Response, Problem> {
    let before = consent_start.settings(&caller.client).await?;
    check_version(&headers, &before)?;
    let next = sent.parse(&before).map_err(unfit)?;
    let strangers = unknown_insurers(&next);
    if !strangers.is_empty() {
        return Err(unfit(strangers));
    }
    consent_start.replace(&caller.client, next, None).await
}

pub(crate) async fn save_logo(
    State(consent_start): State<Arc<ConsentStart>>,
    caller: Caller,
    headers: HeaderMap,
    picture: Bytes,
) -> Result<Response, Problem> {
    let logo = Logo::parse(picture.to_vec())
        .map_err(|error| Problem::new(Code::InvalidBody).with_detail(error.to_string()))?;
    let before = consent_start.settings(&caller.client).await?;
    check_version(&headers, &before)?;
    let next = with_logo(before, Some(logo.reference()));
    consent_start
        .replace(&caller.client, next, Some(&logo))
        .await
}

pub(crate) async fn remove_logo(
    State(consent_start): State<Arc<ConsentStart>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let before = consent_start.settings(&caller.client).await?;
    check_version(&headers, &before)?;
    let next = with_logo(before, None);
    consent_start.replace(&caller.client, next, None).await
}

/// Makes a new key. The one before stays good until the next change.
pub(crate) async fn change_link_key(
    State(consent_start): State<Arc<ConsentStart>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = consent_start.clock.now();
    let idempotency = idempotency_key(&headers)?.map(|key| IdempotencyKey {
        key,
        request: Digest::of("link-key"),
    });
    let changed = consent_start
        .store
        .change_link_key(&caller.client, idempotency.as_ref(), now);
    let made = match changed.await.map_err(refused)? {
        LinkKeyChange::Made(made) => made,
        LinkKeyChange::KeyReused => return Err(Problem::new(Code::IdempotencyKeyReused)),
    };
    tracing::info!(
        outcome = "link-key-changed",
        "the key of one-click links was changed"
    );
    let link_key: String = made.key.iter().map(|byte| format!("{byte:02x}")).collect();
    let since = made.since;
    Ok((StatusCode::CREATED, Json(LinkKey { link_key, since })).into_response())
}

impl ConsentStart {
    pub(crate) async fn settings(&self, client: &ClientId) -> Result<TenantSettings, Problem> {
        let table = self.store.table();
        table.settings(client).await.map_err(refused)
    }

    async fn replace(
        &self,
        client: &ClientId,
        next: TenantSettings,
        logo: Option<&Logo>,
    ) -> Result<Response, Problem> {
        let saved = self.store.table().save_settings(client, &next, logo);
        match saved.await {
            Ok(()) => {}
            Err(Error::Conflict) => return Err(changed_meanwhile()),
            Err(error) => return Err(refused(error)),
        }
        tracing::info!(
            outcome = "settings-changed",
            version = next.version,
            "settings changed"
        );
        self.shown(client, next).await
    }

    async fn shown(
        &self,
        client: &ClientId,
        settings: TenantSettings,
    ) -> Result<Response, Problem> {
        let keys = self.store.link_keys(client, self.clock.now());
        let keys = keys.await.map_err(refused)?;
        let tag = HeaderValue::from_str(&format!("\"{}\"", settings.version));
        let shown = Shown {
            version: settings.version,
            display_name: settings.display_name,
            logo: settings.logo,
            accent: settings.accent.map(|accent| accent.to_string()),
            terms_url: settings.terms_url,
            privacy_url: settings.privacy_url,
            contact: settings.contact,
            consent_days: settings.consent_days,
            locales: settings.locales,
            purposes: settings.catalogue.purposes().to_vec(),
            insurer_names: settings.insurer_names,
            link_key_since: keys.map(|keys| keys.since),
        };
        let tag = tag.map_err(|error| Problem::internal(&error))?;
        Ok(([(ETAG, tag)], Json(shown)).into_response())
    }
}

/// Names that would never be met in a contract: a setting without effect is refused.
fn unknown_insurers(settings: &TenantSettings) -> Vec<SettingsFault> {
    let names = settings.insurer_names.iter().enumerate();
    names
        .filter(|(_, name)| passerelle_knowledge::insurer_named(name).is_none())
        .map(|(index, _)| SettingsFault {
            pointer: format!("/insurer_names/{index}"),
            expected: "expected an insurer of the dictionary (shared/knowledge/data/insurers.csv)"
                .to_owned(),
        })
        .collect()
}

fn unfit(faults: Vec<SettingsFault>) -> Problem {
    let problem = Problem::new(Code::InvalidBody);
    faults.into_iter().fold(problem, |problem, fault| {
        let pointer = format!("#{}", fault.pointer);
        problem.with_error(FieldError::pointer(pointer, fault.expected))
    })
}

fn with_logo(before: TenantSettings, logo: Option<LogoReference>) -> TenantSettings {
    TenantSettings {
        version: before.version.saturating_add(1),
        logo,
        ..before
    }
}

/// A change says which version it changes (`If-Match`), so that nobody undoes what they have not seen.
fn check_version(headers: &HeaderMap, present: &TenantSettings) -> Result<(), Problem> {
    let sent = headers.get(IF_MATCH).and_then(|value| value.to_str().ok());
    let version = sent.and_then(|text| text.trim_matches('"').parse::<u64>().ok());
    match version {
        None => Err(Problem::new(Code::InvalidRequest).with_error(FieldError {
            place: Place::Header("If-Match".to_owned()),
            detail: "expected the `ETag` of the settings you read".to_owned(),
        })),
        Some(version) if version == present.version => Ok(()),
        Some(_) => Err(changed_meanwhile()),
    }
}

fn changed_meanwhile() -> Problem {
    Problem::conflict("The settings were changed in between: read them and decide again.")
}
