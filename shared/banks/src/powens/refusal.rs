//! What a refused call means, and what a granted token is.

use reqwest::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use crate::bank_http::Answer;
use crate::error::{BankCode, BankError};
use crate::oauth;
use crate::wire::LooseText;

/// `code` is a closed vocabulary; `description` and `message` may quote a bank and are not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorModel {
    code: LooseText,
    /// The OAuth endpoints answer in the OAuth form.
    error: LooseText,
}

/// What a refused call means.
pub(crate) fn read(answer: &Answer) -> BankError {
    let code = code_of(&answer.body);
    match (answer.status, code.as_str()) {
        (_, "tooManySync" | "connectionLocked" | "rateLimiting")
        | (StatusCode::TOO_MANY_REQUESTS, _) => BankError::RateLimited {
            retry_after: answer.retry_after,
        },
        (_, "config" | "keymanager" | "invalid_client" | "unauthorized_client") => {
            BankError::IdentityRefused { code }
        }
        // A permanent token has no renewal: refused once, it is over.
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => BankError::TokenRefused { code },
        (StatusCode::NOT_FOUND, _) => BankError::UnknownAccount { code },
        (StatusCode::REQUEST_TIMEOUT, _) => BankError::Unavailable { status: 408 },
        (status, _) if status.is_server_error() => BankError::Unavailable {
            status: status.as_u16(),
        },
        (status, _) if status.is_client_error() => BankError::Refused {
            status: status.as_u16(),
            code,
        },
        _ => BankError::Nonsense {
            what: "a redirect or an unexpected status instead of an answer",
        },
    }
}

/// The answer to a code.
#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    #[serde(default)]
    token_type: LooseText,
}

/// The permanent token a code was good for.
pub(crate) fn granted(answer: &Answer) -> Result<SecretString, BankError> {
    if !answer.status.is_success() {
        return Err(match (read(answer), code_of(&answer.body)) {
            (BankError::IdentityRefused { code }, _) => BankError::IdentityRefused { code },
            (BankError::Refused { code, .. } | BankError::TokenRefused { code }, _) => {
                BankError::CodeRefused { code }
            }
            (error, _) => error,
        });
    }
    let unusable = BankError::Nonsense {
        what: "the token answer holds no bearer token",
    };
    let Ok(granted) = serde_json::from_slice::<Granted>(&answer.body) else {
        return Err(unusable);
    };
    let bearer = granted
        .token_type
        .text()
        .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    if bearer && oauth::is_header_safe(&granted.access_token) {
        Ok(granted.access_token)
    } else {
        Err(unusable)
    }
}

fn code_of(body: &[u8]) -> BankCode {
    let model: ErrorModel = serde_json::from_slice(body).unwrap_or_default();
    let code = model.code.text().or(model.error.text());
    BankCode::new(code.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use zeroize::Zeroizing;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    #[test]
    fn each_refusal_leads_to_one_action() {
        let refusal = |status, body| read(&answer(status, body));
        assert!(
            refusal(401, r#"{"code":"unauthorized"}"#)
                .needs_psu()
                .is_some()
        );
        assert!(refusal(403, "<html>").needs_psu().is_some());
        assert!(refusal(409, r#"{"code":"tooManySync"}"#).rate_limited());
        assert!(refusal(429, "").rate_limited());
        assert!(refusal(503, r#"{"code":"websiteUnavailable"}"#).is_retryable());
        assert!(matches!(
            refusal(400, r#"{"code":"config"}"#),
            BankError::IdentityRefused { .. }
        ));
        assert!(!refusal(400, "{}").is_retryable());
    }

    #[test]
    fn the_banks_sentences_are_not_kept() {
        let body = r#"{"code":"compte de M. MARTIN","message":"M. MARTIN","description":"MARTIN"}"#;
        assert!(!read(&answer(400, body)).to_string().contains("MARTIN"));
    }

    #[test]
    fn a_code_that_is_refused_is_told_from_an_identity_that_is() {
        for body in ["{}", r#"{"code":"invalidValue"}"#, "<html>"] {
            let refused = granted(&answer(400, body)).unwrap_err();
            assert!(matches!(refused, BankError::CodeRefused { .. }), "{body}");
        }
        let identity = granted(&answer(401, r#"{"error":"invalid_client"}"#)).unwrap_err();
        assert!(matches!(identity, BankError::IdentityRefused { .. }));
        assert!(granted(&answer(502, "")).unwrap_err().is_retryable());
    }

    #[test]
    fn nonsense_instead_of_a_token_is_an_error() {
        for body in [
            "",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"a\nb"}"#,
        ] {
            assert!(granted(&answer(200, body)).is_err(), "{body}");
        }
        let good = granted(&answer(
            200,
            r#"{"access_token":"t","token_type":"Bearer","more":1}"#,
        ));
        assert_eq!(good.unwrap().expose_secret(), "t");
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(status in 100_u16..600, body in ".{0,200}") {
            let _ = read(&answer(status, &body));
            let _ = granted(&answer(status, &body));
        }
    }
}
