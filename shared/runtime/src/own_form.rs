//! A form that is not ours changes nothing.
//!
//! A page elsewhere can make a person's browser send a form to an address of ours, and be answered with a
//! cookie of ours: `SameSite` keeps a cookie from being sent, not from being set. So whatever a browser
//! says it sends for another site is refused before anything looks at it. Programs say nothing and are let
//! through: they have no person's cookies.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Method, Uri};

use crate::gateway::GatewayContext;
use crate::problem::{Code, Problem};

/// Refuses what a browser sends from a page that is not ours, unless it only looks.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let context = request.extensions().get::<GatewayContext>();
    let domain = context.and_then(|context| context.domain.as_deref());
    if looks || is_ours(request.headers(), domain) {
        return next.run(request).await;
    }
    tracing::warn!("a form of another site is refused");
    Problem::new(Code::InvalidRequest)
        .with_detail("This form was not sent by a page of ours. Open the link you were given.")
        .into_response()
}

/// Whether a browser says that one of our own pages sends this (Fetch Metadata; for a browser without it
/// the `Origin`), or nobody says anything.
fn is_ours(headers: &HeaderMap, domain: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let origin: Option<Uri> = origin.parse().ok();
            let authority = origin.as_ref().and_then(|uri| uri.authority());
            authority.is_some_and(|it| {
                text(HOST.as_str()) == Some(it.as_str()) || domain == Some(it.as_str())
            })
        }
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(headers: &[(&'static str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        is_ours(&HeaderMap::from_iter(headers), Some("pages.example"))
    }

    #[test]
    fn only_our_own_pages_and_programs_send_forms() {
        assert!(sent(&[]));
        for site in ["same-origin", "none"] {
            assert!(sent(&[("sec-fetch-site", site)]), "{site}");
        }
        for site in ["cross-site", "same-site", "", "é"] {
            assert!(!sent(&[("sec-fetch-site", site)]), "{site}");
        }
        assert!(sent(&[("origin", "https://pages.example")]));
        let here = ("host", "127.0.0.1:8787");
        assert!(sent(&[here, ("origin", "http://127.0.0.1:8787")]));
        for origin in [
            "null",
            "https://evil.example",
            "http://127.0.0.1:1",
            "",
            "é",
        ] {
            assert!(!sent(&[here, ("origin", origin)]), "{origin}");
        }
        let ours = ("origin", "https://pages.example");
        assert!(!sent(&[ours, ("sec-fetch-site", "cross-site")]));
    }
}
