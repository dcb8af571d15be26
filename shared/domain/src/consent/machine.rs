//! The transitions: one function per state that can move, each total over the events.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::agreement;
use super::{
    Agreement, BANK_MARGIN, Consent, ConsentEvent, ConsentRefusal, ConsentState, LONGEST_DURATION,
    RejectionReason, Renewal, RenewalAnswer,
};
use crate::purpose::PurposeCode;

impl Consent {
    /// Applies an event.
    ///
    /// # Errors
    /// [`ConsentRefusal`] when the event does not fit; the consent is then unchanged.
    pub fn apply(&self, event: ConsentEvent, now: Timestamp) -> Result<Self, ConsentRefusal> {
        let state = match &self.state {
            ConsentState::Received {
                link_expires_at, ..
            } => self.while_received(event, now, *link_expires_at)?,
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
        link_expires_at: Timestamp,
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
                institution,
                connection,
                agreed,
                bank_valid_until,
            } => Ok(ConsentState::Valid {
                institution,
                connection,
                granted: self.first_grant(&agreed)?,
                granted_at: now,
                renewed_at: None,
                valid_until: self.end_from(now, bank_valid_until)?,
                bank_valid_until,
                warned: None,
                owes_erasure_since: None,
                renewal: None,
            }),
            _ if expired => Err(ConsentRefusal::LinkExpired),
            ConsentEvent::InstitutionChosen(institution) => Ok(ConsentState::Received {
                link_expires_at,
                institution: Some(institution),
            }),
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
            institution,
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
            ConsentEvent::Declined => {
                self.question(now).ok_or(ConsentRefusal::OutOfOrder)?;
                answer(renewal, RenewalAnswer::Declined { at: now })?;
            }
            // Somebody who is at the bank when the link ends is not sent away.
            ConsentEvent::BankAuthorised {
                institution: bank,
                connection: renewed,
                agreed,
                bank_valid_until: end,
            } => {
                if *connection != renewed || *institution != bank {
                    return Err(ConsentRefusal::OutOfOrder);
                }
                let purposes = self.renewed_grant(&agreed, granted, renewal.as_ref())?;
                if purposes != *granted {
                    *owes_erasure_since = Some(now);
                }
                *granted = purposes;
                *bank_valid_until = end;
                *valid_until = self.end_from(now, end)?;
                *renewed_at = Some(now);
                *warned = None;
                answer(renewal, RenewalAnswer::Done { at: now })?;
            }
            ConsentEvent::Erased | ConsentEvent::InstitutionChosen(_) => {
                return Err(ConsentRefusal::OutOfOrder);
            }
        }
        Ok(next)
    }

    /// What a first agreement grants. It answers the first journey's question and no renewal's.
    fn first_grant(&self, agreed: &Agreement) -> Result<BTreeSet<PurposeCode>, ConsentRefusal> {
        if agreed.link_number != 0 {
            return Err(ConsentRefusal::OutOfOrder);
        }
        let granted = agreed.still_asked(&self.requested);
        agreement::check_choice(&self.requested.iter().collect::<Vec<_>>(), &granted)?;
        Ok(granted)
    }

    /// What an agreement renews: never more than is still granted, and only while its renewal asks.
    fn renewed_grant(
        &self,
        agreed: &Agreement,
        granted: &BTreeSet<PurposeCode>,
        renewal: Option<&Renewal>,
    ) -> Result<BTreeSet<PurposeCode>, ConsentRefusal> {
        let asks = renewal.is_some_and(|renewal| {
            renewal.number == agreed.link_number && renewal.answer == RenewalAnswer::Asked
        });
        if !asks {
            return Err(ConsentRefusal::OutOfOrder);
        }
        let mut renewed = agreed.still_asked(&self.requested);
        renewed.retain(|purpose| granted.contains(purpose));
        match renewed.is_empty() {
            true => Err(ConsentRefusal::NoLongerAsked),
            false => Ok(renewed),
        }
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
