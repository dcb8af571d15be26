//! One Lambda function, whatever triggers it.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use futures::FutureExt;
use futures::future::BoxFuture;
use lambda_runtime::{Context, Error, LambdaEvent, Runtime, service_fn};
use passerelle_domain::deadline::Deadline;
use serde_json::Value;
use tracing::Instrument;

use crate::event::{Event, EventError};
use crate::problem::{Code, Problem};
use crate::telemetry::{self, milliseconds};
use crate::work::{Tick, Work, WorkError};
use crate::{batch, edge, gateway, invocation};

/// What a trigger's work is given to, with the deadline of its invocation.
pub(crate) type Handler<T> =
    Arc<dyn Fn(T, Deadline) -> BoxFuture<'static, Result<(), WorkError>> + Send + Sync>;

/// One Lambda function: its name and what it does with each kind of event.
#[derive(Clone)]
pub struct Function {
    name: &'static str,
    router: Option<Router>,
    queue: Option<Handler<Work>>,
    tick: Option<Handler<Tick>>,
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Function")
            .field("name", &self.name)
            .field("http", &self.router.is_some())
            .field("queue", &self.queue.is_some())
            .field("tick", &self.tick.is_some())
            .finish()
    }
}

impl Function {
    /// A function that answers nothing yet. The name is its folder's.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            router: None,
            queue: None,
            tick: None,
        }
    }

    /// The name: `service` in every log line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Answers API Gateway with a router. Unknown addresses and methods, panics, the request id and
    /// the security headers are taken care of.
    #[must_use]
    pub fn http(self, router: Router) -> Self {
        Self {
            router: Some(edge::finished(router)),
            ..self
        }
    }

    /// Works on each record of a queue's batch, on its own and concurrently, until the deadline of the
    /// invocation.
    #[must_use]
    pub fn queue<H, F>(self, handler: H) -> Self
    where
        H: Fn(Work, Deadline) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), WorkError>> + Send + 'static,
    {
        Self {
            queue: Some(Arc::new(move |work, deadline| {
                handler(work, deadline).boxed()
            })),
            ..self
        }
    }

    /// Works when a schedule calls, until the deadline of the invocation.
    #[must_use]
    pub fn tick<H, F>(self, handler: H) -> Self
    where
        H: Fn(Tick, Deadline) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), WorkError>> + Send + 'static,
    {
        Self {
            tick: Some(Arc::new(move |tick, deadline| {
                handler(tick, deadline).boxed()
            })),
            ..self
        }
    }

    /// Answers one event as Lambda hands it.
    ///
    /// # Errors
    /// When the event is of a kind this function does not know, or a tick's work failed: the platform
    /// then counts an error and, where it does so, tries again.
    pub async fn answer(&self, event: Value, context: Context) -> Result<Value, Error> {
        let id = Some(context.request_id.as_str()).filter(|id| !id.is_empty());
        let span = tracing::info_span!("invocation", function_request_id = id);
        self.dispatch(event, &context).instrument(span).await
    }

    async fn dispatch(&self, event: Value, context: &Context) -> Result<Value, Error> {
        let deadline = invocation::deadline(context.deadline());
        match Event::read(event)? {
            Event::Http(event) => {
                let router = self.router.clone().ok_or(self.no_trigger("HTTP"))?;
                let request = event
                    .map_err(|error| unreadable(&error))
                    .and_then(|event| gateway::request(*event).map_err(|error| unreadable(&error)));
                let response = match request {
                    Ok(request) => edge::answer(self.name, router, request, deadline).await,
                    Err(problem) => edge::refused(self.name, problem),
                };
                Ok(serde_json::to_value(gateway::response(response).await?)?)
            }
            Event::Queue(event) => {
                let handler = self.queue.as_ref().ok_or(self.no_trigger("queue"))?;
                let answer = batch::answer(self.name, handler, event, deadline).await?;
                Ok(serde_json::to_value(answer)?)
            }
            Event::Tick(tick) => {
                let handler = self.tick.as_ref().ok_or(self.no_trigger("schedule"))?;
                self.work_on_tick(handler, tick, deadline).await?;
                Ok(Value::Null)
            }
        }
    }

    fn no_trigger(&self, trigger: &'static str) -> EventError {
        EventError::NoSuchTrigger {
            function: self.name,
            trigger,
        }
    }

    async fn work_on_tick(
        &self,
        handler: &Handler<Tick>,
        tick: Tick,
        deadline: Deadline,
    ) -> Result<(), EventError> {
        let span = tracing::info_span!("tick", service = self.name, at = %tick.at);
        async {
            let started = Instant::now();
            let worked = AssertUnwindSafe(async { handler(tick, deadline).await }).catch_unwind();
            let worked = worked.await;
            let duration_ms = milliseconds(started.elapsed());
            match worked {
                Ok(Ok(())) => {
                    tracing::info!(outcome = "done", duration_ms, "tick done");
                    Ok(())
                }
                Ok(Err(error)) => {
                    let (retryable, cause) = (error.is_retryable(), error.chain());
                    tracing::error!(
                        outcome = "failed",
                        retryable,
                        cause,
                        duration_ms,
                        "tick failed"
                    );
                    Err(EventError::TickFailed)
                }
                Err(_) => {
                    tracing::error!(outcome = "panicked", duration_ms, "tick failed");
                    Err(EventError::TickFailed)
                }
            }
        }
        .instrument(span)
        .await
    }
}

fn unreadable(cause: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::new(Code::InvalidRequest).caused_by(cause)
}

/// Runs a function under the Lambda Runtime API until the platform ends it. Starts the log.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run(function: Function) -> Result<(), Error> {
    telemetry::init(function.name());
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let function = function.clone();
        async move { function.answer(event.payload, event.context).await }
    });
    Runtime::new(handler).run().await
}
