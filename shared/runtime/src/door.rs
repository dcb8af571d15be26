//! The door of the API: who passes it, and with which token.
//!
//! A function's routes are given in groups ([`Routes`]). A group for programs names its scope and is
//! behind the door; a group for browsers says that it is anonymous. There is no third way to give one,
//! so no route can be forgotten. What is checked is checked before a handler, an extractor or a body is
//! looked at: the token first, its scope, then the operator's registry.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use passerelle_domain::registry::{RegistryError, Standing, TenantRegistry};

use crate::caller::Caller;
use crate::clock::Clock;
use crate::own_form;
use crate::problem::{Code, Problem};
use crate::scope::Scope;

/// Who passes: the claim that names a client, and the clients an operator registered. Clones share both.
#[derive(Debug, Clone)]
pub struct Door {
    claim: Arc<str>,
    tenants: Arc<dyn TenantRegistry>,
    clock: Clock,
}

impl Door {
    /// A door: `claim` is the token's claim that names the client (`TENANT_CLAIM`).
    pub fn new(
        claim: impl Into<Arc<str>>,
        tenants: impl TenantRegistry + 'static,
        clock: Clock,
    ) -> Self {
        Self {
            claim: claim.into(),
            tenants: Arc::new(tenants),
            clock,
        }
    }

    /// The caller a token names, if it may pass.
    async fn admit(&self, named: Result<Caller, Problem>, scope: Scope) -> Result<Caller, Problem> {
        let caller = named?;
        caller.require_scope(scope)?;
        let now = self.clock.now();
        match self.tenants.standing(&caller.client, now).await {
            Ok(Standing::Registered) => Ok(caller),
            Ok(Standing::Suspended) => Err(Problem::new(Code::TenantSuspended)),
            Ok(Standing::Unknown) => Err(Problem::new(Code::TenantUnknown)),
            Err(error) => Err(unanswered(&error)),
        }
    }
}

fn unanswered(error: &RegistryError) -> Problem {
    if error.is_retryable() {
        Problem::unavailable(error)
    } else {
        Problem::internal(error)
    }
}

/// The routes of a function, group by group.
#[derive(Debug, Clone)]
pub struct Routes<S = ()> {
    router: Router<S>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No route yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            router: Router::new(),
        }
    }

    /// Adds routes for programs: each is behind the door, and asks for a token with this scope.
    #[must_use]
    pub fn scoped(self, door: &Door, scope: Scope, group: Router<S>) -> Self {
        let guard = from_fn_with_state((door.clone(), scope), guard);
        Self {
            router: self.router.merge(group.route_layer(guard)),
        }
    }

    /// Adds routes for browsers: whoever has the address is answered, but for the form of another site. A
    /// handler here that takes a [`Caller`] refuses everybody.
    #[must_use]
    pub fn anonymous(self, group: Router<S>) -> Self {
        Self {
            router: self
                .router
                .merge(group.route_layer(from_fn(own_form::guard))),
        }
    }

    /// Gives the handlers their state.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes {
            router: self.router.with_state(state),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    pub(crate) fn into_router(self) -> Router {
        self.router
    }
}

async fn guard(
    State((door, scope)): State<(Door, Scope)>,
    mut request: Request,
    next: Next,
) -> Response {
    let named = Caller::named_by(&door.claim, request.extensions());
    match door.admit(named, scope).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}
