//! HTTP towards banks: what every call has in common.
//!
//! Our certificate and signature, a limit on what is read, the deadline of the work, retries of reads only. An answer is bytes
//! and a status; what they mean is each dialect's business.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use crate::error::BankError;
use crate::identity::{self, Identity};
use crate::signing::SignatureProfile;

/// The most a bank may answer to one call: a page of a few thousand movements is below 4 MB.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Kept of the work's time, so that what was read can be stored and the answer be given.
const RESERVE: Duration = Duration::from_secs(3);

/// A call with less time than this is not begun: the bank would count it, and nothing would come of it.
const SHORTEST_CALL: Duration = Duration::from_secs(1);

/// Pauses before a read is tried again: three tries in all.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(1000)];

/// The name of the header that makes one HTTP exchange traceable at the bank.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The way to one bank. Clones share certificates and connections.
#[derive(Debug, Clone)]
pub(crate) struct BankHttp {
    identity: Arc<Identity>,
    /// What the bank wants signed, where it wants anything.
    signature: Option<Arc<SignatureProfile>>,
    random: Arc<SystemRandom>,
}

/// What a bank answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<SignedDuration>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// One call, ready to be sent.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// What is asked, for the log: never a URL, which holds ids.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Zeroizing<Vec<u8>>>,
    pub(crate) context: &'a CallContext,
}

impl BankHttp {
    /// The way to banks that see this identity and want nothing signed.
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity: Arc::new(identity),
            signature: None,
            random: Arc::new(SystemRandom::new()),
        }
    }

    /// The same way, to a bank that wants its requests signed.
    pub(crate) fn signed_as(&self, profile: Option<SignatureProfile>) -> Self {
        Self {
            signature: profile.map(Arc::new),
            ..self.clone()
        }
    }

    /// The same way, to an authorisation server: our certificate says who we are, nothing is signed.
    pub(crate) fn unsigned(&self) -> Self {
        self.signed_as(None)
    }

    /// Sends a call. Reads are tried again when the bank is not there; anything else is sent once,
    /// because the bank may have acted on it.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, BankError> {
        let mut pauses = RETRY_PAUSES.iter();
        loop {
            let outcome = self.send_in_time(&call).await;
            let again = call.method == Method::GET && is_worth_another_try(&outcome);
            match pauses.next().filter(|_| again) {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return outcome,
            }
        }
    }

    /// Never longer than the work has. A call that our own deadline cut short says nothing about the bank,
    /// whose silence has a limit of its own ([`identity`]).
    async fn send_in_time(&self, call: &Call<'_>) -> Result<Answer, BankError> {
        let sent = self.send_once(call);
        match time_for_a_call(call.context.deadline)? {
            None => sent.await,
            Some(limit) => match tokio::time::timeout(limit, sent).await {
                Ok(outcome) => outcome,
                Err(_) => Err(BankError::OutOfTime),
            },
        }
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Answer, BankError> {
        let request_id = self.request_id()?;
        let mut request = Request::new(call.method.clone(), call.url.clone());
        *request.headers_mut() = call.headers.clone();
        let header = HeaderValue::try_from(&request_id)
            .map_err(|_| BankError::Settings("a request id is not a header value"))?;
        request.headers_mut().insert(X_REQUEST_ID, header);
        if let Some(body) = &call.body {
            *request.body_mut() = Some(body.to_vec().into());
        }
        let outcome = self.exchange(request).await;
        let status = outcome.as_ref().ok().map(|answer| answer.status.as_u16());
        tracing::debug!(
            call = call.name,
            correlation = %call.context.correlation,
            bank_request = request_id,
            status,
            "bank call"
        );
        outcome
    }

    async fn exchange(&self, mut request: Request) -> Result<Answer, BankError> {
        let identity = self.identity.current().await?;
        // Without a QSealC nothing can be signed: the bank says so if it minds (a test bank may not).
        if let (Some(profile), Some(seal)) = (&self.signature, &identity.seal) {
            profile
                .sign(&mut request, seal, self.identity.now())
                .await?;
        }
        let lost = identity::read_failure;
        let mut response = identity.client.execute(request).await.map_err(lost)?;
        let status = response.status();
        let retry_after = read_retry_after(response.headers());
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
                return Err(BankError::Nonsense {
                    what: "the answer is larger than any bank needs",
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    /// A fresh UUID (version 4), the form banks ask for in `X-Request-ID`.
    fn request_id(&self) -> Result<String, BankError> {
        let mut bytes = [0_u8; 16];
        self.random
            .fill(&mut bytes)
            .map_err(|_| BankError::Settings("the system gives no randomness"))?;
        let random = u128::from_be_bytes(bytes);
        let versioned = (random & !(0xf << 76)) | (0x4 << 76);
        let value = (versioned & !(0b11 << 62)) | (0b10 << 62);
        let digits = format!("{value:032x}");
        let part = |range| digits.get(range).unwrap_or_default();
        Ok([
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32),
        ]
        .join("-"))
    }
}

/// How long a call may take that begins now; `None` when nobody ends the work.
///
/// # Errors
/// [`BankError::OutOfTime`] when the work has no time left for one.
fn time_for_a_call(deadline: Deadline) -> Result<Option<Duration>, BankError> {
    let Some(left) = deadline.time_left(Instant::now().into_std()) else {
        return Ok(None);
    };
    match left.saturating_sub(RESERVE) {
        enough if enough >= SHORTEST_CALL => Ok(Some(enough)),
        _ => Err(BankError::OutOfTime),
    }
}

fn is_worth_another_try(outcome: &Result<Answer, BankError>) -> bool {
    match outcome {
        Ok(answer) => matches!(
            answer.status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ),
        // A time-out already took the person's patience; a broken connection did not.
        Err(BankError::Unreachable(error)) => !error.is_timeout(),
        Err(_) => false,
    }
}

/// Seconds only: the date form says nothing without trusting two clocks.
fn read_retry_after(headers: &HeaderMap) -> Option<SignedDuration> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(SignedDuration::from_secs(i64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_fresh_version_4_uuids() {
        let identity = Identity::new(crate::AispCertificates::none(), None);
        let http = BankHttp::new(identity);
        let one = http.request_id().unwrap();
        assert_ne!(one, http.request_id().unwrap());
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(matches!(one.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
