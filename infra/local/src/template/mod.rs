//! Reads `template.yaml`, the only place where tables, queues, routes and schedules are written.
//!
//! What is read here is what runs locally, so a template that lies fails at once, with its line. It
//! may use `Ref`, `Fn::Sub`, `Fn::GetAtt`, `Fn::Join` and `Fn::If`, in conditions `Fn::Equals`,
//! `Fn::Not`, `Fn::And`, `Fn::Or` and `Condition`, and the pseudo parameters `AWS::Region`,
//! `AWS::AccountId`, `AWS::StackName`, `AWS::Partition`, `AWS::URLSuffix` and `AWS::NoValue`; any
//! other intrinsic is an error. Resource types that change nothing on one machine (roles, alarms, log
//! groups) are known by name; any other type is an error.

mod api;
mod document;
mod functions;
mod intrinsics;
mod stores;

use std::collections::BTreeMap;

pub use api::{Api, Authorizer, Route};
pub use functions::{Function, QueueSource, Schedule};
pub use stores::{Alias, Index, Key, Queue, Redrive, Table};

use crate::error::LocalError;
use document::{Entry, Node, Value};
use intrinsics::{Resolver, resource_type};

/// Types that are read (their references are checked) and then do nothing on one machine.
const WITHOUT_LOCAL_EFFECT: [&str; 9] = [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Topic",
    "AWS::SQS::QueuePolicy",
];

/// Sections a template may have here.
const SECTIONS: [&str; 9] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Transform",
];

/// What CloudFormation would know about the deployment.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Name of the stack; begins every physical name.
    pub name: String,
    /// Region, for instance `eu-west-3`.
    pub region: String,
    /// Account number.
    pub account: String,
    /// Where the API is reached, without a final slash.
    pub api_endpoint: String,
    /// Values for the template's parameters; the others take their default.
    pub parameters: BTreeMap<String, String>,
    /// Ids of the KMS keys by logical id: AWS chooses them, so they exist before the rest is read.
    pub key_ids: BTreeMap<String, String>,
}

/// The text of a template, parsed but not yet bound to a stack.
#[derive(Debug)]
pub struct Document {
    root: Node,
}

/// A KMS key a template asks for, before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedKey {
    /// Name in the template.
    pub logical_id: String,
    /// Whether it signs; otherwise it encrypts.
    pub signs: bool,
}

fn signs(key: &Node) -> bool {
    let usage = key
        .get("Properties")
        .and_then(|properties| properties.get("KeyUsage"));
    usage.and_then(|usage| usage.text().ok()) == Some("SIGN_VERIFY")
}

/// Everything the local suite runs.
#[derive(Debug)]
pub struct Template {
    /// Tables.
    pub tables: Vec<Table>,
    /// KMS keys.
    pub keys: Vec<Key>,
    /// Names of KMS keys.
    pub aliases: Vec<Alias>,
    /// Queues, dead-letter queues included.
    pub queues: Vec<Queue>,
    /// The HTTP API with its routes.
    pub api: Api,
    /// Functions in the order of the file.
    pub functions: Vec<Function>,
    /// Line of the `Resources` section, for errors about what it lacks.
    pub resources_line: usize,
}

impl Document {
    /// Reads the text of a template.
    ///
    /// # Errors
    /// Text that is not one YAML document, with the line.
    pub fn parse(source: &str) -> Result<Self, LocalError> {
        let root = Node::parse(source)?;
        for section in root.map()? {
            if !SECTIONS.contains(&section.key.as_str()) {
                return Err(fault(
                    section.line,
                    format!(
                        "the local suite does not know the section `{}`",
                        section.key
                    ),
                ));
            }
        }
        root.require("Resources")?.map()?;
        Ok(Self { root })
    }

    /// The KMS keys it asks for, in the order of the file.
    #[must_use]
    pub fn keys(&self) -> Vec<WantedKey> {
        let resources = self
            .root
            .get("Resources")
            .map(Node::entries)
            .unwrap_or_default();
        let keys = resources
            .iter()
            .filter(|entry| resource_type(&entry.value).is_ok_and(|kind| kind == "AWS::KMS::Key"));
        keys.map(|entry| WantedKey {
            logical_id: entry.key.clone(),
            signs: signs(&entry.value),
        })
        .collect()
    }

