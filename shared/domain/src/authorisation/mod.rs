//! One attempt at the bank, keyed by a single-use `state`.
//!
//! The attempt is claimed before the code is exchanged, so a code is used once whatever is replayed.
//! An error from the bank does not end the attempt: a late valid code beats an early error. What the
//! person agreed to is fixed when they leave ([`Agreement`]): nothing that happens to the consent
//! meanwhile adds to it.
//!
//! ```text
//! started ──▶ claimed ──▶ exchanged ──▶ completed
//!  │  ▲ │       ▲ │           │
//!  ▼  │ ▼       │ │           ▼
//! refused  returned  └──────▶ failed
//! ```
//!
//! `returned` is an answer that came in another browser than the one that left: it waits for the
//! person's code. `claimed` can be claimed anew once its worker must be gone. Only `exchanged` holds a
//! token of the bank's.

mod callback;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::callback::{Callback, InvalidCallback, UnverifiedCallback};
use crate::consent::Agreement;
use crate::ids::{AuthorisationId, ClientId, ConnectionId, ConsentId, InstitutionId};

/// How long a claim keeps others away: longer than a function that exchanges a code may run.
pub const CLAIM_LEASE: SignedDuration = SignedDuration::from_secs(35);

/// How often a code that is typed where the journey began may be wrong before the return is dropped.
pub const CONFIRMATION_TRIES: u8 = 5;

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum AuthorisationStatus {
    /// The person is at the bank.
    Started,
    /// The bank answered without a code; a late code may still come.
    Refused {
        /// Whether the person refused, as opposed to a failure or a time-out.
        by_psu: bool,
        /// When.
        at: Timestamp,
    },
    /// The bank answered in another browser: the person types, where the journey began, the code that
    /// browser shows.
    Returned {
        /// When.
        at: Timestamp,
        /// How many wrong codes were typed.
        wrong: u8,
    },
    /// What was brought back is being exchanged.
    Claimed {
        /// When.
        at: Timestamp,
    },
    /// The bank's token is kept, and the bank is asked where its consent stands.
    Exchanged {
        /// When.
        at: Timestamp,
    },
    /// The bank's consent is valid and the connection stands.
    Completed {
        /// When.
        at: Timestamp,
    },
    /// It came to nothing: the person starts again.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        reason: FailureReason,
    },
}

/// Why an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureReason {
    /// The bank says that its consent is not valid: the person said no there, or never finished.
    BankRefused,
    /// What was brought back could not be exchanged: used up, too old, or not this attempt's.
    ReturnRefused,
    /// The bank could not be reached or answered nonsense.
    BankUnavailable,
    /// The person declined, withdrew or began anew before the bank answered.
    NoLongerAsked,
    /// The bank answered in another browser, and nobody confirmed it where the journey began.
    NotConfirmed,
    /// Nobody came back to carry it on.
    Abandoned,
}

/// The name of a status, without what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// [`AuthorisationStatus::Started`].
    Started,
    /// [`AuthorisationStatus::Refused`].
    Refused,
    /// [`AuthorisationStatus::Returned`].
    Returned,
    /// [`AuthorisationStatus::Claimed`].
    Claimed,
    /// [`AuthorisationStatus::Exchanged`].
    Exchanged,
    /// [`AuthorisationStatus::Completed`].
    Completed,
    /// [`AuthorisationStatus::Failed`].
    Failed,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 7] = [
        Self::Started,
        Self::Refused,
        Self::Returned,
        Self::Claimed,
        Self::Exchanged,
        Self::Completed,
        Self::Failed,
    ];

    /// The stored name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Refused => "refused",
            Self::Returned => "returned",
            Self::Claimed => "claimed",
            Self::Exchanged => "exchanged",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether an attempt in this phase may move to another one. A claim that is claimed anew is
    /// [`Self::may_be_claimed_anew`].
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use Phase::{Claimed, Completed, Exchanged, Failed, Refused, Returned, Started};
        match self {
            Started | Refused => matches!(next, Refused | Returned | Claimed | Failed),
            Returned => matches!(next, Returned | Claimed | Failed),
            Claimed => matches!(next, Exchanged | Failed),
            Exchanged => matches!(next, Completed | Failed),
            Completed | Failed => false,
        }
    }

    /// The phases an attempt may come from to this one.
    pub fn sources(self) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |from| from.may_become(self))
    }

    /// Whether a worker that stopped half-way may be succeeded, once [`CLAIM_LEASE`] is over.
    #[must_use]
    pub fn may_be_claimed_anew(self) -> bool {
        self == Self::Claimed
    }
}

