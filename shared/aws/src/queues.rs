//! Messages that carry ids only. A queue is a hint: what is owed stands in the table.

use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use futures::{StreamExt, TryStreamExt, stream};
use passerelle_domain::ids::ClientId;
use serde::Serialize;

use crate::clients::Clients;
use crate::error::Error;
use crate::meter::Meter;

/// The most messages one request carries.
const BATCH: usize = 10;

/// Requests at a time.
const AT_ONCE: usize = 16;

/// How often a message the queue did not take is offered.
const TRIES: usize = 3;

/// One SQS queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    /// The queue at a URL (`SYNC_QUEUE_URL`, `SCORING_QUEUE_URL`).
    #[must_use]
    pub fn new(clients: &Clients, url: impl Into<String>) -> Self {
        Self {
            client: clients.sqs.clone(),
            url: url.into(),
        }
    }

    /// Sends a message. The tenant is the message group, which keeps a standard queue fair.
    ///
    /// # Errors
    /// When the queue does not answer; what was owed is still marked in the table.
    pub async fn send<M: Serialize>(
        &self,
        client: &ClientId,
        message: &M,
        meter: &Meter,
    ) -> Result<(), Error> {
        let body = serde_json::to_string(message).map_err(|_| Error::Unreadable("message"))?;
        meter.queue();
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_group_id(client.as_str())
            .message_body(body)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        Ok(())
    }

    /// Sends many messages, ten to a request and several requests at a time. Answers which of them the
    /// queue did not take though it was asked again, by their places: the others are on their way.
    ///
    /// # Errors
    /// When the queue does not answer at all; some may have been sent.
    pub async fn send_all<M: Serialize + Sync>(
        &self,
        messages: &[(ClientId, M)],
        meter: &Meter,
    ) -> Result<Vec<usize>, Error> {
        let entries = messages
            .iter()
            .enumerate()
            .map(|(place, (client, message))| {
                let body =
                    serde_json::to_string(message).map_err(|_| Error::Unreadable("message"))?;
                SendMessageBatchRequestEntry::builder()
                    .id(place.to_string())
                    .message_group_id(client.as_str())
                    .message_body(body)
                    .build()
                    .map_err(|_| Error::Unreadable("message"))
            });
        let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
        let batches = entries.chunks(BATCH).map(<[_]>::to_vec);
        let unsent = stream::iter(batches)
            .map(|batch| self.send_batch(batch, meter))
            .buffer_unordered(AT_ONCE);
        let unsent: Vec<Vec<usize>> = unsent.try_collect().await?;
        Ok(unsent.into_iter().flatten().collect())
    }

    /// Offers a batch; what is refused of it is offered again, alone.
    async fn send_batch(
        &self,
        mut entries: Vec<SendMessageBatchRequestEntry>,
        meter: &Meter,
    ) -> Result<Vec<usize>, Error> {
        for _ in 0..TRIES {
            meter.queue();
            let answer = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.clone()))
                .send()
                .await
                .map_err(Error::from_sdk)?;
            let refused = answer.failed();
            report(refused);
            entries.retain(|entry| refused.iter().any(|failed| failed.id() == entry.id()));
            if entries.is_empty() {
                break;
            }
        }
        Ok(entries
            .iter()
            .filter_map(|it| it.id().parse().ok())
            .collect())
    }
}

/// The queue's own words on a message are not repeated: only its code is.
fn report(refused: &[BatchResultErrorEntry]) {
    for entry in refused {
        let (code, ours) = (entry.code(), entry.sender_fault());
        tracing::warn!(code, ours, "the queue did not take a message of a batch");
    }
}
