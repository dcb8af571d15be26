//! The bank over HTTP, without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod clock;
mod confirmation;
mod refusals;
mod restart;
mod strict;
mod third_party;
mod variants;
mod visitor;
