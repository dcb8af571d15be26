//! The PSU's permission and its life.
//!
//! Berlin Group vocabulary plus our purposes. The machine is total: every event on every state is
//! either a new state or a refusal with a reason, and terminal states never move again. Two clocks:
//! the bank's own limit and our consent, which never outlasts it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, ConnectionId, ConsentId, CustomerReference, InstitutionId};
use crate::locale::Locale;
use crate::purpose::PurposeCode;

/// How long a consent lasts unless the client's policy says less.
pub const DEFAULT_DURATION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Taken off the bank's limit, so that our last read never meets its end.
pub const BANK_MARGIN: SignedDuration = SignedDuration::from_hours(24);

/// How long a journey link can be opened.
pub const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A purpose the client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedPurpose {
    /// Its code in the client's catalogue.
    pub code: PurposeCode,
    /// Whether the journey makes no sense without it.
    pub required: bool,
}

/// Where a consent stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub enum ConsentState {
    /// The person has the link; nothing is allowed yet.
    Received {
        /// Until when the link can be used.
        link_expires_at: Timestamp,
        /// The bank chosen so far.
        institution: Option<InstitutionId>,
        /// The purposes switched on so far; `None` before the question was answered.
        chosen: Option<BTreeSet<PurposeCode>>,
    },
    /// The person and the bank agreed.
    Valid {
        /// The bank.
        institution: InstitutionId,
        /// The connection it feeds.
        connection: ConnectionId,
        /// What is allowed.
        granted: BTreeSet<PurposeCode>,
        /// When it was granted.
        granted_at: Timestamp,
        /// The end of our consent: nothing is read or served from then on.
        valid_until: Timestamp,
        /// The end of the bank's own authorisation, as the bank answered it.
        bank_valid_until: Timestamp,
    },
    /// The person said no, or the link was never used.
    Rejected {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RejectionReason,
    },
    /// The time was up.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The person withdrew it.
    RevokedByPsu {
        /// When.
        at: Timestamp,
    },
    /// The client or the operator ended it.
    TerminatedByTpp {
        /// When.
        at: Timestamp,
    },
}

/// Why a consent never became valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectionReason {
    /// The person declined on our page.
    Declined,
    /// The link was not used in time.
    LinkExpired,
}

impl ConsentState {
    /// The Berlin Group name of the state.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Received { .. } => "received",
            Self::Valid { .. } => "valid",
            Self::Rejected { .. } => "rejected",
            Self::Expired { .. } => "expired",
            Self::RevokedByPsu { .. } => "revokedByPsu",
            Self::TerminatedByTpp { .. } => "terminatedByTpp",
        }
    }

    /// Whether nothing can happen to the consent any more.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Received { .. } | Self::Valid { .. } => false,
            Self::Rejected { .. }
            | Self::Expired { .. }
            | Self::RevokedByPsu { .. }
            | Self::TerminatedByTpp { .. } => true,
        }
    }
}

/// Something that happens to a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentEvent {
    /// The person picked a bank.
    InstitutionChosen(InstitutionId),
    /// The person answered the purposes question.
    PurposesChosen(BTreeSet<PurposeCode>),
    /// The person declined.
    Declined,
    /// The bank made its authorisation valid.
    BankAuthorised {
        /// The connection that now exists.
        connection: ConnectionId,
        /// The end the bank answered.
        bank_valid_until: Timestamp,
    },
    /// The person takes purposes back; the last one withdraws the consent.
    Narrowed(PurposeCode),
    /// The person withdraws.
    Withdrawn,
    /// The client or the operator ends it.
    Terminated,
    /// Time passed.
    Ticked,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentRefusal {
    /// The consent is over.
    #[error("the consent has ended")]
    Ended,
    /// The link's time is up.
    #[error("the link has expired")]
    LinkExpired,
    /// The event makes sense in another state only.
    #[error("this step does not fit where the consent stands")]
    OutOfOrder,
    /// A purpose was switched on that was never asked for.
    #[error("a purpose that was not asked for cannot be granted")]
    PurposeNotRequested,
    /// A required purpose is off.
    #[error("a required purpose was not granted")]
    RequiredPurposeMissing,
    /// The bank's authorisation ends too soon to be of use.
    #[error("the bank's authorisation ends at once")]
    BankLimitTooShort,
}

