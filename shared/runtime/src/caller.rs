//! Who calls the API, as API Gateway's JWT authorizer verified it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::FromRequestParts;
use http::request::Parts;
use passerelle_domain::ids::{CallerSubject, ClientId};

use crate::gateway::GatewayContext;
use crate::problem::{Code, Problem};

const DEFAULT_CLAIM: &str = "client_id";

/// The claim that names the client. Put it on a router with [`Caller::claimed_by`].
#[derive(Debug, Clone)]
pub struct TenantClaim(Arc<str>);

/// The client that calls. A handler that takes one cannot be reached without a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The client: the tenant of everything the request may touch.
    pub client: ClientId,
    /// Who at the client calls, where the token says so (`sub`): for the access log.
    pub subject: Option<CallerSubject>,
    /// The scopes of its token.
    pub scopes: BTreeSet<String>,
}

impl Caller {
    /// The layer that says which claim names the client:
    /// `router.layer(Caller::claimed_by(environment.text("TENANT_CLAIM")?))`. Without it the claim is
    /// `client_id` (RFC 9068).
    pub fn claimed_by(claim: impl Into<Arc<str>>) -> Extension<TenantClaim> {
        Extension(TenantClaim(claim.into()))
    }

    /// Checks that the token carries a scope.
    ///
    /// # Errors
    /// The `scope-missing` problem.
    pub fn require_scope(&self, scope: &'static str) -> Result<(), Problem> {
        if self.scopes.contains(scope) {
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
        let claim = parts
            .extensions
            .get::<TenantClaim>()
            .map_or(DEFAULT_CLAIM, |claim| &claim.0);
        let context = parts
            .extensions
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
}
