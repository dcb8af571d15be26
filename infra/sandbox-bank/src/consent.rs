//! A consent as the bank keeps it, whatever the façade it was asked through.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::berlin_group::Entrance;
use crate::state::SecretDigest;

/// How long a person has to approve.
pub(crate) const APPROVAL_TIME: SignedDuration = SignedDuration::from_mins(60);

/// How long the bank waits for a phone to confirm.
pub(crate) const CONFIRMATION_TIME: SignedDuration = SignedDuration::from_mins(5);

/// The longest consent: 180 days after the SCA (RTS 2018/389 art. 10a).
pub(crate) const MAX_DAYS: i64 = 180;

/// Until when after the SCA the whole history is served.
pub(crate) const FULL_HISTORY_TIME: SignedDuration = SignedDuration::from_mins(15);

/// How far back movements are served later on.
pub(crate) const HISTORY_DAYS: i64 = 90;

/// Unattended accesses to one resource in any 24 hours, at most (RTS 2018/389 art. 36(5)(b)).
pub(crate) const MAX_FREQUENCY: u8 = 4;

/// The façade a consent was asked through. Its tokens open no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// Berlin Group NextGenPSD2 1.3.
    BerlinGroup,
    /// STET 1.4, model A1: everything the person opened is readable at once.
    Stet14,
    /// STET 1.6, model A2: the third party forwards which accounts it was allowed to read.
    Stet16,
    /// The aggregator's API, which reads the bank for others.
    Powens,
}

/// Where a consent stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub(crate) enum ConsentStatus {
    /// Nobody approved it yet.
    Received,
    /// A person opened accounts.
    Valid {
        person: String,
        accounts: Vec<String>,
        approved_at: Timestamp,
    },
    /// The person refused, or never came.
    Rejected,
    /// The person took it back at the bank.
    RevokedByPsu,
    /// The third party ended it.
    TerminatedByTpp,
    /// The same person gave the same third party another one.
    Superseded,
}

/// The status as the outside sees it, time included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VisibleStatus {
    Received,
    Valid,
    Rejected,
    Expired,
    RevokedByPsu,
    TerminatedByTpp,
}

impl VisibleStatus {
    /// The Berlin Group name.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Valid => "valid",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::RevokedByPsu => "revokedByPsu",
            Self::TerminatedByTpp => "terminatedByTpp",
        }
    }
}

/// A consent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BankConsent {
    #[serde(flatten)]
    pub(crate) status: ConsentStatus,
    pub(crate) dialect: Dialect,
    pub(crate) created_at: Timestamp,
    /// Inclusive, in the bank's calendar.
    pub(crate) valid_until: Date,
    pub(crate) recurring: bool,
    pub(crate) frequency_per_day: u8,
    /// Whether the holder's name was asked for.
    pub(crate) owner_name: bool,
    /// Where the person goes back to, compared to the letter.
    pub(crate) redirect_uri: String,
    pub(crate) last_action: Date,
    /// Who asks: known once the person was sent to the authorisation pages.
    pub(crate) client_id: Option<String>,
    /// STET model A2: the accounts the third party said it may read (`PUT /consents`).
    pub(crate) forwarded: Option<Vec<String>>,
    /// How it was opened.
    #[serde(default)]
    pub(crate) opening: Opening,
}

/// Who a certificate names, where certificates are demanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ThirdParty(pub(crate) String);

impl BankConsent {
    /// Who it was given to, as far as that is known: from the certificate it was opened with, or from the
    /// authorisation.
    pub(crate) fn third_party(&self) -> Option<&str> {
        let opened_by = self.opening.third_party.as_deref();
        opened_by.or(self.client_id.as_deref())
    }
}

