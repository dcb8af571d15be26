//! The second step: finding one's bank, by name, synonym or BIC, accents ignored.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_banks::{DirectoryEntry, Reachability};
use passerelle_domain::consent::ConsentEvent;
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::private::Private;
use passerelle_runtime::{Form, Path, Problem, Query};
use serde::Deserialize;

use super::Step;
use crate::ConsentStart;
use crate::pages::{BankChoice, BankRow};

const SHOWN: usize = 20;
const QUERY_LENGTH: usize = 80;

/// What the person searched for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

/// What the person chose.
#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    institution: InstitutionId,
}

pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    if !journey.is_open(consent_start.clock.now()) {
        return Ok(journey.go_to(Step::Progress));
    }
    if journey.is_renewal() {
        return Ok(journey.go_to(Step::Purposes));
    }
    let query: String = search.q.chars().take(QUERY_LENGTH).collect();
    let found = consent_start.banks.directory().search(&query, SHOWN);
    let page = BankChoice {
        locale: journey.consent.locale,
        brand: journey.brand.clone(),
        query,
        search_at: journey.step(Step::Bank),
        choose_at: journey.step(Step::Bank),
        banks: found.into_iter().map(row).collect(),
        back_to: journey.step(Step::Reassurance),
    };
    Ok(page.page())
}

pub(crate) async fn choose(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    Form(choice): Form<Choice>,
) -> Result<Response, Problem> {
    let mut journey = consent_start.journey(token).await?;
    let chosen = consent_start.banks.directory().get(&choice.institution);
    let Some(bank) = chosen.filter(|bank| is_reachable(bank)) else {
        return Ok(journey.go_to(Step::Bank));
    };
    let event = ConsentEvent::InstitutionChosen(bank.institution.id.clone());
    match consent_start.decide(&mut journey, event).await? {
        Ok(()) => Ok(journey.go_to(Step::Purposes)),
        Err(_) => Ok(journey.go_to(Step::Progress)),
    }
}

fn is_reachable(bank: &DirectoryEntry) -> bool {
    matches!(bank.reachable, Reachability::Ready)
}

fn row(bank: &DirectoryEntry) -> BankRow {
    let group = Some(bank.group.clone()).filter(|group| *group != bank.institution.name);
    BankRow {
        id: bank.institution.id.clone(),
        name: bank.institution.name.clone(),
        group: group.filter(|group| !group.is_empty()),
        reachable: is_reachable(bank),
    }
}
