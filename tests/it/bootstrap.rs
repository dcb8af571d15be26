//! The compiled functions under the Lambda Runtime API: what is deployed is what is started here,
//! with the settings the template gives and no more rights than its role.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use passerelle_local::{Options, Suite};
use serde_json::{Value, json};

use crate::binaries;
use crate::fixtures::{self, Trigger};
use crate::gatekeeper::Gatekeeper;
use crate::house;
use crate::runtime_api::{Bootstrap, Outcome};
use crate::world::{World, connect};

/// A compiled function, its settings those of the suite, its AWS behind its role.
struct Deployed {
    name: String,
    process: Bootstrap,
    gate: Gatekeeper,
}

fn settings(suite: &Suite, name: &str) -> BTreeMap<String, String> {
    let functions = &suite.template().functions;
    let function = functions.iter().find(|function| function.folder == name);
    function.expect("a function").environment.clone()
}

async fn deployed(suite: &Suite, name: &str) -> Deployed {
    behind(suite, name, Gatekeeper::of(suite, name).await).await
}

async fn behind(suite: &Suite, name: &str, gate: Gatekeeper) -> Deployed {
    let mut settings = settings(suite, name);
    settings.insert("AWS_ENDPOINT_URL".to_owned(), gate.address.clone());
    let process = Bootstrap::start(&binaries::program(name), name, &settings).await;
    Deployed {
        name: name.to_owned(),
        process,
        gate,
    }
}

impl Deployed {
    async fn invoke(&mut self, case: &str) -> Outcome {
        self.hand(&fixtures::event(&self.name, case)).await
    }

    async fn hand(&mut self, event: &Value) -> Outcome {
        self.process.invoke(event).await
    }

    /// Ends it: it was refused nothing, and its log is one object per line.
    async fn end(self) -> String {
        assert_eq!(self.gate.refused(), Vec::<String>::new(), "{}", self.name);
        let log = self.process.stop().await;
        every_line_is_an_object(&log);
        log
    }
}

fn body(answer: &Value) -> Value {
    let text = answer["body"].as_str().expect("a text body");
    serde_json::from_str(text).expect("a JSON body")
}

/// A header, in whichever of the two places the proxy format has for it.
fn header<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    let several = &answer["multiValueHeaders"][name][0];
    answer["headers"][name].as_str().or(several.as_str())
}

fn every_line_is_an_object(log: &str) {
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("not a JSON log line ({error}): {line}"));
        for key in ["timestamp", "level", "message"] {
            assert!(entry[key].is_string(), "no {key}: {line}");
        }
    }
}

