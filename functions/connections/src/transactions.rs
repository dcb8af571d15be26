//! `GET /v1/connections/{connection}/transactions?purpose=…`: booked lines with what we make of them,
//! newest first, page by page.

use std::sync::Arc;

use axum::extract::State;
use passerelle_aws::pages::AccountHistory;
use passerelle_domain::Date;
use passerelle_domain::ids::{AccountId, ConnectionId, TransactionId};
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_domain::transaction::Transaction;
use passerelle_runtime::{Caller, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};

use crate::Connections;
use crate::line::{Shown, shown};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

/// What can be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    purpose: PurposeCode,
    /// One account only.
    account: Option<AccountId>,
    /// Booked on or after this day.
    from: Option<Date>,
    /// Booked on or before this day.
    to: Option<Date>,
    /// Lines per page: 1 to 500, 100 unless said otherwise.
    limit: Option<usize>,
    /// The last line of the page before.
    after: Option<TransactionId>,
}

/// A page of lines.
#[derive(Debug, Serialize)]
pub(crate) struct Lines {
    transactions: Vec<Shown>,
    /// Pass it as `after` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<TransactionId>,
}

pub(crate) async fn list(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    Query(asked): Query<Asked>,
) -> Result<Json<Lines>, Problem> {
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::invalid_query(
            "limit",
            "expected a number from 1 to 500",
        ));
    }
    let class = DataClass::Transactions;
    let history = connections
        .read(&caller, &id, &asked.purpose, class)
        .await?;
    let corrections = connections.choices(&history)?.choices.corrections;
    let lines = newest_first(&history.accounts, &asked);
    let start = match &asked.after {
        None => 0,
        Some(after) => position_after(&lines, after)?,
    };
    let page: Vec<_> = lines.iter().skip(start).take(limit).collect();
    let more = lines.len() > start.saturating_add(page.len());
    Ok(Json(Lines {
        next_after: page.last().filter(|_| more).map(|(_, row)| row.id.clone()),
        transactions: page
            .into_iter()
            .map(|(account, row)| shown(account, row, &corrections))
            .collect(),
    }))
}

fn newest_first<'a>(
    accounts: &'a [AccountHistory],
    asked: &Asked,
) -> Vec<(&'a AccountId, &'a Transaction)> {
    let wanted = |id: &AccountId| asked.account.as_ref().is_none_or(|account| account == id);
    let within = |day: Date| {
        asked.from.is_none_or(|from| from <= day) && asked.to.is_none_or(|to| day <= to)
    };
    let mut lines: Vec<_> = accounts
        .iter()
        .filter(|history| wanted(&history.account.id))
        .flat_map(|history| history.booked.iter().map(|row| (&history.account.id, row)))
        .filter(|(_, row)| within(row.booking_date))
        .collect();
    lines.sort_by(|(_, one), (_, other)| {
        (other.booking_date, &other.id).cmp(&(one.booking_date, &one.id))
    });
    lines
}

fn position_after(
    lines: &[(&AccountId, &Transaction)],
    after: &TransactionId,
) -> Result<usize, Problem> {
    let position = lines.iter().position(|(_, row)| row.id == *after);
    position
        .map(|index| index.saturating_add(1))
        .ok_or_else(|| Problem::invalid_query("after", "expected the last line of the page before"))
}
