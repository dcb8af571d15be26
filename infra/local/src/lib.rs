//! The whole suite on one machine, in one process.
//!
//! It reads `template.yaml` and runs what is written there: routes, authorizer, queues, schedules,
//! tables and keys, with an embedded AWS that the functions reach through the same SDK clients as in
//! production.

pub mod embedded_aws;
mod error;
mod schedules;
mod stack;
pub mod template;

pub use error::LocalError;
