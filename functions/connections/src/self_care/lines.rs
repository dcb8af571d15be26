//! What each booked line is taken for, and the person's word on it (GDPR art. 16).
//!
//! Their word wins over every rule, for one line or for all of its payee, until they take it back. A
//! protected line keeps no text and takes no word.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::Error;
use passerelle_aws::pages::History;
use passerelle_domain::ids::{ConnectionId, TransactionId};
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{Category, Corrections, Stage, enrich};
use passerelle_runtime::{Path, Problem, Query};
use serde::Deserialize;

use super::Place;
use super::held::Held;
use super::overview::frame;
use super::visit::{Answer, Here};
use crate::corrections::{Reach, line_of, may_be_said};
use crate::pages::{LineRow, Lines, OneLine};
use crate::{Connections, refused};

const SHOWN: usize = 50;

/// From which line on, the newest being 0.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    #[serde(default)]
    from: usize,
}

pub(crate) async fn show(
    State(connections): State<Arc<Connections>>,
    here: Here,
    Path(id): Path<ConnectionId>,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let held = connections.held(&here.psu, &id).await?;
    let Some(history) = connections.history_of(&here, &held).await? else {
        return Ok(Place::Connection(&id).go());
    };
    let corrections = connections.choices(&history)?.choices.corrections;
    let mut lines: Vec<&Transaction> = history
        .accounts
        .iter()
        .flat_map(|account| &account.booked)
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse((line.booking_date, &line.id)));
    let rest = lines.get(from.from..).unwrap_or_default();
    let next = from.from.saturating_add(SHOWN);
    let under = Place::Lines(&id).address();
    let page = Lines {
        frame: frame(&here, std::slice::from_ref(&held)),
        bank_name: held.bank_name.clone(),
        rows: rest
            .iter()
            .take(SHOWN)
            .map(|line| row(&id, line, &corrections))
            .collect(),
        older_at: (rest.len() > SHOWN).then(|| format!("{under}?from={next}")),
        back_at: Place::Connection(&id).address(),
    };
    Ok(page.page())
}

pub(crate) async fn ask(
    State(connections): State<Arc<Connections>>,
    here: Here,
    Path((id, line)): Path<(ConnectionId, TransactionId)>,
) -> Result<Response, Problem> {
    let held = connections.held(&here.psu, &id).await?;
    let Some(history) = connections.history_of(&here, &held).await? else {
        return Ok(Place::Connection(&id).go());
    };
    let (_, line) = line_of(&history, &line)?;
    let corrections = connections.choices(&history)?.choices.corrections;
    let row = row(&id, line, &corrections);
    let Some(do_at) = row.correct_at.clone() else {
        return Ok(Place::Lines(&id).go());
    };
    let choices = Category::ALL.iter().copied();
    let page = OneLine {
        frame: frame(&here, std::slice::from_ref(&held)),
        row,
        choices: choices.filter(|category| may_be_said(*category)).collect(),
        do_at,
        back_at: Place::Lines(&id).address(),
    };
    Ok(page.page())
}

pub(crate) async fn say(
    State(connections): State<Arc<Connections>>,
    Path((id, line)): Path<(ConnectionId, TransactionId)>,
    answer: Answer,
) -> Result<Response, Problem> {
    let here = &answer.here;
    let held = connections.held(&here.psu, &id).await?;
    let Some(history) = connections.history_of(here, &held).await? else {
        return Ok(Place::Connection(&id).go());
    };
    let (_, row) = line_of(&history, &line)?;
    match said(&answer)? {
        Said::Is(category, reach) => connections.say(&history, row, category, reach).await?,
        Said::Nothing => connections.unsay(&history, row).await?,
    };
    Ok(Place::Line(&id, &line).go())
}

/// What the form says of the line.
enum Said {
    Is(Category, Reach),
    /// What was said before is taken back.
    Nothing,
}

fn said(answer: &Answer) -> Result<Said, Problem> {
    if answer.field("forget").is_some() {
        return Ok(Said::Nothing);
    }
    let category = answer
        .field("category")
        .and_then(|code| code.parse().ok())
        .filter(|category| may_be_said(*category))
        .ok_or_else(|| Problem::conflict("Open the page again and choose what the line is."))?;
    let reach = match answer.field("applies_to") {
        Some("payee") => Reach::Payee,
        _ => Reach::Line,
    };
    Ok(Said::Is(category, reach))
}

fn row(connection: &ConnectionId, line: &Transaction, corrections: &Corrections) -> LineRow {
    let read = corrections.apply(line, enrich(line));
    let protected = read.stage == Stage::Sensitive;
    LineRow {
        on: line.booking_date,
        amount: line.amount,
        label: line.label.expose().to_owned(),
        category: read.category,
        was_said: read.stage == Stage::Correction,
        correct_at: (!protected).then(|| Place::Line(connection, &line.id).address()),
    }
}

impl Connections {
    /// What is stored of a connection whose consent holds; `None` where there is none any more.
    async fn history_of(&self, here: &Here, held: &Held) -> Result<Option<History>, Problem> {
        let now = self.clock.now();
        if !held.is_live(now) {
            return Ok(None);
        }
        let store = self.store.metered();
        match store
            .history(&here.psu.client, &held.connection.id, now)
            .await
        {
            Ok(history) => Ok(history),
            Err(Error::Erased) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }
}
