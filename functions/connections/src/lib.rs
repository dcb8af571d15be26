//! The insurer's reads, purpose by purpose: connections, accounts, transactions, what was learned and
//! the lines that show it; corrections; events, receipts and the access log; the end of a connection.
//!
//! Every read of bank data names a purpose. [`grant`] is the one place that says yes: a live consent
//! of this client that grants the purpose, and a purpose that may read this class of data.

mod access_log;
mod accounts;
mod choices;
mod corrections;
mod end;
mod events;
mod evidence;
mod grant;
mod learned;
mod line;
mod opt_ins;
mod receipts;
mod standing;
mod texts;
mod transactions;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, put};
use passerelle_aws::{Clients, Error, ReceiptBook, Store, Table};
use passerelle_runtime::{Caller, Clock, Environment, Function, Problem, StartError};

pub(crate) struct Connections {
    pub(crate) store: Store,
    pub(crate) receipts: ReceiptBook,
    pub(crate) clock: Clock,
}

/// Reads `TABLE_NAME`, `KEYS_TABLE_NAME`, `VAULT_KEY_ID`, `RECEIPT_KEY_ID` and `TENANT_CLAIM`.
///
/// # Errors
/// [`StartError`] naming the variable that is missing.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    let table = Table::new(
        clients,
        environment.text("TABLE_NAME")?,
        environment.text("KEYS_TABLE_NAME")?,
    );
    let connections = Arc::new(Connections {
        store: Store::new(clients, table.clone(), environment.text("VAULT_KEY_ID")?),
        receipts: ReceiptBook::new(clients, table, environment.text("RECEIPT_KEY_ID")?),
        clock: environment.clock(),
    });
    let router = Router::new()
        .route(
            "/v1/customers/{customer}/connections",
            get(standing::of_customer),
        )
        .route("/v1/customers/{customer}/profile", get(learned::profile))
        .route(
            "/v1/customers/{customer}/contracts",
            get(learned::contracts),
        )
        .route(
            "/v1/customers/{customer}/recurrences",
            get(learned::recurrences),
        )
        .route(
            "/v1/customers/{customer}/life-moments",
            get(learned::life_moments),
        )
        .route("/v1/customers/{customer}/scores", get(learned::scores))
        .route(
            "/v1/customers/{customer}/evidence",
            get(evidence::of_customer),
        )
        .route(
            "/v1/customers/{customer}/receipts",
            get(receipts::of_customer),
        )
        .route(
            "/v1/customers/{customer}/access-log",
            get(access_log::of_customer),
        )
        .route("/v1/receipt-key", get(receipts::public_key))
        .route("/v1/texts/{hash}", get(texts::read))
        .route("/v1/events", get(events::feed))
        .route(
            "/v1/connections/{connection}",
            get(standing::of_connection).delete(end::terminate),
        )
        .route("/v1/connections/{connection}/accounts", get(accounts::list))
        .route(
            "/v1/connections/{connection}/transactions",
            get(transactions::list),
        )
        .route(
            "/v1/connections/{connection}/corrections",
            get(corrections::list),
        )
        .route(
            "/v1/connections/{connection}/corrections/{transaction}",
            put(corrections::correct).delete(corrections::take_back),
        )
        .route(
            "/v1/connections/{connection}/opt-ins",
            get(opt_ins::read).put(opt_ins::decide),
        )
        .layer(Caller::claimed_by(environment.text("TENANT_CLAIM")?))
        .with_state(connections);
    Ok(Function::new("connections").http(router))
}

/// What a failing table means to a caller. A destroyed key means that nothing is there any more.
pub(crate) fn refused(error: Error) -> Problem {
    match error {
        Error::Erased => Problem::not_found(),
        Error::Conflict => Problem::conflict("It changed in between: read it and decide again."),
        error if error.is_retryable() => Problem::unavailable(&error),
        error => Problem::internal(&error),
    }
}
