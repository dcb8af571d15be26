//! What the fuzz targets of the wires share.

#[path = "../../../tests/fuzz/driver.rs"]
mod driver;

use serde::de::DeserializeOwned;

pub(crate) use driver::{Target, drive};

/// The document, when it is one of this kind.
pub(crate) fn as_read<Wire: DeserializeOwned>(bytes: &[u8]) -> Option<Wire> {
    serde_json::from_slice(bytes).ok()
}
