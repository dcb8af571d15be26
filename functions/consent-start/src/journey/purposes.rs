//! The third step: yes or no, purpose by purpose. Nothing is ticked beforehand.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_domain::Timestamp;
use passerelle_domain::consent::{ConsentEvent, ConsentRefusal, ConsentState, RequestedPurpose};
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::private::Private;
use passerelle_domain::purpose::PurposeCode;
use passerelle_runtime::{Form, Path, Problem};

use super::leaving::Traveller;
use super::reassurance::last_day;
use super::texts::PurposeTexts;
use super::{Journey, Step};
use crate::ConsentStart;
use crate::pages::{PurposeSwitch, Purposes, PurposesError};

pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    consent_start
        .purposes_page(&journey, None, &BTreeSet::new())
        .await
}

pub(crate) async fn choose(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    traveller: Traveller,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let mut journey = consent_start.journey(token).await?;
    let ticked = fields.iter().filter(|(name, _)| name == "purpose");
    let chosen: BTreeSet<PurposeCode> =
        ticked.filter_map(|(_, value)| value.parse().ok()).collect();
    match consent_start
        .decide(&mut journey, ConsentEvent::PurposesChosen(chosen.clone()))
        .await?
    {
        Ok(()) => consent_start.set_out(&journey, &traveller).await,
        Err(ConsentRefusal::RequiredPurposeMissing) => {
            let error = match chosen.is_empty() {
                true => PurposesError::NothingChosen,
                false => PurposesError::RequiredMissing,
            };
            consent_start
                .purposes_page(&journey, Some(error), &chosen)
                .await
        }
        Err(ConsentRefusal::PurposeNotRequested) => Ok(journey.go_to(Step::Purposes)),
        Err(_) => Ok(journey.go_to(Step::Progress)),
    }
}

/// The bank chosen so far.
pub(super) fn chosen_bank(journey: &Journey) -> Option<&InstitutionId> {
    match &journey.consent.state {
        ConsentState::Received { institution, .. } => institution.as_ref(),
        ConsentState::Valid { institution, .. } => Some(institution),
        _ => None,
    }
}

impl ConsentStart {
    async fn purposes_page(
        &self,
        journey: &Journey,
        error: Option<PurposesError>,
        on: &BTreeSet<PurposeCode>,
    ) -> Result<Response, Problem> {
        let now = self.clock.now();
        if !journey.is_open(now) {
            return Ok(journey.go_to(Step::Progress));
        }
        let Some(bank_name) = self.bank_name(journey) else {
            return Ok(journey.go_to(Step::Bank));
        };
        let texts = self.purpose_texts(&journey.consent).await?;
        let page = Purposes {
            locale: journey.consent.locale,
            brand: journey.brand.clone(),
            bank_name,
            purposes: switches(journey, &texts, on, now),
            until: last_day(journey, now),
            error,
            agree_at: journey.step(Step::Purposes),
            decline_to: journey.step(Step::Decline),
        };
        Ok(page.page())
    }

    /// The name of the bank chosen so far.
    pub(super) fn bank_name(&self, journey: &Journey) -> Option<String> {
        let bank = self.banks.directory().get(chosen_bank(journey)?)?;
        Some(bank.institution.name.clone())
    }
}

fn switches(
    journey: &Journey,
    texts: &PurposeTexts,
    on: &BTreeSet<PurposeCode>,
    now: Timestamp,
) -> Vec<PurposeSwitch> {
    let switch = |asked: &RequestedPurpose| {
        Some(PurposeSwitch {
            on: on.contains(&asked.code),
            code: asked.code.clone(),
            required: asked.required,
            terms: asked.terms.clone(),
            text: texts.get(&asked.code)?.clone(),
        })
    };
    let question = journey.question(now);
    let asked = question.iter().flat_map(|question| &question.purposes);
    asked.filter_map(|asked| switch(asked)).collect()
}
