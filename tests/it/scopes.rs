//! What a token may be used for: every route, with every scope, over HTTP.

use std::collections::{BTreeMap, BTreeSet};

use passerelle_local::Options;
use passerelle_runtime::Scope;
use reqwest::Method;
use serde_json::json;

use crate::house;
use crate::template::Template;
use crate::world::{Answer, Api, World};

/// The routes of the API description with the scope each names; none for what asks for no token.
fn documented() -> BTreeMap<String, Option<Scope>> {
    let (mut routes, mut path, mut route) = (BTreeMap::new(), String::new(), String::new());
    for line in house::text("infra/openapi.yaml").lines() {
        let indent = line.len() - line.trim_start().len();
        let word = line.trim();
        if indent == 2 && word.starts_with('/') {
            path = word.trim_end_matches(':').to_owned();
        }
        let method = word.trim_end_matches(':');
        if indent == 4 && ["get", "post", "put", "delete"].contains(&method) {
            route = format!("{} {path}", method.to_uppercase());
        }
        if indent == 6
            && let Some(security) = word.strip_prefix("security: ")
        {
            let scope = security
                .strip_prefix("[{ insurerToken: ['")
                .and_then(|rest| rest.strip_suffix("'] }]"));
            assert!(scope.is_some() || security == "[]", "{route}: {security}");
            let scope = scope.map(|scope| scope.parse().expect("a scope of the API"));
            assert_eq!(routes.insert(route.clone(), scope), None, "{route}");
        }
    }
    routes
}

/// The API's routes of the template, and whether each asks for a token.
fn routed() -> BTreeMap<String, bool> {
    let functions = Template::read().functions();
    let routes = functions.into_iter().flat_map(|function| {
        let open = function.anonymous;
        let routes = function.routes.into_iter();
        routes.map(move |route| (route.clone(), !open.contains(&route)))
    });
    routes
        // The pages and the return from the bank are for browsers.
        .filter(|(route, _)| route.contains(" /v1/") && !route.contains("/v1/callback/"))
        .collect()
}

/// An address of a route: every name in it stands for something that has the right shape and is not there.
fn address(path: &str) -> String {
    let id = "0".repeat(26);
    path.replace("{institution}", "no-such-bank")
        .replace("{consent}", &format!("cns_{id}"))
        .replace("{connection}", &format!("cnx_{id}"))
        .replace("{transaction}", &format!("txn_{id}"))
        .replace("{customer}", "customer-1")
        .replace("{purpose}", "advice")
        .replace("{hash}", &"0".repeat(64))
}

async fn asked(world: &World, route: &str, scopes: &[Scope]) -> Answer {
    let (method, path) = route.split_once(' ').expect("a route");
    let method: Method = method.parse().expect("a method");
    let token = world.suite.token_for("cli_demo", scopes).await.unwrap();
    let api = Api::new(&world.base, token);
    let request = api.raw(method, &address(path)).json(&json!({}));
    Api::read(request).await
}

#[test]
fn every_route_of_the_template_is_documented_with_a_scope_and_every_scope_has_a_route() {
    let documented = documented();
    let asks: BTreeMap<String, bool> = documented
        .iter()
        .map(|(route, scope)| (route.clone(), scope.is_some()))
        .collect();
    assert_eq!(
        asks,
        routed(),
        "infra/openapi.yaml and template.yaml differ"
    );
    let used: BTreeSet<Scope> = documented.into_values().flatten().collect();
    assert_eq!(used, BTreeSet::from(Scope::ALL));
    let described = house::text("infra/openapi.yaml");
    for scope in Scope::ALL {
        let listed = format!("`{scope}`");
        assert!(described.contains(&listed), "{scope} is not described");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_a_token_without_its_scope_and_takes_one_with_it() {
    let world = World::start(Options::in_memory()).await;
    let mut tried = 0;
    for (route, scope) in documented() {
        let Some(scope) = scope else {
            continue;
        };
        let others = Scope::ALL.into_iter().filter(|other| *other != scope);
        let others: Vec<Scope> = others.collect();
        for scopes in [others.as_slice(), &[]] {
            let answer = asked(&world, &route, scopes).await;
            assert_eq!(answer.status, 403, "{route}: {answer:?}");
            assert_eq!(answer.problem(), "scope-missing", "{route}");
            let detail = answer.body["detail"].as_str().expect("a detail");
            assert!(detail.contains(&format!("`{scope}`")), "{route}: {detail}");
        }
        let answer = asked(&world, &route, &[scope]).await;
        assert!(![401, 403].contains(&answer.status), "{route}: {answer:?}");
        tried += 1;
    }
    assert!(tried > 25, "only {tried} routes were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_gives_the_scopes_that_are_asked_for_or_all() {
    let world = World::start(Options::in_memory()).await;
    let ask = async |scope: Option<&str>| {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.map(|scope| ("scope", scope)));
        let request = reqwest::Client::new()
            .post(format!("{}/issuer/token", world.base))
            .basic_auth("cli_demo", Some("demo-secret"))
            .form(&form);
        Api::read(request).await
    };
    let all = ask(None).await;
    let given = all.body["scope"].as_str().expect("scopes");
    assert_eq!(given.split(' ').count(), Scope::ALL.len(), "{given}");
    let some = ask(Some("events:read settings:read")).await;
    assert_eq!(some.body["scope"], "events:read settings:read");
    let api = Api::new(
        &world.base,
        some.body["access_token"].as_str().unwrap().to_owned(),
    );
    assert_eq!(api.get("/v1/events").await.status, 200);
    assert_eq!(api.get("/v1/taxonomy").await.problem(), "scope-missing");
    let unknown = ask(Some("events:read everything")).await;
    assert_eq!(unknown.status, 400);
    assert_eq!(unknown.body["error"], "invalid_scope");
}
