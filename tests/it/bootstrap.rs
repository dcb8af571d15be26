//! The compiled functions under the Lambda Runtime API: what is deployed is what is started here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::binaries;
use crate::fixtures;
use crate::runtime_api::Bootstrap;
use crate::template::Template;

/// The settings of a function: exactly the variables the template gives it, with these values.
fn settings(function: &str, values: &[(&str, &str)]) -> BTreeMap<String, String> {
    let given: BTreeMap<&str, &str> = values.iter().copied().collect();
    Template::read()
        .function_in(function)
        .variables
        .into_iter()
        .map(|name| {
            let value = given
                .get(name.as_str())
                .copied()
                .unwrap_or(match name.as_str() {
                    "RUST_LOG" => "info",
                    // Left empty, as a parameter without a value is.
                    _ => "",
                });
            (name, value.to_owned())
        })
        .collect()
}

async fn institutions() -> Bootstrap {
    let settings = settings(
        "institutions",
        &[
            ("BANK_CLIENT_ID", "PSDFR-ACPR-12345"),
            ("SANDBOX_BANK_URL", "http://127.0.0.1:9/sandbox-bank"),
        ],
    );
    Bootstrap::start(
        &binaries::program("institutions"),
        "institutions",
        &settings,
    )
    .await
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

#[tokio::test]
async fn an_http_function_answers_a_proxy_event() {
    let mut function = institutions().await;
    let found = function
        .invoke(&fixtures::event("institutions", "happy-search"))
        .await
        .answer();
    assert_eq!(found["statusCode"], 200, "{found}");
    assert_eq!(header(&found, "content-type"), Some("application/json"));
    assert!(header(&found, "x-request-id").is_some_and(|id| id.starts_with("cor_")));
    assert!(body(&found).to_string().contains("sandbox"), "{found}");
}

#[tokio::test]
async fn an_http_function_stays_up_through_unknown_and_hostile_requests() {
    let mut function = institutions().await;
    for (case, status) in [
        ("edge-unknown", 404),
        ("hostile-limit", 400),
        ("edge-accents-and-case", 200),
    ] {
        let answer = function
            .invoke(&fixtures::event("institutions", case))
            .await
            .answer();
        assert_eq!(answer["statusCode"], status, "{case}: {answer}");
        let echoed = answer.to_string();
        assert!(!echoed.contains("<script>"), "{case}: {answer}");
        if status >= 400 {
            assert_eq!(
                header(&answer, "content-type"),
                Some("application/problem+json"),
                "{case}"
            );
            let problem = body(&answer);
            assert!(problem["type"].is_string(), "{case}: {problem}");
            assert_eq!(problem["status"], status, "{case}: {problem}");
        }
    }
    let log = function.stop().await;
    every_line_is_an_object(&log);
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

#[tokio::test]
async fn a_function_whose_setting_is_missing_ends_at_once_and_names_it() {
    let mut settings = settings("institutions", &[]);
    settings.remove("BANK_CLIENT_ID");
    let program = binaries::program("institutions");
    let function = Bootstrap::start(&program, "institutions", &settings).await;
    let ended = function.ended().await;
    assert!(!ended.status.success());
    assert!(ended.log.contains("BANK_CLIENT_ID"), "{}", ended.log);
}