/// An event that speaks of something that exists.
fn about(event: &Value, replaced: &[(&str, &str)]) -> Value {
    let mut text = event.to_string();
    for (old, new) in replaced {
        assert!(text.contains(old), "{old} is not in the event");
        text = text.replace(old, new);
    }
    serde_json::from_str(&text).expect("still JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_function_answers_a_proxy_event() {
    let world = World::start(Options::in_memory()).await;
    let mut institutions = deployed(&world.suite, "institutions").await;
    let found = institutions.invoke("happy-search").await.answer();
    assert_eq!(found["statusCode"], 200, "{found}");
    assert_eq!(header(&found, "content-type"), Some("application/json"));
    assert!(header(&found, "x-request-id").is_some_and(|id| id.starts_with("cor_")));
    assert!(body(&found).to_string().contains("sandbox-bank"), "{found}");

    for (case, status) in [
        ("edge-unknown", 404),
        ("hostile-limit", 400),
        ("edge-accents-and-case", 200),
    ] {
        let answer = institutions.invoke(case).await.answer();
        assert_eq!(answer["statusCode"], status, "{case}: {answer}");
        assert!(!answer.to_string().contains("<script>"), "{case}: {answer}");
        if status >= 400 {
            let problem = body(&answer);
            let kind = header(&answer, "content-type");
            assert_eq!(kind, Some("application/problem+json"), "{case}");
            assert!(problem["type"].is_string(), "{case}: {problem}");
            assert_eq!(problem["status"], status, "{case}: {problem}");
        }
    }
    institutions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_function_reports_exactly_the_records_it_could_not_read() {
    let world = World::start(Options::in_memory()).await;
    let mut sync = deployed(&world.suite, "sync").await;
    let batch = fixtures::event("sync", "hostile-batch");
    let answer = sync.hand(&batch).await.answer();
    let failed = answer["batchItemFailures"].as_array().expect("failures");
    let failed: BTreeSet<&str> = failed
        .iter()
        .filter_map(|failure| failure["itemIdentifier"].as_str())
        .collect();
    let unreadable = [0, 1, 2, 4].map(|at| batch["Records"][at]["messageId"].as_str().unwrap());
    assert_eq!(failed, BTreeSet::from(unreadable));
    let log = sync.end().await;
    assert!(!log.contains("FR76300060000112"), "an IBAN reached the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_function_walks_the_table_and_says_nothing() {
    let world = World::start(Options::in_memory()).await;
    let mut refresh = deployed(&world.suite, "refresh").await;
    for case in ["happy-tick", "edge-after-an-outage"] {
        assert_eq!(
            refresh.invoke(case).await,
            Outcome::Answer(Value::Null),
            "{case}"
        );
    }
    // The wheel's minute was walked by the suite's own tick.
    let walked = ("dynamodb:Query".to_owned(), "Table/index/due".to_owned());
    assert!(
        refresh.gate.used().contains(&walked),
        "{:?}",
        refresh.gate.used()
    );
    let log = refresh.end().await;
    assert!(log.contains("tick done"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_functions_take_a_connection_over_from_the_suite() {
    // An hour ago in the suite: by the clock of the processes its leases have ended.
    let an_hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let options = Options {
        clock: Some(an_hour_ago),
        ..Options::in_memory()
    };
    let world = World::start(options).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let connection = connection["id"].as_str().expect("an id");
    let nothing_failed = json!({"batchItemFailures": []});

    let queued = fixtures::event("sync", "happy-one");
    let old: Value = serde_json::from_str(queued["Records"][0]["body"].as_str().unwrap()).unwrap();
    let old = old["connection"].as_str().unwrap();
    let this = [(old, connection), ("customer-42", "customer-1")];

    let mut sync = deployed(&world.suite, "sync").await;
    let answer = sync.hand(&about(&queued, &this[..1])).await.answer();
    assert_eq!(answer, nothing_failed);
    let log = sync.end().await;
    assert!(log.contains("\"message\":\"sync\""), "{log}");

    let mut scoring = deployed(&world.suite, "scoring").await;
    let queued = fixtures::event("scoring", "happy-queued");
    let answer = scoring.hand(&about(&queued, &this[..1])).await.answer();
    assert_eq!(answer, nothing_failed);
    let asked = fixtures::event("scoring", "happy-asked");
    let answer = scoring.hand(&about(&asked, &this[1..])).await.answer();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    scoring.end().await;

    let mut connections = deployed(&world.suite, "connections").await;
    let read = about(
        &fixtures::event("connections", "happy-transactions"),
        &this[..1],
    );
    let answer = connections.hand(&read).await.answer();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(
        body(&answer)["transactions"].as_array().map(Vec::len),
        Some(50)
    );
    let opts_in = fixtures::event("connections", "happy-opts-in");
    let answer = connections
        .hand(&about(&opts_in, &this[..1]))
        .await
        .answer();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let other = fixtures::event("connections", "hostile-another-tenant");
    let answer = connections.hand(&about(&other, &this[..1])).await.answer();
    assert_eq!(answer["statusCode"], 404, "{answer}");
    let end = fixtures::event("connections", "edge-end-twice");
    let ended = end["pathParameters"]["connection"].as_str().unwrap();
    let end = about(&end, &[(ended, connection)]);
    for _ in 0..2 {
        let answer = connections.hand(&end).await.answer();
        assert!(
            answer["statusCode"].as_u64().is_some_and(|it| it < 500),
            "{answer}"
        );
    }
    let answer = connections.hand(&read).await.answer();
    assert!(
        answer["statusCode"].as_u64().is_some_and(|it| it >= 400),
        "{answer}"
    );
    connections.end().await;

    let mut expiry = deployed(&world.suite, "consent-expiry").await;
    assert_eq!(
        expiry.invoke("happy-sweep").await,
        Outcome::Answer(Value::Null)
    );
    expiry.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_cannot_be_logged_is_not_served() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let connection = connection["id"].as_str().expect("an id");
    let event = fixtures::event("connections", "happy-transactions");
    let old = event["pathParameters"]["connection"].as_str().unwrap();
    let read = about(&event, &[(old, connection)]);

    let no_log = [("dynamodb:PutItem", "Table")];
    let gate = Gatekeeper::of_less(&world.suite, "connections", &no_log).await;
    let mut connections = behind(&world.suite, "connections", gate).await;
    let answer = connections.hand(&read).await.answer();
    assert_eq!(answer["statusCode"], 500, "{answer}");
    assert!(body(&answer)["transactions"].is_null(), "{answer}");
    assert_eq!(connections.gate.refused().len(), 1);
    // The line an alarm rings on.
    let log = connections.process.stop().await;
    every_line_is_an_object(&log);
    let rings = |line: &&str| line.contains("\"failure\":true");
    assert_eq!(log.lines().filter(rings).count(), 1, "{log}");

    let mut whole = deployed(&world.suite, "connections").await;
    let answer = whole.hand(&read).await.answer();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    whole.end().await;
}

/// Every event, by the compiled function: an answer, never a crash, never more than its role.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_every_function_is_answered() {
    let world = World::start(Options::in_memory()).await;
    for name in house::folders_in("functions") {
        let mut function = deployed(&world.suite, &name).await;
        for fixture in fixtures::of(&name) {
            let case = format!("{name}/{}", fixture.case);
            let outcome = function.hand(&fixture.event).await;
            match (fixture.trigger(), outcome) {
                (Trigger::Route(_), Outcome::Answer(answer)) => {
                    let status = answer["statusCode"].as_u64().expect("a status");
                    assert!((200..500).contains(&status), "{case}: {answer}");
                    let hostile = fixture.case.starts_with("hostile");
                    assert!(!hostile || status >= 400, "{case}: {answer}");
                }
                (Trigger::Queue(_), Outcome::Answer(answer)) => {
                    assert!(answer["batchItemFailures"].is_array(), "{case}: {answer}");
                }
                (Trigger::Schedule, Outcome::Answer(answer)) => {
                    assert_eq!(answer, Value::Null, "{case}");
                }
                (Trigger::Command, Outcome::Answer(answer)) => {
                    let refused = answer["type"].is_string();
                    let hostile = fixture.case.starts_with("hostile");
                    assert!(!hostile || refused, "{case}: {answer}");
                }
                // A schedule's call without a time is refused in words of our own.
                (Trigger::Schedule, Outcome::Failure(error)) => {
                    assert!(fixture.case.starts_with("hostile"), "{case}: {error}");
                }
                (_, Outcome::Failure(error)) => panic!("{case}: {error}"),
            }
        }
        function.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_setting_is_missing_ends_at_once_and_names_it() {
    let world = World::start(Options::in_memory()).await;
    for (name, setting) in [
        ("institutions", "BANK_CLIENT_ID"),
        ("sync", "SCORING_QUEUE_URL"),
    ] {
        let mut settings = settings(&world.suite, name);
        settings.remove(setting);
        let process = Bootstrap::start(&binaries::program(name), name, &settings).await;
        let ended = process.ended().await;
        assert!(!ended.status.success(), "{name}");
        assert!(ended.log.contains(setting), "{name}: {}", ended.log);
    }
}
