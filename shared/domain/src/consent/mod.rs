//! The PSU's permission and its life.
//!
//! Berlin Group vocabulary plus our purposes. The machine ([`Consent::apply`]) is total: every event on
//! every state is either a new state or a refusal with a reason, and terminal states never move again.
//! Two clocks: the bank's own limit and our consent, which never outlasts it. What is due when, so that
//! a sweep need not guess, is [`Consent::next_due`].
//!
//! A consent is renewed in place: same id, same connection, new ends. While the person answers, the
//! consent stands as before, so a renewal nobody finishes changes nothing.
//!
//! What a person ticks is not kept here: it belongs to the attempt they leave for the bank with, as an
//! [`Agreement`], and reaches the consent with the bank's yes.

mod agenda;
mod agreement;
mod machine;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::agenda::WARNINGS;
pub use self::agreement::Agreement;
use crate::content_hash::ContentHash;
use crate::ids::{ClientId, ConnectionId, ConsentId, CustomerReference, InstitutionId};
use crate::locale::Locale;
use crate::purpose::{DataClass, PurposeCode, PurposeTerms};

/// How long a consent lasts unless the client's policy says otherwise.
pub const DEFAULT_DURATION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The longest a client's policy may ask for: what one authentication at a bank carries (RTS 2018/389
/// art. 10a).
pub const LONGEST_DURATION: SignedDuration = SignedDuration::from_hours(180 * 24);

/// Taken off the bank's limit, so that our last read never meets its end.
pub const BANK_MARGIN: SignedDuration = SignedDuration::from_hours(24);

/// How long a journey link can be opened.
pub const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A purpose the client asks for, as its catalogue had it when the consent was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedPurpose {
    /// Its code in the client's catalogue.
    pub code: PurposeCode,
    /// Whether the journey makes no sense without it.
    pub required: bool,
    /// What it allows. Fixed here, so that a later catalogue neither widens nor removes it.
    #[serde(flatten)]
    pub terms: PurposeTerms,
    /// The text the person reads about it, kept under this hash.
    pub text: ContentHash,
}

/// Who carries out the access: the licensed account information service provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// The registration the person can check in the public register (ACPR in France).
    pub registration: String,
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
    },
    /// The person and the bank agreed.
    Valid {
        /// The bank.
        institution: InstitutionId,
        /// The connection it feeds.
        connection: ConnectionId,
        /// What is allowed.
        granted: BTreeSet<PurposeCode>,
        /// When it was first granted.
        granted_at: Timestamp,
        /// When it was last renewed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        renewed_at: Option<Timestamp>,
        /// The end of our consent: nothing is read or served from then on.
        valid_until: Timestamp,
        /// The end of the bank's own authorisation, as the bank answered it.
        bank_valid_until: Timestamp,
        /// The last warning given about this end, in days before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warned: Option<u16>,
        /// Since when data is to be erased that only a purpose taken back justified.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owes_erasure_since: Option<Timestamp>,
        /// The last renewal the person was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        renewal: Option<Renewal>,
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
        /// When what is kept, sealed and served to nobody, is erased as well.
        erase_at: Timestamp,
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

/// A renewal the person was asked for. The consent stands unchanged until the bank agrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// Which renewal of this consent it is, counted from one: each has a link of its own.
    pub number: u32,
    /// Until when its link can be used.
    pub link_expires_at: Timestamp,
    /// How far the person came.
    #[serde(flatten)]
    pub answer: RenewalAnswer,
}

/// How far a person came with a renewal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum RenewalAnswer {
    /// The bank has not agreed yet, whatever the person answered on the way there.
    Asked,
    /// The person said no to the renewal: the consent runs to its end.
    Declined {
        /// When.
        at: Timestamp,
    },
    /// The bank agreed.
    Done {
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
    /// The person declined. A declined renewal leaves the consent as it stands.
    Declined,
    /// The bank made its authorisation valid, for the first time or anew.
    BankAuthorised {
        /// The bank.
        institution: InstitutionId,
        /// The connection that now exists.
        connection: ConnectionId,
        /// What the person agreed to before they left for the bank.
        agreed: Agreement,
        /// The end the bank answered.
        bank_valid_until: Timestamp,
    },
    /// The person is asked to renew.
    RenewalOpened {
        /// Until when the link can be used.
        link_expires_at: Timestamp,
    },
    /// The person takes a purpose back; the last one withdraws the consent.
    Narrowed(PurposeCode),
    /// What only a purpose taken back justified is gone.
    Erased,
    /// The person withdraws.
    Withdrawn,
    /// The client or the operator ends it.
    Terminated,
    /// Time passed: a link or a consent ends, or a warning falls due.
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
    /// Of what the person agreed to, nothing is asked for any more.
    #[error("what was agreed to is not asked for any more")]
    NoLongerAsked,
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
    /// Who carries out the access, as the pages say.
    pub provider: Provider,
    /// The words of the journey's pages, kept under this hash.
    pub journey_text: ContentHash,
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

/// What a person is being asked, while the link that asks can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// Which renewal asks; `None` for the first journey.
    pub renewal: Option<u32>,
    /// The bank, where it is chosen. That of a renewal is known from the start.
    pub institution: Option<&'a InstitutionId>,
    /// The connection a renewal keeps.
    pub connection: Option<&'a ConnectionId>,
    /// The purposes asked for: in a renewal those still granted, never more.
    pub purposes: Vec<&'a RequestedPurpose>,
}

