//! A schedule's call, and events that are nothing we know.

use std::sync::{Arc, Mutex};

use lambda_runtime::Context;
use passerelle_domain::Timestamp;
use passerelle_runtime::{Function, Tick};
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

#[tokio::test]
async fn a_tick_that_fails_or_panics_is_an_error_for_the_platform() {
    let event = call("2026-11-22T08:00:00Z");
    let failing = Function::new("example")
        .tick(async |_: Tick, _| Err(std::io::Error::other("SECRET").into()));
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
