//! The third step: yes or no, purpose by purpose. Nothing is ticked beforehand.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_domain::Timestamp;
use passerelle_domain::consent::{ConsentRefusal, ConsentState, RequestedPurpose};
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
    let journey = consent_start.journey(token).await?;
    let answer = Answer::of(&fields);
    let Some(bank) = chosen_bank(&journey) else {
        return Ok(journey.go_to(Step::Bank));
    };
    // Another bank was chosen since the page was shown: the person reads which before they agree.
    if answer.institution.as_ref() != Some(bank) {
        return Ok(journey.go_to(Step::Purposes));
    }
    match journey.agree(&answer.purposes, consent_start.clock.now()) {
        Ok(agreed) => consent_start.set_out(&journey, agreed, &traveller).await,
        Err(ConsentRefusal::RequiredPurposeMissing) => {
            let error = match answer.purposes.is_empty() {
                true => PurposesError::NothingChosen,
                false => PurposesError::RequiredMissing,
            };
            consent_start
                .purposes_page(&journey, Some(error), &answer.purposes)
                .await
        }
        Err(ConsentRefusal::PurposeNotRequested) => Ok(journey.go_to(Step::Purposes)),
        Err(_) => Ok(journey.go_to(Step::Progress)),
    }
}

/// What a person answers: the purposes they ticked, for the bank the page named.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    institution: Option<InstitutionId>,
    purposes: BTreeSet<PurposeCode>,
}

impl Answer {
    fn of(fields: &[(String, String)]) -> Self {
        let named = |field: &'static str| {
            let found = fields.iter().filter(move |(name, _)| name == field);
            found.map(|(_, value)| value)
        };
        Self {
            institution: named("institution").find_map(|value| value.parse().ok()),
            purposes: named("purpose")
                .filter_map(|value| value.parse().ok())
                .collect(),
        }
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
        let bank = chosen_bank(journey).cloned();
        let (Some(bank), Some(bank_name)) = (bank, self.bank_name(journey)) else {
            return Ok(journey.go_to(Step::Bank));
        };
        let texts = self.purpose_texts(&journey.consent).await?;
        let page = Purposes {
            locale: journey.consent.locale,
            brand: journey.brand.clone(),
            bank,
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
