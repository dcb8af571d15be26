//! Everything that is true of the suite as a whole: how the house is built, and what its functions
//! do as processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod architecture;
mod binaries;
mod bootstrap;
mod fixtures;
mod house;
mod permissions;
mod runtime_api;
mod template;
