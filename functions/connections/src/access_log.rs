//! `GET /v1/customers/{customer}/access-log`: who read what, for which purpose, when; newest first.

use std::sync::Arc;

use axum::extract::State;
use passerelle_aws::access_log::{Access, AccessCursor, LARGEST_PAGE};
use passerelle_domain::ids::CustomerReference;
use passerelle_runtime::{Caller, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};

use crate::{Connections, refused};

const DEFAULT_LIMIT: usize = 50;

/// What can be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 200, 50 unless said otherwise.
    limit: Option<usize>,
}

/// A page of the log.
#[derive(Debug, Serialize)]
pub(crate) struct Accesses {
    accesses: Vec<Access>,
    /// Pass it as `before` to get older ones; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(crate) async fn of_customer(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(customer): Path<CustomerReference>,
    Query(asked): Query<Asked>,
) -> Result<Json<Accesses>, Problem> {
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        let expected = "expected a number from 1 to 200";
        return Err(Problem::invalid_query("limit", expected));
    }
    let before: Option<AccessCursor> = asked
        .before
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| Problem::invalid_query("before", "expected the `next` of an earlier page"))?;
    let (table, now) = (connections.store.table(), connections.clock.now());
    let page = table.accesses(&caller.client, &customer, before.as_ref(), limit, now);
    let page = page.await.map_err(refused)?;
    Ok(Json(Accesses {
        accesses: page.accesses,
        next: page.next.map(|place| place.to_string()),
    }))
}
