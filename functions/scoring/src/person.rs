//! One person as knowledge sees them: every account once, whatever connection it was reached by.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use passerelle_aws::pages::{AccountHistory, History};
use passerelle_aws::scores::Learned;
use passerelle_aws::{Error, Store};
use passerelle_domain::ids::{AccountId, ClientId, ConnectionId};
use passerelle_domain::score_grounds::ScoreGrounds;
use passerelle_knowledge::{Analysis, Choices};

/// What was read of these connections, of those something was read of. Only connections that may be
/// scored are named here: what no purpose allows to be scored is not even opened.
pub(crate) async fn histories(
    store: &Store,
    client: &ClientId,
    connections: &BTreeSet<ConnectionId>,
    now: Timestamp,
) -> Result<Vec<History>, Error> {
    let mut histories = Vec::new();
    for connection in connections {
        match store.history(client, connection, now).await {
            Ok(Some(history)) if !history.accounts.is_empty() => histories.push(history),
            // Not read yet, withdrawn or erased.
            Ok(_) | Err(Error::Erased) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(histories)
}

/// One analysis for each set of connections that a purpose is granted on, as of today.
pub(crate) fn learn<'a>(
    histories: &'a [History],
    grounds: &ScoreGrounds,
    now: Timestamp,
) -> Result<Vec<Learned<'a, Analysis>>, Error> {
    let readable = histories.iter().map(|it| it.connection.id.clone());
    let sets = grounds.sets(&readable.collect());
    let learned = sets.iter().map(|set| {
        let histories = histories.iter();
        let histories: Vec<&History> = histories
            .filter(|it| set.contains(&it.connection.id))
            .collect();
        let analysis = analyse(&histories, now)?;
        Ok(Learned {
            histories,
            analysis,
        })
    });
    learned.collect()
}

/// What the histories tell, as of today.
pub(crate) fn analyse(histories: &[&History], now: Timestamp) -> Result<Analysis, Error> {
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
fn choices(histories: &[&History]) -> Result<Choices, Error> {
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
