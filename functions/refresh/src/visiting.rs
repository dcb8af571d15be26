//! The walk over the wheel: a connection's bank decides whether it is sent now or waits.

use std::collections::BTreeSet;

use jiff::Timestamp;
use passerelle_aws::circuits::turn_after;
use passerelle_aws::wheel::Visited;
use passerelle_aws::{Error, Table};
use passerelle_domain::circuit::{Admission, PROBE_LEASE};
use passerelle_domain::ids::InstitutionId;

use crate::Refresh;

/// Minutes walked in one run: after an outage of ours the wheel catches up an hour per minute.
const MINUTES_PER_RUN: usize = 60;

/// What a walk did.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    /// Connections that were sent work.
    pub(crate) sent: usize,
    /// Connections whose bank is down.
    pub(crate) waiting: usize,
}

impl Refresh {
    pub(crate) async fn walk_the_wheel(
        &self,
        table: &Table,
        now: Timestamp,
    ) -> Result<Visits, Error> {
        let mut visits = Visits::default();
        let mut probed = BTreeSet::new();
        for minute in table.minutes_to_walk(now, MINUTES_PER_RUN).await? {
            let connections = table
                .connections_of_minute(minute, self.refreshes_per_day)
                .await?;
            for visited in connections {
                match self
                    .waits_until(&visited.institution, &mut probed, now)
                    .await?
                {
                    None => {
                        visits.sent += 1;
                        let (client, connection) = (visited.client, visited.connection);
                        self.send(table, &self.sync_queue, client, connection)
                            .await?;
                    }
                    Some(until) => {
                        visits.waiting += 1;
                        wait(table, &visited, until).await?;
                    }
                }
            }
            table.minute_walked(minute).await?;
        }
        Ok(visits)
    }

    /// Until when a connection of this bank waits; `None` when it goes now. Of a bank that may be tried
    /// again, one connection goes.
    async fn waits_until(
        &self,
        bank: &InstitutionId,
        probed: &mut BTreeSet<InstitutionId>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        Ok(match self.circuits.of(bank, now).await?.admission(now) {
            Admission::Free => None,
            Admission::Probe if probed.insert(bank.clone()) => None,
            Admission::Probe => Some(now.checked_add(PROBE_LEASE).unwrap_or(now)),
            Admission::Wait { until } => Some(until),
        })
    }
}

async fn wait(table: &Table, visited: &Visited, until: Timestamp) -> Result<(), Error> {
    let turn = turn_after(until, &visited.connection);
    table
        .owe_sync(&visited.client, &visited.connection, turn)
        .await
}
