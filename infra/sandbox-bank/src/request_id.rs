//! `X-Request-ID`: demanded with every call, and given back.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::rand::{SecureRandom, SystemRandom};

use crate::berlin_group::Refusal;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest STET takes.
const STET_LENGTH: usize = 70;

/// Berlin Group: refuses a call without a UUID, and gives back the one it came with. A refusal has a
/// new one, because every answer has one.
pub(crate) async fn demand_uuid(request: Request, next: Next) -> Response {
    let given = request.headers().get(X_REQUEST_ID).cloned();
    let (id, mut response) = match given.filter(is_uuid) {
        Some(id) => (Some(id), next.run(request).await),
        None => (
            fresh(),
            Refusal::Format("X-Request-ID must be a UUID").into_response(),
        ),
    };
    if let Some(id) = id {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// STET: gives back the one a call came with.
pub(crate) async fn echo(request: Request, next: Next) -> Response {
    let given = request.headers().get(X_REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    if let Some(id) = given.filter(is_short) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// STET: any text of 1 to 70 characters.
pub(crate) fn is_given(headers: &HeaderMap) -> bool {
    headers.get(X_REQUEST_ID).is_some_and(is_short)
}

fn is_short(value: &HeaderValue) -> bool {
    (1..=STET_LENGTH).contains(&value.len())
}

fn is_uuid(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A random UUID (RFC 9562, version 4).
fn fresh() -> Option<HeaderValue> {
    let mut random = [0_u8; 16];
    SystemRandom::new().fill(&mut random).ok()?;
    let bits = u128::from_be_bytes(random);
    let versioned = (bits & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{versioned:032x}");
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let groups: Option<Vec<&str>> = parts.iter().map(|(from, to)| hex.get(*from..*to)).collect();
    HeaderValue::from_str(&groups?.join("-")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_will_do() {
        let uuid = |text: &'static str| is_uuid(&HeaderValue::from_static(text));
        assert!(uuid("99391c7e-ad88-49ec-a2ad-99ddcb1f7721"));
        assert!(!uuid("99391c7ead8849eca2ad99ddcb1f7721"));
        assert!(!uuid(""));
    }

    #[test]
    fn a_new_one_is_a_uuid_of_version_4_and_never_the_same() {
        let (one, other) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(one, other);
        for id in [one, other] {
            assert!(is_uuid(&id));
            assert_eq!(id.as_bytes()[14], b'4');
            assert!(b"89ab".contains(&id.as_bytes()[19]), "{id:?}");
        }
    }
}
