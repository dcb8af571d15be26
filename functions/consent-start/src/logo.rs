//! `GET /assets/logo/{client}/{hash}`: a client's logo, for the pages. Public, like the pages' stylesheet;
//! its address names its bytes, so it never changes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use passerelle_domain::content_hash::ContentHash;
use passerelle_domain::ids::ClientId;
use passerelle_runtime::{Path, Problem};

use crate::{ConsentStart, refused};

const KEPT_FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path((client, hash)): Path<(ClientId, ContentHash)>,
) -> Result<Response, Problem> {
    let found = consent_start.store.table().logo(&client, &hash);
    let logo = found
        .await
        .map_err(refused)?
        .ok_or_else(Problem::not_found)?;
    let headers = [
        (CONTENT_TYPE, logo.format.media_type()),
        (CACHE_CONTROL, KEPT_FOR_EVER),
    ];
    Ok((headers, logo.bytes).into_response())
}
