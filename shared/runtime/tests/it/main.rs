//! The runtime seen from outside: events in, answers and log lines out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod answers;
mod commands;
mod door;
mod events;
mod inputs;
mod log;
mod queues;
mod schedules;