/// How a consent was opened, and what its approval waits for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) entrance: Entrance,
    /// Whose certificate it was opened with, where certificates are demanded.
    #[serde(default)]
    pub(crate) third_party: Option<String>,
    /// Whether balances and transactions were asked for, or accounts alone (Q39).
    pub(crate) accounts_only: bool,
    /// OAuth pre-step: the login that stands behind the token, and behind the consents it opens.
    pub(crate) login: Option<String>,
    /// Approved, and waiting for the confirmation code.
    pub(crate) unconfirmed: Option<Unconfirmed>,
    /// Since when the person's phone is asked to confirm: only where nobody answers it.
    #[serde(default)]
    pub(crate) phone_asked_at: Option<Timestamp>,
    /// What the person types into their phone (decoupled).
    pub(crate) phone_code: Option<String>,
}

/// An approval that counts once its code is confirmed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unconfirmed {
    pub(crate) code: SecretDigest,
    pub(crate) person: String,
    pub(crate) accounts: Vec<String>,
    pub(crate) approved_at: Timestamp,
}

impl BankConsent {
    /// The status as the outside sees it at a moment.
    pub(crate) fn visible_status(&self, now: Timestamp, today: Date) -> VisibleStatus {
        match self.status {
            ConsentStatus::Received if self.has_waited_enough(now) => VisibleStatus::Rejected,
            ConsentStatus::Received => VisibleStatus::Received,
            ConsentStatus::Valid { .. } if today > self.valid_until => VisibleStatus::Expired,
            ConsentStatus::Valid { .. } => VisibleStatus::Valid,
            ConsentStatus::Rejected => VisibleStatus::Rejected,
            ConsentStatus::RevokedByPsu => VisibleStatus::RevokedByPsu,
            ConsentStatus::TerminatedByTpp => VisibleStatus::TerminatedByTpp,
            // A newer consent expires the former one (1.3.11, `POST /v1/consents`, side effects).
            ConsentStatus::Superseded => VisibleStatus::Expired,
        }
    }

    /// Whether the bank no longer waits for the person, or for their phone.
    fn has_waited_enough(&self, now: Timestamp) -> bool {
        let asked_at = self.opening.phone_asked_at;
        now.duration_since(self.created_at) > APPROVAL_TIME
            || asked_at.is_some_and(|at| now.duration_since(at) >= CONFIRMATION_TIME)
    }
}

/// The last day the bank grants when another one is asked for.
pub(crate) fn granted_until(asked: Date, today: Date) -> Date {
    let longest = today.checked_add(MAX_DAYS.days()).unwrap_or(Date::MAX);
    asked.min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consent(status: ConsentStatus) -> BankConsent {
        BankConsent {
            status,
            dialect: Dialect::BerlinGroup,
            created_at: "2026-11-22T12:00:00Z".parse().unwrap(),
            valid_until: Date::constant(2026, 12, 31),
            recurring: true,
            frequency_per_day: 4,
            owner_name: true,
            redirect_uri: String::new(),
            last_action: Date::constant(2026, 11, 22),
            client_id: None,
            forwarded: None,
            opening: Opening::default(),
        }
    }

    fn seen(status: ConsentStatus, now: &str, today: Date) -> &'static str {
        consent(status)
            .visible_status(now.parse().unwrap(), today)
            .code()
    }

    #[test]
    fn the_last_day_is_inclusive() {
        let valid = || ConsentStatus::Valid {
            person: "a".to_owned(),
            accounts: vec![],
            approved_at: "2026-11-22T12:05:00Z".parse().unwrap(),
        };
        let now = "2026-12-31T12:00:00Z";
        assert_eq!(seen(valid(), now, Date::constant(2026, 12, 31)), "valid");
        assert_eq!(seen(valid(), now, Date::constant(2027, 1, 1)), "expired");
    }

    #[test]
    fn a_person_who_never_comes_is_a_refusal() {
        let today = Date::constant(2026, 11, 22);
        let received = ConsentStatus::Received;
        assert_eq!(
            seen(received.clone(), "2026-11-22T13:00:00Z", today),
            "received"
        );
        assert_eq!(seen(received, "2026-11-22T13:00:01Z", today), "rejected");
    }

    #[test]
    fn the_bank_shortens_what_is_too_long() {
        let today = Date::constant(2026, 11, 22);
        assert_eq!(granted_until(Date::MAX, today), Date::constant(2027, 5, 21));
        assert_eq!(granted_until(today, today), today);
    }
}
