//! Everything the person connected, and one connection with all that can be changed about it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::Purpose;
use passerelle_runtime::{Path, Problem};

use super::Place;
use super::held::{Held, brand_of};
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
        connections: held
            .iter()
            .map(|held| connections.card(held, here.psu.locale, now))
            .collect(),
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
    let granted = connections.granted(&held, now);
    let page = Detail {
        frame: frame(&here, std::slice::from_ref(&held)),
        card: connections.card(&held, locale, now),
        purposes: granted
            .into_iter()
            .filter_map(|purpose| row(&id, purpose, locale))
            .collect(),
        withdraw_at: held.is_live(now).then(|| Place::Withdraw(&id).address()),
    };
    Ok(page.page())
}

/// What surrounds every page of a visit.
pub(super) fn frame(here: &Here, held: &[Held]) -> Frame {
    Frame {
        locale: here.psu.locale,
        brand: brand_of(&here.psu, held),
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
        way("ways.downloads", Place::Downloads),
    ]
}

fn row(connection: &ConnectionId, purpose: &Purpose, locale: Locale) -> Option<PurposeRow> {
    Some(PurposeRow {
        code: purpose.code.clone(),
        text: purpose.text(locale)?.clone(),
        reads: purpose.reads.clone(),
        narrow_at: Place::Narrow(connection, &purpose.code).address(),
    })
}

impl Connections {
    fn card(&self, held: &Held, locale: Locale, now: Timestamp) -> ConnectionCard {
        let titles = self.granted(held, now).into_iter();
        ConnectionCard {
            bank_name: held.bank_name.clone(),
            standing: held.standing(now),
            until_when: held.until_when().filter(|_| held.is_live(now)),
            purposes: titles
                .filter_map(|purpose| purpose.text(locale))
                .map(|text| text.title.clone())
                .collect(),
            detail_at: Place::Connection(&held.connection.id).address(),
        }
    }
}
