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
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;

use crate::command::{self, Command};
use crate::door::Routes;
use crate::event::{Event, EventError};
use crate::problem::{Code, Problem};
use crate::telemetry::{self, milliseconds};
use crate::work::{Tick, Work, WorkError};
use crate::{batch, edge, gateway, invocation};

/// What a trigger's work is given to, with the deadline of its invocation.
pub(crate) type Handler<T> =
    Arc<dyn Fn(T, Deadline) -> BoxFuture<'static, Result<(), WorkError>> + Send + Sync>;

/// What gives the function as it is to be now.
type Building = Arc<dyn Fn() -> BoxFuture<'static, Result<Function, WorkError>> + Send + Sync>;

/// One Lambda function: its name and what it does with each kind of event.
#[derive(Clone)]
pub struct Function {
    name: &'static str,
    router: Option<Router>,
    queue: Option<Handler<Work>>,
    tick: Option<Handler<Tick>>,
    command: Option<Command>,
    building: Option<Building>,
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Function")
            .field("name", &self.name)
            .field("http", &self.router.is_some())
            .field("queue", &self.queue.is_some())
            .field("tick", &self.tick.is_some())
            .field("command", &self.command.is_some())
            .field("building", &self.building.is_some())
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
            command: None,
            building: None,
        }
    }

    /// A function that is built from something which may change while it runs: `build` is asked before
    /// each event and gives the function that answers it. It keeps what it built; an event is answered
    /// by one function from beginning to end.
    #[must_use]
    pub fn built_by<B, F>(name: &'static str, build: B) -> Self
    where
        B: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Self, WorkError>> + Send + 'static,
    {
        Self {
            building: Some(Arc::new(move || build().boxed())),
            ..Self::new(name)
        }
    }

    /// The name: `service` in every log line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Answers API Gateway with routes. Unknown addresses and methods, panics, the request id and
    /// the security headers are taken care of.
    #[must_use]
    pub fn http(self, routes: Routes) -> Self {
        Self {
            router: Some(edge::finished(routes.into_router())),
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

    /// Obeys commands an operator gives by invoking the function itself, as one JSON object. What does
    /// not fit, or is refused, is answered with a problem document.
    #[must_use]
    pub fn command<C, A, H, F>(self, handler: H) -> Self
    where
        C: DeserializeOwned,
        A: Serialize,
        H: Fn(C) -> F + Send + Sync + 'static,
        F: Future<Output = Result<A, Problem>> + Send + 'static,
    {
        Self {
            command: Some(command::reading(handler)),
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
        let event = Event::read(event)?;
        let Some(build) = &self.building else {
            return self.work_on(event, deadline).await;
        };
        match (build().await, event) {
            (Ok(function), event) => function.work_on(event, deadline).await,
            (Err(error), Event::Http(_)) => {
                let response = edge::refused(self.name, not_built(&error));
                Ok(serde_json::to_value(gateway::response(response).await?)?)
            }
            (Err(error), _) => Err(error.chain().into()),
        }
    }

    async fn work_on(&self, event: Event, deadline: Deadline) -> Result<Value, Error> {
        match event {
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
            Event::Written(event) => {
                let handler = self.command.as_ref().ok_or(EventError::Unknown)?;
                Ok(command::obey(self.name, handler, event).await?)
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
                        failure = true,
                        retryable,
                        cause,
                        duration_ms,
                        "tick failed"
                    );
                    Err(EventError::TickFailed)
                }
                Err(_) => {
                    tracing::error!(
                        outcome = "panicked",
                        failure = true,
                        duration_ms,
                        "tick failed"
                    );
                    Err(EventError::TickFailed)
                }
            }
        }
        .instrument(span)
        .await
    }
}

fn not_built(error: &WorkError) -> Problem {
    if error.is_retryable() {
        Problem::unavailable(error.cause())
    } else {
        Problem::internal(error.cause())
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
