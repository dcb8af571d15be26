//! The copy as JSON: for programs, and for another provider (GDPR art. 20).

use std::collections::BTreeSet;

use passerelle_aws::pages::AccountHistory;
use passerelle_aws::scores::StoredScore;
use passerelle_aws::self_care::Psu;
use passerelle_domain::account::{Account, AccountKind, Balance};
use passerelle_domain::connection::ConnectionStatus;
use passerelle_domain::consent::{ConsentState, RequestedPurpose};
use passerelle_domain::ids::{
    AccountId, ClientId, ConnectionId, ConsentId, CustomerReference, InstitutionId, TransactionId,
};
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::private::Private;
use passerelle_domain::transaction::{PendingTransaction, Transaction};
use passerelle_domain::{Date, Timestamp};
use passerelle_knowledge::{Analysis, Category};
use serde::Serialize;

use super::{Copied, Copy, Part};

const FORMAT: &str = "passerelle-self-care-1";

/// One part of the copy. Every part lists the connections and accounts; each booked line stands in
/// exactly one part; what was learned and what is expected stand in the first.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    format: &'static str,
    part: usize,
    parts: usize,
    made_at: Timestamp,
    client: &'a ClientId,
    customer: &'a CustomerReference,
    connections: Vec<ConnectionCopy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<LearnedCopy<'a>>,
    /// What was learned apart, from connections that allow other purposes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    learned_apart: Vec<LearnedCopy<'a>>,
}

#[derive(Debug, Serialize)]
struct ConnectionCopy<'a> {
    id: &'a ConnectionId,
    institution: &'a InstitutionId,
    bank_name: &'a str,
    created_at: Timestamp,
    #[serde(flatten)]
    status: &'a ConnectionStatus,
    consent: ConsentCopy<'a>,
    accounts: Vec<AccountCopy<'a>>,
}

#[derive(Debug, Serialize)]
struct ConsentCopy<'a> {
    id: &'a ConsentId,
    requested: &'a [RequestedPurpose],
    #[serde(flatten)]
    state: &'a ConsentState,
}

#[derive(Debug, Serialize)]
struct AccountCopy<'a> {
    id: &'a AccountId,
    kind: AccountKind,
    currency: Currency,
    name: Option<&'a Private>,
    last_characters: &'a Private,
    balance: Option<Balance>,
    balance_read_at: Option<Timestamp>,
    history_from: Option<Date>,
    transactions: Vec<LineCopy<'a>>,
    expected: &'a [PendingTransaction],
}

/// A line with all that is stored of it, but other people's account numbers (GDPR art. 15(4)).
#[derive(Debug, Serialize)]
struct LineCopy<'a> {
    id: &'a TransactionId,
    booking_date: Date,
    value_date: Option<Date>,
    transaction_date: Option<Date>,
    amount: Amount,
    decimal: String,
    label: &'a Private,
    counterparty: Option<&'a Private>,
    creditor_id: Option<&'a str>,
    mandate_id: Option<&'a Private>,
    end_to_end_id: Option<&'a Private>,
    bank_transaction_code: Option<&'a str>,
    balance_after: Option<Amount>,
    category: Category,
    merchant: Option<String>,
    sensitive: bool,
}

#[derive(Debug, Serialize)]
struct LearnedCopy<'a> {
    computed_at: Timestamp,
    connections: &'a BTreeSet<ConnectionId>,
    #[serde(flatten)]
    analysis: &'a Analysis,
}

/// One part as a document.
pub(crate) fn document<'a>(
    copy: &'a Copy,
    part: Part,
    learned: &'a [StoredScore<Analysis>],
    psu: &'a Psu,
    now: Timestamp,
) -> Document<'a> {
    let mut connections: Vec<_> = copy.connections.iter().map(connection).collect();
    for (copied, account, lines) in copy.accounts(part) {
        let its = connections
            .iter_mut()
            .find(|it| *it.id == copied.held.connection.id);
        if let Some(its) = its {
            its.accounts
                .push(self::account(copied, account, lines, part));
        }
    }
    let mut learned = learned.iter().map(|stored| LearnedCopy {
        computed_at: stored.computed_at,
        connections: &stored.connections,
        analysis: &stored.analysis,
    });
    Document {
        format: FORMAT,
        part: part.number,
        parts: part.of,
        made_at: now,
        client: &psu.client,
        customer: &psu.customer,
        connections,
        learned: learned.next(),
        learned_apart: learned.collect(),
    }
}

fn connection(copied: &Copied) -> ConnectionCopy<'_> {
    let (connection, consent) = (&copied.held.connection, &copied.held.consent);
    ConnectionCopy {
        id: &connection.id,
        institution: &connection.institution,
        bank_name: &copied.held.bank_name,
        created_at: connection.created_at,
        status: &connection.status,
        consent: ConsentCopy {
            id: &consent.id,
            requested: &consent.requested,
            state: &consent.state,
        },
        accounts: Vec::new(),
    }
}

fn account<'a>(
    copied: &Copied,
    history: &'a AccountHistory,
    lines: &'a [Transaction],
    part: Part,
) -> AccountCopy<'a> {
    let account: &Account = &history.account;
    AccountCopy {
        id: &account.id,
        kind: account.kind,
        currency: account.currency,
        name: account.name.as_ref(),
        last_characters: &account.last_characters,
        balance: account.balance,
        balance_read_at: account.balance_read_at,
        history_from: history.history_from,
        transactions: lines.iter().map(|row| line(copied, row)).collect(),
        expected: match part.is_first() {
            true => &history.pending,
            false => &[],
        },
    }
}

fn line<'a>(copied: &Copied, row: &'a Transaction) -> LineCopy<'a> {
    let enrichment = copied.enriched(row);
    LineCopy {
        id: &row.id,
        booking_date: row.booking_date,
        value_date: row.value_date,
        transaction_date: row.transaction_date,
        amount: row.amount,
        decimal: row.amount.to_decimal(),
        label: &row.label,
        counterparty: row.counterparty.name.as_ref(),
        creditor_id: row.creditor_id.as_deref(),
        mandate_id: row.mandate_id.as_ref(),
        end_to_end_id: row.end_to_end_id.as_ref(),
        bank_transaction_code: row.bank_transaction_code.as_deref(),
        balance_after: row.balance_after,
        category: enrichment.category,
        merchant: enrichment.merchant,
        sensitive: row.sensitive,
    }
}
