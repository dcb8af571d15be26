//! Where a person goes after a return, by 303, so that the address with the code is left behind.

use axum::response::{IntoResponse, Redirect, Response};
use passerelle_domain::private::Private;
use url::Url;

/// The next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Onward {
    /// The page that says where things stand.
    Journey,
    /// The bank wants the person once more, on this page of its own.
    Bank(Url),
    /// The page on which the code is typed: it was not the right one.
    WrongCode,
}

impl Onward {
    /// Leads there from an address that was followed, in the journey of a token.
    pub(crate) fn after_link(self, token: &Private) -> Response {
        match self {
            Self::Bank(page) => Redirect::to(page.as_str()).into_response(),
            ours => ours.after_form(token),
        }
    }

    /// Leads there from a form. A form of ours never ends at the bank (see `passerelle_runtime::pages`):
    /// the page of ours with the bank's link comes in between.
    pub(crate) fn after_form(self, token: &Private) -> Response {
        let token = token.expose();
        let step = match self {
            Self::Journey => "progress",
            Self::Bank(_) => "leave",
            Self::WrongCode => "progress?code=wrong",
        };
        Redirect::to(&format!("/journey/{token}/{step}")).into_response()
    }
}
