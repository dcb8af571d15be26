//! What a reading changes: sensitive lines coarsened, lines reconciled, accounts and outcome renewed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use passerelle_aws::connections::SyncOutcome;
use passerelle_aws::content::Content;
use passerelle_domain::account::{Account, AccountKind};
use passerelle_domain::connection::{NoAccountReason, Notice, no_account_reason};
use passerelle_domain::ids::TransactionId;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::{Reconciled, reconcile};
use passerelle_domain::transaction::{Counterparty, PendingTransaction, Transaction};
use passerelle_knowledge::{is_sensitive, storable};

use crate::reading::{Fetched, OVERLAP_DAYS};

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
        let reconciled = reconcile(&id, seen, window);
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
    let upserts = reconciled.upserts.into_iter().map(storable);
    content.delta.add(&id, upserts, reconciled.vanished);
    let pending = reconciled
        .pending
        .into_iter()
        .map(pending_without_sensitive_text)
        .collect();
    content.pending.insert(id.clone(), pending);
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

fn pending_without_sensitive_text(line: PendingTransaction) -> PendingTransaction {
    let as_row = Transaction {
        id: TransactionId::from_entropy([0; 16]),
        entry_reference: None,
        booking_date: line.date.unwrap_or(Date::MIN),
        value_date: None,
        transaction_date: None,
        amount: line.amount,
        label: line.label.clone(),
        counterparty: Counterparty::default(),
        creditor_id: None,
        mandate_id: None,
        end_to_end_id: None,
        bank_transaction_code: None,
        balance_after: None,
        sensitive: false,
    };
    if is_sensitive(&as_row) {
        PendingTransaction {
            label: Private::default(),
            ..line
        }
    } else {
        line
    }
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
