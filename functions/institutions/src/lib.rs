#![doc = include_str!("../README.md")]

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use passerelle_aws::{Clients, Table, Tenants};
use passerelle_banks::{
    AispCertificates, BankBook, BankSettings, Banks, Coverage, DirectoryEntry, Onboarded,
};
use passerelle_domain::ids::{InstitutionId, InvalidId};
use passerelle_domain::registry::BankRegistry;
use passerelle_runtime::{
    Door, Environment, Function, Json, Path, Problem, Query, Routes, Scope, StartError, WorkError,
};
use serde::{Deserialize, Serialize};
use url::Url;

/// Longest search text, in characters.
const QUERY_LIMIT: usize = 100;

/// The function, from its environment: `TABLE_NAME`, `TENANT_CLAIM` and `BANK_CLIENT_ID`;
/// `SANDBOX_BANK_URL` (empty hides the sandbox bank), `AGGREGATOR` (empty, none reads banks for us),
/// `QWAC_GIVEN` and `QSEAL_GIVEN` (empty, we have no such certificate).
///
/// # Errors
/// [`StartError`] when a variable is missing or unreadable.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    // Nothing here is sealed: no key is needed.
    let table = Table::new(clients, environment.text("TABLE_NAME")?, "");
    let clock = environment.clock();
    let door = Door::new(
        environment.text("TENANT_CLAIM")?,
        Tenants::new(table.clone()),
        clock.clone(),
    );
    let settings = BankSettings {
        sandbox_bank_url: environment.optional_parsed::<Url>("SANDBOX_BANK_URL")?,
        sandbox_bank_authority: None,
        aggregator: environment.optional_parsed("AGGREGATOR")?,
        onboarded: Onboarded::default(),
        aggregator_secret: None,
        client_id: environment.text("BANK_CLIENT_ID")?,
        // The directory is read and no bank is called: that there are certificates is enough to know.
        certificates: AispCertificates {
            qwac: environment.optional("QWAC_GIVEN"),
            qseal: environment.optional("QSEAL_GIVEN"),
            clock: Arc::new(move || clock.now()),
            ..AispCertificates::none()
        },
    };
    directory(settings, table, door)
}

/// The function, over the registry of banks that registered us.
///
/// # Errors
/// [`StartError`] when the settings cannot be used.
pub fn directory(
    settings: BankSettings,
    registry: impl BankRegistry + 'static,
    door: Door,
) -> Result<Function, StartError> {
    let book = BankBook::new(settings, registry, move |banks| {
        Function::new("institutions").http(routes(&door, banks))
    });
    let book = Arc::new(book.map_err(|cause| StartError::setup("the banks", cause))?);
    Ok(Function::built_by("institutions", move || {
        let book = Arc::clone(&book);
        async move { book.current().await.map_err(WorkError::from) }
    }))
}

fn routes(door: &Door, banks: Banks) -> Routes {
    let reference = Router::new()
        .route("/v1/institutions", get(search))
        .route("/v1/institutions/{institution}", get(find));
    Routes::new()
        .scoped(door, Scope::ReferenceRead, reference)
        .with_state(banks)
}

/// Banks whose name, synonym, group or BIC fits, best match first, and how much of the country's banking
/// is listed and reachable.
async fn search(State(banks): State<Banks>, Query(search): Query<Search>) -> Json<Found> {
    let found = banks
        .directory()
        .search(&search.query.0, search.limit.into());
    Json(Found {
        coverage: banks.directory().coverage(),
        institutions: found.into_iter().cloned().collect(),
    })
}

/// One bank.
async fn find(
    State(banks): State<Banks>,
    Path(institution): Path<InstitutionId>,
) -> Result<Json<DirectoryEntry>, Problem> {
    let entry = banks.directory().get(&institution);
    entry.cloned().map(Json).ok_or_else(|| {
        Problem::not_found().with_detail("No such bank: search with `GET /v1/institutions?query=`.")
    })
}

/// What a client looks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Search {
    query: SearchText,
    limit: Limit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
struct SearchText(String);

impl TryFrom<String> for SearchText {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        if text.chars().count() <= QUERY_LIMIT {
            Ok(Self(text))
        } else {
            Err(InvalidId {
                kind: "search text",
                expected: "at most 100 characters",
            })
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u16")]
struct Limit(u16);

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

impl TryFrom<u16> for Limit {
    type Error = InvalidId;

    fn try_from(limit: u16) -> Result<Self, InvalidId> {
        match limit {
            1..=100 => Ok(Self(limit)),
            _ => Err(InvalidId {
                kind: "limit",
                expected: "1 to 100",
            }),
        }
    }
}

impl From<Limit> for usize {
    fn from(limit: Limit) -> Self {
        limit.0.into()
    }
}

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    coverage: Coverage,
    institutions: Vec<DirectoryEntry>,
}
