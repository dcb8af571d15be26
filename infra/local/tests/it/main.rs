//! The command as a newcomer meets it: started, refused, killed, started again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod command;
mod process;