    /// Binds the template to a stack.
    ///
    /// # Errors
    /// [`LocalError::Template`] with the line of whatever this suite cannot run as written.
    pub fn bind(&self, stack: &Stack) -> Result<Template, LocalError> {
        let resolver = Resolver::new(&self.root, stack)?;
        let globals = self.resolved_globals(&resolver)?;
        let section = self.root.require("Resources")?;
        let resources = section
            .map()?
            .iter()
            .filter_map(|entry| resolved_resource(entry, &resolver).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(outputs) = self.root.get("Outputs") {
            resolver.resolve(outputs)?;
        }
        let template = Template {
            tables: of_type(&resources, "AWS::DynamoDB::Table", |one| {
                stores::table(one, stack)
            })?,
            keys: of_type(&resources, "AWS::KMS::Key", |one| stores::key(one, stack))?,
            aliases: of_type(&resources, "AWS::KMS::Alias", stores::alias)?,
            queues: of_type(&resources, "AWS::SQS::Queue", |one| {
                stores::queue(one, stack)
            })?,
            api: api::read(&resources, &globals)?,
            functions: of_type(&resources, "AWS::Serverless::Function", |one| {
                functions::read(one, &globals, stack)
            })?,
            resources_line: section.line,
        };
        check_types(&resources)?;
        check_queues(&template)?;
        Ok(template)
    }

    fn resolved_globals(&self, resolver: &Resolver<'_>) -> Result<Node, LocalError> {
        let nothing = || Node {
            line: 1,
            value: Value::Map(Vec::new()),
        };
        let Some(globals) = self.root.get("Globals") else {
            return Ok(nothing());
        };
        for entry in globals.map()? {
            if !matches!(entry.key.as_str(), "Function" | "HttpApi") {
                return Err(fault(
                    entry.line,
                    format!("the local suite does not know Globals for `{}`", entry.key),
                ));
            }
        }
        Ok(resolver.resolve(globals)?.unwrap_or_else(nothing))
    }
}

/// A resource without intrinsics.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) logical_id: String,
    pub(crate) line: usize,
    pub(crate) kind: String,
    pub(crate) kind_line: usize,
    pub(crate) body: Node,
}

impl Resource {
    /// A property by its path.
    pub(crate) fn property(&self, path: &[&str]) -> Option<&Node> {
        self.body
            .get("Properties")
            .and_then(|properties| properties.at(path))
    }

    /// A property that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&Node, LocalError> {
        self.property(&[name]).ok_or_else(|| {
            fault(
                self.line,
                format!("{} `{}` has no `{name}`", self.kind, self.logical_id),
            )
        })
    }

    /// The explicit name, or the one CloudFormation would make.
    pub(crate) fn physical_name(
        &self,
        property: &str,
        stack: &Stack,
    ) -> Result<String, LocalError> {
        match self.property(&[property]) {
            Some(name) => Ok(name.text()?.to_owned()),
            None => Ok(format!("{}-{}", stack.name, self.logical_id)),
        }
    }
}

fn resolved_resource(
    entry: &Entry,
    resolver: &Resolver<'_>,
) -> Result<Option<Resource>, LocalError> {
    if let Some(condition) = entry.value.get("Condition")
        && !resolver.holds(condition)?
    {
        return Ok(None);
    }
    let kind = entry.value.require("Type").map_err(|_| {
        fault(
            entry.line,
            format!("resource `{}` has no `Type`", entry.key),
        )
    })?;
    let Some(body) = resolver.resolve(&entry.value)? else {
        return Ok(None);
    };
    Ok(Some(Resource {
        logical_id: entry.key.clone(),
        line: entry.line,
        kind: kind.text()?.to_owned(),
        kind_line: kind.line,
        body,
    }))
}

fn of_type<T>(
    resources: &[Resource],
    kind: &str,
    read: impl Fn(&Resource) -> Result<T, LocalError>,
) -> Result<Vec<T>, LocalError> {
    resources
        .iter()
        .filter(|one| one.kind == kind)
        .map(read)
        .collect()
}

fn check_types(resources: &[Resource]) -> Result<(), LocalError> {
    const RUN: [&str; 6] = [
        "AWS::DynamoDB::Table",
        "AWS::KMS::Alias",
        "AWS::KMS::Key",
        "AWS::SQS::Queue",
        "AWS::Serverless::Function",
        "AWS::Serverless::HttpApi",
    ];
    let unknown = resources.iter().find(|one| {
        !RUN.contains(&one.kind.as_str()) && !WITHOUT_LOCAL_EFFECT.contains(&one.kind.as_str())
    });
    match unknown {
        Some(one) => Err(fault(
            one.kind_line,
            format!(
                "the local suite does not know resources of type `{}`",
                one.kind
            ),
        )),
        None => Ok(()),
    }
}

/// A queue that nobody empties, or a source and a dead-letter target that do not exist.
fn check_queues(template: &Template) -> Result<(), LocalError> {
    let known = |arn: &str| template.queues.iter().any(|queue| queue.arn == arn);
    for queue in &template.queues {
        if let Some(redrive) = &queue.redrive
            && !known(&redrive.target_arn)
        {
            return Err(fault(
                queue.line,
                "the dead-letter target is not a queue of this template",
            ));
        }
        let is_target = template
            .queues
            .iter()
            .filter_map(|other| other.redrive.as_ref())
            .any(|redrive| redrive.target_arn == queue.arn);
        let is_read = template
            .functions
            .iter()
            .flat_map(|function| &function.queues)
            .any(|source| source.queue_arn == queue.arn);
        if !is_target && !is_read {
            return Err(fault(
                queue.line,
                format!(
                    "no function reads queue `{}` and it is nobody's dead-letter queue",
                    queue.logical_id
                ),
            ));
        }
    }
    for source in template
        .functions
        .iter()
        .flat_map(|function| &function.queues)
    {
        if !known(&source.queue_arn) {
            return Err(fault(
                source.line,
                "this event's queue is not a queue of this template",
            ));
        }
    }
    Ok(())
}

pub(crate) fn fault(line: usize, problem: impl Into<String>) -> LocalError {
    LocalError::Template {
        line,
        problem: problem.into(),
    }
}

#[cfg(test)]
mod tests;
