//! The insurer's reads, purpose by purpose: connections, accounts, transactions, what was learned and
//! the lines that show it; corrections; events, receipts and the access log; the end of a connection;
//! and what the person does alone ([`self_care`]).
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
mod narrowing;
mod opt_ins;
mod pages;
mod receipts;
mod renewing;
mod self_care;
mod standing;
mod taxonomy;
mod texts;
mod transactions;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post, put};
use passerelle_aws::{Clients, Error, ReceiptBook, Store, Table, Tenants};
use passerelle_banks::Directory;
use passerelle_runtime::{
    Clock, Door, Environment, Function, OwnAddress, Problem, PublicAddress, Routes, Scope,
    StartError,
};

pub(crate) struct Connections {
    pub(crate) store: Store,
    pub(crate) receipts: ReceiptBook,
    /// The banks, for their names.
    pub(crate) directory: Directory,
    /// The address pages are served under, unless it is the API's own.
    pub(crate) public_url: Option<PublicAddress>,
    pub(crate) clock: Clock,
}

/// Reads `TABLE_NAME`, `KEYS_TABLE_NAME`, `VAULT_KEY_ID`, `RECEIPT_KEY_ID` and `TENANT_CLAIM`;
/// optional `PUBLIC_URL`.
///
/// # Errors
/// [`StartError`] naming the variable that is missing.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    let table = Table::new(
        clients,
        environment.text("TABLE_NAME")?,
        environment.text("KEYS_TABLE_NAME")?,
    );
    let door = Door::new(
        environment.text("TENANT_CLAIM")?,
        Tenants::new(table.clone()),
        environment.clock(),
    );
    let connections = Arc::new(Connections {
        store: Store::new(clients, table.clone(), environment.text("VAULT_KEY_ID")?),
        receipts: ReceiptBook::new(clients, table, environment.text("RECEIPT_KEY_ID")?),
        directory: Directory::of_every_bank()
            .map_err(|error| StartError::setup("the banks", error))?,
        public_url: environment.optional_parsed("PUBLIC_URL")?,
        clock: environment.clock(),
    });
    Ok(Function::new("connections").http(routes(&door, connections)))
}

fn routes(door: &Door, connections: Arc<Connections>) -> Routes {
    Routes::new()
        .scoped(door, Scope::ReferenceRead, reference())
        .scoped(door, Scope::ConnectionsRead, standings())
        .scoped(door, Scope::ConnectionsWrite, endings())
        .scoped(door, Scope::ConsentsWrite, consents())
        .scoped(door, Scope::DataRead, data())
        .scoped(door, Scope::DataWrite, decisions())
        .scoped(door, Scope::ScoresRead, scores())
        .scoped(door, Scope::ReceiptsRead, proof())
        .scoped(door, Scope::EventsRead, feed())
        .scoped(door, Scope::SelfCareWrite, self_care::links())
        .anonymous(receipt_key())
        .anonymous(self_care::pages())
        .with_state(connections)
}

type Group = Router<Arc<Connections>>;

fn reference() -> Group {
    Router::new().route("/v1/taxonomy", get(taxonomy::read))
}

fn standings() -> Group {
    Router::new()
        .route(
            "/v1/customers/{customer}/connections",
            get(standing::of_customer),
        )
        .route("/v1/connections/{connection}", get(standing::of_connection))
}

fn endings() -> Group {
    Router::new().route("/v1/connections/{connection}", delete(end::terminate))
}

fn consents() -> Group {
    Router::new()
        .route("/v1/consents/{consent}/renewals", post(renewing::open))
        .route(
            "/v1/consents/{consent}/purposes/{purpose}",
            delete(narrowing::take_back),
        )
}

fn data() -> Group {
    Router::new()
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
        .route(
            "/v1/customers/{customer}/evidence",
            get(evidence::of_customer),
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
        .route("/v1/connections/{connection}/opt-ins", get(opt_ins::read))
}

fn decisions() -> Group {
    Router::new()
        .route(
            "/v1/connections/{connection}/corrections/{transaction}",
            put(corrections::correct).delete(corrections::take_back),
        )
        .route("/v1/connections/{connection}/opt-ins", put(opt_ins::decide))
}

fn scores() -> Group {
    Router::new().route("/v1/customers/{customer}/scores", get(learned::scores))
}

fn proof() -> Group {
    Router::new()
        .route(
            "/v1/customers/{customer}/receipts",
            get(receipts::of_customer),
        )
        .route(
            "/v1/customers/{customer}/access-log",
            get(access_log::of_customer),
        )
        .route("/v1/texts/{hash}", get(texts::read))
}

fn feed() -> Group {
    Router::new().route("/v1/events", get(events::feed))
}

/// A public key: whoever holds a receipt may check it.
fn receipt_key() -> Group {
    Router::new().route("/v1/receipt-key", get(receipts::public_key))
}

impl Connections {
    /// The address of our pages, without a final slash.
    pub(crate) fn address(&self, own: &OwnAddress) -> Result<String, Problem> {
        own.or_public(self.public_url.as_ref())
    }
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
