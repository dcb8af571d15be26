//! `GET /v1/customers/{customer}/evidence?purpose=…&lines=…`: the lines a fact or a reason names,
//! whichever connection they came by.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use passerelle_domain::ids::{CustomerReference, TransactionId};
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_runtime::{Caller, Code, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};

use crate::line::{Shown, shown};
use crate::{Connections, refused};

const MAX_LINES: usize = 100;

/// What can be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    purpose: PurposeCode,
    /// Transaction ids, separated by commas: 1 to 100.
    lines: String,
}

/// The lines found, oldest first. One that is gone, or that the purpose may not read, is not among
/// them.
#[derive(Debug, Serialize)]
pub(crate) struct Evidence {
    transactions: Vec<Shown>,
}

pub(crate) async fn of_customer(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(customer): Path<CustomerReference>,
    Query(asked): Query<Asked>,
) -> Result<Json<Evidence>, Problem> {
    let wanted = named_lines(&asked.lines)?;
    let ids = connections
        .store
        .table()
        .connections_of(&caller.client, &customer)
        .await
        .map_err(refused)?;
    let (mut transactions, mut readable) = (Vec::new(), false);
    for id in &ids {
        let class = DataClass::Transactions;
        let history = match connections.read(&caller, id, &asked.purpose, class).await {
            Ok(history) => history,
            Err(refusal) if is_no_answer(&refusal) => continue,
            Err(problem) => return Err(problem),
        };
        readable = true;
        let corrections = connections.choices(&history)?.choices.corrections;
        for account in &history.accounts {
            let rows = account.booked.iter().filter(|row| wanted.contains(&row.id));
            transactions.extend(rows.map(|row| shown(&account.account.id, row, &corrections)));
        }
    }
    if !readable {
        return Err(Problem::purpose_not_granted());
    }
    transactions.sort_by(|one, other| one.order().cmp(&other.order()));
    // A joint account reached twice holds the same line twice.
    transactions.dedup_by(|one, other| one.order() == other.order());
    Ok(Json(Evidence { transactions }))
}

fn named_lines(text: &str) -> Result<BTreeSet<TransactionId>, Problem> {
    let ids: Result<BTreeSet<TransactionId>, _> = text.split(',').map(str::parse).collect();
    ids.ok()
        .filter(|ids| ids.len() <= MAX_LINES)
        .ok_or_else(|| Problem::invalid_query("lines", "expected 1 to 100 ids separated by commas"))
}

/// Whether a connection is simply not part of the answer: another purpose's, or ended.
fn is_no_answer(problem: &Problem) -> bool {
    matches!(problem.code(), Code::PurposeNotGranted | Code::NotFound)
}
