//! The way to the bank: an attempt is opened there and stored, then the person gets the bank's link.
//!
//! A `GET`, so that a form never ends at the bank (see `passerelle_runtime::pages`). Loading it again
//! opens another attempt; the one before stays good until its quarter of an hour is over.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use passerelle_aws::table::Digest;
use passerelle_banks::{AuthorisationRequest, DirectoryEntry, StartedAuthorisation};
use passerelle_domain::Date;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus};
use passerelle_domain::consent::{BANK_MARGIN, ConsentState};
use passerelle_domain::ids::{AuthorisationId, ConnectionId};
use passerelle_domain::private::Private;
use passerelle_runtime::{
    Browser, Correlation, OwnAddress, Path, Problem, StartError, Visitor, entropy,
};

use super::purposes::chosen_bank;
use super::{Journey, Step};
use crate::pages::{AtBank, Ending};
use crate::{ConsentStart, refused};

/// How long a return from the bank is accepted.
const ATTEMPT_LIFETIME: SignedDuration = SignedDuration::from_mins(15);

pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    visitor: Visitor,
    browser: Browser,
    correlation: Correlation,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    if !journey.is_open(consent_start.clock.now()) {
        return Ok(journey.go_to(Step::Progress));
    }
    let Some(bank) = consent_start.chosen_entry(&journey) else {
        return Ok(journey.go_to(Step::Bank));
    };
    if !has_chosen_purposes(&journey) {
        return Ok(journey.go_to(Step::Purposes));
    }
    let address = consent_start.address(&own)?;
    let (cookie, set_cookie) = match browser.cookie(&address) {
        Some(cookie) => (cookie.clone(), None),
        None => {
            let (cookie, header) = Browser::fresh(&address);
            (cookie, Some(header))
        }
    };
    let leaving = Leaving {
        journey: &journey,
        bank,
        address: &address,
        cookie: &cookie,
    };
    let mut page = match consent_start
        .open_attempt(&leaving, &visitor, &correlation)
        .await?
    {
        Some(started) => at_bank(&journey, bank, &started).page(),
        None => consent_start.ending(&journey, Ending::BankUnavailable, Some(Step::Bank)),
    };
    if let Some(header) = set_cookie {
        page.headers_mut().insert(SET_COOKIE, header);
    }
    Ok(page)
}

/// Who leaves, from where, to which bank, in which browser.
struct Leaving<'a> {
    journey: &'a Journey,
    bank: &'a DirectoryEntry,
    address: &'a str,
    cookie: &'a Private,
}

fn has_chosen_purposes(journey: &Journey) -> bool {
    matches!(
        &journey.consent.state,
        ConsentState::Received {
            chosen: Some(_),
            ..
        }
    )
}

impl ConsentStart {
    fn chosen_entry(&self, journey: &Journey) -> Option<&DirectoryEntry> {
        self.banks.directory().get(chosen_bank(journey)?)
    }

    /// Opens an attempt at the bank and stores it; `None` when the bank cannot be reached.
    async fn open_attempt(
        &self,
        leaving: &Leaving<'_>,
        visitor: &Visitor,
        correlation: &Correlation,
    ) -> Result<Option<StartedAuthorisation>, Problem> {
        let now = self.clock.now();
        let state = secret();
        let request = self.bank_request(leaving, &state, visitor, correlation, now)?;
        let institution = &leaving.bank.institution.id;
        let started = match self.banks.connector(institution) {
            Ok(connector) => connector.start_authorisation(&request).await,
            Err(error) => Err(error),
        };
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::warn!(%error, bank = %institution, "no attempt could be opened");
                return Ok(None);
            }
        };
        let attempt = attempt(leaving, now);
        let (secrets, digest) = (started.secrets.to_bytes(), Digest::of(state.expose()));
        let stored = self
            .store
            .start_authorisation(&attempt, &digest, &secrets, now);
        stored.await.map_err(refused)?;
        tracing::info!(authorisation = %attempt.id, bank = %institution, "the person leaves for the bank");
        Ok(Some(started))
    }

    fn bank_request(
        &self,
        leaving: &Leaving<'_>,
        state: &Private,
        visitor: &Visitor,
        correlation: &Correlation,
        now: Timestamp,
    ) -> Result<AuthorisationRequest, Problem> {
        let institution = &leaving.bank.institution.id;
        let redirect = format!("{}/v1/callback/{institution}", leaving.address);
        let redirect_uri = redirect.parse().map_err(|_| {
            let expected = "an absolute address";
            Problem::internal(&StartError::Unreadable {
                name: "PUBLIC_URL",
                expected,
            })
        })?;
        Ok(AuthorisationRequest {
            state: state.clone(),
            code_verifier: secret(),
            redirect_uri,
            psu: visitor.attended(now),
            valid_until: asked_until(leaving, now),
            correlation: correlation.0.clone(),
            now,
        })
    }
}

/// What is asked of the bank: our consent and the margin it needs, within the bank's own maximum.
fn asked_until(leaving: &Leaving<'_>, now: Timestamp) -> Date {
    let days = i64::from(leaving.bank.institution.max_consent_days);
    let banks = SignedDuration::from_hours(24 * days);
    let ours = leaving.journey.consent.duration.saturating_add(BANK_MARGIN);
    let end = now.checked_add(ours.min(banks)).unwrap_or(now);
    end.to_zoned(TimeZone::UTC).date()
}

/// 256 bits in 64 unreserved characters: a `state`, a PKCE verifier.
fn secret() -> Private {
    let bytes = entropy::<32>();
    Private::new(
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    )
}

fn attempt(leaving: &Leaving<'_>, now: Timestamp) -> Authorisation {
    let consent = &leaving.journey.consent;
    Authorisation {
        id: AuthorisationId::from_entropy(entropy()),
        client: consent.client.clone(),
        consent: consent.id.clone(),
        institution: leaving.bank.institution.id.clone(),
        connection: ConnectionId::from_entropy(entropy()),
        browser: Digest::of(leaving.cookie.expose()).as_str().to_owned(),
        started_at: now,
        expires_at: now.checked_add(ATTEMPT_LIFETIME).unwrap_or(now),
        status: AuthorisationStatus::Started,
    }
}

fn at_bank(journey: &Journey, bank: &DirectoryEntry, started: &StartedAuthorisation) -> AtBank {
    let destination = &started.redirect_to;
    AtBank {
        locale: journey.consent.locale,
        bank_name: bank.institution.name.clone(),
        bank_host: destination.host_str().unwrap_or_default().to_owned(),
        href: destination.to_string(),
        other_bank: journey.step(Step::Bank),
        progress: journey.step(Step::Progress),
    }
}
