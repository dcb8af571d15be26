//! One function as Lambda runs it: a time limit, a request id, and an end that is not our end.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use lambda_runtime::Context;
use passerelle_runtime::{Function, entropy};
use serde_json::Value;
use tokio::sync::watch;

/// A function with its limits.
#[derive(Debug, Clone)]
pub(crate) struct Lambda {
    pub(crate) folder: String,
    pub(crate) arn: String,
    pub(crate) timeout: Duration,
    pub(crate) function: Function,
    /// Closed when the suite ends: no call outlives it, as none outlives a killed process.
    pub(crate) life: watch::Receiver<()>,
}

/// Why a call brought no answer. The function's own log says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvocationError {
    /// It took longer than its template allows.
    #[error("the function took longer than its timeout")]
    TimedOut,
    /// It answered with an error, or panicked.
    #[error("the function ended with an error")]
    Failed,
}

impl Lambda {
    /// Calls the function with an event. The call goes on when the caller goes away, as on Lambda.
    pub(crate) async fn invoke(&self, event: Value) -> Result<Value, InvocationError> {
        let context = self.context().ok_or(InvocationError::Failed)?;
        let function = self.function.clone();
        let mut life = self.life.clone();
        let mut call = tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = life.changed() => Err("the suite ended".into()),
                answer = function.answer(event, context) => answer,
            }
        });
        let Ok(ended) = tokio::time::timeout(self.timeout, &mut call).await else {
            call.abort();
            tracing::error!(
                function = self.folder,
                "a call took longer than its timeout"
            );
            return Err(InvocationError::TimedOut);
        };
        match ended {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(InvocationError::Failed),
        }
    }

    /// What the Runtime API tells a function besides the event.
    fn context(&self) -> Option<Context> {
        let deadline = SystemTime::now().checked_add(self.timeout)?;
        let deadline_ms = deadline.duration_since(UNIX_EPOCH).ok()?.as_millis();
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| -> Option<()> {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).ok()?,
            );
            Some(())
        };
        set("lambda-runtime-deadline-ms", &deadline_ms.to_string())?;
        set("lambda-runtime-invoked-function-arn", &self.arn)?;
        let config = lambda_runtime::Config {
            function_name: self.folder.clone(),
            ..Default::default()
        };
        Context::new(&request_id(), Arc::new(config), &headers).ok()
    }
}

/// A fresh id in the form AWS gives requests and messages.
pub(crate) fn request_id() -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(entropy::<16>()));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
