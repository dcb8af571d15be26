//! The connectors against a bank that answers over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs
)]

mod awkward_bank;
mod conformance;
mod directory;
mod foreign_oauth;
mod golden;
mod limits;
mod misbehaving_bank;
mod outside;
mod personae;
mod powens;
mod quirks;
mod road;
mod sandbox;
mod stet;
mod strict_bank;
mod strictness;
mod tampering;
