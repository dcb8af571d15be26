//! One bank of the directory, as the rest of the house needs to know it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::call_budget::{CallRule, Counting};
use crate::consent::BANK_MARGIN;
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
    /// What it counts them over.
    #[serde(default)]
    pub unattended_counting: Counting,
}

impl Institution {
    /// How many unattended accesses the bank allows, and over what it counts them.
    #[must_use]
    pub fn call_rule(&self) -> CallRule {
        CallRule::new(self.unattended_per_day, self.unattended_counting)
    }

    /// The last day to ask of the bank for a consent of ours that lasts so long: ours and the margin
    /// it needs, within the bank's own maximum.
    #[must_use]
    pub fn end_to_ask(&self, ours: SignedDuration, now: Timestamp) -> Date {
        let banks = SignedDuration::from_hours(24 * i64::from(self.max_consent_days));
        let wanted = ours.saturating_add(BANK_MARGIN);
        let end = now.checked_add(wanted.min(banks)).unwrap_or(now);
        end.to_zoned(TimeZone::UTC).date()
    }
}
