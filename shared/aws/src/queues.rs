//! Messages that carry ids only. A queue is a hint: what is owed stands in the table.

use serde::Serialize;

use passerelle_domain::ids::ClientId;

use crate::clients::Clients;
use crate::error::Error;
use crate::meter::Meter;

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
}
