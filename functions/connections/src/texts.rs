//! `GET /v1/texts/{hash}`: a legal text as it was shown, byte for byte, so that its hash can be checked.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use passerelle_domain::content_hash::ContentHash;
use passerelle_runtime::{Caller, Path, Problem};

use crate::{Connections, refused};

pub(crate) async fn read(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(hash): Path<ContentHash>,
) -> Result<Response, Problem> {
    let found = connections.store.table().text(&caller.client, &hash);
    let text = found
        .await
        .map_err(refused)?
        .ok_or_else(Problem::not_found)?;
    let kind = "text/plain; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}
