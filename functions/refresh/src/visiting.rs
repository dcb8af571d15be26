//! The walk over the wheel: a connection's bank decides whether it is sent now or waits.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use passerelle_aws::circuits::turn_after;
use passerelle_aws::wheel::{LANES, Visited, WheelWalk};
use passerelle_aws::{Error, Table};
use passerelle_domain::circuit::{Admission, PROBE_LEASE};
use passerelle_domain::ids::{ClientId, ConnectionId, InstitutionId};

use crate::sending::send;
use crate::{PER_STEP, Refresh, Run};

/// Connections that are told to wait at a time.
const AT_ONCE: usize = 16;

/// What a walk did.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    /// Connections that were sent work.
    pub(crate) sent: usize,
    /// Connections whose bank is down.
    pub(crate) waiting: usize,
    /// Connections the queue did not take: they owe their sync now.
    pub(crate) unsent: usize,
    /// Whether time was up before every minute was walked.
    pub(crate) more: bool,
}

/// A connection and the moment from which it is owed a sync.
type Waiting = (ClientId, ConnectionId, Timestamp);

impl Refresh {
    pub(crate) async fn walk_the_wheel(&self, table: &Table, run: Run) -> Result<Visits, Error> {
        let now = run.now;
        let mut visits = Visits::default();
        let mut probed = BTreeSet::new();
        for lane in run.part.shards(LANES) {
            let mut walk = table.wheel_walk(lane, self.refreshes_per_day, now).await?;
            while walk.has_more() {
                if run.is_over() {
                    visits.more = true;
                    return Ok(visits);
                }
                let alone = self
                    .visit_some(table, &mut walk, &mut probed, &mut visits, now)
                    .await?;
                if !alone {
                    break;
                }
            }
        }
        Ok(visits)
    }

    /// Visits the next connections of a lane and remembers it; `false` when another call is at the same
    /// lane.
    async fn visit_some(
        &self,
        table: &Table,
        walk: &mut WheelWalk,
        probed: &mut BTreeSet<InstitutionId>,
        visits: &mut Visits,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let (mut going, mut waiting) = (Vec::new(), Vec::new());
        for visited in table.next_visits(walk, PER_STEP).await? {
            let until = self.waits_until(&visited.institution, probed, now).await?;
            let Visited {
                client, connection, ..
            } = visited;
            match until {
                None => going.push((client, connection)),
                Some(until) => {
                    let turn = turn_after(until, &connection);
                    waiting.push((client, connection, turn));
                }
            }
        }
        visits.waiting += waiting.len();
        let unsent = send(table, &self.sync_queue, &going, now).await?;
        visits.sent += going.len() - unsent.len();
        visits.unsent += unsent.len();
        let unsent = unsent.into_iter().map(|(client, id)| (client, id, now));
        waiting.extend(unsent);
        wait(table, waiting).await?;
        table.visited(walk).await
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

async fn wait(table: &Table, waiting: Vec<Waiting>) -> Result<(), Error> {
    stream::iter(waiting)
        .map(|(client, connection, turn)| async move {
            table.owe_sync(&client, &connection, turn).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