/// The PSU's permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// The client it is given to.
    pub client: ClientId,
    /// The client's reference for the person.
    pub customer: CustomerReference,
    /// What the client asks for.
    pub requested: Vec<RequestedPurpose>,
    /// How long it should last, at most.
    pub duration: SignedDuration,
    /// The language of the pages.
    pub locale: Locale,
    /// The name the person knows the client by; the client's id where it gave none.
    pub brand: Option<String>,
    /// Where the person goes at the end: an address of the client's.
    pub return_url: Option<String>,
    /// When the client opened it.
    pub created_at: Timestamp,
    /// Where it stands.
    #[serde(flatten)]
    pub state: ConsentState,
    /// Grows with each change: a writer that saw an older one is refused.
    pub version: u64,
}

impl Consent {
    /// Applies an event.
    ///
    /// # Errors
    /// [`ConsentRefusal`] when the event does not fit; the consent is then unchanged.
    pub fn apply(&self, event: ConsentEvent, now: Timestamp) -> Result<Self, ConsentRefusal> {
        let state = match &self.state {
            ConsentState::Received {
                link_expires_at,
                institution,
                chosen,
            } => self.while_received(event, now, *link_expires_at, institution, chosen)?,
            ConsentState::Valid {
                granted,
                valid_until,
                ..
            } => self.while_valid(event, now, granted, *valid_until)?,
            ConsentState::Rejected { .. }
            | ConsentState::Expired { .. }
            | ConsentState::RevokedByPsu { .. }
            | ConsentState::TerminatedByTpp { .. } => return Err(ConsentRefusal::Ended),
        };
        Ok(Self {
            state,
            version: self.version + 1,
            ..self.clone()
        })
    }

    fn while_received(
        &self,
        event: ConsentEvent,
        now: Timestamp,
        link_expires_at: Timestamp,
        institution: &Option<InstitutionId>,
        chosen: &Option<BTreeSet<PurposeCode>>,
    ) -> Result<ConsentState, ConsentRefusal> {
        let expired = now >= link_expires_at;
        match event {
            ConsentEvent::Ticked if expired => Ok(ConsentState::Rejected {
                at: now,
                reason: RejectionReason::LinkExpired,
            }),
            ConsentEvent::Terminated => Ok(ConsentState::TerminatedByTpp { at: now }),
            ConsentEvent::Declined => Ok(ConsentState::Rejected {
                at: now,
                reason: RejectionReason::Declined,
            }),
            // Somebody who is at the bank when the link ends is not sent away.
            ConsentEvent::BankAuthorised {
                connection,
                bank_valid_until,
            } => {
                let (Some(institution), Some(granted)) = (institution, chosen) else {
                    return Err(ConsentRefusal::OutOfOrder);
                };
                Ok(ConsentState::Valid {
                    institution: institution.clone(),
                    connection,
                    granted: granted.clone(),
                    granted_at: now,
                    valid_until: self.valid_until(now, bank_valid_until)?,
                    bank_valid_until,
                })
            }
            _ if expired => Err(ConsentRefusal::LinkExpired),
            ConsentEvent::InstitutionChosen(institution) => Ok(ConsentState::Received {
                link_expires_at,
                institution: Some(institution),
                chosen: chosen.clone(),
            }),
            ConsentEvent::PurposesChosen(chosen) => {
                self.check_choice(&chosen)?;
                Ok(ConsentState::Received {
                    link_expires_at,
                    institution: institution.clone(),
                    chosen: Some(chosen),
                })
            }
            ConsentEvent::Narrowed(_) | ConsentEvent::Withdrawn | ConsentEvent::Ticked => {
                Err(ConsentRefusal::OutOfOrder)
            }
        }
    }

