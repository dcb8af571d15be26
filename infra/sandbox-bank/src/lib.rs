#![doc = include_str!("../README.md")]

mod access;
mod bank;
mod bank_day;
mod berlin_group;
mod caller;
mod clock;
mod command;
mod consent;
mod error;
mod ledger;
mod oauth;
mod pages;
mod people;
mod phone;
mod powens;
mod request_id;
mod state;
mod stet;
mod tls;

use std::sync::Arc;

use axum::Router;

pub use crate::bank::{Bank, BankSettings, Clock};
pub use crate::command::Command;
pub use crate::error::SandboxError;
pub use crate::people::Person;
pub use crate::tls::{Life, TestAuthority, serve_strictly};

/// Everything the bank serves: its pages, its authorisation server, its façades. Mount it anywhere,
/// as long as [`BankSettings::base_url`] is the address it is mounted at.
pub fn router(bank: Arc<Bank>) -> Router {
    Router::new()
        .merge(pages::routes())
        .merge(phone::routes())
        .merge(clock::routes())
        .merge(oauth::routes())
        .merge(berlin_group::routes())
        .merge(stet::routes())
        .merge(powens::routes())
        .with_state(bank)
}
