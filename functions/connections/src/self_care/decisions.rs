//! What the person decides: a purpose switched off, a connection withdrawn, all of them withdrawn.
//!
//! Each is asked first, with what it will change, on a page that works without script; a second press
//! or an old page finds it decided and says so.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_domain::consent::ConsentEvent;
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::purpose::PurposeCode;
use passerelle_domain::receipt::Actor;
use passerelle_runtime::{Path, Problem};

use super::Place;
use super::held::Held;
use super::overview::frame;
use super::visit::{Answer, Here};
use crate::Connections;
use crate::pages::{Question, Subject};

pub(crate) async fn ask_narrow(
    State(connections): State<Arc<Connections>>,
    here: Here,
    Path((id, code)): Path<(ConnectionId, PurposeCode)>,
) -> Result<Response, Problem> {
    let held = connections.held(&here.psu, &id).await?;
    let now = connections.clock.now();
    let granted = held.granted(&here.settings.catalogue, here.psu.locale, now);
    let Some(purpose) = granted.iter().find(|purpose| *purpose.code == code) else {
        // Switched off before, here or in another tab.
        return Ok(Place::Connection(&id).go());
    };
    let title = purpose.text.title.clone();
    let subject = match granted.len() {
        1 => Subject::LastPurpose { title },
        _ => Subject::Purpose { title },
    };
    let place = Place::Narrow(&id, &code);
    Ok(question(&here, &held, subject, place).page())
}

pub(crate) async fn narrow(
    State(connections): State<Arc<Connections>>,
    Path((id, code)): Path<(ConnectionId, PurposeCode)>,
    answer: Answer,
) -> Result<Response, Problem> {
    let held = connections.held(&answer.here.psu, &id).await?;
    if held.consent.allows(&code, connections.clock.now()) {
        connections.take_back(&held, &code).await?;
    }
    Ok(Place::Connection(&id).go())
}

pub(crate) async fn ask_withdraw(
    State(connections): State<Arc<Connections>>,
    here: Here,
    Path(id): Path<ConnectionId>,
) -> Result<Response, Problem> {
    let held = connections.held(&here.psu, &id).await?;
    if !held.is_live(connections.clock.now()) {
        return Ok(Place::Connection(&id).go());
    }
    Ok(question(&here, &held, Subject::Connection, Place::Withdraw(&id)).page())
}

pub(crate) async fn withdraw(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<ConnectionId>,
    answer: Answer,
) -> Result<Response, Problem> {
    let held = connections.held(&answer.here.psu, &id).await?;
    connections.withdraw(&held).await?;
    Ok(Place::Connection(&id).go())
}

pub(crate) async fn ask_withdraw_all(
    State(connections): State<Arc<Connections>>,
    here: Here,
) -> Result<Response, Problem> {
    let now = connections.clock.now();
    let mut held = connections.held_by(&here.psu).await?;
    let frame = frame(&here, &held);
    held.retain(|held| held.is_live(now));
    if held.is_empty() {
        return Ok(Place::Connections.go());
    }
    let page = Question {
        frame,
        subject: Subject::Everything,
        banks: held.into_iter().map(|held| held.bank_name).collect(),
        do_at: Place::WithdrawAll.address(),
        keep_at: Place::Connections.address(),
    };
    Ok(page.page())
}

pub(crate) async fn withdraw_all(
    State(connections): State<Arc<Connections>>,
    answer: Answer,
) -> Result<Response, Problem> {
    for held in connections.held_by(&answer.here.psu).await? {
        connections.withdraw(&held).await?;
    }
    Ok(Place::Connections.go())
}

fn question(here: &Here, held: &Held, subject: Subject, place: Place<'_>) -> Question {
    Question {
        frame: frame(here, std::slice::from_ref(held)),
        subject,
        banks: vec![held.bank_name.clone()],
        do_at: place.address(),
        keep_at: Place::Connection(&held.connection.id).address(),
    }
}

impl Connections {
    /// Takes one purpose back; the last one takes all.
    async fn take_back(&self, held: &Held, code: &PurposeCode) -> Result<(), Problem> {
        let consent = &held.consent;
        self.narrow(&consent.client, &consent.id, code, Actor::Psu)
            .await
    }

    /// Ends it, key first. What ended before is not ended again.
    async fn withdraw(&self, held: &Held) -> Result<(), Problem> {
        let (client, connection) = (&held.consent.client, &held.connection.id);
        self.end(client, connection, ConsentEvent::Withdrawn, Actor::Psu)
            .await
    }
}
