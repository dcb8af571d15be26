//! KMS whose keys are on disk before anybody is told that they exist.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use tokio::sync::Mutex;
use winterbaume_core::{MockRequest, MockResponse, MockService, StatefulService};
use winterbaume_kms::{KmsService, KmsStateView};

use super::signing::SigningKeys;
use super::{read_if_present, write_private};
use crate::error::LocalError;
use crate::stack::{ACCOUNT, REGION};

/// Operations that leave every key as it was.
const READS: [&str; 9] = [
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GenerateRandom",
    "ListAliases",
    "ReEncrypt",
];

/// The keys of one suite.
pub(crate) struct Kms {
    service: KmsService,
    file: Option<PathBuf>,
    signing: SigningKeys,
    /// One change is on disk before the next begins, so that an older state never covers a newer.
    changing: Mutex<()>,
}

impl std::fmt::Debug for Kms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Kms")
    }
}

impl Kms {
    /// Takes up the keys of an earlier start.
    pub(crate) async fn open(
        file: Option<PathBuf>,
        signing: Option<PathBuf>,
    ) -> Result<Self, LocalError> {
        let unreadable = |why: String| LocalError::StateUnreadable {
            what: "the KMS keys",
            why,
        };
        let service = KmsService::new();
        let stored = match &file {
            Some(path) => read_if_present(path)?,
            None => None,
        };
        if let Some(bytes) = stored {
            // What the file holds is key material: the reason names a place in it, never its text.
            let view: KmsStateView = serde_json::from_slice(&bytes)
                .map_err(|error| unreadable(format!("kms.json line {}", error.line())))?;
            service
                .restore(ACCOUNT, REGION, view)
                .await
                .map_err(|error| unreadable(error.to_string()))?;
        }
        Ok(Self {
            service,
            file,
            signing: SigningKeys::open(signing)?,
            changing: Mutex::new(()),
        })
    }

    async fn change(&self, request: MockRequest) -> MockResponse {
        let _one_at_a_time = self.changing.lock().await;
        let response = self.service.handle(request).await;
        if response.status >= 300 {
            return response;
        }
        match self.store().await {
            Ok(()) => response,
            Err(error) => {
                tracing::error!(%error, "a change of a key could not be stored");
                MockResponse::json(
                    500,
                    r#"{"__type":"KMSInternalException","message":"the change could not be stored"}"#,
                )
            }
        }
    }

    async fn store(&self) -> Result<(), LocalError> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let view = self.service.snapshot(ACCOUNT, REGION).await;
        let bytes = serde_json::to_vec(&view).map_err(|error| LocalError::StateUnreadable {
            what: "the KMS keys",
            why: error.to_string(),
        })?;
        write_private(path, &bytes)
    }
}

impl MockService for Kms {
    fn service_name(&self) -> &str {
        "kms"
    }

    fn url_patterns(&self) -> Vec<&str> {
        vec![r"^https?://kms\.[^/]*amazonaws\.com"]
    }

    fn handle(
        &self,
        request: MockRequest,
    ) -> Pin<Box<dyn Future<Output = MockResponse> + Send + '_>> {
        let operation = super::bridge::operation(&request.headers).unwrap_or_default();
        if SigningKeys::completes(&operation) {
            return Box::pin(async move {
                let body = request.body.clone();
                let answer = self.service.handle(request).await;
                self.signing.complete(&operation, &body, answer).await
            });
        }
        if READS.contains(&operation.as_str()) {
            return self.service.handle(request);
        }
        Box::pin(self.change(request))
    }
}
