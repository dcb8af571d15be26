//! One person as knowledge sees them: every account once, whatever connection it was reached by.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use passerelle_aws::pages::{AccountHistory, History};
use passerelle_aws::{Error, Store};
use passerelle_domain::connection::ConnectionStatus;
use passerelle_domain::ids::{AccountId, ClientId, CustomerReference};
use passerelle_knowledge::{Analysis, Choices};

/// The readable histories of a customer's live connections.
pub(crate) async fn histories(
    store: &Store,
    client: &ClientId,
    customer: &CustomerReference,
    now: Timestamp,
) -> Result<Vec<History>, Error> {
    let mut histories = Vec::new();
    for connection in store.table().connections_of(client, customer).await? {
        match store.history(client, &connection, now).await {
            Ok(Some(history)) if is_live(&history, now) => histories.push(history),
            // Withdrawn or erased: nothing of it can be opened, and nothing of it is learned from.
            Ok(_) | Err(Error::Erased) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(histories)
}

fn is_live(history: &History, now: Timestamp) -> bool {
    let connection = &history.connection;
    let closed = matches!(connection.status, ConnectionStatus::Closed { .. });
    !closed && now < connection.consent_until && !history.accounts.is_empty()
}

/// What the histories tell, as of today.
pub(crate) fn analyse(histories: &[History], now: Timestamp) -> Result<Analysis, Error> {
    // A joint account reached through two connections is one account: the longer history stands.
    let mut accounts: BTreeMap<&AccountId, &AccountHistory> = BTreeMap::new();
    for account in histories.iter().flat_map(|history| &history.accounts) {
        let kept = accounts.entry(&account.account.id).or_insert(account);
        if account.booked.len() > kept.booked.len() {
            *kept = account;
        }
    }
    let history = passerelle_knowledge::History {
        accounts: accounts.into_values().map(as_knowledge).collect(),
        as_of: now.to_zoned(TimeZone::UTC).date(),
    };
    let analysis = passerelle_knowledge::analyse_with(&history, &choices(histories)?);
    Ok(analysis.condensed())
}

/// What was decided about any of these connections.
fn choices(histories: &[History]) -> Result<Choices, Error> {
    let mut all = Choices::default();
    for history in histories {
        all.add(history.choices()?.choices);
    }
    Ok(all)
}

fn as_knowledge(history: &AccountHistory) -> passerelle_knowledge::AccountHistory {
    passerelle_knowledge::AccountHistory {
        account: history.account.id.clone(),
        kind: history.account.kind,
        balance: history.account.balance,
        lines: history.booked.clone(),
    }
}
