#![doc = include_str!("../README.md")]

pub mod access_log;
mod attributes;
pub mod authorisations;
pub mod calendar;
pub mod choices;
pub mod clients;
pub mod connections;
pub mod consents;
pub mod content;
pub mod due;
pub mod erasure;
mod error;
pub mod event_feed;
pub mod events;
mod keys;
pub mod meter;
pub mod pages;
pub mod queues;
pub mod receipts;
pub mod scores;
mod secrets;
pub mod store;
pub mod table;
pub mod tenants;
pub mod texts;
pub mod vault;
pub mod wheel;

pub use clients::Clients;
pub use error::Error;
pub use keys::Keys;
pub use meter::{Meter, Usage};
pub use queues::Queue;
pub use receipts::ReceiptBook;
pub use store::Store;
pub use table::Table;
pub use vault::Vault;