impl Consent {
    /// The name the person knows the client by.
    #[must_use]
    pub fn name_shown(&self) -> &str {
        self.brand.as_deref().unwrap_or(self.client.as_str())
    }

    /// The connection it feeds, while it is valid.
    #[must_use]
    pub fn connection(&self) -> Option<&ConnectionId> {
        match &self.state {
            ConsentState::Valid { connection, .. } => Some(connection),
            _ => None,
        }
    }

    /// What a purpose allows, as the person was told.
    #[must_use]
    pub fn terms(&self, purpose: &PurposeCode) -> Option<&PurposeTerms> {
        let mut asked = self.requested.iter();
        asked
            .find(|asked| asked.code == *purpose)
            .map(|asked| &asked.terms)
    }

    /// Whether a class of data may be served for a purpose at a moment: this is the only question a
    /// read asks. The terms are those the person was shown, not those of today's catalogue.
    #[must_use]
    pub fn permits(&self, purpose: &PurposeCode, class: DataClass, now: Timestamp) -> bool {
        let may_read = self
            .terms(purpose)
            .is_some_and(|terms| terms.may_read(class));
        may_read && self.allows(purpose, now)
    }

    /// Whether what is still granted justifies keeping a class of data. Scores are computed from lines,
    /// so either justifies the lines.
    #[must_use]
    pub fn justifies(&self, class: DataClass) -> bool {
        let ConsentState::Valid { granted, .. } = &self.state else {
            return false;
        };
        let mut kept = granted.iter().filter_map(|purpose| self.terms(purpose));
        kept.any(|terms| match class {
            DataClass::Accounts => true,
            DataClass::Transactions => {
                terms.may_read(DataClass::Transactions) || terms.may_read(DataClass::Scores)
            }
            DataClass::Scores => terms.may_read(DataClass::Scores),
        })
    }

    /// Whether a purpose is granted at a moment.
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

    /// Which journey link is the current one: 0 for the first journey, then the renewal's number.
    #[must_use]
    pub fn link_number(&self) -> u32 {
        match &self.state {
            ConsentState::Valid {
                renewal: Some(renewal),
                ..
            } => renewal.number,
            _ => 0,
        }
    }

    /// Until when the link that asks, or asked last, can be used.
    #[must_use]
    pub fn link_end(&self) -> Option<Timestamp> {
        match &self.state {
            ConsentState::Received {
                link_expires_at, ..
            } => Some(*link_expires_at),
            ConsentState::Valid { renewal, .. } => {
                renewal.as_ref().map(|renewal| renewal.link_expires_at)
            }
            _ => None,
        }
    }

    /// What the person can still answer at a moment; `None` when there is nothing to answer.
    #[must_use]
    pub fn question(&self, now: Timestamp) -> Option<Question<'_>> {
        match &self.state {
            ConsentState::Received {
                link_expires_at,
                institution,
            } if now < *link_expires_at => Some(Question {
                renewal: None,
                institution: institution.as_ref(),
                connection: None,
                purposes: self.requested.iter().collect(),
            }),
            ConsentState::Valid {
                institution,
                connection,
                granted,
                valid_until,
                renewal: Some(renewal),
                ..
            } if now < renewal.link_expires_at && now < *valid_until => {
                match &renewal.answer {
                    RenewalAnswer::Asked => {}
                    RenewalAnswer::Declined { .. } | RenewalAnswer::Done { .. } => return None,
                }
                Some(Question {
                    renewal: Some(renewal.number),
                    institution: Some(institution),
                    connection: Some(connection),
                    purposes: self.still_asked(granted),
                })
            }
            _ => None,
        }
    }

    /// A renewal asks for what is still granted: what was taken back is not asked for again.
    fn still_asked(&self, granted: &BTreeSet<PurposeCode>) -> Vec<&RequestedPurpose> {
        let asked = self.requested.iter();
        asked.filter(|it| granted.contains(&it.code)).collect()
    }
}
