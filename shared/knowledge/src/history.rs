//! What an analysis is made from: the booked lines of every account a person shares.

use jiff::civil::Date;
use passerelle_domain::account::{AccountKind, Balance};
use passerelle_domain::ids::AccountId;
use passerelle_domain::transaction::Transaction;

/// One account with its booked lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountHistory {
    /// Stable identity of the account. Two connections that reach a joint account share it.
    pub account: AccountId,
    /// What the account is for.
    pub kind: AccountKind,
    /// The booked balance, where the bank tells one.
    pub balance: Option<Balance>,
    /// Booked lines in any order.
    pub lines: Vec<Transaction>,
}

/// Everything known of one person's accounts at a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The accounts, in any order.
    pub accounts: Vec<AccountHistory>,
    /// The day of the analysis. Lines booked later are left out, so that replaying a past day never
    /// sees the future.
    pub as_of: Date,
}