    fn while_valid(
        &self,
        event: ConsentEvent,
        now: Timestamp,
        granted: &BTreeSet<PurposeCode>,
        valid_until: Timestamp,
    ) -> Result<ConsentState, ConsentRefusal> {
        match event {
            ConsentEvent::Withdrawn => Ok(ConsentState::RevokedByPsu { at: now }),
            ConsentEvent::Terminated => Ok(ConsentState::TerminatedByTpp { at: now }),
            ConsentEvent::Ticked if now >= valid_until => Ok(ConsentState::Expired { at: now }),
            ConsentEvent::Narrowed(code) if granted.contains(&code) => {
                let mut kept = granted.clone();
                kept.remove(&code);
                if kept.is_empty() {
                    return Ok(ConsentState::RevokedByPsu { at: now });
                }
                let mut state = self.state.clone();
                if let ConsentState::Valid { granted, .. } = &mut state {
                    *granted = kept;
                }
                Ok(state)
            }
            ConsentEvent::Narrowed(_) => Err(ConsentRefusal::PurposeNotRequested),
            ConsentEvent::Ticked
            | ConsentEvent::Declined
            | ConsentEvent::InstitutionChosen(_)
            | ConsentEvent::PurposesChosen(_)
            | ConsentEvent::BankAuthorised { .. } => Err(ConsentRefusal::OutOfOrder),
        }
    }

    fn check_choice(&self, chosen: &BTreeSet<PurposeCode>) -> Result<(), ConsentRefusal> {
        let asked: BTreeSet<&PurposeCode> =
            self.requested.iter().map(|asked| &asked.code).collect();
        if chosen.iter().any(|code| !asked.contains(code)) {
            return Err(ConsentRefusal::PurposeNotRequested);
        }
        let missing = self
            .requested
            .iter()
            .any(|ask| ask.required && !chosen.contains(&ask.code));
        if missing || chosen.is_empty() {
            return Err(ConsentRefusal::RequiredPurposeMissing);
        }
        Ok(())
    }

    /// `min(policy, bank's limit − margin)`.
    fn valid_until(
        &self,
        now: Timestamp,
        bank_valid_until: Timestamp,
    ) -> Result<Timestamp, ConsentRefusal> {
        let ours = now
            .checked_add(self.duration.min(DEFAULT_DURATION))
            .unwrap_or(Timestamp::MAX);
        let banks = bank_valid_until
            .checked_sub(BANK_MARGIN)
            .unwrap_or(Timestamp::MIN);
        let end = ours.min(banks);
        if end <= now {
            Err(ConsentRefusal::BankLimitTooShort)
        } else {
            Ok(end)
        }
    }

