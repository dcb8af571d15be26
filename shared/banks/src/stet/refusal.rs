//! Refusals of a STET bank. There are no codes worth the name: the status decides.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::bank_http::Answer;
use crate::error::{BankCode, BankError};
use crate::wire::LooseText;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorModel {
    error: LooseText,
}

/// What a refused call means.
pub(crate) fn read(answer: &Answer) -> BankError {
    let code = code_of(&answer.body);
    if is_about_us(&code) {
        return BankError::IdentityRefused { code };
    }
    match answer.status {
        StatusCode::UNAUTHORIZED => BankError::AccessTokenRefused { code },
        StatusCode::FORBIDDEN => BankError::Blocked { code },
        StatusCode::NOT_FOUND => BankError::UnknownAccount { code },
        StatusCode::TOO_MANY_REQUESTS => BankError::RateLimited {
            retry_after: answer.retry_after,
        },
        StatusCode::REQUEST_TIMEOUT => BankError::Unavailable { status: 408 },
        status if status.is_server_error() => BankError::Unavailable {
            status: status.as_u16(),
        },
        status if status.is_client_error() => BankError::Refused {
            status: status.as_u16(),
            code,
        },
        _ => BankError::Nonsense {
            what: "a redirect or an unexpected status instead of an answer",
        },
    }
}

/// `error` repeats the status in words ("Not Found") or holds a code of the bank's own.
fn code_of(body: &[u8]) -> BankCode {
    let model: ErrorModel = serde_json::from_slice(body).unwrap_or_default();
    BankCode::new(model.error.text().unwrap_or_default())
}

/// Banks that say it in a code mean our certificate or signature, whatever the status: refreshing the
/// person's token would not help.
fn is_about_us(code: &BankCode) -> bool {
    ["CERTIFICATE_", "SIGNATURE_", "TIMESTAMP_INVALID"]
        .iter()
        .any(|beginning| code.as_str().starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    fn refusal(status: u16, body: &str) -> BankError {
        read(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        })
    }

    #[test]
    fn each_status_leads_to_one_action() {
        assert!(refusal(401, "<html>").wants_refresh());
        assert!(refusal(403, "{}").needs_psu().is_some());
        assert!(refusal(429, "").rate_limited());
        assert!(refusal(503, "").is_retryable());
        assert!(refusal(408, "").is_retryable());
        assert!(!refusal(400, "").is_retryable());
    }

    #[test]
    fn a_refused_signature_is_ours_to_mend_and_not_the_persons() {
        let error = refusal(401, r#"{"status":401,"error":"SIGNATURE_INVALID"}"#);
        assert!(matches!(error, BankError::IdentityRefused { .. }));
        assert!(!error.wants_refresh() && error.needs_psu().is_none());
    }

    #[test]
    fn the_banks_sentences_are_not_kept() {
        let body = r#"{"status":403,"error":"compte de M. MARTIN","message":"M. MARTIN"}"#;
        assert!(!refusal(403, body).to_string().contains("MARTIN"));
    }

    proptest! {
        #[test]
        fn no_refusal_makes_it_panic(status in 100_u16..600, body in ".{0,200}") {
            let _ = refusal(status, &body);
        }
    }
}
