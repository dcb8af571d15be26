//! The event source mappings: what stands between a queue and its function.
//!
//! Messages are received, handed over as an SQS event, and deleted when they are done; one that
//! failed shows again when its visibility timeout ends, and SQS itself moves it to the dead-letter
//! queue after too many receives. The batching window is not waited for: it saves calls, and calls
//! cost nothing here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::lambda::Lambda;
use crate::stack::REGION;
use crate::template::QueueSource;

/// The most messages one receive gives.
const RECEIVE_LIMIT: u32 = 10;
/// Calls at once when the template does not say.
const DEFAULT_CONCURRENCY: u32 = 5;
/// Pause after a receive that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// One queue and the function that empties it.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    lambda: Arc<Lambda>,
    source: QueueSource,
    url: String,
    sqs: aws_sdk_sqs::Client,
    in_flight: Arc<AtomicUsize>,
}

impl Mapping {
    pub(crate) fn new(
        lambda: Arc<Lambda>,
        source: QueueSource,
        url: String,
        sqs: aws_sdk_sqs::Client,
    ) -> Self {
        Self {
            lambda,
            source,
            url,
            sqs,
            in_flight: Arc::default(),
        }
    }

    /// Empties the queue until the task is ended from outside.
    pub(crate) async fn run(self) {
        let most = self.source.max_concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        let places = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(1)));
        let mut calls = JoinSet::new();
        loop {
            while calls.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let messages = self.receive().await;
            if messages.is_empty() {
                continue;
            }
            let mapping = self.clone();
            mapping.in_flight.fetch_add(1, Ordering::AcqRel);
            calls.spawn(async move {
                mapping.hand_over(messages).await;
                mapping.in_flight.fetch_sub(1, Ordering::AcqRel);
                drop(place);
            });
        }
    }

    /// Whether nothing waits and nothing is being worked on. Messages hidden after a failure are
    /// neither.
    pub(crate) async fn is_idle(&self) -> bool {
        if self.in_flight.load(Ordering::Acquire) > 0 {
            return false;
        }
        let asked = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .send()
            .await;
        let visible = asked.ok().and_then(|answer| {
            answer
                .attributes?
                .remove(&QueueAttributeName::ApproximateNumberOfMessages)
        });
        visible.as_deref() == Some("0") && self.in_flight.load(Ordering::Acquire) == 0
    }

    async fn receive(&self) -> Vec<Message> {
        let most = self.source.batch_size.min(RECEIVE_LIMIT);
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .wait_time_seconds(1)
            .send()
            .await;
        match received {
            Ok(answer) => answer.messages.unwrap_or_default(),
            Err(error) => {
                tracing::error!(queue = self.source.queue_arn, %error, "cannot receive messages");
                tokio::time::sleep(PAUSE).await;
                Vec::new()
            }
        }
    }

    async fn hand_over(&self, messages: Vec<Message>) {
        let event = event(&messages, &self.source.queue_arn);
        let ids: BTreeSet<&str> = messages.iter().filter_map(Message::message_id).collect();
        let failed = match self.lambda.invoke(event).await {
            Ok(answer) if self.source.reports_failures => failures(&answer, &ids),
            Ok(_) => Failures::These(BTreeSet::new()),
            Err(_) => Failures::All,
        };
        let done = messages
            .iter()
            .filter(|message| match (&failed, message.message_id()) {
                (Failures::All, _) | (_, None) => false,
                (Failures::These(failed), Some(id)) => !failed.contains(id),
            });
        self.delete(done).await;
    }

    async fn delete(&self, done: impl Iterator<Item = &Message>) {
        let entries: Vec<_> = done
            .enumerate()
            .filter_map(|(index, message)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(message.receipt_handle()?)
                    .build()
                    .ok()
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        let deleted = self
            .sqs
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await;
        // What stays is delivered twice, which every consumer stands.
        if let Err(error) = deleted {
            tracing::error!(queue = self.source.queue_arn, %error, "cannot delete messages");
        }
    }
}

/// The event a function receives for a batch.
fn event(messages: &[Message], queue_arn: &str) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|message| {
            let attributes: Map<String, Value> = message
                .attributes()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.as_str().to_owned(), Value::String(value.clone())))
                .collect();
            json!({
                "messageId": message.message_id(),
                "receiptHandle": message.receipt_handle(),
                "body": message.body(),
                "attributes": attributes,
                "messageAttributes": {},
                "md5OfBody": message.md5_of_body(),
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": REGION,
            })
        })
        .collect();
    json!({ "Records": records })
}

/// What comes back to the queue.
#[derive(Debug, PartialEq, Eq)]
enum Failures {
    /// The whole batch: the answer is not one, or names what was never in it.
    All,
    /// These messages.
    These(BTreeSet<String>),
}

/// Reads `batchItemFailures` as Lambda does.
fn failures(answer: &Value, ids: &BTreeSet<&str>) -> Failures {
    let items = match answer {
        Value::Null => return Failures::These(BTreeSet::new()),
        Value::Object(fields) => match fields.get("batchItemFailures") {
            None | Some(Value::Null) => return Failures::These(BTreeSet::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Failures::All,
        },
        _ => return Failures::All,
    };
    let mut failed = BTreeSet::new();
    for item in items {
        match item.get("itemIdentifier").and_then(Value::as_str) {
            Some(id) if ids.contains(id) => failed.insert(id.to_owned()),
            _ => return Failures::All,
        };
    }
    Failures::These(failed)
}

#[cfg(test)]
mod tests;
