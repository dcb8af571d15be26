//! Refusals of a Berlin Group bank, turned into what we can do about them.
//!
//! The codes are plain strings by the standard: unknown ones are kept and sorted by their status.

use jiff::SignedDuration;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::bank_http::Answer;
use crate::connector::BankConsentEnd;
use crate::error::{BankCode, BankError};
use crate::wire::LooseText;

/// `tppMessages`, or RFC 7807 with `additionalErrors`, or an OAuth error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Refusal {
    tpp_messages: Vec<Message>,
    additional_errors: Vec<Message>,
    code: LooseText,
    error: LooseText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    category: LooseText,
    code: LooseText,
}

/// What a refused call means.
pub(crate) fn read(answer: &Answer) -> BankError {
    let code = code_of(&answer.body);
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS => BankError::RateLimited {
            retry_after: answer.retry_after.or_else(|| told_seconds(&answer.body)),
        },
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            BankError::Unavailable {
                status: status.as_u16(),
            }
        }
        status if status.is_client_error() => refused(status, code),
        _ => BankError::Nonsense {
            what: "a redirect or an unexpected status instead of an answer",
        },
    }
}

fn refused(status: StatusCode, code: BankCode) -> BankError {
    match code.as_str() {
        "ACCESS_EXCEEDED" => BankError::RateLimited { retry_after: None },
        "CONSENT_EXPIRED" | "CONSENT_INVALID" | "CONSENT_UNKNOWN" => {
            BankError::ConsentEnded { code }
        }
        "TOKEN_EXPIRED" | "TOKEN_INVALID" | "TOKEN_UNKNOWN" => {
            BankError::AccessTokenRefused { code }
        }
        "CERTIFICATE_INVALID"
        | "CERTIFICATE_EXPIRED"
        | "CERTIFICATE_BLOCKED"
        | "CERTIFICATE_REVOKED"
        | "CERTIFICATE_REVOKE"
        | "CERTIFICATE_MISSING"
        | "SIGNATURE_INVALID"
        | "SIGNATURE_MISSING"
        | "TIMESTAMP_INVALID"
        | "ROLE_INVALID"
        | "CORPORATE_ID_INVALID" => BankError::IdentityRefused { code },
        "PSU_HEADER_NOT_PROVIDED" => BankError::PersonNeeded,
        "SERVICE_BLOCKED" => BankError::Blocked { code },
        "RESOURCE_UNKNOWN" | "RESOURCE_EXPIRED" | "RESOURCE_BLOCKED" | "PRODUCT_UNKNOWN" => {
            BankError::UnknownAccount { code }
        }
        _ => match status {
            StatusCode::UNAUTHORIZED => BankError::AccessTokenRefused { code },
            StatusCode::FORBIDDEN => BankError::Blocked { code },
            StatusCode::NOT_FOUND => BankError::UnknownAccount { code },
            _ => BankError::Refused {
                status: status.as_u16(),
                code,
            },
        },
    }
}

/// The delay some banks tell in a sentence only: "try again in 85092 seconds" (Q29).
fn told_seconds(body: &[u8]) -> Option<SignedDuration> {
    let text = std::str::from_utf8(body).ok()?;
    let (before, _) = text.split_once(" second")?;
    let start = before.bytes().rev().take_while(u8::is_ascii_digit).count();
    let digits = before.get(before.len().checked_sub(start)?..)?;
    let seconds: u32 = digits.parse().ok()?;
    Some(SignedDuration::from_secs(i64::from(seconds)))
}

fn code_of(body: &[u8]) -> BankCode {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let is_error = |message: &&Message| {
        message
            .category
            .text()
            .is_none_or(|category| category.eq_ignore_ascii_case("error"))
    };
    let code = refusal
        .tpp_messages
        .iter()
        .chain(&refusal.additional_errors)
        .filter(is_error)
        .find_map(|message| message.code.text())
        .or_else(|| refusal.code.text())
        .or_else(|| refusal.error.text());
    BankCode::new(code.unwrap_or_default())
}

/// Whether the bank lacks an optional feature we asked for.
pub(crate) fn is_unsupported(code: &BankCode) -> bool {
    matches!(
        code.as_str(),
        "PARAMETER_NOT_SUPPORTED" | "PARAMETER_NOT_CONSISTENT" | "SERVICE_INVALID"
    )
}

/// Whether the bank does not serve that far back.
pub(crate) fn is_period(code: &BankCode) -> bool {
    matches!(code.as_str(), "PERIOD_INVALID" | "PERIOD_NOT_SUPPORTED")
}

/// How a consent ended, when all we have is the code of a refusal.
pub(crate) fn end_of(code: &BankCode) -> BankConsentEnd {
    match code.as_str() {
        "CONSENT_EXPIRED" => BankConsentEnd::Expired,
        _ => BankConsentEnd::Unknown,
    }
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

    fn messages(code: &str) -> String {
        format!(
            r#"{{"tppMessages":[{{"category":"WARNING","code":"OTHER"}},
            {{"category":"ERROR","code":"{code}","text":"compte de M. MARTIN"}}]}}"#
        )
    }

    #[test]
    fn each_code_leads_to_one_action() {
        let is = |status, code: &str, expected: fn(&BankError) -> bool| {
            let error = refusal(status, &messages(code));
            assert!(expected(&error), "{status} {code}: {error}");
            assert!(!error.to_string().contains("MARTIN"));
        };
        is(401, "CONSENT_EXPIRED", |e| e.needs_psu().is_some());
        is(403, "CONSENT_UNKNOWN", |e| e.needs_psu().is_some());
        is(401, "TOKEN_EXPIRED", BankError::wants_refresh);
        is(401, "SOMETHING_NEW", BankError::wants_refresh);
        is(429, "ACCESS_EXCEEDED", BankError::rate_limited);
        is(401, "CERTIFICATE_EXPIRED", |e| {
            matches!(e, BankError::IdentityRefused { .. })
        });
        is(404, "RESOURCE_UNKNOWN", |e| {
            matches!(e, BankError::UnknownAccount { .. })
        });
        is(400, "FORMAT_ERROR", |e| {
            matches!(e, BankError::Refused { status: 400, .. })
        });
        is(503, "SERVICE_UNAVAILABLE", BankError::is_retryable);
    }

    #[test]
    fn q29_a_delay_told_in_a_sentence_is_understood() {
        let wait = |body: &str| match refusal(429, body) {
            BankError::RateLimited { retry_after } => retry_after.map(|wait| wait.as_secs()),
            error => panic!("{error}"),
        };
        assert_eq!(
            wait(r#"{"detail":"please try again in 85092 seconds"}"#),
            Some(85_092)
        );
        assert_eq!(wait("later, in a few seconds"), None);
        assert_eq!(wait(""), None);
    }

    #[test]
    fn other_error_shapes_are_read_too() {
        let rfc7807 = r#"{"type":"x","title":"y","code":"CONSENT_INVALID"}"#;
        assert!(refusal(401, rfc7807).needs_psu().is_some());
        let additional = r#"{"additionalErrors":[{"code":"TOKEN_INVALID"}]}"#;
        assert!(refusal(401, additional).wants_refresh());
        assert!(refusal(500, "<html>").is_retryable());
        assert!(matches!(refusal(302, ""), BankError::Nonsense { .. }));
    }

    proptest! {
        #[test]
        fn no_refusal_makes_it_panic(status in 100_u16..600, body in ".{0,200}") {
            let _ = refusal(status, &body);
        }
    }
}
