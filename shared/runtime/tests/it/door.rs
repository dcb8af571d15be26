//! Who passes the door, and that nothing is done for those who do not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::{get, put};
use passerelle_domain::Timestamp;
use passerelle_domain::ids::ClientId;
use passerelle_domain::registry::{Asked, RegistryError, Standing, TenantRegistry};
use passerelle_runtime::{Caller, Clock, Door, Function, Json, Routes, Scope};
use serde_json::{Value, json};

use crate::events::Http;

/// A registry by name.
#[derive(Debug)]
struct Registry;

impl TenantRegistry for Registry {
    fn standing<'a>(&'a self, client: &'a ClientId, _: Timestamp) -> Asked<'a, Standing> {
        Box::pin(async move {
            match client.as_str() {
                "cli_suspended" => Ok(Standing::Suspended),
                "cli_stranger" => Ok(Standing::Unknown),
                "cli_throttled" => Err(RegistryError::passing("throttled")),
                "cli_denied" => Err(RegistryError::fatal("no permission")),
                _ => Ok(Standing::Registered),
            }
        })
    }
}

/// The door of the other tests.
pub fn door(claim: &str) -> Door {
    Door::new(claim, Registry, Clock::system())
}

/// Settings that are read with one scope and written with another; counts the writes.
fn settings(door: &Door) -> (Function, Arc<AtomicUsize>) {
    let writes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&writes);
    let read = Router::new().route("/settings", get(async |caller: Caller| Json(caller.client)));
    let written = Router::new().route(
        "/settings",
        put(async move |Json(_): Json<BTreeMap<String, Value>>| {
            counter.fetch_add(1, Ordering::Relaxed);
            "written"
        }),
    );
    let routes = Routes::new()
        .scoped(door, Scope::SettingsRead, read)
        .scoped(door, Scope::SettingsWrite, written);
    (Function::new("example").http(routes), writes)
}

#[tokio::test]
async fn a_token_passes_with_the_scope_of_the_method_and_is_told_which_one_it_lacks() {
    let (function, writes) = settings(&door("client_id"));
    let request = |method: &str, scope: &str| {
        Http::new(method, "/settings")
            .json("{}")
            .claims(json!({"client_id": "cli_demo", "scope": scope}))
    };
    for (method, scope, missing) in [
        ("GET", "settings:read", None),
        ("PUT", "openid settings:write profile", None),
        ("GET", "settings:write", Some("settings:read")),
        ("PUT", "settings:read", Some("settings:write")),
        (
            "PUT",
            "settings:writer xsettings:write",
            Some("settings:write"),
        ),
        ("GET", "", Some("settings:read")),
    ] {
        let answer = request(method, scope).send(&function).await;
        let Some(missing) = missing else {
            assert_eq!(answer.status(), 200, "{method} {scope}");
            continue;
        };
        assert_eq!(answer.status(), 403, "{method} {scope}");
        let problem = answer.problem();
        assert_eq!(problem["type"], "urn:passerelle:problem:scope-missing");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(missing), "{method} {scope}: {detail}");
    }
    assert_eq!(writes.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_scope_is_read_from_the_claim_the_issuer_writes() {
    let (function, _) = settings(&door("client_id"));
    for claims in [
        json!({"client_id": "cli_demo", "scope": "events:read settings:read"}),
        json!({"client_id": "cli_demo", "scp": "settings:read"}),
        json!({"client_id": "cli_demo", "scp": "[events:read settings:read]"}),
    ] {
        let answer = Http::new("GET", "/settings").claims(claims.clone());
        assert_eq!(answer.send(&function).await.status(), 200, "{claims}");
    }
}

#[tokio::test]
async fn a_client_nobody_registered_is_refused_before_its_body_is_looked_at() {
    let (function, writes) = settings(&door("client_id"));
    for (client, status, kind) in [
        ("cli_stranger", 403, "tenant-unknown"),
        ("cli_suspended", 403, "tenant-suspended"),
        ("cli_throttled", 503, "unavailable"),
        ("cli_denied", 500, "internal"),
        ("not a client", 401, "unauthenticated"),
    ] {
        let answer = Http::new("PUT", "/settings")
            .json("{ not even JSON")
            .claims(json!({"client_id": client, "scope": "settings:write"}))
            .send(&function)
            .await;
        assert_eq!(answer.status(), status, "{client}");
        let expected = format!("urn:passerelle:problem:{kind}");
        assert_eq!(answer.problem()["type"], expected, "{client}");
    }
    assert_eq!(writes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_claim_that_names_the_client_is_a_setting() {
    let (function, _) = settings(&door("tenant"));
    let ask = |claims: Value| Http::new("GET", "/settings").claims(claims);
    let named = json!({"client_id": "app", "tenant": "cli_demo", "scope": "settings:read"});
    assert_eq!(ask(named).send(&function).await.json(), "cli_demo");
    let unnamed = json!({"client_id": "app", "scope": "settings:read"});
    assert_eq!(ask(unnamed).send(&function).await.status(), 401);
}

#[tokio::test]
async fn a_handler_behind_no_door_that_asks_for_a_caller_refuses_everybody() {
    let open = Router::new().route("/who", get(async |caller: Caller| Json(caller.client)));
    let function = Function::new("example").http(Routes::new().anonymous(open));
    let claims = json!({"client_id": "cli_demo", "scope": "settings:read"});
    let answer = Http::new("GET", "/who").claims(claims);
    assert_eq!(answer.send(&function).await.status(), 401);
}
