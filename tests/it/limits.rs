//! What a flood of anonymous requests can take: the limits of the door and each function's own share.

use std::collections::BTreeSet;

use crate::template::Template;

/// The account quota the shares are cut from, and what Lambda keeps unreserved.
const QUOTA: u64 = 1_000;
const KEPT_UNRESERVED: u64 = 100;

/// How long an anonymous request may take, in milliseconds, and the limits still hold its function's share.
const SLOW_REQUEST_MS: u64 = 250;

#[test]
fn every_anonymous_route_has_a_limit_of_its_own_below_the_default() {
    let template = Template::read();
    let apis = template.resources("AWS::Serverless::HttpApi");
    let api = apis.into_values().next().expect("an API");
    let rate = |settings: &serde_json::Value| settings["ThrottlingRateLimit"].as_u64();
    let default = rate(&api["DefaultRouteSettings"]).expect("a default");
    let limited = api["RouteSettings"].as_object().expect("RouteSettings");
    let anonymous: BTreeSet<String> = template
        .functions()
        .into_iter()
        .flat_map(|function| function.anonymous)
        .collect();
    let named: BTreeSet<String> = limited.keys().cloned().collect();
    assert_eq!(named, anonymous);
    for (route, settings) in limited {
        assert!(rate(settings).is_some_and(|rate| rate < default), "{route}");
        let burst = settings["ThrottlingBurstLimit"].as_u64();
        assert!(burst.is_some_and(|burst| burst <= 200), "{route}");
    }
}

#[test]
fn every_function_has_a_share_of_its_own_and_all_of_them_fit_an_account() {
    let mut together = 0;
    for function in Template::read().functions() {
        let share = function.reserved;
        let share = share.unwrap_or_else(|| panic!("{} has no share", function.folder));
        // A queue that calls more than its function may run is throttled and counts receives for nothing.
        assert!(function.at_once < share, "{}: queues", function.folder);
        together += share;
    }
    assert!(together <= QUOTA - KEPT_UNRESERVED, "{together}");
}

/// What anybody may call never takes the whole of a function that insurers' programs call too.
#[test]
fn anonymous_routes_at_their_limits_leave_a_function_most_of_its_share() {
    let template = Template::read();
    let apis = template.resources("AWS::Serverless::HttpApi");
    let limits = &apis.into_values().next().expect("an API")["RouteSettings"];
    for function in template.functions() {
        let rates = function.anonymous.iter().map(|route| {
            let rate = &limits[route.as_str()]["ThrottlingRateLimit"];
            rate.as_u64().expect("a limit")
        });
        let busy = rates.sum::<u64>() * SLOW_REQUEST_MS / 1_000;
        let share = function.reserved.expect("a share");
        assert!(busy * 10 <= share * 7, "{}: {busy}", function.folder);
    }
}
