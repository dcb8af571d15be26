//! Where a person goes after a return: always a page of ours, by 303, so that the address with the code
//! is left behind.

use axum::response::{IntoResponse, Redirect, Response};
use passerelle_domain::private::Private;

/// The next page of the journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onward {
    /// The page that says where things stand.
    Journey,
    /// The page with the link to the bank, which wants the person once more.
    Bank,
    /// The page on which the code is typed: it was not the right one.
    WrongCode,
}

impl Onward {
    /// Leads there, in the journey of a token.
    pub(crate) fn of(self, token: &Private) -> Response {
        let token = token.expose();
        let step = match self {
            Self::Journey => "progress",
            Self::Bank => "leave",
            Self::WrongCode => "progress?code=wrong",
        };
        Redirect::to(&format!("/journey/{token}/{step}")).into_response()
    }
}
