//! The second step: finding one's bank, by name, synonym or BIC, accents ignored.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_banks::DirectoryEntry;
use passerelle_domain::circuit::Admission;
use passerelle_domain::connection::Connection;
use passerelle_domain::consent::ConsentEvent;
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::private::Private;
use passerelle_runtime::{Browser, Form, OwnAddress, Path, Problem, Query};
use serde::Deserialize;

use super::{Journey, Step};
use crate::pages::{BankChoice, BankRow, Today};
use crate::{ConsentStart, refused};

/// Banks on one page of the list.
const SHOWN: usize = 20;
const QUERY_LENGTH: usize = 80;

/// Far more than the directory has.
const MOST_PAGES: usize = 1000;

/// Connections of one person that are looked at for the bank they came with last time.
const LOOKED_AT: usize = 10;

/// What the person searched for, and which page of the list. A page that is no number is the first.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
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
    let number = search.page.parse().unwrap_or(1).clamp(1, MOST_PAGES);
    let last_time = consent_start.last_bank(&journey).await?;
    let unwell = consent_start.banks_left_alone().await?;
    let found = consent_start.found(&query, last_time.as_ref());
    let skipped = SHOWN * (number - 1);
    let page_at = |number: usize| journey.page_of_banks(&query, number);
    let more = found.len() > skipped + SHOWN;
    let banks = found.iter().skip(skipped).take(SHOWN);
    let page = BankChoice {
        locale: journey.consent.locale,
        brand: journey.brand.clone(),
        search_at: journey.step(Step::Bank),
        choose_at: journey.step(Step::Bank),
        banks: banks
            .map(|bank| row(bank, last_time.as_ref(), &unwell))
            .collect(),
        found: found.len(),
        before: (number > 1).then(|| page_at(number - 1)),
        after: more.then(|| page_at(number + 1)),
        back_to: journey.step(Step::Reassurance),
        query,
    };
    Ok(page.page())
}

pub(crate) async fn choose(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
    Form(choice): Form<Choice>,
) -> Result<Response, Problem> {
    let mut journey = consent_start.journey(token).await?;
    let cookie = consent_start.cookie(&journey, &browser, &own)?;
    if !consent_start.may_change(&journey, cookie.as_ref()).await? {
        return Ok(journey.go_to(Step::Progress));
    }
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
    bank.reachable.is_ready()
}

fn row(
    bank: &DirectoryEntry,
    last_time: Option<&InstitutionId>,
    unwell: &BTreeSet<InstitutionId>,
) -> BankRow {
    let group = Some(bank.group.clone()).filter(|group| *group != bank.institution.name);
    BankRow {
        id: bank.institution.id.clone(),
        name: bank.institution.name.clone(),
        group: group.filter(|group| !group.is_empty()),
        today: match is_reachable(bank) {
            true if unwell.contains(&bank.institution.id) => Today::Down,
            true => Today::Open,
            false => Today::NotYet,
        },
        last_time: last_time == Some(&bank.institution.id),
    }
}

impl Journey {
    fn page_of_banks(&self, query: &str, number: usize) -> String {
        let mut parameters = url::form_urlencoded::Serializer::new(String::new());
        if !query.is_empty() {
            parameters.append_pair("q", query);
        }
        parameters.append_pair("page", &number.to_string());
        format!("{}?{}", self.step(Step::Bank), parameters.finish())
    }
}

impl ConsentStart {
    /// The banks that answer a search, best first; before any search the person's own comes first.
    fn found(&self, query: &str, last_time: Option<&InstitutionId>) -> Vec<&DirectoryEntry> {
        let mut found = self.banks.directory().search(query, usize::MAX);
        if query.is_empty() {
            found.sort_by_key(|bank| last_time != Some(&bank.institution.id));
        }
        found
    }

    /// The banks that failed lately and are not to be called for a while: who chose one now would come
    /// back with nothing.
    async fn banks_left_alone(&self) -> Result<BTreeSet<InstitutionId>, Problem> {
        let (table, now) = (self.store.table(), self.clock.now());
        let circuits = table.unwell_banks().await.map_err(refused)?;
        let waiting = circuits
            .into_iter()
            .filter(|(_, circuit)| matches!(circuit.admission(now), Admission::Wait { .. }));
        Ok(waiting.map(|(bank, _)| bank).collect())
    }

    /// The bank the person came with last time.
    async fn last_bank(&self, journey: &Journey) -> Result<Option<InstitutionId>, Problem> {
        let (consent, table) = (&journey.consent, self.store.table());
        let connections = table.connections_of(&consent.client, &consent.customer);
        let mut latest: Option<Connection> = None;
        for id in connections.await.map_err(refused)?.iter().take(LOOKED_AT) {
            let found = table.connection(&consent.client, id).await;
            let Some((connection, _)) = found.map_err(refused)? else {
                continue;
            };
            if latest
                .as_ref()
                .is_none_or(|known| known.created_at < connection.created_at)
            {
                latest = Some(connection);
            }
        }
        Ok(latest.map(|connection| connection.institution))
    }
}
