//! The transitions: one function per state that can move, each total over the events.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    BANK_MARGIN, Consent, ConsentEvent, ConsentRefusal, ConsentState, LONGEST_DURATION,
    RejectionReason, Renewal, RenewalAnswer, RequestedPurpose,
};
use crate::ids::InstitutionId;
use crate::purpose::PurposeCode;

/// What a consent that waits for its first answer holds.
struct Waiting<'a> {
    link_expires_at: Timestamp,
    institution: &'a Option<InstitutionId>,
    chosen: &'a Option<BTreeSet<PurposeCode>>,
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
            } => {
                let waiting = Waiting {
                    link_expires_at: *link_expires_at,
                    institution,
                    chosen,
                };
                self.while_received(event, now, waiting)?
            }
            ConsentState::Valid { .. } => self.while_valid(event, now)?,
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
        waiting: Waiting<'_>,
    ) -> Result<ConsentState, ConsentRefusal> {
        let Waiting {
            link_expires_at,
            institution,
            chosen,
        } = waiting;
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
                    renewed_at: None,
                    valid_until: self.end_from(now, bank_valid_until)?,
                    bank_valid_until,
                    warned: None,
                    owes_erasure_since: None,
                    renewal: None,
                })
            }
            _ if expired => Err(ConsentRefusal::LinkExpired),
            ConsentEvent::InstitutionChosen(institution) => Ok(ConsentState::Received {
                link_expires_at,
                institution: Some(institution),
                chosen: chosen.clone(),
            }),
            ConsentEvent::PurposesChosen(chosen) => {
                check_choice(&self.requested.iter().collect::<Vec<_>>(), &chosen)?;
                Ok(ConsentState::Received {
                    link_expires_at,
                    institution: institution.clone(),
                    chosen: Some(chosen),
                })
            }
            ConsentEvent::RenewalOpened { .. }
            | ConsentEvent::Narrowed(_)
            | ConsentEvent::Erased
            | ConsentEvent::Withdrawn
            | ConsentEvent::Ticked => Err(ConsentRefusal::OutOfOrder),
        }
    }

    fn while_valid(
        &self,
        event: ConsentEvent,
        now: Timestamp,
    ) -> Result<ConsentState, ConsentRefusal> {
        let mut next = self.state.clone();
        let ConsentState::Valid {
            connection,
            granted,
            renewed_at,
            valid_until,
            bank_valid_until,
            warned,
            owes_erasure_since,
            renewal,
            ..
        } = &mut next
        else {
            return Err(ConsentRefusal::OutOfOrder);
        };
        let over = now >= *valid_until;
        match event {
            ConsentEvent::Withdrawn => return Ok(ConsentState::RevokedByPsu { at: now }),
            ConsentEvent::Terminated => return Ok(ConsentState::TerminatedByTpp { at: now }),
            ConsentEvent::Ticked if over => return Ok(self.expired(granted, now)),
            ConsentEvent::Narrowed(code) => {
                if !granted.remove(&code) {
                    return Err(ConsentRefusal::PurposeNotRequested);
                }
                if granted.is_empty() {
                    return Ok(ConsentState::RevokedByPsu { at: now });
                }
                *owes_erasure_since = Some(now);
                // What was taken back is not renewed, even where the person said so before.
                if let Some(Renewal { answer, .. }) = renewal
                    && let RenewalAnswer::Chosen { purposes } = answer
                    && purposes.remove(&code)
                    && purposes.is_empty()
                {
                    *answer = RenewalAnswer::Asked;
                }
            }
            ConsentEvent::Erased if owes_erasure_since.is_some() => *owes_erasure_since = None,
            ConsentEvent::Ticked => {
                let due = self.warning_due(now).ok_or(ConsentRefusal::OutOfOrder)?;
                *warned = Some(due);
            }
            _ if over => return Err(ConsentRefusal::Ended),
            ConsentEvent::RenewalOpened { link_expires_at } => {
                if self.question(now).is_some() {
                    return Err(ConsentRefusal::OutOfOrder);
                }
                *renewal = Some(Renewal {
                    number: self.link_number().saturating_add(1),
                    link_expires_at,
                    answer: RenewalAnswer::Asked,
                });
            }
            ConsentEvent::PurposesChosen(chosen) => {
                let asked = self.question(now).ok_or(ConsentRefusal::LinkExpired)?;
                check_choice(&asked.purposes, &chosen)?;
                answer(renewal, RenewalAnswer::Chosen { purposes: chosen })?;
            }
            ConsentEvent::Declined => {
                self.question(now).ok_or(ConsentRefusal::OutOfOrder)?;
                answer(renewal, RenewalAnswer::Declined { at: now })?;
            }
            // Somebody who is at the bank when the link ends is not sent away.
            ConsentEvent::BankAuthorised {
                connection: renewed,
                bank_valid_until: end,
            } => {
                if *connection != renewed {
                    return Err(ConsentRefusal::OutOfOrder);
                }
                *bank_valid_until = end;
                match take_choice(renewal, now) {
                    Some(purposes) => {
                        if purposes != *granted {
                            *owes_erasure_since = Some(now);
                        }
                        *granted = purposes;
                        *valid_until = self.end_from(now, end)?;
                        *renewed_at = Some(now);
                        *warned = None;
                    }
                    // Authenticated anew without a yes of ours: the bank's clock moves, ours never
                    // gains a day by it.
                    None => *valid_until = self.end_from(now, end)?.min(*valid_until),
                }
            }
            ConsentEvent::Erased | ConsentEvent::InstitutionChosen(_) => {
                return Err(ConsentRefusal::OutOfOrder);
            }
        }
        Ok(next)
    }

    /// What is kept for a while is kept for the purpose that keeps it longest.
    fn expired(&self, granted: &BTreeSet<PurposeCode>, now: Timestamp) -> ConsentState {
        let kept = self.requested.iter();
        let days = kept
            .filter(|asked| granted.contains(&asked.code))
            .map(|asked| asked.terms.retention_days)
            .max()
            .unwrap_or_default();
        let kept_for = SignedDuration::from_hours(24 * i64::from(days));
        ConsentState::Expired {
            at: now,
            erase_at: now.checked_add(kept_for).unwrap_or(now),
        }
    }

    /// `min(policy, bank's limit − margin)`: the person was told the policy's days and gets them; only
    /// where the bank's own end comes first is our last read kept away from it.
    fn end_from(
        &self,
        now: Timestamp,
        bank_valid_until: Timestamp,
    ) -> Result<Timestamp, ConsentRefusal> {
        let ours = now
            .checked_add(self.duration.min(LONGEST_DURATION))
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
}

