//! Where a connection stands at the aggregator, and what that means for us.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::bank_day;
use crate::connector::{BankConsent, BankConsentEnd};
use crate::error::{BankCode, BankError};
use crate::wire::LooseText;

/// The longest a connection lives after the SCA (RTS 2018/389 art. 10a), where the aggregator does
/// not say.
const LIFE_AFTER_SCA: SignedDuration = SignedDuration::from_hours(180 * 24);

/// `GET /users/me/connections`.
#[derive(Debug, Deserialize)]
pub(crate) struct ConnectionList {
    connections: Vec<WireConnection>,
}

#[derive(Debug, Deserialize)]
struct WireConnection {
    #[serde(default)]
    id: LooseText,
    #[serde(default)]
    state: LooseText,
    /// The former name of `state`.
    #[serde(default)]
    error: LooseText,
    #[serde(default)]
    active: Value,
    #[serde(default)]
    last_update: LooseText,
    #[serde(default)]
    expire: LooseText,
}

/// How a connection stands. The order is how much of it can be used: the least is best.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// What is served is what the bank said at the last reading.
    Fresh,
    /// The bank was never read to the end yet.
    NotReadYet,
    /// The aggregator's calls are limited at the bank.
    RateLimited,
    /// The bank is away, or the aggregator cannot read it at the moment.
    Away,
    /// The person is confirming right now, on their phone or on the page.
    Waiting,
    /// The bank wants its strong authentication again.
    ScaRequired(&'static str),
    /// The bank wants something from the person: a password, a message read, a document accepted.
    ActionNeeded(&'static str),
    /// No longer kept up to date.
    Inactive,
}

impl WireConnection {
    fn standing(&self) -> Standing {
        let state = [&self.state, &self.error]
            .into_iter()
            .filter_map(LooseText::text)
            .find(|state| *state != "null");
        match state {
            _ if self.active == Value::Bool(false) => Standing::Inactive,
            None if self.last_update.text().is_none() => Standing::NotReadYet,
            None => Standing::Fresh,
            Some("SCARequired") => Standing::ScaRequired("SCARequired"),
            Some("webauthRequired") => Standing::ScaRequired("webauthRequired"),
            Some("wrongpass") => Standing::ActionNeeded("wrongpass"),
            Some("passwordExpired") => Standing::ActionNeeded("passwordExpired"),
            Some("actionNeeded") => Standing::ActionNeeded("actionNeeded"),
            Some("additionalInformationNeeded") => {
                Standing::ActionNeeded("additionalInformationNeeded")
            }
            Some("decoupled" | "validating") => Standing::Waiting,
            Some("rateLimiting") => Standing::RateLimited,
            // `websiteUnavailable`, `bug`, and what a later version may call it: nothing was lost,
            // and what is served is old.
            Some(_) => Standing::Away,
        }
    }
}

impl Standing {
    fn refusal(&self) -> BankError {
        match self {
            Self::Fresh | Self::NotReadYet | Self::Waiting => BankError::NotReadYet,
            Self::RateLimited => BankError::RateLimited { retry_after: None },
            Self::Away => BankError::Unavailable { status: 503 },
            Self::ScaRequired(code) => BankError::ConsentEnded {
                code: BankCode::new(code),
            },
            Self::ActionNeeded(code) => BankError::Blocked {
                code: BankCode::new(code),
            },
            Self::Inactive => BankError::ConsentEnded {
                code: BankCode::new("inactive"),
            },
        }
    }
}

impl ConnectionList {
    /// The connections whose data is what the bank says.
    ///
    /// # Errors
    /// What keeps the best of them from being read: never stale data instead.
    pub(crate) fn readable(&self) -> Result<BTreeSet<String>, BankError> {
        let fresh: BTreeSet<String> = self
            .connections
            .iter()
            .filter(|connection| connection.standing() == Standing::Fresh)
            .filter_map(|connection| connection.id.text().map(str::to_owned))
            .collect();
        if !fresh.is_empty() {
            return Ok(fresh);
        }
        let best = self.connections.iter().map(WireConnection::standing).min();
        Err(best.map_or_else(
            || BankError::ConsentEnded {
                code: BankCode::new("no_connection"),
            },
            |standing| standing.refusal(),
        ))
    }

    /// Where the consent stands: as good as the best connection.
    pub(crate) fn consent(&self, authorised_at: Timestamp, today: Date) -> BankConsent {
        let best = self
            .connections
            .iter()
            .min_by_key(|connection| connection.standing());
        let Some(best) = best else {
            return BankConsent::Ended(BankConsentEnd::Unknown);
        };
        match best.standing() {
            Standing::Waiting => BankConsent::Pending,
            Standing::ScaRequired(_) => BankConsent::Ended(BankConsentEnd::Expired),
            Standing::ActionNeeded(_) => BankConsent::Ended(BankConsentEnd::Rejected),
            Standing::Inactive => BankConsent::Ended(BankConsentEnd::Unknown),
            // The bank's absence takes nothing back.
            Standing::Fresh | Standing::NotReadYet | Standing::RateLimited | Standing::Away => {
                let valid_until = best.ends_at(authorised_at);
                if bank_day::day_at(valid_until) < today {
                    BankConsent::Ended(BankConsentEnd::Expired)
                } else {
                    BankConsent::Valid { valid_until }
                }
            }
        }
    }
}

impl WireConnection {
    fn ends_at(&self, authorised_at: Timestamp) -> Timestamp {
        let longest = authorised_at
            .checked_add(LIFE_AFTER_SCA)
            .unwrap_or(Timestamp::MAX);
        let told = self.expire.text().and_then(bank_day::read_local_moment);
        told.map_or(longest, |end| end.min(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const TODAY: Date = Date::constant(2026, 11, 22);

    fn list(connections: Value) -> ConnectionList {
        serde_json::from_value(json!({ "connections": connections, "total": 1 })).unwrap()
    }

    fn one(state: Value) -> ConnectionList {
        list(json!([{"id": 7, "state": state, "active": true,
            "last_update": "2026-11-22 06:12:00", "expire": "2027-05-21 09:30:00", "fields": []}]))
    }

    fn authorised_at() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn each_state_is_one_action() {
        let refusal = |state: &str| one(json!(state)).readable().unwrap_err();
        for state in [
            "SCARequired",
            "webauthRequired",
            "wrongpass",
            "passwordExpired",
            "actionNeeded",
            "additionalInformationNeeded",
        ] {
            let error = refusal(state);
            assert!(
                error.needs_psu().is_some() && !error.is_retryable(),
                "{state}"
            );
            let consent = one(json!(state)).consent(authorised_at(), TODAY);
            assert!(matches!(consent, BankConsent::Ended(_)), "{state}");
        }
        for state in [
            "websiteUnavailable",
            "bug",
            "aStateOfTomorrow",
            "rateLimiting",
        ] {
            let error = refusal(state);
            assert!(
                error.is_retryable() && error.needs_psu().is_none(),
                "{state}"
            );
            assert_eq!(error.rate_limited(), state == "rateLimiting");
            let consent = one(json!(state)).consent(authorised_at(), TODAY);
            assert!(matches!(consent, BankConsent::Valid { .. }), "{state}");
        }
        for state in ["decoupled", "validating"] {
            assert!(refusal(state).is_retryable(), "{state}");
            let consent = one(json!(state)).consent(authorised_at(), TODAY);
            assert_eq!(consent, BankConsent::Pending, "{state}");
        }
    }

    #[test]
    fn a_healthy_connection_is_read_and_ends_when_the_aggregator_says_in_paris_time() {
        for state in [json!(null), json!("null"), json!("")] {
            let healthy = one(state);
            assert_eq!(
                healthy.readable().unwrap(),
                BTreeSet::from(["7".to_owned()])
            );
            assert_eq!(
                healthy.consent(authorised_at(), TODAY),
                BankConsent::Valid {
                    valid_until: "2027-05-21T07:30:00Z".parse().unwrap()
                }
            );
        }
    }

    #[test]
    fn a_bank_that_was_never_read_to_the_end_is_not_an_empty_bank() {
        let first = list(json!([{"id": 7, "state": null, "last_update": null}]));
        let error = first.readable().unwrap_err();
        assert!(matches!(error, BankError::NotReadYet) && error.is_retryable());
        assert!(matches!(
            first.consent(authorised_at(), TODAY),
            BankConsent::Valid { .. }
        ));
    }

    #[test]
    fn one_dead_connection_does_not_end_the_others() {
        let mixed = list(json!([
            {"id": 1, "state": "wrongpass", "last_update": "2026-11-01 00:00:00"},
            {"id": 2, "state": null, "last_update": "2026-11-22 00:00:00"},
            {"id": 3, "state": null, "active": false, "last_update": "2026-11-22 00:00:00"}
        ]));
        assert_eq!(mixed.readable().unwrap(), BTreeSet::from(["2".to_owned()]));
    }

    #[test]
    fn a_user_without_connections_has_no_consent() {
        let none = list(json!([]));
        assert!(none.readable().unwrap_err().needs_psu().is_some());
        assert_eq!(
            none.consent(authorised_at(), TODAY),
            BankConsent::Ended(BankConsentEnd::Unknown)
        );
    }

    #[test]
    fn without_or_beyond_the_aggregators_date_the_law_decides() {
        for expire in [json!(null), json!("2029-01-01 00:00:00"), json!("soon")] {
            let open = list(json!([{"id": 1, "last_update": "x", "expire": expire}]));
            let valid_until = "2027-05-21T10:00:00Z".parse().unwrap();
            assert_eq!(
                open.consent(authorised_at(), TODAY),
                BankConsent::Valid { valid_until }
            );
        }
        let over = list(json!([{"id": 1, "last_update": "x", "expire": "2026-11-20 00:00:00"}]));
        assert_eq!(
            over.consent(authorised_at(), TODAY),
            BankConsent::Ended(BankConsentEnd::Expired)
        );
    }

    proptest! {
        #[test]
        fn no_list_makes_it_panic(text in ".{0,40}", number: i64) {
            for inner in [json!(text), json!(number), json!([text]), json!({"a": text})] {
                let document = json!({"connections": [{"id": inner, "state": inner,
                    "active": inner, "last_update": inner, "expire": inner}]});
                if let Ok(list) = serde_json::from_value::<ConnectionList>(document) {
                    let _ = list.readable();
                    let _ = list.consent(authorised_at(), TODAY);
                }
            }
        }
    }
}