impl AuthorisationStatus {
    /// Its name.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Started => Phase::Started,
            Self::Refused { .. } => Phase::Refused,
            Self::Returned { .. } => Phase::Returned,
            Self::Claimed { .. } => Phase::Claimed,
            Self::Exchanged { .. } => Phase::Exchanged,
            Self::Completed { .. } => Phase::Completed,
            Self::Failed { .. } => Phase::Failed,
        }
    }
}

/// One attempt at the bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorisation {
    /// Its id.
    pub id: AuthorisationId,
    /// The client it belongs to.
    pub client: ClientId,
    /// The consent it is for.
    pub consent: ConsentId,
    /// The bank it was started at: a return through another bank's address is refused (mix-up).
    pub institution: InstitutionId,
    /// The connection it will make, or renew.
    pub connection: ConnectionId,
    /// What the person agreed to before they left.
    pub agreed: Agreement,
    /// SHA-256 (hex) of the journey cookie of the browser that left for the bank.
    pub browser: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// Until when a return is accepted.
    pub expires_at: Timestamp,
    /// How far it has come.
    #[serde(flatten)]
    pub status: AuthorisationStatus,
}

impl Authorisation {
    /// Which link it was started from: 0 for the first journey, then the renewal's number.
    #[must_use]
    pub fn link_number(&self) -> u32 {
        self.agreed.link_number
    }

    /// Whether it renews a connection that stands.
    #[must_use]
    pub fn is_renewal(&self) -> bool {
        self.link_number() > 0
    }

    /// The attempt that carries this one on at a bank with two steps: the same person, browser,
    /// agreement and connection, as much time again, a `state` of its own.
    #[must_use]
    pub fn next_step(&self, id: AuthorisationId, now: Timestamp) -> Self {
        let lifetime = self.expires_at.duration_since(self.started_at);
        Self {
            id,
            started_at: now,
            expires_at: now.checked_add(lifetime).unwrap_or(now),
            status: AuthorisationStatus::Started,
            ..self.clone()
        }
    }

    /// Whether what a browser brings back may be exchanged for this attempt at a moment.
    #[must_use]
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        let open = match self.status {
            AuthorisationStatus::Claimed { at } => now.duration_since(at) >= CLAIM_LEASE,
            _ => self.status.phase().may_become(Phase::Claimed),
        };
        open && now < self.expires_at
    }

    /// Whether something may still come of it. Until nothing can, only the browser that left for the
    /// bank changes, declines or restarts the journey.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        match self.status {
            AuthorisationStatus::Started
            | AuthorisationStatus::Refused { .. }
            | AuthorisationStatus::Returned { .. }
            | AuthorisationStatus::Claimed { .. } => now < self.expires_at,
            AuthorisationStatus::Exchanged { .. } => true,
            AuthorisationStatus::Completed { .. } | AuthorisationStatus::Failed { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_moves_no_more_and_every_other_phase_can_fail() {
        for phase in Phase::ALL {
            let ended = matches!(phase, Phase::Completed | Phase::Failed);
            let moves = Phase::ALL.into_iter().any(|next| phase.may_become(next));
            assert_eq!(moves, !ended, "{phase:?}");
            assert_eq!(phase.may_become(Phase::Failed), !ended, "{phase:?}");
        }
    }

    #[test]
    fn a_token_is_kept_only_of_what_was_claimed_and_completes_only_what_was_kept() {
        let into = |next: Phase| next.sources().collect::<Vec<_>>();
        assert_eq!(into(Phase::Exchanged), [Phase::Claimed]);
        assert_eq!(into(Phase::Completed), [Phase::Exchanged]);
        assert_eq!(
            into(Phase::Claimed),
            [Phase::Started, Phase::Refused, Phase::Returned]
        );
    }
}