fn answer(renewal: &mut Option<Renewal>, answer: RenewalAnswer) -> Result<(), ConsentRefusal> {
    let renewal = renewal.as_mut().ok_or(ConsentRefusal::OutOfOrder)?;
    renewal.answer = answer;
    Ok(())
}

/// What the person chose for the renewal the bank has now agreed to.
fn take_choice(renewal: &mut Option<Renewal>, now: Timestamp) -> Option<BTreeSet<PurposeCode>> {
    let renewal = renewal.as_mut()?;
    let RenewalAnswer::Chosen { purposes } = &renewal.answer else {
        return None;
    };
    let purposes = purposes.clone();
    renewal.answer = RenewalAnswer::Done { at: now };
    Some(purposes)
}

fn check_choice(
    asked: &[&RequestedPurpose],
    chosen: &BTreeSet<PurposeCode>,
) -> Result<(), ConsentRefusal> {
    let known = |code: &PurposeCode| asked.iter().any(|ask| ask.code == *code);
    if !chosen.iter().all(known) {
        return Err(ConsentRefusal::PurposeNotRequested);
    }
    let missing = asked
        .iter()
        .any(|ask| ask.required && !chosen.contains(&ask.code));
    if missing || chosen.is_empty() {
        return Err(ConsentRefusal::RequiredPurposeMissing);
    }
    Ok(())
}
