//! `/v1/connections/{connection}/corrections`: a category said by the person or the client wins over
//! every rule, for one line or for its payee, past and future.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use passerelle_aws::pages::History;
use passerelle_domain::ids::{AccountId, ConnectionId, TransactionId};
use passerelle_domain::private::Private;
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{Category, Corrections, Stage, enrich};
use passerelle_runtime::{Caller, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};

use crate::Connections;
use crate::grant::Named;
use crate::line::{Shown, shown};

/// Which line is spoken of.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    connection: ConnectionId,
    transaction: TransactionId,
}

/// What is said of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    purpose: PurposeCode,
    category: Category,
    #[serde(default)]
    applies_to: Reach,
}

/// How far a correction reaches.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reach {
    /// This line, whatever others like it are.
    #[default]
    Line,
    /// Every line of the same payee.
    Payee,
}

/// Everything corrected on a connection.
#[derive(Debug, Serialize)]
pub(crate) struct Corrected {
    lines: Vec<CorrectedLine>,
    payees: Vec<CorrectedPayee>,
}

#[derive(Debug, Serialize)]
struct CorrectedLine {
    transaction: TransactionId,
    category: Category,
}

#[derive(Debug, Serialize)]
struct CorrectedPayee {
    payee: Private,
    category: Category,
}

pub(crate) async fn list(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    Query(named): Query<Named>,
) -> Result<Json<Corrected>, Problem> {
    let class = DataClass::Transactions;
    let history = connections
        .read(&caller, &id, &named.purpose, class)
        .await?;
    let corrections = connections.choices(&history)?.choices.corrections;
    let lines = corrections
        .lines()
        .map(|(transaction, category)| CorrectedLine {
            transaction: transaction.clone(),
            category,
        });
    let payees = corrections
        .payees()
        .map(|(payee, category)| CorrectedPayee {
            payee: Private::new(payee),
            category,
        });
    Ok(Json(Corrected {
        lines: lines.collect(),
        payees: payees.collect(),
    }))
}

pub(crate) async fn correct(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(which): Path<Which>,
    Json(said): Json<Said>,
) -> Result<Json<Shown>, Problem> {
    if !may_be_said(said.category) {
        return Err(Problem::invalid_body(
            "/category",
            "expected a leaf of the taxonomy other than a protected one",
        ));
    }
    let history = connections
        .history_to_correct(&caller, &which, &said.purpose)
        .await?;
    let (account, row) = line_of(&history, &which.transaction)?;
    let corrections = connections
        .say(&history, row, said.category, said.applies_to)
        .await?;
    Ok(Json(shown(account, row, &corrections)))
}

pub(crate) async fn take_back(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(which): Path<Which>,
    Query(named): Query<Named>,
) -> Result<StatusCode, Problem> {
    let history = connections
        .history_to_correct(&caller, &which, &named.purpose)
        .await?;
    let (_, row) = line_of(&history, &which.transaction)?;
    connections.unsay(&history, row).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is recognised to protect cannot be said of a line, nor can nothing.
pub(crate) fn may_be_said(category: Category) -> bool {
    !matches!(
        category,
        Category::Unknown
            | Category::Sensitive
            | Category::CharityRestricted
            | Category::InsuranceHealth
    )
}

/// A line of a history, and the account it stands on.
pub(crate) fn line_of<'a>(
    history: &'a History,
    id: &TransactionId,
) -> Result<(&'a AccountId, &'a Transaction), Problem> {
    let mut lines = history
        .accounts
        .iter()
        .flat_map(|account| account.booked.iter().map(|row| (&account.account.id, row)));
    lines
        .find(|(_, row)| row.id == *id)
        .ok_or_else(Problem::not_found)
}

impl Connections {
    /// Keeps what is said of a line, or of all of its payee.
    pub(crate) async fn say(
        &self,
        history: &History,
        row: &Transaction,
        category: Category,
        reach: Reach,
    ) -> Result<Corrections, Problem> {
        let read = enrich(row);
        if read.stage == Stage::Sensitive {
            return Err(Problem::conflict(
                "A protected line keeps no label and takes no correction.",
            ));
        }
        let changed = self.change_choices(history, |choices| match reach {
            Reach::Line => choices.corrections.correct_line(row.id.clone(), category),
            Reach::Payee => choices.corrections.correct_payee(&read, category),
        });
        Ok(changed.await?.corrections)
    }

    /// Takes back what was said of a line and of its payee.
    pub(crate) async fn unsay(
        &self,
        history: &History,
        row: &Transaction,
    ) -> Result<Corrections, Problem> {
        let changed = self.change_choices(history, |choices| {
            choices.corrections.forget_line(&row.id);
            choices.corrections.forget_payee(&enrich(row));
        });
        Ok(changed.await?.corrections)
    }

    async fn history_to_correct(
        &self,
        caller: &Caller,
        which: &Which,
        purpose: &PurposeCode,
    ) -> Result<History, Problem> {
        let class = DataClass::Transactions;
        self.read(caller, &which.connection, purpose, class).await
    }
}
