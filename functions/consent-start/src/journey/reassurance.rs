//! The first step: who asks, who carries out the access, for what and for how long.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::tz::TimeZone;
use passerelle_domain::consent::ConsentEvent;
use passerelle_domain::private::Private;
use passerelle_domain::{Date, Timestamp};
use passerelle_runtime::{Browser, OwnAddress, Path, Problem};

use super::texts::PurposeTexts;
use super::{Journey, Step};
use crate::ConsentStart;
use crate::pages::{Aisp, Reassurance};

const DAY_HOURS: i64 = 24;

pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let now = consent_start.clock.now();
    if !journey.is_open(now) {
        return Ok(journey.go_to(Step::Progress));
    }
    let texts = consent_start.purpose_texts(&journey.consent).await?;
    Ok(reassurance(&journey, &texts, now).page())
}

pub(crate) async fn go_on(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    Ok(match journey.is_renewal() {
        true => journey.go_to(Step::Purposes),
        false => journey.go_to(Step::Bank),
    })
}

pub(crate) async fn decline(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
) -> Result<Response, Problem> {
    let mut journey = consent_start.journey(token).await?;
    let cookie = consent_start.cookie(&journey, &browser, &own)?;
    if !consent_start.may_change(&journey, cookie.as_ref()).await? {
        return Ok(journey.go_to(Step::Progress));
    }
    // A consent that is past this point is not changed by an old page: progress says where it is.
    let _ = consent_start
        .decide(&mut journey, ConsentEvent::Declined)
        .await?;
    Ok(journey.go_to(Step::Progress))
}

fn reassurance(journey: &Journey, texts: &PurposeTexts, now: Timestamp) -> Reassurance {
    let consent = &journey.consent;
    let question = journey.question(now);
    let asked = question.iter().flat_map(|question| &question.purposes);
    let titles = asked.filter_map(|asked| texts.get(&asked.code));
    Reassurance {
        locale: consent.locale,
        brand: journey.brand.clone(),
        aisp: Aisp {
            name: consent.provider.name.clone(),
            registration: consent.provider.registration.clone(),
        },
        purposes: titles.map(|text| text.title.clone()).collect(),
        days: u16::try_from(consent.duration.as_hours() / DAY_HOURS).unwrap_or(u16::MAX),
        until: last_day(journey, now),
        continue_to: journey.step(Step::Continue),
        decline_to: journey.step(Step::Decline),
    }
}

/// The last day of the access if it starts now. The bank may shorten it.
pub(super) fn last_day(journey: &Journey, now: Timestamp) -> Date {
    let end = now.checked_add(journey.consent.duration).unwrap_or(now);
    end.to_zoned(TimeZone::UTC).date()
}
