//! What the crate promises, by behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

mod cfonb;
mod fuzz;
mod golden;
mod lines;
mod lives;
#[path = "../support/page.rs"]
mod page;
#[path = "../support/persona.rs"]
mod persona;
mod personae;
mod recurrences;
mod replay;
mod speed;
mod whole;
