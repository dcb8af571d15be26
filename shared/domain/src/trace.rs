//! What a change of a consent leaves behind: one receipt where something was granted, and the events
//! a client is told. Decided here, from the two states alone, so that no way of changing a consent
//! can forget it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::consent::{Consent, ConsentState, RejectionReason};
use crate::event::{About, DomainEvent, EventKind};
use crate::ids::{ConnectionId, InstitutionId};
use crate::purpose::PurposeCode;
use crate::receipt::{Act, Actor, Entry, Terms};

/// What is written together with a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The receipt to append, if the change is one that gets one.
    pub receipt: Option<Entry>,
    /// What the client is told.
    pub events: Vec<DomainEvent>,
}

/// Whom and what a valid consent ties together.
struct Bond<'a> {
    institution: &'a InstitutionId,
    connection: &'a ConnectionId,
    granted: &'a BTreeSet<PurposeCode>,
    renewed_at: Option<Timestamp>,
    valid_until: Timestamp,
    bank_valid_until: Timestamp,
    warned: Option<u16>,
}

impl<'a> Bond<'a> {
    fn of(consent: &'a Consent) -> Option<Self> {
        match &consent.state {
            ConsentState::Valid {
                institution,
                connection,
                granted,
                renewed_at,
                valid_until,
                bank_valid_until,
                warned,
                ..
            } => Some(Self {
                institution,
                connection,
                granted,
                renewed_at: *renewed_at,
                valid_until: *valid_until,
                bank_valid_until: *bank_valid_until,
                warned: *warned,
            }),
            _ => None,
        }
    }

    fn terms(&self, consent: &Consent) -> Terms {
        let granted = consent.requested.iter();
        Terms {
            locale: consent.locale,
            journey_text: consent.journey_text.clone(),
            purposes: granted
                .filter(|asked| self.granted.contains(&asked.code))
                .cloned()
                .collect(),
            valid_until: self.valid_until,
            bank_valid_until: self.bank_valid_until,
            provider: consent.provider.clone(),
        }
    }
}

impl Trace {
    /// What the change from `before` to `after` leaves behind, done by `actor` at `now`.
    #[must_use]
    pub fn of(before: &Consent, after: &Consent, actor: Actor, now: Timestamp) -> Self {
        match (Bond::of(before), Bond::of(after)) {
            (None, None) => Self::told(after, never_granted(after, actor), now),
            (None, Some(bond)) => {
                let kind = EventKind::ConsentGranted {
                    institution: bond.institution.clone(),
                    purposes: bond.granted.clone(),
                    valid_until: bond.valid_until,
                };
                let act = Act::Granted(bond.terms(after));
                Self::recorded(after, &bond, actor, act, kind, now)
            }
            (Some(old), Some(new)) => match changed(&old, &new, after) {
                Some((act, kind)) => Self::recorded(after, &new, actor, act, kind, now),
                None => Self::told(after, warned(&old, &new), now),
            },
            (Some(bond), None) => {
                let (act, kind) = match &after.state {
                    ConsentState::Expired { .. } => (Act::Expired, EventKind::ConsentExpired),
                    _ => (Act::Withdrawn, EventKind::ConsentWithdrawn { by: actor }),
                };
                Self::recorded(after, &bond, actor, act, kind, now)
            }
        }
    }

    /// What the destruction of a connection's data key leaves behind. `sequence` is the number that
    /// makes this erasure another one than any before.
    #[must_use]
    pub fn of_erasure(
        consent: &Consent,
        connection: &ConnectionId,
        institution: &InstitutionId,
        sequence: u64,
        now: Timestamp,
    ) -> Self {
        let act = Act::Erased {
            destroyed_key_of: connection.clone(),
            destroyed_at: now,
        };
        let about = About {
            connection: Some(connection.clone()),
            ..About::consent(consent)
        };
        // Whoever ended the consent, erasing is what the operator owes from then on.
        let actor = Actor::Operator;
        Self {
            receipt: Some(Entry::about(
                consent,
                connection,
                institution,
                actor,
                act,
                now,
            )),
            events: vec![DomainEvent::new(
                about,
                sequence,
                EventKind::DataErased,
                now,
            )],
        }
    }

    fn recorded(
        after: &Consent,
        bond: &Bond<'_>,
        actor: Actor,
        act: Act,
        kind: EventKind,
        now: Timestamp,
    ) -> Self {
        let about = About {
            connection: Some(bond.connection.clone()),
            ..About::consent(after)
        };
        Self {
            receipt: Some(Entry::about(
                after,
                bond.connection,
                bond.institution,
                actor,
                act,
                now,
            )),
            events: vec![DomainEvent::new(about, after.version, kind, now)],
        }
    }

    fn told(after: &Consent, kind: Option<EventKind>, now: Timestamp) -> Self {
        let event = |kind| DomainEvent::new(About::consent(after), after.version, kind, now);
        Self {
            receipt: None,
            events: kind.map(event).into_iter().collect(),
        }
    }
}

/// The end of a consent nobody ever gave: no receipt, for nothing was allowed.
fn never_granted(after: &Consent, actor: Actor) -> Option<EventKind> {
    match &after.state {
        ConsentState::Rejected { reason, .. } => {
            Some(EventKind::ConsentDeclined { reason: *reason })
        }
        ConsentState::Expired { .. } => Some(EventKind::ConsentDeclined {
            reason: RejectionReason::LinkExpired,
        }),
        ConsentState::RevokedByPsu { .. } | ConsentState::TerminatedByTpp { .. } => {
            Some(EventKind::ConsentWithdrawn { by: actor })
        }
        ConsentState::Received { .. } | ConsentState::Valid { .. } => None,
    }
}

/// A consent that stays valid: given again, or narrowed.
fn changed(old: &Bond<'_>, new: &Bond<'_>, after: &Consent) -> Option<(Act, EventKind)> {
    if new.renewed_at != old.renewed_at {
        let kind = EventKind::ConsentRenewed {
            purposes: new.granted.clone(),
            valid_until: new.valid_until,
        };
        return Some((Act::Renewed(new.terms(after)), kind));
    }
    let removed: BTreeSet<PurposeCode> = old.granted.difference(new.granted).cloned().collect();
    let sooner = new.valid_until < old.valid_until;
    (sooner || !removed.is_empty()).then(|| {
        let act = Act::Narrowed {
            removed: removed.clone(),
            purposes: new.granted.clone(),
            valid_until: new.valid_until,
        };
        let kind = EventKind::ConsentNarrowed {
            removed,
            purposes: new.granted.clone(),
        };
        (act, kind)
    })
}

/// A warning given about the end, which changes nothing else.
fn warned(old: &Bond<'_>, new: &Bond<'_>) -> Option<EventKind> {
    let days_left = new.warned.filter(|_| new.warned != old.warned)?;
    Some(EventKind::ConsentExpiring {
        days_left,
        valid_until: new.valid_until,
    })
}

#[cfg(test)]
mod tests;
