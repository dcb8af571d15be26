//! What the person does alone: see, correct, renew, narrow, withdraw, take a copy along.
//!
//! A link opens a visit ([`entry`]), a cookie carries it ([`visit`]); from then on a page is shown
//! (`GET`) or answered (`POST`, then 303). A visit knows one client and one customer, and everything
//! here is read through them: no address, no form and no id of somebody else's reaches further.
//!
//! The person's right to see what is held about them (GDPR art. 15 and 20) depends on no purpose, so
//! these reads name none; what the client may still read is not widened by them.

pub(crate) mod access;
pub(crate) mod decisions;
pub(crate) mod downloads;
pub(crate) mod entry;
mod export;
pub(crate) mod held;
pub(crate) mod learned;
pub(crate) mod lines;
pub(crate) mod links;
pub(crate) mod overview;
pub(crate) mod renewal;
pub(crate) mod signed;
pub(crate) mod visit;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use passerelle_domain::ids::{ConnectionId, TransactionId};
use passerelle_domain::purpose::PurposeCode;

use crate::Connections;

/// The route by which a client asks for a link to the pages.
pub(crate) fn links() -> Router<Arc<Connections>> {
    Router::new().route(
        "/v1/customers/{customer}/self-care-links",
        post(links::open),
    )
}

/// The pages.
pub(crate) fn pages() -> Router<Arc<Connections>> {
    Router::new()
        .route(
            "/self-care/link/{token}",
            get(entry::show_given).post(entry::enter_given),
        )
        .route("/self-care/link/{token}/again", post(entry::ask_again))
        .route("/self-care/signed", get(signed::show).post(signed::enter))
        .route("/self-care/signed/again", post(signed::ask_again))
        .route("/self-care/access-log", get(access::show))
        .route(
            "/self-care/downloads/receipts.jsonl",
            get(downloads::receipts),
        )
        .route("/self-care/leave", post(visit::leave))
        .route("/self-care/language", post(visit::speak))
        .route("/self-care/connections", get(overview::all))
        .route("/self-care/connections/{connection}", get(overview::one))
        .route(
            "/self-care/connections/{connection}/purposes/{purpose}",
            get(decisions::ask_narrow).post(decisions::narrow),
        )
        .route(
            "/self-care/connections/{connection}/lines",
            get(lines::show),
        )
        .route(
            "/self-care/connections/{connection}/lines/{transaction}",
            get(lines::ask).post(lines::say),
        )
        .route(
            "/self-care/connections/{connection}/renew",
            post(renewal::begin),
        )
        .route(
            "/self-care/connections/{connection}/withdraw",
            get(decisions::ask_withdraw).post(decisions::withdraw),
        )
        .route(
            "/self-care/withdraw",
            get(decisions::ask_withdraw_all).post(decisions::withdraw_all),
        )
        .route("/self-care/learned", get(learned::show))
        .route("/self-care/downloads", get(downloads::show))
        .route("/self-care/downloads/data.json", get(downloads::json))
        .route(
            "/self-care/downloads/transactions.csv",
            get(downloads::transactions),
        )
        .route(
            "/self-care/downloads/accounts.csv",
            get(downloads::accounts),
        )
}

/// A page of self-care. None of their addresses holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    Connections,
    Connection(&'a ConnectionId),
    Narrow(&'a ConnectionId, &'a PurposeCode),
    Lines(&'a ConnectionId),
    Line(&'a ConnectionId, &'a TransactionId),
    Renew(&'a ConnectionId),
    Withdraw(&'a ConnectionId),
    WithdrawAll,
    Learned,
    AccessLog,
    Downloads,
}

impl Place<'_> {
    pub(crate) fn address(self) -> String {
        match self {
            Self::Connections => "/self-care/connections".to_owned(),
            Self::Connection(id) => format!("/self-care/connections/{id}"),
            Self::Narrow(id, purpose) => format!("/self-care/connections/{id}/purposes/{purpose}"),
            Self::Lines(id) => format!("/self-care/connections/{id}/lines"),
            Self::Line(id, line) => format!("/self-care/connections/{id}/lines/{line}"),
            Self::Renew(id) => format!("/self-care/connections/{id}/renew"),
            Self::Withdraw(id) => format!("/self-care/connections/{id}/withdraw"),
            Self::WithdrawAll => "/self-care/withdraw".to_owned(),
            Self::Learned => "/self-care/learned".to_owned(),
            Self::AccessLog => "/self-care/access-log".to_owned(),
            Self::Downloads => "/self-care/downloads".to_owned(),
        }
    }

    /// Leads the person there.
    pub(crate) fn go(self) -> Response {
        Redirect::to(&self.address()).into_response()
    }
}
