//! One bank of the directory, as the rest of the house needs to know it.

use serde::{Deserialize, Serialize};

use crate::ids::InstitutionId;

/// A bank a person can choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Institution {
    /// Its id in the directory.
    pub id: InstitutionId,
    /// The name people know.
    pub name: String,
    /// Business identifier code, where published.
    #[serde(default)]
    pub bic: Option<String>,
    /// ISO 3166 country.
    pub country: String,
    /// The longest consent the bank grants, in days.
    pub max_consent_days: u16,
    /// Unattended accesses the bank allows in any 24 hours (RTS art. 36(5)(b): four unless agreed).
    pub unattended_per_day: u8,
}
