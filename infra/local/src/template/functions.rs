//! The functions: environment, limits, and what calls them besides routes.

use std::collections::BTreeMap;

use super::document::Node;
use super::{Resource, Stack, fault};
use crate::error::LocalError;

/// One Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name in the template.
    pub logical_id: String,
    /// The folder under `functions/`, which is also the binary's name.
    pub folder: String,
    /// Where the template writes it.
    pub line: usize,
    /// Its ARN.
    pub arn: String,
    /// Seconds it may take.
    pub timeout_seconds: u64,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Queues it empties.
    pub queues: Vec<QueueSource>,
    /// Schedules that call it.
    pub schedules: Vec<Schedule>,
}

/// How a function empties a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// Where the template writes it.
    pub line: usize,
    /// The queue.
    pub queue_arn: String,
    /// Most messages in one call.
    pub batch_size: u32,
    /// Seconds to wait for a fuller batch.
    pub window_seconds: u64,
    /// Whether the answer names the failed messages.
    pub reports_failures: bool,
    /// Most calls at once.
    pub max_concurrency: Option<u32>,
}

/// A time at which a function is called, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Where the template writes it.
    pub line: usize,
    /// Name of the schedule.
    pub name: String,
    /// `rate(…)` or `cron(…)`, as written.
    pub expression: String,
    /// What the function receives, when the template says so.
    pub input: Option<String>,
}

pub(crate) fn read(
    resource: &Resource,
    globals: &Node,
    stack: &Stack,
) -> Result<Function, LocalError> {
    let global = globals.get("Function");
    let property = |path: &[&str]| {
        resource
            .property(path)
            .or_else(|| global.and_then(|global| global.at(path)))
    };
    let timeout = property(&["Timeout"]).map(|node| node.parsed("a number of seconds"));
    let mut function = Function {
        logical_id: resource.logical_id.clone(),
        folder: folder(resource)?,
        line: resource.line,
        arn: format!(
            "arn:aws:lambda:{}:{}:function:{}",
            stack.region,
            stack.account,
            resource.physical_name("FunctionName", stack)?
        ),
        timeout_seconds: timeout.transpose()?.unwrap_or(3),
        environment: environment(resource, global)?,
        queues: Vec::new(),
        schedules: Vec::new(),
    };
    let events = resource
        .property(&["Events"])
        .map(Node::map)
        .transpose()?
        .unwrap_or_default();
    for event in events {
        let kind = event.value.require("Type")?;
        match kind.text()? {
            "HttpApi" => {}
            "SQS" => {
                let source = queue_source(event.value.require("Properties")?, event.line)?;
                function.queues.push(source);
            }
            "ScheduleV2" => {
                let name = format!("{}-{}{}", stack.name, resource.logical_id, event.key);
                let properties = event.value.require("Properties")?;
                function
                    .schedules
                    .push(schedule(properties, event.line, name)?);
            }
            other => {
                return Err(fault(
                    kind.line,
                    format!(
                        "the local suite knows events of type HttpApi, SQS and ScheduleV2, not `{other}`"
                    ),
                ));
            }
        }
    }
    Ok(function)
}

fn folder(resource: &Resource) -> Result<String, LocalError> {
    if let Some(binary) = resource.body.at(&["Metadata", "BuildProperties", "Binary"]) {
        return Ok(binary.text()?.to_owned());
    }
    let code = resource.required("CodeUri")?;
    match code.text()?.trim_end_matches('/').rsplit('/').next() {
        Some(folder) if !folder.is_empty() && folder != "." => Ok(folder.to_owned()),
        _ => Err(fault(
            code.line,
            "neither CodeUri nor BuildProperties says which function this is",
        )),
    }
}

/// Globals first, the function's own variables over them, as SAM merges mappings.
fn environment(
    resource: &Resource,
    global: Option<&Node>,
) -> Result<BTreeMap<String, String>, LocalError> {
    const PATH: [&str; 2] = ["Environment", "Variables"];
    let mut variables = BTreeMap::new();
    for section in [
        global.and_then(|global| global.at(&PATH)),
        resource.property(&PATH),
    ] {
        let Some(section) = section else { continue };
        for entry in section.map()? {
            variables.insert(entry.key.clone(), entry.value.text()?.to_owned());
        }
    }
    Ok(variables)
}

fn queue_source(properties: &Node, line: usize) -> Result<QueueSource, LocalError> {
    let batch_size = properties
        .get("BatchSize")
        .map(|node| node.parsed("a batch size"));
    let window = properties
        .get("MaximumBatchingWindowInSeconds")
        .map(|node| node.parsed("a number of seconds"));
    let responses = properties
        .get("FunctionResponseTypes")
        .map(Node::list)
        .transpose()?;
    let concurrency = properties
        .at(&["ScalingConfig", "MaximumConcurrency"])
        .map(|node| node.parsed("a number of calls"));
    let source = QueueSource {
        line,
        queue_arn: properties.require("Queue")?.text()?.to_owned(),
        batch_size: batch_size.transpose()?.unwrap_or(10),
        window_seconds: window.transpose()?.unwrap_or(0),
        reports_failures: responses.unwrap_or_default().iter().any(|one| {
            one.text()
                .is_ok_and(|text| text == "ReportBatchItemFailures")
        }),
        max_concurrency: concurrency.transpose()?,
    };
    if source.batch_size == 0 || (source.batch_size > 10 && source.window_seconds == 0) {
        return Err(fault(
            line,
            "a batch is 1 to 10 messages, or more with a batching window",
        ));
    }
    Ok(source)
}

fn schedule(properties: &Node, line: usize, default: String) -> Result<Schedule, LocalError> {
    let expression = properties.require("ScheduleExpression")?;
    crate::schedules::Expression::parse(expression.text()?)
        .map_err(|problem| fault(expression.line, problem))?;
    Ok(Schedule {
        line,
        name: properties
            .get("Name")
            .map(Node::text)
            .transpose()?
            .map_or(default, str::to_owned),
        expression: expression.text()?.to_owned(),
        input: properties
            .get("Input")
            .map(Node::text)
            .transpose()?
            .map(str::to_owned),
    })
}
