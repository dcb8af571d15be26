//! The log: one JSON object per line that says who, what and how it ended, and nothing else.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use axum::Router;
use axum::routing::get;
use passerelle_domain::Timestamp;
use passerelle_runtime::{
    Caller, Clock, Code, Function, Problem, Routes, Scope, Work, WorkError, telemetry,
};
use serde_json::{Value, json};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::door::door;
use crate::events::{Http, batch};

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the lines of each test's thread apart.
struct ThreadLines;

impl Write for ThreadLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Starts the one log of all tests. Every test that could log calls this first: a log that starts
/// while another thread is in the middle of its first event would miss that event's kind for good.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let start: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let clock = Clock::adjustable(Some(start));
        let layer = telemetry::layer("suite", clock, || ThreadLines);
        Registry::default().with(layer).init();
    });
}

/// What is logged while the work is done on this thread.
fn logged(work: impl Future<Output = ()>) -> Vec<Value> {
    start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    LINES.take();
    runtime.block_on(work);
    String::from_utf8(LINES.take())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn function() -> Function {
    let consents = Router::new().route("/consents/{consent}", get(async |_: Caller| "yes"));
    let routes = Routes::new().scoped(&door("client_id"), Scope::ConsentsRead, consents);
    let router = Router::new()
        .route(
            "/broken",
            get(async || Problem::internal(&std::io::Error::other("the table is gone"))),
        )
        .route("/refused", get(async || Problem::new(Code::Conflict)))
        .route(
            "/bank-down",
            get(async || Problem::bank_unavailable(&std::io::Error::other("no answer"))),
        )
        .route(
            "/panics",
            get(async || -> &'static str { panic!("a secret") }),
        );
    Function::new("example")
        .http(routes.anonymous(router))
        .queue(async |work: Work, _| match work.client.as_str() {
            "cli_bad" => Err(WorkError::retryable(std::io::Error::other("not now"))),
            "cli_of_a_bank_that_is_down" => {
                let cause = std::io::Error::other("no answer");
                Err(WorkError::bank_unavailable(cause))
            }
            _ => Ok(()),
        })
}

#[test]
fn a_request_is_one_line_with_the_route_and_not_the_path() {
    let lines = logged(async {
        let request = Http::new("GET", "/consents/cns_SECRET?token=SECRET")
            .header("x-request-id", "cor_0123456789abcdefghjkmnpqrs")
            .claims(json!({"client_id": "cli_demo", "scope": "consents:read"}));
        request.send(&function()).await;
    });
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let mut line = line.clone();
    assert!(line["duration_ms"].as_f64().is_some());
    line["duration_ms"] = json!(0);
    assert!(
        line["timestamp"]
            .as_str()
            .unwrap()
            .starts_with("2026-11-22T08:0")
    );
    line["timestamp"] = json!("2026-11-22T08:00:00Z");
    insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(line) });
}

#[test]
fn the_cause_of_a_failure_is_in_the_line_and_only_there() {
    let lines = logged(async {
        Http::new("GET", "/broken").send(&function()).await;
    });
    assert_eq!(lines[0]["level"], "ERROR");
    assert_eq!(lines[0]["cause"], "the table is gone");
    assert_eq!(lines[0]["outcome"], "internal");
}

#[test]
fn the_platforms_own_id_of_the_invocation_is_in_the_line() {
    let lines = logged(async {
        let mut context = lambda_runtime::Context::default();
        context.request_id = "8476a536".to_owned();
        let event = batch([("a", "garbage".to_owned())]);
        function().answer(event, context).await.unwrap();
    });
    assert_eq!(lines[0]["function_request_id"], "8476a536");
    assert_eq!(lines[0]["message_id"], "a");
}

#[test]
fn a_refusal_is_no_error() {
    let lines = logged(async {
        Http::new("GET", "/refused").send(&function()).await;
    });
    assert_eq!(
        (&lines[0]["level"], &lines[0]["outcome"]),
        (&json!("INFO"), &json!("conflict"))
    );
}

#[test]
fn each_record_is_one_line_with_its_ids() {
    let body = |client: &str| {
        json!({
            "client": client,
            "connection": "cnx_00000000000000000000000000",
            "correlation": "cor_00000000000000000000000000",
        })
    };
    let lines = logged(async {
        let records = [
            ("a", body("cli_demo").to_string()),
            ("b", body("cli_bad").to_string()),
            ("c", "SECRET".to_owned()),
        ];
        let event = batch(records);
        function()
            .answer(event, lambda_runtime::Context::default())
            .await
            .unwrap();
    });
    assert_eq!(lines.len(), 3);
    assert!(!format!("{lines:?}").contains("SECRET"));
    let find = |id: &str| lines.iter().find(|line| line["message_id"] == id).unwrap();
    assert_eq!(find("a")["outcome"], "done");
    assert_eq!(find("a")["service"], "example");
    assert_eq!(find("a")["tenant"], "cli_demo");
    assert_eq!(find("a")["connection"], "cnx_00000000000000000000000000");
    assert_eq!(find("b")["outcome"], "failed");
    assert_eq!(find("b")["cause"], "not now");
    assert_eq!(find("c")["outcome"], "unreadable");
}

#[test]
fn what_the_wire_says_below_info_is_never_written() {
    // The level is chosen by the process's RUST_LOG; whatever it is, these stay out.
    let lines = logged(async {
        tracing::trace!(target: "lambda_runtime::runtime", body = "SECRET", "raw event");
        tracing::debug!(target: "hyper::proto", "SECRET");
        tracing::info!(target: "lambda_runtime", "a word at info");
    });
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "a word at info");
}

/// An alarm rings on the first line that says `failure`: every fault of ours does, and a bank that is
/// down or a refused caller does not.
#[test]
fn a_line_says_failure_for_every_fault_of_ours_and_not_for_a_bank_that_is_down() {
    let failures = |lines: &[Value]| -> Vec<Value> {
        let told = |line: &Value| line["message"] != "a panic was caught";
        let lines = lines.iter().filter(|line| told(line));
        lines.map(|line| line["failure"].clone()).collect()
    };
    for (path, failure) in [
        ("/broken", json!(true)),
        ("/panics", json!(true)),
        ("/bank-down", json!(false)),
        ("/refused", Value::Null),
        ("/nowhere", Value::Null),
    ] {
        let lines = logged(async {
            Http::new("GET", path).send(&function()).await;
        });
        assert_eq!(failures(&lines), [failure], "{path}: {lines:?}");
    }
    let work = |client: &str| {
        json!({
            "client": client,
            "connection": "cnx_00000000000000000000000000",
            "correlation": "cor_00000000000000000000000000",
        })
        .to_string()
    };
    for (body, failure, outcome) in [
        (work("cli_bad"), json!(true), "failed"),
        ("garbage".to_owned(), json!(true), "unreadable"),
        (
            work("cli_of_a_bank_that_is_down"),
            json!(false),
            "bank-unavailable",
        ),
        (work("cli_demo"), Value::Null, "done"),
    ] {
        let lines = logged(async {
            let event = batch([("a", body.clone())]);
            let context = lambda_runtime::Context::default();
            function().answer(event, context).await.unwrap();
        });
        assert_eq!(failures(&lines), [failure], "{body}: {lines:?}");
        assert_eq!(lines[0]["outcome"], outcome, "{body}");
    }
}
