//! What time brings to a consent, and when: warnings, ends, erasures. Pure, so that the calendar can
//! hold one entry per consent, the next one.

use jiff::{SignedDuration, Timestamp};

use super::{Consent, ConsentState};

/// How many days before the end the client is warned, first to last.
pub const WARNINGS: [u16; 3] = [30, 7, 1];

impl Consent {
    /// When something is next to be done about the consent, though nobody asks: a link or the consent
    /// ends, a warning falls due, something is to be erased. `None` when nothing ever is.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        Some(match &self.state {
            ConsentState::Received {
                link_expires_at, ..
            } => *link_expires_at,
            ConsentState::Valid {
                valid_until,
                owes_erasure_since,
                ..
            } => {
                let warning = self.next_warning().map(|(at, _)| at);
                let soonest = [warning, *owes_erasure_since].into_iter().flatten().min();
                soonest.map_or(*valid_until, |at| at.min(*valid_until))
            }
            ConsentState::Rejected { .. } => return None,
            ConsentState::Expired { erase_at, .. } => *erase_at,
            ConsentState::RevokedByPsu { at } | ConsentState::TerminatedByTpp { at } => *at,
        })
    }

    /// The warning that falls due at a moment: the most urgent one whose day has come. Earlier ones
    /// that were missed are not given late: they would say something untrue.
    pub(super) fn warning_due(&self, now: Timestamp) -> Option<u16> {
        let due = self.warnings_left().filter(|(at, _)| *at <= now);
        due.map(|(_, days)| days).min()
    }

    fn next_warning(&self) -> Option<(Timestamp, u16)> {
        self.warnings_left().min_by_key(|(at, _)| *at)
    }

    /// Warnings not given yet about this end. One whose day lay before the consent began is none: a
    /// consent of ten days does not begin with a warning.
    fn warnings_left(&self) -> impl Iterator<Item = (Timestamp, u16)> {
        let standing = match &self.state {
            ConsentState::Valid {
                granted_at,
                renewed_at,
                valid_until,
                warned,
                ..
            } => Some((renewed_at.unwrap_or(*granted_at), *valid_until, *warned)),
            _ => None,
        };
        standing.into_iter().flat_map(|(began, end, warned)| {
            let left = WARNINGS
                .into_iter()
                .filter(move |days| warned.is_none_or(|last| *days < last));
            left.filter_map(move |days| {
                let before = SignedDuration::from_hours(24 * i64::from(days));
                let at = end.checked_sub(before).ok()?;
                (at > began).then_some((at, days))
            })
        })
    }
}
