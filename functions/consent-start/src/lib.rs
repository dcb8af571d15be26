//! Opens a consent and shows the hosted journey: reassurance, bank choice, purposes, the way to the
//! bank, and what came of it.
//!
//! The journey is a capability: whoever holds its link walks it, and the link is derived, never
//! stored. Where the person stands is read from the consent and its latest attempt at each step, so a
//! journey continues on a page that was reloaded, reopened or left for an hour.

mod journey;
mod logo;
mod opening;
mod pages;
mod reading;
mod settings;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};
use passerelle_aws::{Clients, Error, Keys, Store, Table, Tenants};
use passerelle_banks::{AispCertificates, BankBook, BankSettings, Banks, Onboarded};
use passerelle_domain::consent::{Consent, Provider};
use passerelle_runtime::{
    Clock, Door, Environment, Function, OwnAddress, Problem, PublicAddress, Routes, Scope,
    StartError, WorkError, pages as shared_pages,
};

pub(crate) struct ConsentStart {
    pub(crate) store: Store,
    pub(crate) banks: Banks,
    /// Who carries out the access.
    pub(crate) provider: Provider,
    /// The address pages are served under, unless it is the API's own.
    pub(crate) public_url: Option<PublicAddress>,
    pub(crate) clock: Clock,
}

/// Reads `TABLE_NAME`, `KEYS_TABLE_NAME`, `VAULT_KEY_ID`, `TENANT_CLAIM`, `AISP_NAME`,
/// `AISP_REGISTRATION`, `BANK_CLIENT_ID`; optional `PUBLIC_URL`, `SANDBOX_BANK_URL`.
/// Where an aggregator reads banks for us: `AGGREGATOR`.
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
        aggregator_secret: None,
        client_id: environment.text("BANK_CLIENT_ID")?,
        certificates: certificates(environment, clients)?,
    };
    let door = Door::new(
        environment.text("TENANT_CLAIM")?,
        Tenants::new(table.clone()),
        environment.clock(),
    );
    let store = Store::new(clients, table.clone(), environment.text("VAULT_KEY_ID")?);
    let provider = Provider {
        name: environment.text("AISP_NAME")?,
        registration: environment.text("AISP_REGISTRATION")?,
    };
    let public_url: Option<PublicAddress> = environment.optional_parsed("PUBLIC_URL")?;
    let clock = environment.clock();
    let book = BankBook::new(settings, table, move |banks| {
        let consent_start = ConsentStart {
            store: store.clone(),
            banks,
            provider: provider.clone(),
            public_url: public_url.clone(),
            clock: clock.clone(),
        };
        Function::new("consent-start").http(routes(&door, consent_start))
    });
    let book = Arc::new(book.map_err(|error| StartError::setup("the banks", error))?);
    Ok(Function::built_by("consent-start", move || {
        let book = Arc::clone(&book);
        async move { book.current().await.map_err(WorkError::from) }
    }))
}

fn routes(door: &Door, consent_start: ConsentStart) -> Routes {
    Routes::new()
        .scoped(door, Scope::ConsentsWrite, opening())
        .scoped(door, Scope::ConsentsRead, reading())
        .scoped(door, Scope::SettingsRead, settings_read())
        .scoped(door, Scope::SettingsWrite, settings_written())
        .anonymous(journey())
        .with_state(Arc::new(consent_start))
}

type Group = Router<Arc<ConsentStart>>;

fn opening() -> Group {
    Router::new().route("/v1/consents", post(opening::open))
}

fn reading() -> Group {
    Router::new().route("/v1/consents/{consent}", get(reading::read))
}

fn settings_read() -> Group {
    Router::new().route("/v1/settings", get(settings::show))
}

fn settings_written() -> Group {
    Router::new()
        .route("/v1/settings", put(settings::save))
        .route(
            "/v1/settings/logo",
            put(settings::save_logo).delete(settings::remove_logo),
        )
        .route("/v1/settings/link-key", post(settings::change_link_key))
}

/// The pages people walk through, and what they load.
fn journey() -> Group {
    Router::new()
        .route("/journey/{token}", get(journey::reassurance::show))
        .route(
            "/journey/{token}/continue",
            post(journey::reassurance::go_on),
        )
        .route(
            "/journey/{token}/decline",
            post(journey::reassurance::decline),
        )
        .route(
            "/journey/{token}/bank",
            get(journey::bank::show).post(journey::bank::choose),
        )
        .route(
            "/journey/{token}/purposes",
            get(journey::purposes::show).post(journey::purposes::choose),
        )
        .route(
            "/journey/{token}/leave",
            get(journey::leaving::show).post(journey::leaving::ask_again),
        )
        .route("/journey/{token}/progress", get(journey::progress::show))
        .route(
            "/journey/{token}/elsewhere",
            post(journey::elsewhere::offer),
        )
        .route(
            "/journey/to/{code}",
            get(journey::elsewhere::show).post(journey::elsewhere::take),
        )
        .route("/assets/logo/{client}/{hash}", get(logo::show))
        .merge(shared_pages::assets())
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

impl ConsentStart {
    /// The address of our pages, without a final slash.
    pub(crate) fn address(&self, own: &OwnAddress) -> Result<String, Problem> {
        own.or_public(self.public_url.as_ref())
    }

    /// The link of a consent's journey: derived from the tenant key, the same each time.
    pub(crate) async fn journey_url(
        &self,
        consent: &Consent,
        address: &str,
    ) -> Result<String, Problem> {
        let now = self.clock.now();
        let tenant_key = self.store.vault().tenant_key(&consent.client, now).await;
        let tenant_key = tenant_key.map_err(refused)?;
        let token = tenant_key.journey_token(&consent.id, consent.link_number());
        Ok(format!("{address}/journey/{}", token.expose()))
    }
}

/// What a failing table means to whoever asks.
pub(crate) fn refused(error: Error) -> Problem {
    match error {
        Error::Conflict => Problem::conflict("It changed in between: read it and decide again."),
        error if error.is_retryable() => Problem::unavailable(&error),
        error => Problem::internal(&error),
    }
}
