//! `Idempotency-Key`: the caller's promise that the same request may arrive twice.

use http::HeaderMap;

use crate::problem::{Code, Problem};

const LONGEST: usize = 128;

/// The key a request carries, if any.
///
/// # Errors
/// The `invalid-request` problem for one that is not 1 to 128 visible ASCII characters.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        visible && (1..=LONGEST).contains(&key.len())
    });
    let refused = Problem::new(Code::InvalidRequest)
        .with_detail("Send an `Idempotency-Key` of 1 to 128 visible ASCII characters.");
    key.map(|key| Some(key.to_owned())).ok_or(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length_or_a_problem() {
        let with = |key: &str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("idempotency-key"),
                key.parse().unwrap(),
            )]);
            idempotency_key(&headers).map_err(|problem| problem.code())
        };
        assert_eq!(with("a-1"), Ok(Some("a-1".to_owned())));
        for refused in ["", "a b", &"x".repeat(129)] {
            assert_eq!(with(refused), Err(Code::InvalidRequest), "{refused:?}");
        }
        assert!(matches!(idempotency_key(&HeaderMap::new()), Ok(None)));
    }
}
