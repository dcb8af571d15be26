//! Who comes back, with which browser, to which address of ours.

use axum::extract::FromRequestParts;
use http::request::Parts;
use passerelle_domain::call_context::CallContext;
use passerelle_runtime::{Browser, Invocation, OwnAddress, Problem, Visitor};

/// A browser's request as every step of a return needs it.
pub(crate) struct Visit {
    pub(crate) visitor: Visitor,
    pub(crate) own: OwnAddress,
    pub(crate) browser: Browser,
    /// What the calls of this request are made under.
    pub(crate) context: CallContext,
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(own) = OwnAddress::from_request_parts(parts, state).await;
        let Ok(browser) = Browser::from_request_parts(parts, state).await;
        let Ok(Invocation(context)) = Invocation::from_request_parts(parts, state).await;
        Ok(Self {
            visitor: Visitor::from_request_parts(parts, state).await?,
            own,
            browser,
            context,
        })
    }
}
