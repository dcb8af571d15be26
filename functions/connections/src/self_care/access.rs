//! Who read what of the person's, for which purpose, when: the access log as they see it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::access_log::{Access, AccessCursor};
use passerelle_domain::purpose::PurposeCode;
use passerelle_runtime::{Problem, Query};
use serde::Deserialize;

use super::Place;
use super::held::Held;
use super::overview::frame;
use super::visit::Here;
use crate::pages::{AccessLog, AccessRow};
use crate::{Connections, refused};

const SHOWN: usize = 50;

/// From where on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Since {
    before: Option<String>,
}

pub(crate) async fn show(
    State(connections): State<Arc<Connections>>,
    here: Here,
    Query(since): Query<Since>,
) -> Result<Response, Problem> {
    let before: Option<AccessCursor> = since
        .before
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| Problem::invalid_query("before", "expected the link of an earlier page"))?;
    let (psu, now) = (&here.psu, connections.clock.now());
    let table = connections.store.table();
    let page = table.accesses(&psu.client, &psu.customer, before.as_ref(), SHOWN, now);
    let page = page.await.map_err(refused)?;
    let held = connections.held_by(psu).await?;
    let log = AccessLog {
        frame: frame(&here, &held),
        rows: page
            .accesses
            .iter()
            .map(|access| row(access, &held, &here))
            .collect(),
        older_at: page
            .next
            .map(|place| format!("{}?before={place}", Place::AccessLog.address())),
    };
    Ok(log.page())
}

fn row(access: &Access, held: &[Held], here: &Here) -> AccessRow {
    let at = access.connection.as_ref();
    let bank = held
        .iter()
        .find(|held| at.is_some_and(|id| held.connection.id == *id));
    AccessRow {
        at: access.at,
        read: access.read,
        purpose: title(&access.purpose, here),
        bank_name: bank.map(|held| held.bank_name.clone()),
    }
}

fn title(code: &PurposeCode, here: &Here) -> String {
    let known = here.settings.catalogue.find(code);
    let text = known.and_then(|purpose| purpose.text(here.psu.locale));
    text.map_or_else(|| code.to_string(), |text| text.title.clone())
}
