//! Queues what is due: steps that are owed but whose message was lost or whose bank kept them waiting,
//! longest owed first; then the connections whose minute of the wheel has come. So what is stalest goes
//! first.
//!
//! A bank that is down is not sent work: its connections owe their sync until it may be tried, spread
//! over the time after. Sending the same connection twice is harmless: the claim decides who works,
//! inside the consent and the bank's call budget.

mod visiting;

use std::sync::Arc;

use jiff::Timestamp;
use passerelle_aws::circuits::Circuits;
use passerelle_aws::due::Owed;
use passerelle_aws::wheel::RefreshesPerDay;
use passerelle_aws::{Clients, Error, Queue, Table};
use passerelle_domain::ids::{ClientId, ConnectionId};
use passerelle_runtime::{Clock, Correlation, Environment, Function, StartError, Work, WorkError};

/// Owed steps queued in one run, per kind.
const OVERDUE_PER_RUN: usize = 200;

#[derive(Debug)]
struct Refresh {
    table: Table,
    sync_queue: Queue,
    scoring_queue: Queue,
    refreshes_per_day: RefreshesPerDay,
    circuits: Circuits,
    clock: Clock,
}

/// Reads `TABLE_NAME`, `SYNC_QUEUE_URL`, `SCORING_QUEUE_URL` and `REFRESHES_PER_DAY`.
///
/// # Errors
/// [`StartError`] naming the variable that is missing or unreadable.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    // The wheel and the due marks hold ids only: no key is needed here.
    let table = Table::new(clients, environment.text("TABLE_NAME")?, "");
    let refresh = Arc::new(Refresh {
        circuits: Circuits::new(table.clone()),
        table,
        sync_queue: Queue::new(clients, environment.text("SYNC_QUEUE_URL")?),
        scoring_queue: Queue::new(clients, environment.text("SCORING_QUEUE_URL")?),
        refreshes_per_day: environment.parsed("REFRESHES_PER_DAY")?,
        clock: environment.clock(),
    });
    Ok(Function::new("refresh").tick(move |_, _| {
        let refresh = Arc::clone(&refresh);
        async move { refresh.run().await }
    }))
}

impl Refresh {
    async fn run(&self) -> Result<(), WorkError> {
        let now = self.clock.now();
        let table = self.table.metered();
        let syncs = self
            .queue_overdue(&table, Owed::Sync, &self.sync_queue, now)
            .await?;
        let visits = self.walk_the_wheel(&table, now).await?;
        let scorings = self
            .queue_overdue(&table, Owed::Scoring, &self.scoring_queue, now)
            .await?;
        let usage = table.meter().usage();
        tracing::info!(
            visited = visits.sent,
            waiting = visits.waiting,
            overdue_syncs = syncs,
            overdue_scorings = scorings,
            aws_calls = usage.table_requests + usage.queue_requests,
            rru = usage.read_units,
            wru = usage.write_units,
            "due work queued"
        );
        Ok(())
    }

    async fn queue_overdue(
        &self,
        table: &Table,
        owed: Owed,
        queue: &Queue,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let overdue = table.take_overdue(owed, now, OVERDUE_PER_RUN).await?;
        let count = overdue.len();
        self.send_all(table, queue, overdue).await?;
        Ok(count)
    }

    async fn send_all(
        &self,
        table: &Table,
        queue: &Queue,
        connections: Vec<(ClientId, ConnectionId)>,
    ) -> Result<(), Error> {
        for (client, connection) in connections {
            self.send(table, queue, client, connection).await?;
        }
        Ok(())
    }

    async fn send(
        &self,
        table: &Table,
        queue: &Queue,
        client: ClientId,
        connection: ConnectionId,
    ) -> Result<(), Error> {
        let Correlation(correlation) = Correlation::fresh();
        let work = Work {
            client,
            connection,
            correlation,
            decided_at: self.clock.now(),
        };
        queue.send(&work.client, &work, table.meter()).await
    }
}
