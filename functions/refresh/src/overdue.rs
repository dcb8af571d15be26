//! Steps that are owed and overdue.

use passerelle_aws::due::{self, OverdueWalk, Owed};
use passerelle_aws::{Error, Queue, Table};

use crate::sending::send;
use crate::{PER_STEP, Refresh, Run};

/// What was queued of what is overdue.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    pub(crate) sent: usize,
    /// What the queue did not take: still owed, and queued again in some minutes.
    pub(crate) unsent: usize,
    /// Whether time was up before everything was queued.
    pub(crate) more: bool,
}

impl Refresh {
    pub(crate) async fn queue_overdue(
        &self,
        table: &Table,
        owed: Owed,
        queue: &Queue,
        run: Run,
    ) -> Result<Overdue, Error> {
        let mut overdue = Overdue::default();
        let mut walk = OverdueWalk::new(owed, run.part.shards(due::SHARDS), run.now);
        while walk.has_more() {
            if run.is_over() {
                overdue.more = true;
                break;
            }
            let taken = table.take_overdue(&mut walk, PER_STEP).await?;
            let unsent = send(table, queue, &taken, run.now).await?.len();
            overdue.unsent += unsent;
            overdue.sent += taken.len() - unsent;
        }
        Ok(overdue)
    }
}
