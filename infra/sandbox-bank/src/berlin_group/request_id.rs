//! `X-Request-ID`: demanded with every call, and given back.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::berlin_group::refusal::Refusal;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Refuses a call without a UUID; echoes the one it came with.
pub(crate) async fn demand(request: Request, next: Next) -> Response {
    let Some(id) = request
        .headers()
        .get(X_REQUEST_ID)
        .filter(|id| is_uuid(id))
        .cloned()
    else {
        return Refusal::Format("X-Request-ID must be a UUID").into_response();
    };
    let mut response = next.run(request).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

fn is_uuid(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
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
}
