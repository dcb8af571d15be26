//! Everything that is true of the suite as a whole: how the house is built, and what its functions
//! do as processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs
)]

mod addresses;
mod alarms;
mod architecture;
mod attacks;
mod bad_input;
mod binaries;
mod bootstrap;
mod browser;
mod commits;
mod dependencies;
mod figures;
mod fixtures;
mod gatekeeper;
mod house;
mod interruption;
mod journey_attacks;
mod journeys;
mod learned;
mod life;
mod limits;
mod link_keys;
mod machine;
mod marks;
mod onboarded;
mod pages;
mod permissions;
mod person;
mod quirks;
mod raw_tables;
mod receipts;
mod registry;
mod runtime_api;
mod scopes;
mod score_grounds;
mod secrecy;
mod self_care;
mod sensitive;
mod settings;
mod slow_bank;
mod sweeps;
mod template;
mod world;
