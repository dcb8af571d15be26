#![doc = include_str!("../README.md")]

pub mod account;
pub mod authorisation;
pub mod bank_day;
pub mod call_budget;
pub mod call_context;
pub mod circuit;
pub mod connection;
pub mod consent;
pub mod content_hash;
pub mod deadline;
pub mod deferred_card;
pub mod event;
pub mod failure;
pub mod farewell;
pub mod ids;
pub mod institution;
pub mod keys;
pub mod locale;
pub mod money;
pub mod private;
pub mod purpose;
pub mod receipt;
pub mod reconciliation;
pub mod registry;
pub mod score_grounds;
pub mod tenant;
pub mod trace;
pub mod transaction;

/// A moment in time, UTC.
pub use jiff::Timestamp;
/// A calendar date as the bank wrote it: never shifted by a time zone.
pub use jiff::civil::Date;
