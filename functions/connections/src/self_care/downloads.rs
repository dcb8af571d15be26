//! The person's own copy (GDPR art. 15(3) and 20): everything as JSON, lines and accounts as CSV.
//!
//! A copy comes in parts of bounded size, each a file of its own; the page lists them all. Nothing in
//! them is more than what is stored: a sensitive line stays without its text.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use passerelle_aws::Error;
use passerelle_knowledge::Corrections;
use passerelle_runtime::{Problem, Query};
use serde::Deserialize;

use super::export::{Copied, Copy, Part, csv, json};
use super::overview::frame;
use super::visit::Here;
use super::{Place, held::Held};
use crate::pages::{Downloads, Parts};
use crate::{Connections, refused};

/// Which part is wanted; the first unless said otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    part: Option<usize>,
}

pub(crate) async fn show(
    State(connections): State<Arc<Connections>>,
    here: Here,
) -> Result<Response, Problem> {
    let held = connections.held_by(&here.psu).await?;
    let copy = connections.copy(&here, &held).await?;
    let under = Place::Downloads.address();
    let page = Downloads {
        frame: frame(&here, &held),
        parts: Parts {
            count: copy.parts(),
            lines: copy.lines(),
        },
        json_at: format!("{under}/data.json"),
        transactions_at: format!("{under}/transactions.csv"),
        accounts_at: format!("{under}/accounts.csv"),
        receipts_at: format!("{under}/receipts.jsonl"),
    };
    Ok(page.page())
}

pub(crate) async fn json(
    State(connections): State<Arc<Connections>>,
    here: Here,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let held = connections.held_by(&here.psu).await?;
    let copy = connections.copy(&here, &held).await?;
    let part = part(&copy, &wanted)?;
    let learned = match part.is_first() {
        true => connections.known(&here, &held).await?,
        false => Vec::new(),
    };
    let now = connections.clock.now();
    let document = json::document(&copy, part, &learned, &here.psu, now);
    let bytes = serde_json::to_vec(&document).map_err(|error| Problem::internal(&error))?;
    Ok(file("application/json", &part.named("data", "json"), bytes))
}

pub(crate) async fn transactions(
    State(connections): State<Arc<Connections>>,
    here: Here,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let held = connections.held_by(&here.psu).await?;
    let copy = connections.copy(&here, &held).await?;
    let part = part(&copy, &wanted)?;
    let text = csv::transactions(&copy, part, here.psu.locale);
    Ok(file(CSV, &part.named("transactions", "csv"), text.into()))
}

pub(crate) async fn accounts(
    State(connections): State<Arc<Connections>>,
    here: Here,
) -> Result<Response, Problem> {
    let held = connections.held_by(&here.psu).await?;
    let copy = connections.copy(&here, &held).await?;
    let text = csv::accounts(&copy, here.psu.locale);
    Ok(file(CSV, "accounts.csv", text.into()))
}

/// Every receipt of theirs, signed: the same file the client gets.
pub(crate) async fn receipts(
    State(connections): State<Arc<Connections>>,
    here: Here,
) -> Result<Response, Problem> {
    let psu = &here.psu;
    connections.receipts_of(&psu.client, &psu.customer).await
}

const CSV: &str = "text/csv; charset=utf-8";

fn part(copy: &Copy, wanted: &Wanted) -> Result<Part, Problem> {
    let part = copy.part(wanted.part.unwrap_or(1));
    part.ok_or_else(|| Problem::invalid_query("part", "expected one of the parts the page lists"))
}

/// Saved by a browser, never shown by it.
fn file(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, bytes).into_response()
}

impl Connections {
    /// What is stored of the person, connection by connection, oldest first.
    async fn copy(&self, here: &Here, held: &[Held]) -> Result<Copy, Problem> {
        let (psu, now) = (&here.psu, self.clock.now());
        let mut copied = Vec::new();
        for held in held.iter().rev() {
            let store = self.store.metered();
            let history = match store.history(&psu.client, &held.connection.id, now).await {
                Ok(history) => history,
                // Its key is gone: nothing is stored of it that could be copied.
                Err(Error::Erased) => None,
                Err(error) => return Err(refused(error)),
            };
            let corrections = match &history {
                Some(history) => self.choices(history)?.choices.corrections,
                None => Corrections::default(),
            };
            copied.push(Copied {
                held: held.clone(),
                accounts: history.map(|it| it.accounts).unwrap_or_default(),
                corrections,
            });
        }
        Ok(Copy::of(copied))
    }
}
