//! Work on its way to a queue.

use passerelle_aws::{Error, Queue, Table};
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId};
use passerelle_runtime::{Correlation, Work};

/// Sends work for each of these connections; answers those the queue did not take.
pub(crate) async fn send(
    table: &Table,
    queue: &Queue,
    connections: &[(ClientId, ConnectionId)],
    now: Timestamp,
) -> Result<Vec<(ClientId, ConnectionId)>, Error> {
    let messages: Vec<(ClientId, Work)> = connections
        .iter()
        .map(|(client, connection)| {
            let Correlation(correlation) = Correlation::fresh();
            let work = Work {
                client: client.clone(),
                connection: connection.clone(),
                correlation,
                decided_at: now,
            };
            (client.clone(), work)
        })
        .collect();
    let unsent = queue.send_all(&messages, table.meter()).await?;
    let unsent = unsent
        .into_iter()
        .filter_map(|place| connections.get(place));
    Ok(unsent.cloned().collect())
}
