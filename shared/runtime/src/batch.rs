//! A batch of queue messages: each record on its own, and exactly the failed ones given back.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use passerelle_domain::deadline::Deadline;
use serde::Serialize;
use tokio::task::{Id, JoinError, JoinSet};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::function::Handler;
use crate::telemetry::milliseconds;
use crate::work::{Work, WorkError};

/// Kept of the invocation's time to write the answer: what has not finished by then is given back.
const RESERVE: Duration = Duration::from_millis(1500);

/// The answer to a batch (`ReportBatchItemFailures`).
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchAnswer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// A record that cannot even be reported as failed: an answer without its id would say it was done.
#[derive(Debug, thiserror::Error)]
#[error("a queue record carries no message id: the whole batch is given back")]
pub(crate) struct NoMessageId;

/// Works through a batch: as long as the invocation has, less the reserve.
pub(crate) async fn answer(
    service: &'static str,
    handler: &Handler<Work>,
    event: SqsEvent,
    deadline: Deadline,
) -> Result<BatchAnswer, NoMessageId> {
    let mut batch = Batch::default();
    for record in event.records {
        batch.start(service, handler, record, deadline)?;
    }
    let unlimited = async {
        batch.finish().await;
        false
    };
    let ran_out = match deadline.time_left(tokio::time::Instant::now().into_std()) {
        None => unlimited.await,
        Some(left) => {
            let limit = left.saturating_sub(RESERVE);
            tokio::time::timeout(limit, unlimited).await.unwrap_or(true)
        }
    };
    if ran_out {
        batch.give_back_the_rest();
    }
    Ok(batch.answer())
}

#[derive(Default)]
struct Batch {
    running: JoinSet<Result<(), WorkError>>,
    records: HashMap<Id, Record>,
    failed: BTreeSet<String>,
}

struct Record {
    message_id: String,
    span: Span,
    started: Instant,
}

impl Batch {
    fn start(
        &mut self,
        service: &'static str,
        handler: &Handler<Work>,
        record: SqsMessage,
        deadline: Deadline,
    ) -> Result<(), NoMessageId> {
        let message_id = record
            .message_id
            .filter(|id| !id.is_empty())
            .ok_or(NoMessageId)?;
        let span = tracing::info_span!(
            "record",
            service,
            message_id,
            correlation_id = Empty,
            tenant = Empty,
            connection = Empty,
        );
        let body = record.body.unwrap_or_default();
        let Ok(work) = serde_json::from_str::<Work>(&body) else {
            // The body is not repeated: nobody knows what it is.
            span.in_scope(|| {
                tracing::error!(outcome = "unreadable", failure = true, "record failed");
            });
            self.failed.insert(message_id);
            return Ok(());
        };
        span.record("correlation_id", work.correlation.as_str());
        span.record("tenant", work.client.as_str());
        span.record("connection", work.connection.as_str());
        let handler = handler.clone();
        // The handler is called inside the task, so that a panic before its first await stays there.
        let task = async move { handler(work, deadline).await }.instrument(span.clone());
        let id = self.running.spawn(task).id();
        let started = Instant::now();
        self.records.insert(
            id,
            Record {
                message_id,
                span,
                started,
            },
        );
        Ok(())
    }

    async fn finish(&mut self) {
        while let Some(joined) = self.running.join_next_with_id().await {
            match joined {
                Ok((id, Ok(()))) => self.done(id),
                Ok((id, Err(error))) => self.not_done(id, Outcome::Failed(&error)),
                Err(error) => self.not_done(error.id(), Outcome::of(&error)),
            }
        }
    }

    fn done(&mut self, id: Id) {
        if let Some(record) = self.records.remove(&id) {
            let duration_ms = milliseconds(record.started.elapsed());
            record
                .span
                .in_scope(|| tracing::info!(outcome = "done", duration_ms, "record done"));
        }
    }

    fn not_done(&mut self, id: Id, outcome: Outcome<'_>) {
        let Some(record) = self.records.remove(&id) else {
            return;
        };
        let duration_ms = milliseconds(record.started.elapsed());
        record.span.in_scope(|| match outcome {
            Outcome::Failed(error) => tracing::error!(
                outcome = error.outcome(),
                failure = error.is_failure(),
                retryable = error.is_retryable(),
                cause = error.chain(),
                duration_ms,
                "record failed"
            ),
            Outcome::Panicked => {
                tracing::error!(
                    outcome = "panicked",
                    failure = true,
                    duration_ms,
                    "record failed"
                );
            }
            Outcome::OutOfTime => {
                tracing::error!(
                    outcome = "out-of-time",
                    failure = true,
                    duration_ms,
                    "record failed"
                );
            }
        });
        self.failed.insert(record.message_id);
    }

    fn give_back_the_rest(&mut self) {
        self.running.abort_all();
        let unfinished: Vec<_> = self.records.keys().copied().collect();
        for id in unfinished {
            self.not_done(id, Outcome::OutOfTime);
        }
    }

    fn answer(self) -> BatchAnswer {
        let batch_item_failures = self
            .failed
            .into_iter()
            .map(|item_identifier| Failure { item_identifier })
            .collect();
        BatchAnswer {
            batch_item_failures,
        }
    }
}

enum Outcome<'a> {
    Failed(&'a WorkError),
    Panicked,
    OutOfTime,
}

impl Outcome<'_> {
    fn of(error: &JoinError) -> Self {
        if error.is_panic() {
            Self::Panicked
        } else {
            Self::OutOfTime
        }
    }
}
