//! `GET /v1/events?after=…&limit=…`: what happened, oldest first, at least once.
//!
//! A client that keeps `next` and asks again gets what is new. An event it sees twice has the same id.

use std::sync::Arc;

use axum::extract::State;
use passerelle_aws::event_feed::EventCursor;
use passerelle_aws::events::LARGEST_PAGE;
use passerelle_domain::event::DomainEvent;
use passerelle_runtime::{Caller, Json, Problem, Query};
use serde::{Deserialize, Serialize};

use crate::{Connections, refused};

const DEFAULT_LIMIT: usize = 100;

/// What can be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `next` of an earlier page; everything that is kept where it is left out.
    after: Option<String>,
    /// 1 to 500, 100 unless said otherwise.
    limit: Option<usize>,
}

/// A page of events.
#[derive(Debug, Serialize)]
pub(crate) struct Events {
    events: Vec<DomainEvent>,
    /// Where to go on, always there.
    next: String,
    /// Whether asking again at once gives more.
    more: bool,
}

pub(crate) async fn feed(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Json<Events>, Problem> {
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        let expected = "expected a number from 1 to 500";
        return Err(Problem::invalid_query("limit", expected));
    }
    let after: Option<EventCursor> = asked
        .after
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| Problem::invalid_query("after", "expected the `next` of an earlier page"))?;
    let (table, now) = (connections.store.table(), connections.clock.now());
    let page = table.events(&caller.client, after, limit, now);
    let page = page.await.map_err(refused)?;
    Ok(Json(Events {
        events: page.events,
        next: page.next.to_string(),
        more: page.more,
    }))
}
