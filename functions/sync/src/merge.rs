//! What a reading changes: lines reconciled, accounts and outcome renewed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use passerelle_aws::connections::SyncOutcome;
use passerelle_aws::content::Content;
use passerelle_domain::account::{Account, AccountKind};
use passerelle_domain::connection::{NoAccountReason, Notice, no_account_reason};
use passerelle_domain::reconciliation::{Reconciled, reconcile_served};

use crate::fetched::Fetched;
use crate::reading::OVERLAP_DAYS;

/// What is to be committed.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) content: Content,
    pub(crate) outcome: SyncOutcome,
    /// Whether there is anything new to learn from.
    pub(crate) changed: bool,
}

/// Merges a reading, made under a claim of `read_at`, into what is known.
pub(crate) fn merge(
    known: &Content,
    fetched: Fetched,
    read_at: Timestamp,
    now: Timestamp,
) -> Merged {
    let today = now.to_zoned(TimeZone::UTC).date();
    let outcome = outcome(&fetched);
    let mut content = known.clone();
    content.synced_on = Some(today);
    content.read_at = Some(read_at);
    content.reading = None;
    // The person's address is kept only while their request stands behind our calls.
    content.attended = content.attended.filter(|psu| now < psu.until);
    if let SyncOutcome::NoEligibleAccount { .. } = outcome {
        return Merged {
            content,
            outcome,
            changed: false,
        };
    }
    content.accounts = Vec::new();
    content.pending = BTreeMap::new();
    let before = known.accounts.len();
    let mut changed = false;
    for (account, window) in fetched.accounts {
        let id = account.id.clone();
        content
            .history_from
            .entry(id.clone())
            .or_insert(window.from);
        let seen = known.seen.get(&id).map_or(&[][..], Vec::as_slice);
        let reconciled = reconcile_served(seen, window);
        changed |= !reconciled.is_unchanged() || !known.seen.contains_key(&id);
        keep(&mut content, account, reconciled, today);
    }
    changed |= content.accounts.len() != before;
    Merged {
        content,
        outcome,
        changed,
    }
}

fn keep(content: &mut Content, account: Account, reconciled: Reconciled, today: Date) {
    let id = account.id.clone();
    if reconciled.undated > 0 {
        tracing::warn!(
            count = reconciled.undated,
            "booked lines without a date are held back"
        );
    }
    content
        .delta
        .add(&id, reconciled.upserts, reconciled.vanished);
    content.pending.insert(id.clone(), reconciled.pending);
    let memory_start = today
        .checked_sub(jiff::Span::new().days(OVERLAP_DAYS + 1))
        .unwrap_or(Date::MIN);
    let seen = reconciled
        .seen
        .into_iter()
        .filter(|line| line.day >= memory_start)
        .collect();
    content.seen.insert(id, seen);
    content.accounts.push(account);
}

fn outcome(fetched: &Fetched) -> SyncOutcome {
    let payment =
        |account: &Account| matches!(account.kind, AccountKind::Payment | AccountKind::Card);
    let accounts = || fetched.accounts.iter().map(|(account, _)| account);
    if !accounts().any(payment) {
        let reason = match (fetched.listed, fetched.refusals.as_slice()) {
            (0, _) => NoAccountReason::NoAccount,
            (_, []) => NoAccountReason::NoPaymentAccount,
            (_, refusals) => no_account_reason(refusals),
        };
        return SyncOutcome::NoEligibleAccount { reason };
    }
    let named = accounts().any(|account| account.owner_named);
    SyncOutcome::Active {
        notice: (!named).then_some(Notice::HolderNotNamed),
    }
}
