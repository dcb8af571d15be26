#![doc = include_str!("../README.md")]

mod cli;
mod clock;
mod demo;
pub mod embedded_aws;
mod error;
mod functions;
mod gateway;
mod issuer;
mod lambda;
mod queues;
mod schedules;
mod stack;
mod suite;
pub mod template;

pub use cli::Command;
pub use embedded_aws::{EmbeddedAws, Storage};
pub use error::LocalError;
pub use suite::{Options, Suite};
