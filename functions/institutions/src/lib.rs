#![doc = include_str!("../README.md")]

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use passerelle_banks::{AispCertificates, BankSettings, Banks, Coverage, DirectoryEntry};
use passerelle_domain::ids::{InstitutionId, InvalidId};
use passerelle_runtime::{Environment, Function, Json, Path, Problem, Query, StartError};
use serde::{Deserialize, Serialize};
use url::Url;

/// Longest search text, in characters.
const QUERY_LIMIT: usize = 100;

/// The function, from its environment: `SANDBOX_BANK_URL` (empty hides the sandbox bank),
/// `AGGREGATOR` (empty, none reads banks for us), `ONBOARDED_BANKS` and `BANK_CLIENT_ID`.
///
/// # Errors
/// [`StartError`] when a variable is missing or unreadable.
pub fn function(environment: &Environment) -> Result<Function, StartError> {
    let settings = BankSettings {
        sandbox_bank_url: environment.optional_parsed::<Url>("SANDBOX_BANK_URL")?,
        sandbox_bank_authority: None,
        aggregator: environment.optional_parsed("AGGREGATOR")?,
        onboarded: environment
            .optional_parsed("ONBOARDED_BANKS")?
            .unwrap_or_default(),
        aggregator_secret: None,
        client_id: environment.text("BANK_CLIENT_ID")?,
        // The directory is read, no bank is called.
        certificates: AispCertificates::none(),
    };
    let banks = Banks::new(settings).map_err(|cause| StartError::setup("the banks", cause))?;
    let router = Router::new()
        .route("/v1/institutions", get(search))
        .route("/v1/institutions/{institution}", get(find))
        .with_state(banks);
    Ok(Function::new("institutions").http(router))
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
