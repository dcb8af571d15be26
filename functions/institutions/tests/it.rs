//! The directory as a client sees it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;

use passerelle_aws::Clients;
use passerelle_banks::{AispCertificates, BankSettings, Onboarded};
use passerelle_domain::Timestamp;
use passerelle_domain::ids::ClientId;
use passerelle_domain::registry::{Asked, NoBanks, Standing, TenantRegistry};
use passerelle_runtime::{Clock, Door, Environment, Function, StartError};
use serde_json::{Value, json};

/// A registry in which every client stands.
#[derive(Debug)]
struct Everybody;

impl TenantRegistry for Everybody {
    fn standing<'a>(&'a self, _: &'a ClientId, _: Timestamp) -> Asked<'a, Standing> {
        Box::pin(async { Ok(Standing::Registered) })
    }
}

fn function(sandbox: Option<&str>, aggregator: Option<&str>) -> Function {
    let settings = BankSettings {
        sandbox_bank_url: sandbox.map(|url| url.parse().unwrap()),
        sandbox_bank_authority: None,
        aggregator: aggregator.map(|text| text.parse().unwrap()),
        aggregator_secret: None,
        onboarded: Onboarded::default(),
        client_id: "PSDFR-ACPR-00000".to_owned(),
        certificates: AispCertificates::none(),
    };
    let door = Door::new("client_id", Everybody, Clock::system());
    institutions::directory(settings, NoBanks, door).unwrap()
}

async fn get(function: &Function, path: &str) -> (u64, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let event = json!({
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example.test"},
        "requestContext": {
            "authorizer": {"jwt": {
                "claims": {"client_id": "cli_demo", "scope": "reference:read"},
                "scopes": null
            }},
            "domainName": "api.example.test",
            "http": {"method": "GET", "path": path, "sourceIp": "203.0.113.7"},
            "stage": "$default",
            "timeEpoch": 0
        },
        "isBase64Encoded": false
    });
    let answer = function
        .answer(event, lambda_runtime::Context::default())
        .await
        .unwrap();
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), body)
}

fn names(found: &Value) -> Vec<&str> {
    let found = found["institutions"].as_array().unwrap();
    found
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_bank_is_found_without_its_accents() {
    let function = function(None, None);
    let (status, accented) = get(&function, "/v1/institutions?query=cr%C3%A9dit%20AGRICOLE").await;
    assert_eq!(status, 200);
    let (_, plain) = get(&function, "/v1/institutions?query=credit+agricole").await;
    assert_eq!(names(&accented), names(&plain));
    let regional = |name: &&str| name.starts_with("Crédit Agricole");
    assert!(names(&plain).iter().any(regional), "{plain}");
}

#[tokio::test]
async fn a_bank_is_listed_with_what_it_offers_and_whether_it_can_be_reached() {
    let (status, bank) = get(&function(None, None), "/v1/institutions/bnp-paribas").await;
    assert_eq!(status, 200);
    assert_eq!(bank["id"], "bnp-paribas");
    assert_eq!(bank["reachable"]["status"], "needs-onboarding");
    assert!(bank["capabilities"].is_object());
}

#[tokio::test]
async fn the_sandbox_bank_is_there_only_where_one_runs() {
    let path = "/v1/institutions/sandbox-bank";
    assert_eq!(get(&function(None, None), path).await.0, 404);
    let (status, bank) = get(
        &function(Some("http://127.0.0.1:8787/sandbox-bank"), None),
        path,
    )
    .await;
    assert_eq!(
        (status, &bank["reachable"]["status"]),
        (200, &json!("ready"))
    );
}

#[tokio::test]
async fn how_much_is_covered_is_told_with_its_source() {
    let (_, found) = get(&function(None, None), "/v1/institutions?limit=1").await;
    let coverage = &found["coverage"];
    assert_eq!(coverage["listed_percent"], 98.5);
    assert_eq!(coverage["reachable_percent"], 0.0);
    assert_eq!(coverage["needs_onboarding_percent"], 98.5);
    assert!(coverage["source"].as_str().unwrap().contains("https://"));
    assert!(coverage["groups"].as_array().unwrap().len() >= 6);
}

#[tokio::test]
async fn an_aggregator_reaches_what_is_listed() {
    let function = function(None, Some("1234@acme.biapi.pro"));
    let (_, found) = get(&function, "/v1/institutions?query=lcl").await;
    assert_eq!(found["coverage"]["reachable_percent"], 98.5);
    let reachable = &found["institutions"][0]["reachable"];
    assert_eq!(
        *reachable,
        json!({"status": "ready", "through": "aggregator"})
    );
}

#[tokio::test]
async fn the_limit_is_kept() {
    let (_, found) = get(&function(None, None), "/v1/institutions?limit=3").await;
    assert_eq!(names(&found).len(), 3);
}

#[tokio::test]
async fn an_unknown_bank_is_a_not_found_problem() {
    for id in ["no-such-bank", "NO", "..%2f..%2fetc", "%F0%9F%A6%86"] {
        let (status, problem) = get(&function(None, None), &format!("/v1/institutions/{id}")).await;
        assert_eq!(
            (status, &problem["type"]),
            (404, &json!("urn:passerelle:problem:not-found"))
        );
    }
}

#[tokio::test]
async fn a_parameter_that_does_not_fit_is_named() {
    let long = "x".repeat(101);
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
        (&format!("query={long}"), "query"),
    ] {
        let (status, problem) =
            get(&function(None, None), &format!("/v1/institutions?{query}")).await;
        assert_eq!(
            (status, problem["errors"][0]["parameter"].as_str()),
            (400, Some(name)),
            "{query}"
        );
    }
}

#[test]
fn a_missing_or_broken_setting_stops_the_start_and_is_named() {
    let settings = [
        ("TABLE_NAME", "table"),
        ("TENANT_CLAIM", "client_id"),
        ("BANK_CLIENT_ID", "PSDFR-ACPR-00000"),
        ("SANDBOX_BANK_URL", "http://127.0.0.1:8787/sandbox-bank"),
    ];
    let account = [
        ("AWS_REGION", "eu-west-3"),
        ("AWS_ACCESS_KEY_ID", "none"),
        ("AWS_SECRET_ACCESS_KEY", "none"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let clients = Clients::from_environment(&account.map(owned).into()).unwrap();
    let start = |name: &str, value: &str| -> Result<Function, StartError> {
        let mut variables: BTreeMap<String, String> = settings.map(owned).into();
        variables.insert(name.to_owned(), value.to_owned());
        institutions::function(&Environment::new(variables, Clock::system()), &clients)
    };
    assert!(start("AGGREGATOR", "").is_ok());
    for (name, value) in [
        ("TABLE_NAME", ""),
        ("TENANT_CLAIM", ""),
        ("BANK_CLIENT_ID", ""),
        ("SANDBOX_BANK_URL", "not a url"),
        ("AGGREGATOR", "nobody"),
    ] {
        let error = start(name, value).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
