//! `template.yaml`, read with as little cleverness as possible.
//!
//! The local suite has a reader of its own; this one is the second opinion, so it shares nothing
//! with it: YAML becomes JSON, and a tag such as `!Ref` becomes an object with the one key `!Ref`.

use std::collections::{BTreeMap, BTreeSet};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::house;

/// The template.
pub struct Template(Value);

/// A function as the template describes it.
pub struct Function {
    /// Name of the resource, for instance `ConsentStartFunction`.
    pub logical_id: String,
    /// The folder under `functions/`.
    pub folder: String,
    /// Routes, as API Gateway names them: `GET /v1/consents/{consent}`.
    pub routes: BTreeSet<String>,
    /// Those of its routes that ask for no token.
    pub anonymous: BTreeSet<String>,
    /// Logical ids of the queues it consumes.
    pub queues: BTreeSet<String>,
    /// How many schedules start it.
    pub schedules: usize,
    /// How many calls of it may run at once, where its share is reserved.
    pub reserved: Option<u64>,
    /// Most calls its queues make at once.
    pub at_once: u64,
    /// Names of its environment variables, the shared ones included.
    pub variables: BTreeSet<String>,
    /// Logical id of its role.
    pub role: String,
}

impl Function {
    /// Whether an operator calls it, because nothing else does.
    pub fn takes_commands(&self) -> bool {
        self.routes.is_empty() && self.queues.is_empty() && self.schedules == 0
    }
}

impl Template {
    pub fn read() -> Self {
        let text = house::text("template.yaml");
        let documents = Yaml::load_from_str(&text).expect("template.yaml is YAML");
        Self(as_json(documents.first().expect("one document")))
    }

    /// The resources of one type, by logical id.
    pub fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        self.0["Resources"]
            .as_object()
            .expect("Resources")
            .iter()
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(logical_id, resource)| (logical_id.as_str(), &resource["Properties"]))
            .collect()
    }

    pub fn functions(&self) -> Vec<Function> {
        let shared = variables_of(&self.0["Globals"]["Function"]);
        self.resources("AWS::Serverless::Function")
            .into_iter()
            .map(|(logical_id, properties)| function(logical_id, properties, &shared))
            .collect()
    }

    /// The function of a folder.
    pub fn function_in(&self, folder: &str) -> Function {
        self.functions()
            .into_iter()
            .find(|function| function.folder == folder)
            .unwrap_or_else(|| panic!("no function of the template is built from {folder}"))
    }
}

fn function(logical_id: &str, properties: &Value, shared: &BTreeSet<String>) -> Function {
    let folder = text(&properties["CodeUri"])
        .strip_prefix("functions/")
        .map(|folder| folder.trim_end_matches('/').to_owned())
        .unwrap_or_else(|| panic!("{logical_id}: CodeUri does not start with functions/"));
    let mut function = Function {
        logical_id: logical_id.to_owned(),
        folder,
        routes: BTreeSet::new(),
        anonymous: BTreeSet::new(),
        reserved: properties["ReservedConcurrentExecutions"]["!If"][1].as_u64(),
        at_once: 0,
        queues: BTreeSet::new(),
        schedules: 0,
        variables: shared | &variables_of(properties),
        role: logical_id_behind(&properties["Role"]),
    };
    for (name, event) in properties["Events"].as_object().into_iter().flatten() {
        let properties = &event["Properties"];
        match text(&event["Type"]) {
            "HttpApi" => {
                let route = format!(
                    "{} {}",
                    text(&properties["Method"]),
                    text(&properties["Path"])
                );
                if properties["Auth"]["Authorizer"] == "NONE" {
                    function.anonymous.insert(route.clone());
                }
                function.routes.insert(route);
            }
            "SQS" => {
                let at_once = &properties["ScalingConfig"]["MaximumConcurrency"];
                function.at_once += at_once.as_u64().expect("MaximumConcurrency");
                function
                    .queues
                    .insert(logical_id_behind(&properties["Queue"]));
            }
            "ScheduleV2" => function.schedules += 1,
            other => panic!("{logical_id}: event {name} of unknown type {other}"),
        }
    }
    function
}

fn variables_of(function: &Value) -> BTreeSet<String> {
    function["Environment"]["Variables"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

/// The resource that a `!Ref X` or a `!GetAtt X.Arn` speaks of.
pub fn logical_id_behind(value: &Value) -> String {
    let target = value
        .get("!Ref")
        .or_else(|| value.get("!GetAtt"))
        .unwrap_or_else(|| panic!("neither !Ref nor !GetAtt: {value}"));
    text(target)
        .split('.')
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
}

fn as_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Value(other) => panic!("not expected in a template: {other:?}"),
        Yaml::Sequence(items) => items.iter().map(as_json).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = key.as_str().expect("keys are texts").to_owned();
                (key, as_json(value))
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, inner) => json!({ format!("!{}", tag.suffix): as_json(inner) }),
        Yaml::Representation(text, _, Some(tag)) => {
            json!({ format!("!{}", tag.suffix): text })
        }
        Yaml::Representation(text, _, None) => json!(text),
        Yaml::Alias(_) | Yaml::BadValue => panic!("not expected in a template: {yaml:?}"),
    }
}
