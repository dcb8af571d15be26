//! Who calls the API, as API Gateway's JWT authorizer verified it.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use http::Extensions;
use http::request::Parts;
use passerelle_domain::ids::{CallerSubject, ClientId};

use crate::gateway::GatewayContext;
use crate::problem::{Code, Problem};
use crate::scope::Scope;

/// The client that calls. A handler that takes one is reached only through the door
/// ([`crate::Routes::scoped`]): with a verified token that carries the scope, of a registered client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The client: the tenant of everything the request may touch.
    pub client: ClientId,
    /// Who at the client calls, where the token says so (`sub`): for the access log.
    pub subject: Option<CallerSubject>,
    /// The scopes of its token, those of other APIs included.
    scopes: BTreeSet<String>,
}

impl Caller {
    /// The client the verified token names in a claim.
    pub(crate) fn named_by(claim: &str, extensions: &Extensions) -> Result<Self, Problem> {
        let context = extensions
            .get::<GatewayContext>()
            .ok_or_else(Problem::unauthenticated)?;
        let client: ClientId = context
            .claims
            .get(claim)
            .and_then(|text| text.parse().ok())
            .ok_or_else(Problem::unauthenticated)?;
        tracing::Span::current().record("tenant", client.as_str());
        let subject = context.claims.get("sub");
        Ok(Self {
            client,
            subject: subject.and_then(|text| text.parse().ok()),
            scopes: BTreeSet::clone(&context.scopes),
        })
    }

    /// Checks that the token carries a scope.
    ///
    /// # Errors
    /// The `scope-missing` problem.
    pub(crate) fn require_scope(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(scope.as_str()) {
            Ok(())
        } else {
            Err(Problem::new(Code::ScopeMissing)
                .with_detail(format!("Ask for a token that carries the scope `{scope}`.")))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let admitted = parts.extensions.get::<Self>();
        admitted.cloned().ok_or_else(Problem::unauthenticated)
    }
}
