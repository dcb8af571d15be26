//! Queues what is due: steps that are owed but whose message was lost or whose bank kept them waiting,
//! longest owed first; then the connections whose minute of the wheel has come. So what is stalest goes
//! first.
//!
//! A bank that is down is not sent work: its connections owe their sync until it may be tried, spread
//! over the time after. Sending the same connection twice is harmless: the claim decides who works,
//! inside the consent and the bank's call budget.
//!
//! Several schedules call, each for a part of the wheel's lanes and of the due marks' shards. A call does
//! all that is due in its part unless its time is up first; what is left is the next call's, which goes on
//! where this one stopped.

mod overdue;
mod sending;
mod visiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use passerelle_aws::circuits::Circuits;
use passerelle_aws::due::Owed;
use passerelle_aws::wheel::RefreshesPerDay;
use passerelle_aws::{Clients, Queue, Table};
use passerelle_domain::Timestamp;
use passerelle_domain::deadline::Deadline;
use passerelle_runtime::{Clock, Environment, Function, Part, StartError, Tick, WorkError};

/// Connections handled in one step of a sweep.
const PER_STEP: usize = 1000;

/// What a step keeps of the invocation's time to end what it has begun.
const TO_END: Duration = Duration::from_secs(10);

/// One call of a schedule.
#[derive(Debug, Clone, Copy)]
struct Run {
    part: Part,
    deadline: Deadline,
    now: Timestamp,
}

impl Run {
    /// Whether what is left is the next call's.
    fn is_over(&self) -> bool {
        self.deadline.leaves_less_than(TO_END, Instant::now())
    }
}

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
    Ok(Function::new("refresh").tick(move |tick, deadline| {
        let refresh = Arc::clone(&refresh);
        async move { refresh.run(tick, deadline).await }
    }))
}

impl Refresh {
    async fn run(&self, tick: Tick, deadline: Deadline) -> Result<(), WorkError> {
        let (part, now) = (tick.part, self.clock.now());
        let run = Run {
            part,
            deadline,
            now,
        };
        let table = self.table.metered();
        // One that fails keeps none of the others from being done; the call fails for it at the end.
        let syncs = self
            .queue_overdue(&table, Owed::Sync, &self.sync_queue, run)
            .await;
        let visits = self.walk_the_wheel(&table, run).await;
        let scorings = self
            .queue_overdue(&table, Owed::Scoring, &self.scoring_queue, run)
            .await;
        let (syncs, visits, scorings) = (syncs?, visits?, scorings?);
        let usage = table.meter().usage();
        tracing::info!(
            visited = visits.sent,
            waiting = visits.waiting,
            overdue_syncs = syncs.sent,
            overdue_scorings = scorings.sent,
            unsent = visits.unsent + syncs.unsent + scorings.unsent,
            more = visits.more || syncs.more || scorings.more,
            aws_calls = usage.table_requests + usage.queue_requests,
            rru = usage.read_units,
            wru = usage.write_units,
            "due work queued"
        );
        Ok(())
    }
}
