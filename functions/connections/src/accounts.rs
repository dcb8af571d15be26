//! `GET /v1/connections/{connection}/accounts?purpose=…`

use std::sync::Arc;

use axum::extract::State;
use passerelle_domain::account::{Account, AccountKind, Balance};
use passerelle_domain::ids::{AccountId, ConnectionId};
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::purpose::DataClass;
use passerelle_domain::{Date, Timestamp};
use passerelle_runtime::{Caller, Json, Path, Problem, Query};
use serde::Serialize;

use crate::Connections;
use crate::grant::Named;

/// The accounts of a connection.
#[derive(Debug, Serialize)]
pub(crate) struct Accounts {
    accounts: Vec<Shown>,
}

/// An account as the API shows it: never the whole IBAN.
#[derive(Debug, Serialize)]
struct Shown {
    id: AccountId,
    kind: AccountKind,
    currency: Currency,
    name: Option<Private>,
    last_characters: Private,
    owner_named: bool,
    balance: Option<Balance>,
    balance_read_at: Option<Timestamp>,
    history_from: Option<Date>,
    booked_lines: usize,
}

pub(crate) async fn list(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    Query(named): Query<Named>,
) -> Result<Json<Accounts>, Problem> {
    let history = connections
        .read(&caller, &id, &named.purpose, DataClass::Accounts)
        .await?;
    let accounts = history
        .accounts
        .into_iter()
        .map(|history| shown(history.account, history.history_from, history.booked.len()))
        .collect();
    Ok(Json(Accounts { accounts }))
}

fn shown(account: Account, history_from: Option<Date>, booked_lines: usize) -> Shown {
    Shown {
        id: account.id,
        kind: account.kind,
        currency: account.currency,
        name: account.name,
        last_characters: account.last_characters,
        owner_named: account.owner_named,
        balance: account.balance,
        balance_read_at: account.balance_read_at,
        history_from,
        booked_lines,
    }
}