    /// Whether a purpose may be served at a moment. This is the only question a read asks.
    #[must_use]
    pub fn allows(&self, purpose: &PurposeCode, now: Timestamp) -> bool {
        match &self.state {
            ConsentState::Valid {
                granted,
                valid_until,
                ..
            } => now < *valid_until && granted.contains(purpose),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(text: &str) -> PurposeCode {
        text.parse().unwrap()
    }

    fn received() -> Consent {
        Consent {
            id: ConsentId::from_entropy([1; 16]),
            client: "cli_demo".parse().unwrap(),
            customer: "customer-1".parse().unwrap(),
            requested: vec![
                RequestedPurpose {
                    code: code("quote"),
                    required: true,
                },
                RequestedPurpose {
                    code: code("advice"),
                    required: false,
                },
            ],
            duration: DEFAULT_DURATION,
            locale: Locale::Fr,
            brand: None,
            return_url: None,
            created_at: Timestamp::UNIX_EPOCH,
            state: ConsentState::Received {
                link_expires_at: at(24),
                institution: None,
                chosen: None,
            },
            version: 1,
        }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH
            .checked_add(SignedDuration::from_hours(hours))
            .unwrap()
    }

    fn valid() -> Consent {
        let chosen = BTreeSet::from([code("quote"), code("advice")]);
        received()
            .apply(
                ConsentEvent::InstitutionChosen("sandbox".parse().unwrap()),
                at(1),
            )
            .and_then(|consent| consent.apply(ConsentEvent::PurposesChosen(chosen), at(1)))
            .and_then(|consent| {
                consent.apply(
                    ConsentEvent::BankAuthorised {
                        connection: ConnectionId::from_entropy([2; 16]),
                        bank_valid_until: at(180 * 24),
                    },
                    at(2),
                )
            })
            .unwrap()
    }

    #[test]
    fn our_consent_never_outlasts_the_banks() {
        let chosen = BTreeSet::from([code("quote")]);
        let consent = received()
            .apply(
                ConsentEvent::InstitutionChosen("sandbox".parse().unwrap()),
                at(1),
            )
            .and_then(|consent| consent.apply(ConsentEvent::PurposesChosen(chosen), at(1)))
            .and_then(|consent| {
                consent.apply(
                    ConsentEvent::BankAuthorised {
                        connection: ConnectionId::from_entropy([2; 16]),
                        bank_valid_until: at(30 * 24),
                    },
                    at(2),
                )
            })
            .unwrap();
        assert!(consent.allows(&code("quote"), at(29 * 24 - 1)));
        assert!(!consent.allows(&code("quote"), at(29 * 24)));
    }

    #[test]
    fn a_refused_required_purpose_is_a_refusal_not_a_grant() {
        let only_optional = BTreeSet::from([code("advice")]);
        assert_eq!(
            received().apply(ConsentEvent::PurposesChosen(only_optional), at(1)),
            Err(ConsentRefusal::RequiredPurposeMissing)
        );
    }

    #[test]
    fn an_expired_link_takes_no_more_choices_and_ends_at_the_next_tick() {
        let choice = ConsentEvent::InstitutionChosen("sandbox".parse().unwrap());
        assert_eq!(
            received().apply(choice, at(24)),
            Err(ConsentRefusal::LinkExpired)
        );
        let ended = received().apply(ConsentEvent::Ticked, at(24)).unwrap();
        assert_eq!(ended.state.code(), "rejected");
    }

    #[test]
    fn narrowing_the_last_purpose_withdraws_the_consent() {
        let narrowed = valid()
            .apply(ConsentEvent::Narrowed(code("advice")), at(3))
            .unwrap();
        assert!(!narrowed.allows(&code("advice"), at(3)));
        assert!(narrowed.allows(&code("quote"), at(3)));
        let ended = narrowed
            .apply(ConsentEvent::Narrowed(code("quote")), at(4))
            .unwrap();
        assert_eq!(ended.state.code(), "revokedByPsu");
    }

    fn any_event() -> impl Strategy<Value = ConsentEvent> {
        let purposes = proptest::collection::btree_set(
            prop_oneof![
                Just(code("quote")),
                Just(code("advice")),
                Just(code("claims"))
            ],
            0..3,
        );
        prop_oneof![
            Just(ConsentEvent::InstitutionChosen("sandbox".parse().unwrap())),
            purposes.prop_map(ConsentEvent::PurposesChosen),
            Just(ConsentEvent::Declined),
            (1_i64..200).prop_map(|days| ConsentEvent::BankAuthorised {
                connection: ConnectionId::from_entropy([2; 16]),
                bank_valid_until: at(days * 24),
            }),
            prop_oneof![Just(code("quote")), Just(code("advice"))].prop_map(ConsentEvent::Narrowed),
            Just(ConsentEvent::Withdrawn),
            Just(ConsentEvent::Terminated),
            Just(ConsentEvent::Ticked),
        ]
    }

    proptest! {
        #[test]
        fn no_sequence_of_events_leaves_a_terminal_state_or_serves_past_the_end(
            events in proptest::collection::vec((any_event(), 0_i64..30 * 24), 0..30)
        ) {
            let mut consent = received();
            let mut now = 0;
            for (event, hours) in events {
                now += hours;
                let before = consent.clone();
                match consent.apply(event, at(now)) {
                    Ok(next) => {
                        prop_assert!(!before.state.is_terminal());
                        prop_assert_eq!(next.version, before.version + 1);
                        consent = next;
                    }
                    Err(_) => prop_assert_eq!(&before, &consent),
                }
                if let ConsentState::Valid { granted, valid_until, bank_valid_until, granted_at, .. } =
                    &consent.state
                {
                    prop_assert!(valid_until < bank_valid_until);
                    prop_assert!(valid_until.duration_since(*granted_at) <= DEFAULT_DURATION);
                    for purpose in granted {
                        prop_assert!(!consent.allows(purpose, *valid_until));
                    }
                }
            }
        }
    }
}
