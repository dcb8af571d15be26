//! The return from the bank: code to tokens, tokens to the vault, first sync queued.
//!
//! The attempt is found by its single-use `state` ([`returning`]) and claimed before the code is exchanged
//! ([`exchange`]). What the bank gives back is stored before anything else is done with it, so every step
//! after that can be carried on ([`resuming`]) or given back. A return in another browser than the one
//! that left waits for the person's code ([`confirming`]).

mod confirming;
mod exchange;
mod onward;
mod pages;
mod resuming;
mod returned;
mod returning;
mod second_step;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use passerelle_aws::table::Digest;
use passerelle_aws::{Clients, Error, Keys, Queue, ReceiptBook, Store, Table};
use passerelle_banks::{AispCertificates, BankBook, BankSettings, Banks, Onboarded};
use passerelle_domain::authorisation::Authorisation;
use passerelle_runtime::{
    Clock, Environment, Function, OwnAddress, Problem, PublicAddress, Routes, StartError, WorkError,
};

use crate::visit::Visit;

pub(crate) struct BankCallback {
    pub(crate) store: Store,
    pub(crate) receipts: ReceiptBook,
    pub(crate) banks: Banks,
    pub(crate) sync_queue: Queue,
    /// The address pages are served under, unless it is the API's own.
    pub(crate) public_url: Option<PublicAddress>,
    pub(crate) clock: Clock,
}

impl BankCallback {
    /// The address pages are served under.
    pub(crate) fn address<'a>(&'a self, own: &'a OwnAddress) -> Option<&'a str> {
        let public = self.public_url.as_ref().map(PublicAddress::as_str);
        public.or(own.0.as_deref())
    }

    /// Whether the browser that asks is the one that left for the bank.
    pub(crate) fn is_same_browser(&self, attempt: &Authorisation, visit: &Visit) -> bool {
        let cookie = self
            .address(&visit.own)
            .and_then(|address| visit.browser.cookie(address, &attempt.consent));
        cookie.is_some_and(|cookie| Digest::of(cookie.expose()).as_str() == attempt.browser)
    }
}

/// What a failing table means to a person who returns from their bank.
pub(crate) fn refused(error: Error) -> Problem {
    if error.is_retryable() {
        Problem::unavailable(&error)
    } else {
        Problem::internal(&error)
    }
}

/// Reads `TABLE_NAME`, `KEYS_TABLE_NAME`, `VAULT_KEY_ID`, `RECEIPT_KEY_ID`, `SYNC_QUEUE_URL`,
/// `BANK_CLIENT_ID` and, where they are set, `PUBLIC_URL` and `SANDBOX_BANK_URL`.
/// Where an aggregator reads banks for us: `AGGREGATOR` and `AGGREGATOR_SECRET`.
///
/// # Errors
/// [`StartError`] naming the variable that is missing or unreadable.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    let table = Table::new(
        clients,
        environment.text("TABLE_NAME")?,
        environment.text("KEYS_TABLE_NAME")?,
    );
    let settings = BankSettings {
        sandbox_bank_url: environment.optional_parsed("SANDBOX_BANK_URL")?,
        sandbox_bank_authority: environment.optional("SANDBOX_BANK_AUTHORITY"),
        aggregator: environment.optional_parsed("AGGREGATOR")?,
        onboarded: Onboarded::default(),
        aggregator_secret: environment.optional("AGGREGATOR_SECRET"),
        client_id: environment.text("BANK_CLIENT_ID")?,
        certificates: certificates(environment, clients)?,
    };
    let store = Store::new(clients, table.clone(), environment.text("VAULT_KEY_ID")?);
    let receipts = ReceiptBook::new(clients, table.clone(), environment.text("RECEIPT_KEY_ID")?);
    let sync_queue = Queue::new(clients, environment.text("SYNC_QUEUE_URL")?);
    let public_url: Option<PublicAddress> = environment.optional_parsed("PUBLIC_URL")?;
    let clock = environment.clock();
    let book = BankBook::new(settings, table, move |banks| {
        let callback = BankCallback {
            store: store.clone(),
            receipts: receipts.clone(),
            banks,
            sync_queue: sync_queue.clone(),
            public_url: public_url.clone(),
            clock: clock.clone(),
        };
        Function::new("bank-callback").http(routes(callback))
    });
    let book = Arc::new(book.map_err(|error| StartError::setup("the banks", error))?);
    Ok(Function::built_by("bank-callback", move || {
        let book = Arc::clone(&book);
        async move { book.current().await.map_err(WorkError::from) }
    }))
}

fn routes(callback: BankCallback) -> Routes {
    let returns = Router::new()
        .route("/v1/callback/{institution}", get(returning::from_bank))
        .route(
            "/v1/callback/{institution}/confirm",
            post(confirming::confirm),
        )
        .route(
            "/v1/callback/{institution}/not-me",
            post(confirming::not_me),
        )
        .route("/v1/callback/{institution}/resume", post(resuming::resume))
        .route(
            "/v1/callback/{institution}/{attempt}",
            get(returning::to_its_own_address),
        );
    Routes::new()
        .anonymous(returns)
        .with_state(Arc::new(callback))
}

/// The certificates banks know us by; a bank that asks for none is reached without.
fn certificates(
    environment: &Environment,
    clients: &Clients,
) -> Result<AispCertificates, StartError> {
    let clock = environment.clock();
    Ok(AispCertificates {
        qwac: environment.optional("QWAC_SECRET"),
        qseal: environment.optional("QSEAL_SECRET"),
        qseal_key: environment.optional("QSEAL_KEY"),
        qseal_url: environment.optional_parsed("QSEAL_URL")?,
        holder: Arc::new(Keys::new(clients)),
        clock: Arc::new(move || clock.now()),
    })
}
