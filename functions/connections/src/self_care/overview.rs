//! Everything the person connected, and one connection with all that can be changed about it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::ConnectionId;
use passerelle_runtime::{Path, Problem};

use super::Place;
use super::held::{Granted, Held, brand_of};
use super::visit::Here;
use crate::Connections;
use crate::pages::{ConnectionCard, Detail, Frame, Overview, PurposeRow, Way};

pub(crate) async fn all(
    State(connections): State<Arc<Connections>>,
    here: Here,
) -> Result<Response, Problem> {
    let (held, now) = (
        connections.held_by(&here.psu).await?,
        connections.clock.now(),
    );
    let any_live = held.iter().any(|held| held.is_live(now));
    let page = Overview {
        frame: frame(&here, &held),
        connections: held.iter().map(|held| card(held, &here, now)).collect(),
        withdraw_all_at: any_live.then(|| Place::WithdrawAll.address()),
    };
    Ok(page.page())
}

pub(crate) async fn one(
    State(connections): State<Arc<Connections>>,
    here: Here,
    Path(id): Path<ConnectionId>,
) -> Result<Response, Problem> {
    let (held, now) = (
        connections.held(&here.psu, &id).await?,
        connections.clock.now(),
    );
    let locale = here.psu.locale;
    let granted = held.granted(&here.settings.catalogue, locale, now);
    let page = Detail {
        frame: frame(&here, std::slice::from_ref(&held)),
        card: card(&held, &here, now),
        purposes: granted
            .into_iter()
            .map(|purpose| row(&id, purpose))
            .collect(),
        lines_at: held.is_live(now).then(|| Place::Lines(&id).address()),
        renew_at: held.is_live(now).then(|| Place::Renew(&id).address()),
        withdraw_at: held.is_live(now).then(|| Place::Withdraw(&id).address()),
    };
    Ok(page.page())
}

/// What surrounds every page of a visit.
pub(super) fn frame(here: &Here, held: &[Held]) -> Frame {
    Frame {
        locale: here.psu.locale,
        brand: brand_of(&here.psu, &here.settings, held),
        proof: here.proof(),
        ways: ways(),
    }
}

fn ways() -> Vec<Way> {
    let way = |key, place: Place<'_>| Way {
        key,
        href: place.address(),
    };
    vec![
        way("ways.connections", Place::Connections),
        way("ways.learned", Place::Learned),
        way("ways.access", Place::AccessLog),
        way("ways.downloads", Place::Downloads),
    ]
}

fn row(connection: &ConnectionId, purpose: Granted<'_>) -> PurposeRow {
    PurposeRow {
        code: purpose.code.clone(),
        reads: purpose.terms.reads.iter().copied().collect(),
        narrow_at: Place::Narrow(connection, purpose.code).address(),
        text: purpose.text,
    }
}

fn card(held: &Held, here: &Here, now: Timestamp) -> ConnectionCard {
    let granted = held.granted(&here.settings.catalogue, here.psu.locale, now);
    ConnectionCard {
        bank_name: held.bank_name.clone(),
        standing: held.standing(now),
        until_when: held.until_when().filter(|_| held.is_live(now)),
        purposes: granted.into_iter().map(|it| it.text.title).collect(),
        detail_at: Place::Connection(&held.connection.id).address(),
    }
}
