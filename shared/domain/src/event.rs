//! What a client is told about: past tense, ids, codes and dates, never bank data.
//!
//! An event is written in the same transaction as the change it speaks of, so it is neither lost nor
//! told of something that did not happen. It is delivered at least once; its id is derived from what
//! it is about, so a receiver drops what it has seen.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::connection::ReauthenticationReason;
use crate::consent::{Consent, RejectionReason};
use crate::ids::{ClientId, ConnectionId, ConsentId, CustomerReference, EventId, InstitutionId};
use crate::purpose::PurposeCode;
use crate::receipt::Actor;

/// What an event is about: the most telling ids there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The client it is told to.
    pub client: ClientId,
    /// The client's reference for the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerReference>,
    /// The consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentId>,
    /// The connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
}

impl About {
    /// A consent and the connection it feeds, if there is one yet.
    #[must_use]
    pub fn consent(consent: &Consent) -> Self {
        Self {
            client: consent.client.clone(),
            customer: Some(consent.customer.clone()),
            consent: Some(consent.id.clone()),
            connection: consent.connection().cloned(),
        }
    }

    fn parts(&self) -> [&str; 4] {
        [
            self.client.as_str(),
            self.customer.as_ref().map_or("", |id| id.as_str()),
            self.consent.as_ref().map_or("", |id| id.as_str()),
            self.connection.as_ref().map_or("", |id| id.as_str()),
        ]
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "details")]
pub enum EventKind {
    /// The person and the bank agreed.
    #[serde(rename = "consent.granted")]
    ConsentGranted {
        /// The bank.
        institution: InstitutionId,
        /// What is allowed.
        purposes: BTreeSet<PurposeCode>,
        /// The end of our consent.
        valid_until: Timestamp,
    },
    /// A consent that was asked for will not come.
    #[serde(rename = "consent.declined")]
    ConsentDeclined {
        /// Why not.
        reason: RejectionReason,
    },
    /// A consent ends soon. The event carries no link: `POST /v1/consents/{consent}/renewals` makes one.
    #[serde(rename = "consent.expiring")]
    ConsentExpiring {
        /// Days left: 30, 7 or 1.
        days_left: u16,
        /// The end.
        valid_until: Timestamp,
    },
    /// The time was up.
    #[serde(rename = "consent.expired")]
    ConsentExpired,
    /// It lasts longer, on the same connection.
    #[serde(rename = "consent.renewed")]
    ConsentRenewed {
        /// What is allowed now.
        purposes: BTreeSet<PurposeCode>,
        /// The new end.
        valid_until: Timestamp,
    },
    /// Purposes were taken back, others stay.
    #[serde(rename = "consent.narrowed")]
    ConsentNarrowed {
        /// What is no longer allowed: delete what only it justified.
        removed: BTreeSet<PurposeCode>,
        /// What still is.
        purposes: BTreeSet<PurposeCode>,
    },
    /// It is over before its time: delete what you hold.
    #[serde(rename = "consent.withdrawn")]
    ConsentWithdrawn {
        /// Who ended it.
        by: Actor,
    },
    /// The bank wants the person again: a renewal mends it.
    #[serde(rename = "connection.reauthentication-needed")]
    ReauthenticationNeeded {
        /// Why.
        reason: ReauthenticationReason,
    },
    /// Everything of a connection was erased here: erase your copies.
    #[serde(rename = "data.erased")]
    DataErased,
    /// A person asks for a link into self-care, from one that was used or is late. The event carries
    /// no link: `POST /v1/customers/{customer}/self-care-links` makes one, to be sent to the address
    /// the client knows.
    #[serde(rename = "self-care.link-requested")]
    SelfCareLinkRequested,
    /// What was learned about a person is new.
    #[serde(rename = "score.ready")]
    ScoreReady {
        /// The connections it was computed from.
        connections: BTreeSet<ConnectionId>,
    },
}

impl EventKind {
    /// The stable code of the kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ConsentGranted { .. } => "consent.granted",
            Self::ConsentDeclined { .. } => "consent.declined",
            Self::ConsentExpiring { .. } => "consent.expiring",
            Self::ConsentExpired => "consent.expired",
            Self::ConsentRenewed { .. } => "consent.renewed",
            Self::ConsentNarrowed { .. } => "consent.narrowed",
            Self::ConsentWithdrawn { .. } => "consent.withdrawn",
            Self::ReauthenticationNeeded { .. } => "connection.reauthentication-needed",
            Self::DataErased => "data.erased",
            Self::SelfCareLinkRequested => "self-care.link-requested",
            Self::ScoreReady { .. } => "score.ready",
        }
    }

    /// What tells two events of one kind about one change apart.
    fn distinction(&self) -> u16 {
        match self {
            Self::ConsentExpiring { days_left, .. } => *days_left,
            _ => 0,
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainEvent {
    /// Its id: the same event told twice has the same.
    pub id: EventId,
    /// What happened, with its details.
    #[serde(flatten)]
    pub kind: EventKind,
    /// What it is about.
    #[serde(flatten)]
    pub about: About,
    /// When it happened.
    pub at: Timestamp,
}

impl DomainEvent {
    /// An event about something, at a step of its life. `sequence` is the number that grows with each
    /// change of it: a consent's `version`, a connection's `seq`.
    #[must_use]
    pub fn new(about: About, sequence: u64, kind: EventKind, at: Timestamp) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in about.parts().into_iter().chain([kind.code()]) {
            // Lengths first, so that no two lists of texts read the same.
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            context.update(&length.to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(&sequence.to_be_bytes());
        context.update(&kind.distinction().to_be_bytes());
        let mut entropy = [0_u8; 16];
        for (target, source) in entropy.iter_mut().zip(context.finish().as_ref()) {
            *target = *source;
        }
        Self {
            id: EventId::from_entropy(entropy),
            kind,
            about,
            at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn about(client: &str, customer: &str) -> About {
        About {
            client: client.parse().unwrap(),
            customer: customer.parse().ok(),
            consent: None,
            connection: None,
        }
    }

    fn expiring(days_left: u16) -> EventKind {
        EventKind::ConsentExpiring {
            days_left,
            valid_until: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_event_reads_as_its_kind_what_it_is_about_and_its_details() {
        let event = DomainEvent::new(
            about("cli_demo", "customer-1"),
            3,
            expiring(7),
            Timestamp::UNIX_EPOCH,
        );
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["kind"], "consent.expiring");
        assert_eq!(json["details"]["days_left"], 7);
        assert_eq!(json["customer"], "customer-1");
        assert!(json.get("consent").is_none());
        assert_eq!(serde_json::from_value::<DomainEvent>(json).unwrap(), event);
    }

    proptest! {
        #[test]
        fn the_id_is_the_same_for_the_same_step_and_another_for_any_other(
            one in ("[a-z]{1,4}", "[a-z]{1,4}", 0_u64..5, 0_u16..3),
            other in ("[a-z]{1,4}", "[a-z]{1,4}", 0_u64..5, 0_u16..3),
            second in 0_i64..1_000_000,
        ) {
            let event = |(client, customer, sequence, days): &(String, String, u64, u16), at| {
                DomainEvent::new(about(client, customer), *sequence, expiring(*days), at)
            };
            let later = Timestamp::from_second(second).unwrap();
            let (left, right) = (event(&one, Timestamp::UNIX_EPOCH), event(&other, later));
            prop_assert_eq!(left.id == right.id, one == other);
        }
    }
}
