//! What a request's work is made under: its id, and when the platform ends it.

use std::convert::Infallible;
use std::time::SystemTime;

use axum::extract::FromRequestParts;
use http::request::Parts;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
use tokio::time::Instant;

use crate::correlation::Correlation;

/// The deadline of an invocation, as the platform tells it; none where it tells none, as in a direct call
/// of a test.
pub(crate) fn deadline(told: SystemTime) -> Deadline {
    if told == SystemTime::UNIX_EPOCH {
        return Deadline::NONE;
    }
    let left = told.duration_since(SystemTime::now()).unwrap_or_default();
    let moment = Instant::now().checked_add(left);
    moment.map_or(Deadline::NONE, |moment| Deadline::at(moment.into_std()))
}

/// What the calls of a request are made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation(pub CallContext);

impl<S: Sync> FromRequestParts<S> for Invocation {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Correlation(correlation) = Correlation::from_request_parts(parts, state).await?;
        let known = parts.extensions.get::<Deadline>().copied();
        Ok(Self(CallContext {
            correlation,
            deadline: known.unwrap_or(Deadline::NONE),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_the_platform_gives_runs_down() {
        let deadline = deadline(SystemTime::now() + Duration::from_secs(25));
        let now = Instant::now().into_std();
        let left = |passed| {
            deadline
                .time_left(now + Duration::from_secs(passed))
                .unwrap()
        };
        assert!(left(0) > Duration::from_secs(24));
        assert!(left(20) <= Duration::from_secs(5));
        assert_eq!(left(40), Duration::ZERO);
    }

    #[test]
    fn a_call_nobody_ends_has_no_deadline() {
        assert_eq!(deadline(SystemTime::UNIX_EPOCH), Deadline::NONE);
    }
}
