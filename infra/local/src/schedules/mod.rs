//! EventBridge Scheduler on one machine: `rate` and `cron` expressions driven by the suite's clock.
//!
//! When the clock jumps over several due times, a schedule calls once: every tick of this project
//! remembers where it was and catches up, as it must after an outage.

mod expression;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use passerelle_runtime::Clock;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

pub use expression::Expression;

use crate::lambda::{Lambda, request_id};
use crate::stack::{ACCOUNT, REGION};
use crate::template::Schedule;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What EventBridge Scheduler puts the moment of the call for in an input.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// The schedules of one suite.
#[derive(Debug, Clone)]
pub(crate) struct Schedules {
    entries: Arc<Mutex<Vec<Entry>>>,
    clock: Clock,
}

#[derive(Debug)]
struct Entry {
    lambda: Arc<Lambda>,
    schedule: Schedule,
    expression: Expression,
    due: Timestamp,
}

impl Schedules {
    /// Schedules that are all due at once: what fell due while nothing ran is found at the start.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            entries: Arc::default(),
            clock,
        }
    }

    /// Adds one. The template reader has checked the expression.
    pub(crate) async fn add(
        &self,
        lambda: Arc<Lambda>,
        schedule: Schedule,
        expression: Expression,
    ) {
        let due = self.clock.now();
        self.entries.lock().await.push(Entry {
            lambda,
            schedule,
            expression,
            due,
        });
    }

    /// Calls what is due, waits for the answers, and sets the next times.
    pub(crate) async fn call_due(&self) {
        let mut entries = self.entries.lock().await;
        let now = self.clock.now();
        let mut calls = JoinSet::new();
        for entry in entries.iter_mut().filter(|entry| entry.due <= now) {
            let lambda = Arc::clone(&entry.lambda);
            let event = event(&entry.schedule, now);
            entry.due = entry.expression.next_after(now);
            // A tick that failed is not called again: the next one finds what it left.
            calls.spawn(async move { lambda.invoke(event).await });
        }
        calls.join_all().await;
    }

    /// Looks at the clock until the task is ended from outside.
    pub(crate) async fn run(self) {
        loop {
            self.call_due().await;
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The event of a schedule, or the input its template gives, with the moment in the place it names.
fn event(schedule: &Schedule, now: Timestamp) -> Value {
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let input = schedule
        .input
        .as_deref()
        .and_then(|input| serde_json::from_str(&input.replace(SCHEDULED_TIME, &at)).ok());
    input.unwrap_or_else(|| {
        let arn = format!(
            "arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{}",
            schedule.name
        );
        json!({
            "version": "0",
            "id": request_id(),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": ACCOUNT,
            "time": at,
            "region": REGION,
            "resources": [arn],
            "detail": "{}",
        })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_input_is_the_event_with_the_moment_of_the_call_in_it() {
        let schedule = Schedule {
            line: 1,
            name: "tick".to_owned(),
            expression: "rate(1 minute)".to_owned(),
            input: Some(format!(
                r#"{{"time":"{SCHEDULED_TIME}","detail":{{"part":1}}}}"#
            )),
        };
        let event = event(&schedule, "2026-11-22T08:00:07.5Z".parse().unwrap());
        let expected = json!({"time": "2026-11-22T08:00:07Z", "detail": {"part": 1}});
        assert_eq!(event, expected);
    }

    use std::sync::atomic::{AtomicUsize, Ordering};

    use jiff::SignedDuration;
    use passerelle_runtime::{Function, WorkError};

    use super::*;

    #[tokio::test]
    async fn moving_the_clock_calls_what_fell_due_once_and_nothing_else() {
        let clock = Clock::adjustable(Some("2026-11-22T08:00:00Z".parse().unwrap()));
        let calls: Arc<AtomicUsize> = Arc::default();
        let counter = Arc::clone(&calls);
        let function = Function::new("tick").tick(move |_, _| {
            counter.fetch_add(1, Ordering::AcqRel);
            async { Ok::<(), WorkError>(()) }
        });
        let (_alive, life) = tokio::sync::watch::channel(());
        let lambda = Arc::new(Lambda {
            folder: "tick".to_owned(),
            arn: String::new(),
            timeout: Duration::from_secs(5),
            function,
            life,
        });
        let schedules = Schedules::new(clock.clone());
        let schedule = Schedule {
            line: 1,
            name: "tick".to_owned(),
            expression: "rate(1 hour)".to_owned(),
            input: None,
        };
        let expression = Expression::parse(&schedule.expression).unwrap();
        schedules.add(lambda, schedule, expression).await;

        schedules.call_due().await;
        schedules.call_due().await;
        assert_eq!(calls.load(Ordering::Acquire), 1, "once at the start");
        clock.advance(SignedDuration::from_mins(59));
        schedules.call_due().await;
        assert_eq!(calls.load(Ordering::Acquire), 1, "not yet due");
        clock.advance(SignedDuration::from_hours(90 * 24));
        schedules.call_due().await;
        schedules.call_due().await;
        assert_eq!(calls.load(Ordering::Acquire), 2, "once for the whole jump");
    }
}
