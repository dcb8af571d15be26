//! Tells the kinds of events apart.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::sqs::SqsEvent;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::batch::NoMessageId;
use crate::work::{Part, Tick};

/// An event of a kind we know.
pub(crate) enum Event {
    /// API Gateway HTTP API, payload format 2.0. Somebody waits for the answer, so one that cannot be
    /// read (a header no HTTP library takes, for instance) is answered too.
    Http(Result<Box<ApiGatewayV2httpRequest>, EventError>),
    /// A batch of SQS messages.
    Queue(SqsEvent),
    /// EventBridge (Scheduler or rule).
    Tick(Tick),
    /// Whatever else: what an operator writes to a function that takes commands.
    Written(Value),
}

/// Why an event is not answered. None is worth a retry by itself, except a tick's failed work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    /// A shape nobody sends.
    #[error(
        "the event is neither an HTTP API request (payload 2.0) nor a queue batch nor a schedule's \
         call: check what triggers this function"
    )]
    Unknown,
    /// A known shape that cannot be read.
    #[error("the {kind} event cannot be read")]
    Unreadable {
        /// Which kind.
        kind: &'static str,
        /// Why not; told apart so that nothing of the event is repeated.
        category: serde_json::error::Category,
    },
    /// A known event for another function.
    #[error("the function {function} has no {trigger} trigger: check template.yaml")]
    NoSuchTrigger {
        /// This function.
        function: &'static str,
        /// What came.
        trigger: &'static str,
    },
    /// A command failed inside; the log says why.
    #[error("the command failed on our side and may be given again: the log says why")]
    CommandFailed,
    /// A schedule's input that names a part there is not.
    #[error("`detail` of the schedule's input must name `part`, from 0, of so many `parts`")]
    NoSuchPart,
    /// The work of a tick failed; the log says why.
    #[error("the scheduled work failed: the log says why")]
    TickFailed,
    /// A record that cannot be reported.
    #[error(transparent)]
    NoMessageId(#[from] NoMessageId),
}

impl Event {
    /// Reads an event.
    pub(crate) fn read(event: Value) -> Result<Self, EventError> {
        if event.pointer("/requestContext/http").is_some() {
            return Ok(Self::Http(read(event, "HTTP API").map(Box::new)));
        }
        if event
            .pointer("/Records/0/eventSource")
            .and_then(Value::as_str)
            == Some("aws:sqs")
        {
            return read(event, "queue").map(Self::Queue);
        }
        if event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event") {
            let call: ScheduledEvent = read(event, "schedule")?;
            let part = part(call.detail.as_ref())?;
            return Ok(Self::Tick(Tick {
                at: call.time,
                part,
            }));
        }
        Ok(Self::Written(event))
    }
}

#[derive(Deserialize)]
struct ScheduledEvent {
    time: Timestamp,
    detail: Option<Value>,
}

/// A schedule whose input names no part does the whole work. Without an input of its own, its `detail`
/// is a text.
fn part(detail: Option<&Value>) -> Result<Part, EventError> {
    let named = |name| detail.and_then(|detail| detail.get(name));
    let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
    match (named("part"), named("parts")) {
        (None, None) => Ok(Part::WHOLE),
        (one, of) => one
            .and_then(number)
            .zip(of.and_then(number))
            .and_then(|(one, of)| Part::new(one, of))
            .ok_or(EventError::NoSuchPart),
    }
}

fn read<T: serde::de::DeserializeOwned>(event: Value, kind: &'static str) -> Result<T, EventError> {
    serde_json::from_value(event).map_err(|error| EventError::Unreadable {
        kind,
        category: error.classify(),
    })
}
