//! A command an operator gives by invoking a function directly: one JSON object in, one out.
//!
//! Nothing of HTTP is around it: who may invoke the function is decided by IAM. A refusal is an answer
//! and not an error of the function, because nothing of ours is wrong with it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;

use crate::event::EventError;
use crate::input;
use crate::problem::Problem;
use crate::telemetry::milliseconds;

/// What a written event is given to.
pub(crate) type Command =
    Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, Problem>> + Send + Sync>;

/// A handler of typed commands, as one of written events.
pub(crate) fn reading<C, A, H, F>(handler: H) -> Command
where
    C: DeserializeOwned,
    A: Serialize,
    H: Fn(C) -> F + Send + Sync + 'static,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    Arc::new(move |event| {
        let begun = input::written(event).map(&handler);
        async move {
            let answer = begun?.await?;
            serde_json::to_value(answer).map_err(|error| Problem::internal(&error))
        }
        .boxed()
    })
}

/// Obeys one.
pub(crate) async fn obey(
    service: &'static str,
    handler: &Command,
    event: Value,
) -> Result<Value, EventError> {
    let span = tracing::info_span!("command", service);
    async {
        let started = Instant::now();
        let obeyed = AssertUnwindSafe(async { handler(event).await }).catch_unwind();
        let obeyed = obeyed.await;
        let duration_ms = milliseconds(started.elapsed());
        match obeyed {
            Ok(Ok(answer)) => {
                tracing::info!(outcome = "done", duration_ms, "command done");
                Ok(answer)
            }
            Ok(Err(problem)) if problem.code().status().is_client_error() => {
                let outcome = problem.code().as_str();
                tracing::info!(outcome, duration_ms, "command refused");
                Ok(problem.value())
            }
            Ok(Err(problem)) => {
                let (outcome, cause) = (problem.code().as_str(), problem.cause());
                tracing::error!(
                    outcome,
                    failure = true,
                    duration_ms,
                    cause,
                    "command failed"
                );
                Err(EventError::CommandFailed)
            }
            Err(_) => {
                tracing::error!(
                    outcome = "panicked",
                    failure = true,
                    duration_ms,
                    "command failed"
                );
                Err(EventError::CommandFailed)
            }
        }
    }
    .instrument(span)
    .await
}
