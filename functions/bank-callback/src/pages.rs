//! What a person sees at the end of a return: their journey again, or where to find it.

use axum::response::{IntoResponse, Redirect, Response};
use passerelle_aws::Error;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_runtime::{Problem, pages};
use url::Url;

/// Back to the journey, which says where things stand. 303: the address with the code is left behind.
pub(crate) fn to_journey(token: &Private) -> Response {
    Redirect::to(&format!("/journey/{}/progress", token.expose())).into_response()
}

/// Back to the journey, which need not have the bank asked again at once.
pub(crate) fn to_journey_having_asked(token: &Private) -> Response {
    Redirect::to(&format!("/journey/{}/progress?asked=yes", token.expose())).into_response()
}

/// On to the bank's page, where its second step waits.
pub(crate) fn to_bank(page: &Url) -> Response {
    Redirect::to(page.as_str()).into_response()
}

/// The bank answered in a browser that did not leave for it (app to app).
pub(crate) fn back_to_first_browser(locale: Locale) -> Response {
    let words = pages::words(locale);
    let (title, text) = (words.text("elsewhere.title"), words.text("elsewhere.text"));
    pages::notice(locale, title, text, None)
}

/// What a failing table means to a person who returns from their bank.
pub(crate) fn refused(error: Error) -> Problem {
    if error.is_retryable() {
        Problem::unavailable(&error)
    } else {
        Problem::internal(&error)
    }
}
