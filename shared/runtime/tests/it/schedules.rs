//! A schedule's call, and events that are nothing we know.

use std::sync::{Arc, Mutex};

use lambda_runtime::Context;
use passerelle_domain::Timestamp;
use passerelle_runtime::{Function, Part, Tick, WorkError};
use serde_json::{Value, json};

fn call(time: &str) -> Value {
    crate::log::start();
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "123456789012",
        "time": time,
        "region": "eu-west-3",
        "resources": ["arn:aws:scheduler:eu-west-3:123456789012:schedule/default/refresh"],
        "detail": "{}"
    })
}

#[tokio::test]
async fn a_tick_carries_the_moment_the_schedule_meant() {
    let seen: Arc<Mutex<Option<Timestamp>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let function = Function::new("example").tick(move |tick: Tick, _| {
        *kept.lock().unwrap() = Some(tick.at);
        async { Ok(()) }
    });
    let event = call("2026-11-22T08:00:00Z");
    function.answer(event, Context::default()).await.unwrap();
    assert_eq!(
        seen.lock().unwrap().map(|at| at.to_string()).as_deref(),
        Some("2026-11-22T08:00:00Z")
    );
}

/// A call whose schedule has an input of its own, as `template.yaml` words it.
fn call_for(detail: Value) -> Value {
    let mut event = call("2026-11-22T08:00:00Z");
    event["detail"] = detail;
    event
}

#[tokio::test]
async fn a_tick_says_which_part_of_the_work_it_is_for_and_by_itself_it_is_all_of_it() {
    let seen: Arc<Mutex<Vec<Part>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let function = Function::new("example").tick(move |tick: Tick, _| {
        kept.lock().unwrap().push(tick.part);
        async { Ok(()) }
    });
    for detail in [json!("{}"), json!({}), json!({"part": 2, "parts": 4})] {
        let event = call_for(detail);
        function.answer(event, Context::default()).await.unwrap();
    }
    let expected = [Part::WHOLE, Part::WHOLE, Part::new(2, 4).unwrap()];
    assert_eq!(*seen.lock().unwrap(), expected);
    for detail in [
        json!({"part": 4, "parts": 4}),
        json!({"part": 0}),
        json!({"parts": 4}),
        json!({"part": -1, "parts": 4}),
        json!({"part": "1", "parts": "4"}),
    ] {
        let refused = function.answer(call_for(detail), Context::default()).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("parts"), "{error}");
    }
    assert_eq!(seen.lock().unwrap().len(), 3, "no part was done for them");
}

#[tokio::test]
async fn a_tick_that_fails_or_panics_is_an_error_for_the_platform() {
    let event = call("2026-11-22T08:00:00Z");
    let failing = Function::new("example")
        .tick(async |_: Tick, _| Err(WorkError::retryable(std::io::Error::other("SECRET"))));
    let error = failing
        .answer(event.clone(), Context::default())
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("SECRET"), "{error}");
    let panicking = Function::new("example").tick(async |_: Tick, _| panic!("SECRET"));
    let error = panicking
        .answer(event, Context::default())
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("SECRET"), "{error}");
}

#[tokio::test]
async fn an_unknown_or_broken_event_is_a_clear_error() {
    let function = Function::new("example").tick(async |_: Tick, _| Ok(()));
    for event in [
        json!({}),
        json!(null),
        json!([1, 2]),
        json!("text"),
        json!({"Records": []}),
        json!({"Records": [{"eventSource": "aws:s3"}]}),
        json!({"httpMethod": "GET", "path": "/"}),
        call("yesterday"),
        json!({"detail-type": "Scheduled Event"}),
        json!({"Records": [{"eventSource": "aws:sqs", "body": 7}]}),
    ] {
        let error = function
            .answer(event.clone(), Context::default())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("event"), "{event}: {error}");
    }
}
