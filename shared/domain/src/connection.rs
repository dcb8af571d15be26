//! What outlives consents: the tie between a PSU, a bank and a client.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Ineligible;
use crate::ids::{ClientId, ConnectionId, ConsentId, CustomerReference, InstitutionId};

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum ConnectionStatus {
    /// The bank agreed; nothing was read yet.
    Connected,
    /// Read at least once, and refreshed.
    Active {
        /// When the last sync was committed.
        last_synced_at: Timestamp,
        /// Something the client should know, though data flows.
        notice: Option<Notice>,
    },
    /// The bank wants the person again: a renewal link mends it.
    ReauthenticationNeeded {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: ReauthenticationReason,
    },
    /// The bank was reached and holds nothing we can work with.
    NoEligibleAccount {
        /// Since when.
        since: Timestamp,
        /// Why not.
        reason: NoAccountReason,
    },
    /// Ended: withdrawn or expired. Nothing is readable any more.
    Closed {
        /// Since when.
        since: Timestamp,
        /// What has become of what was held.
        erasure: Erasure,
    },
}

/// How far the end of a connection has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// When the data key was destroyed: from then on every copy is noise, backups included. Not yet
    /// where what was read is kept for a while, as the person was told.
    pub key_destroyed_at: Option<Timestamp>,
    /// When the rows were erased.
    pub rows_erased_at: Option<Timestamp>,
    /// Whether the bank knows.
    pub bank: Farewell,
}

impl Erasure {
    /// Whether nothing is left to be done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let told = !matches!(self.bank, Farewell::Owed);
        self.key_destroyed_at.is_some() && self.rows_erased_at.is_some() && told
    }
}

/// Whether the bank was told that its consent is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Farewell {
    /// Not yet: it is tried again.
    Owed,
    /// It knows.
    Told {
        /// Since when.
        at: Timestamp,
    },
    /// It could not be told in time: the token is destroyed all the same, so nobody can use what the
    /// bank still holds open.
    GivenUp {
        /// When.
        at: Timestamp,
    },
}

impl ConnectionStatus {
    /// The stable code of the status.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Active { .. } => "active",
            Self::ReauthenticationNeeded { .. } => "reauthentication-needed",
            Self::NoEligibleAccount { .. } => "no-eligible-account",
            Self::Closed { .. } => "closed",
        }
    }

    /// Whether a sync may run.
    #[must_use]
    pub fn may_sync(&self) -> bool {
        match self {
            Self::Connected | Self::Active { .. } | Self::NoEligibleAccount { .. } => true,
            Self::ReauthenticationNeeded { .. } | Self::Closed { .. } => false,
        }
    }
}

/// Why the bank wants the person again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReauthenticationReason {
    /// The bank no longer takes the refresh token: it ended early, or a crash fell between its
    /// rotation and its storage.
    TokenRefused,
    /// The bank says its consent is no longer valid.
    BankConsentEnded,
}

/// Why a bank that answered gave nothing to work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoAccountReason {
    /// The bank listed no account at all.
    NoAccount,
    /// Every account is in another currency than the euro.
    CurrencyNotSupported,
    /// There is no payment account: savings and loans alone tell too little.
    NoPaymentAccount,
}

/// Something the client should know though data flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// The bank did not say who holds the accounts: check that they are the customer's own.
    HolderNotNamed,
}

/// Why none of several accounts can be worked with, most telling reason first.
#[must_use]
pub fn no_account_reason(refusals: &[Ineligible]) -> NoAccountReason {
    if refusals.contains(&Ineligible::CurrencyNotSupported) {
        NoAccountReason::CurrencyNotSupported
    } else if refusals.is_empty() {
        NoAccountReason::NoAccount
    } else {
        NoAccountReason::NoPaymentAccount
    }
}

/// The tie between a PSU, a bank and a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// The client it belongs to.
    pub client: ClientId,
    /// The client's reference for the person.
    pub customer: CustomerReference,
    /// The bank.
    pub institution: InstitutionId,
    /// The consent that stands behind it now.
    pub consent: ConsentId,
    /// Until when data may be read and served: our consent's end.
    pub consent_until: Timestamp,
    /// Where it stands.
    #[serde(flatten)]
    pub status: ConnectionStatus,
    /// When it was made.
    pub created_at: Timestamp,
}
