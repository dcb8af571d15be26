//! Commands an operator writes, and a function that is built anew while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use lambda_runtime::Context;
use passerelle_runtime::{Function, Json, Problem, Routes, WorkError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::events::{Http, batch};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Command {
    Greet { name: String },
    Panic {},
    Fail {},
}

fn function() -> Function {
    crate::log::start();
    Function::new("example").command(async |command: Command| match command {
        Command::Greet { name } => Ok(json!({ "greeted": name })),
        Command::Panic {} => panic!("a secret"),
        Command::Fail {} => Err(Problem::internal(&std::io::Error::other("a secret"))),
    })
}

#[tokio::test]
async fn a_command_is_obeyed_and_what_does_not_fit_is_named() {
    let function = function();
    let written = async |event: Value| function.answer(event, Context::default()).await.unwrap();
    let greeted = written(json!({"greet": {"name": "Ada"}})).await;
    assert_eq!(greeted, json!({"greeted": "Ada"}));
    for (event, named) in [
        (json!({"greet": {"name": "Ada", "role": "x"}}), "role"),
        (json!({"greet": {}}), "name"),
        (json!({"greet": {"name": 1}}), "#/greet/name"),
        (json!({"grete": {"name": "Ada"}}), "greet"),
    ] {
        let refused = written(event.clone()).await;
        assert_eq!(refused["type"], "urn:passerelle:problem:invalid-body");
        assert_eq!(refused["status"], 400, "{event}");
        assert!(refused["errors"].to_string().contains(named), "{refused}");
    }
    for event in [json!({}), json!([]), json!("greet"), Value::Null] {
        assert_eq!(written(event.clone()).await["status"], 400, "{event}");
    }
}

#[tokio::test]
async fn a_command_that_fails_inside_is_an_error_of_the_function_without_its_cause() {
    for event in [json!({"fail": {}}), json!({"panic": {}})] {
        let failed = function().answer(event, Context::default()).await;
        let error = failed.unwrap_err().to_string();
        assert!(!error.contains("a secret"), "{error}");
    }
    let no_commands = Function::new("example").queue(async |_, _| Ok(()));
    let refused = no_commands.answer(json!({"greet": {}}), Context::default());
    assert!(refused.await.is_err());
}

#[tokio::test]
async fn a_function_is_the_one_it_was_built_as_for_each_event() {
    let built = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&built);
    let function = Function::built_by("example", move || {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        async move {
            match number {
                0 => Err(WorkError::retryable(std::io::Error::other("not there yet"))),
                _ => {
                    let router = Router::new().route("/", get(async move || Json(number)));
                    Ok(Function::new("example").http(Routes::new().anonymous(router)))
                }
            }
        }
    });
    let first = Http::new("GET", "/").send(&function).await;
    assert_eq!(first.status(), 503);
    assert_eq!(
        first.problem()["type"],
        "urn:passerelle:problem:unavailable"
    );
    assert_eq!(Http::new("GET", "/").send(&function).await.json(), 1);
    assert_eq!(Http::new("GET", "/").send(&function).await.json(), 2);
    let wrong = function.answer(batch([("a", String::new())]), Context::default());
    assert!(wrong.await.is_err());
}
