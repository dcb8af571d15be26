//! The subset of intrinsic functions this suite understands.
//!
//! The list stands in the documentation of the template reader. Everything in the template is
//! resolved, also what does not matter locally, so that a reference to nothing is found before it is
//! deployed.

use std::collections::BTreeMap;

use super::document::{Entry, Node, Value};
use super::{Stack, fault};
use crate::error::LocalError;

/// How deep conditions and explicit names may refer to one another.
const MAX_DEPTH: usize = 64;

/// Resolves the nodes of one document against one stack.
#[derive(Debug)]
pub(crate) struct Resolver<'a> {
    stack: &'a Stack,
    parameters: BTreeMap<&'a str, String>,
    conditions: BTreeMap<&'a str, &'a Node>,
    resources: BTreeMap<&'a str, &'a Node>,
}

impl<'a> Resolver<'a> {
    /// Reads parameters, conditions and resource names of a document.
    pub(crate) fn new(document: &'a Node, stack: &'a Stack) -> Result<Self, LocalError> {
        Ok(Self {
            stack,
            parameters: parameters(document, stack)?,
            conditions: named(document.get("Conditions")),
            resources: named(document.get("Resources")),
        })
    }

    /// The node without intrinsics, or nothing when it says `AWS::NoValue`.
    pub(crate) fn resolve(&self, node: &Node) -> Result<Option<Node>, LocalError> {
        self.resolve_at(node, 0)
    }

    /// Whether a named condition of the template holds.
    pub(crate) fn holds(&self, name: &Node) -> Result<bool, LocalError> {
        self.named_condition(name, 0)
    }

    fn resolve_at(&self, node: &Node, depth: usize) -> Result<Option<Node>, LocalError> {
        let depth = deeper(node, depth)?;
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Scalar(text) => Value::Scalar(text.clone()),
            Value::List(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for item in items {
                    resolved.extend(self.resolve_at(item, depth)?);
                }
                Value::List(resolved)
            }
            Value::Map(entries) => {
                let mut resolved = Vec::with_capacity(entries.len());
                for Entry { key, line, value } in entries {
                    if let Some(value) = self.resolve_at(value, depth)? {
                        resolved.push(Entry {
                            key: key.clone(),
                            line: *line,
                            value,
                        });
                    }
                }
                Value::Map(resolved)
            }
            Value::Call {
                intrinsic,
                argument,
            } => {
                return self.call(node.line, intrinsic, argument, depth);
            }
        };
        Ok(Some(Node {
            line: node.line,
            value,
        }))
    }

    fn call(
        &self,
        line: usize,
        intrinsic: &str,
        argument: &Node,
        depth: usize,
    ) -> Result<Option<Node>, LocalError> {
        let text = match intrinsic {
            "Ref" if argument.text()? == "AWS::NoValue" => return Ok(None),
            "Ref" => self.reference(line, argument.text()?, depth)?,
            "Fn::GetAtt" => self.get_att(line, argument, depth)?,
            "Fn::Sub" => self.sub(line, argument, depth)?,
            "Fn::Join" => self.join(argument, depth)?,
            "Fn::If" => return self.choose(argument, depth),
            other => {
                return Err(fault(
                    line,
                    format!(
                        "intrinsic `{other}` is not one the local suite understands here (it knows Ref, Sub, GetAtt, Join and If)"
                    ),
                ));
            }
        };
        Ok(Some(Node {
            line,
            value: Value::Scalar(text),
        }))
    }

    fn reference(&self, line: usize, name: &str, depth: usize) -> Result<String, LocalError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        if let Some(value) = self.pseudo(name) {
            return Ok(value);
        }
        match self.resources.get(name) {
            Some(resource) => self.physical(line, name, resource, depth),
            None => Err(fault(
                line,
                format!("`{name}` is neither a parameter nor a resource of this template"),
            )),
        }
    }

    fn pseudo(&self, name: &str) -> Option<String> {
        match name {
            "AWS::Region" => Some(self.stack.region.clone()),
            "AWS::AccountId" => Some(self.stack.account.clone()),
            "AWS::StackName" => Some(self.stack.name.clone()),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::URLSuffix" => Some("amazonaws.com".to_owned()),
            _ => None,
        }
    }

    /// What `Ref` gives for a resource: CloudFormation decides it type by type.
    fn physical(
        &self,
        line: usize,
        logical: &str,
        resource: &Node,
        depth: usize,
    ) -> Result<String, LocalError> {
        let stack = self.stack;
        match resource_type(resource)? {
            "AWS::SQS::Queue" => Ok(format!(
                "https://sqs.{}.amazonaws.com/{}/{}",
                stack.region,
                stack.account,
                self.name_of(logical, resource, depth)?
            )),
            "AWS::KMS::Key" => {
                stack.key_ids.get(logical).cloned().ok_or_else(|| {
                    fault(line, format!("key `{logical}` is needed before it exists"))
                })
            }
            _ => self.name_of(logical, resource, depth),
        }
    }

    /// The explicit name of a resource, or the one made from stack and logical id.
    fn name_of(&self, logical: &str, resource: &Node, depth: usize) -> Result<String, LocalError> {
        const NAMES: [&str; 7] = [
            "TableName",
            "QueueName",
            "FunctionName",
            "AliasName",
            "LogGroupName",
            "RoleName",
            "Name",
        ];
        let explicit = NAMES
            .iter()
            .find_map(|name| resource.at(&["Properties", name]));
        let Some(explicit) = explicit else {
            return Ok(format!("{}-{logical}", self.stack.name));
        };
        match self.resolve_at(explicit, depth)? {
            Some(name) => Ok(name.text()?.to_owned()),
            None => Ok(format!("{}-{logical}", self.stack.name)),
        }
    }

    fn get_att(&self, line: usize, argument: &Node, depth: usize) -> Result<String, LocalError> {
        let (logical, attribute) = match &argument.value {
            Value::List(parts) => match parts.as_slice() {
                [logical, attribute] => (logical.text()?, attribute.text()?),
                _ => return Err(fault(line, "GetAtt takes a resource and an attribute")),
            },
            _ => argument
                .text()?
                .split_once('.')
                .ok_or_else(|| fault(line, "GetAtt is written `Resource.Attribute`"))?,
        };
        self.attribute(line, logical, attribute, depth)
    }

    fn attribute(
        &self,
        line: usize,
        logical: &str,
        attribute: &str,
        depth: usize,
    ) -> Result<String, LocalError> {
        let resource = self.resources.get(logical).ok_or_else(|| {
            fault(
                line,
                format!("`{logical}` is not a resource of this template"),
            )
        })?;
        let kind = resource_type(resource)?;
        let arn = |service: &str, rest: String| {
            format!(
                "arn:aws:{service}:{}:{}:{rest}",
                self.stack.region, self.stack.account
            )
        };
        let name = || self.name_of(logical, resource, depth);
        match (kind, attribute) {
            ("AWS::DynamoDB::Table", "Arn") => Ok(arn("dynamodb", format!("table/{}", name()?))),
            ("AWS::SQS::Queue", "Arn") => Ok(arn("sqs", name()?)),
            ("AWS::SQS::Queue", "QueueName") => name(),
            ("AWS::SQS::Queue", "QueueUrl") => self.physical(line, logical, resource, depth),
            ("AWS::KMS::Key", "KeyId") => self.physical(line, logical, resource, depth),
            ("AWS::KMS::Key", "Arn") => {
                let id = self.physical(line, logical, resource, depth)?;
                Ok(arn("kms", format!("key/{id}")))
            }
            ("AWS::Serverless::Function", "Arn") => {
                Ok(arn("lambda", format!("function:{}", name()?)))
            }
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => Ok(self.stack.api_endpoint.clone()),
            ("AWS::Logs::LogGroup", "Arn") => Ok(arn("logs", format!("log-group:{}:*", name()?))),
            ("AWS::IAM::Role", "Arn") => Ok(format!(
                "arn:aws:iam::{}:role/{}",
                self.stack.account,
                name()?
            )),
            _ => Err(fault(
                line,
                format!("attribute `{attribute}` of {kind} is not one the local suite knows"),
            )),
        }
    }

    fn sub(&self, line: usize, argument: &Node, depth: usize) -> Result<String, LocalError> {
        let (text, own) = match &argument.value {
            Value::List(parts) => match parts.as_slice() {
                [text, own] => (text.text()?, own.entries()),
                _ => return Err(fault(line, "Sub takes a text, or a text and a mapping")),
            },
            _ => (argument.text()?, &[] as &[Entry]),
        };
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| fault(line, "Sub has `${` without its `}`"))?;
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str(&format!("${{{literal}}}"));
            } else if let Some(entry) = own.iter().find(|entry| entry.key == name) {
                if let Some(value) = self.resolve_at(&entry.value, depth)? {
                    result.push_str(value.text()?);
                }
            } else if let Some((logical, attribute)) = name.split_once('.') {
                result.push_str(&self.attribute(line, logical, attribute, depth)?);
            } else {
                result.push_str(&self.reference(line, name, depth)?);
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    fn join(&self, argument: &Node, depth: usize) -> Result<String, LocalError> {
        let [delimiter, items] = argument.list()? else {
            return Err(fault(argument.line, "Join takes a delimiter and a list"));
        };
        let items = self
            .resolve_at(items, depth)?
            .ok_or_else(|| fault(argument.line, "Join has no list"))?;
        let texts = items
            .list()?
            .iter()
            .map(Node::text)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(texts.join(delimiter.text()?))
    }

    fn choose(&self, argument: &Node, depth: usize) -> Result<Option<Node>, LocalError> {
        let [condition, then, otherwise] = argument.list()? else {
            return Err(fault(argument.line, "If takes a condition and two values"));
        };
        // Both sides are read, so that a wrong reference in the side not taken is found too.
        let (then, otherwise) = (
            self.resolve_at(then, depth)?,
            self.resolve_at(otherwise, depth)?,
        );
        Ok(if self.named_condition(condition, depth)? {
            then
        } else {
            otherwise
        })
    }

    fn named_condition(&self, name: &Node, depth: usize) -> Result<bool, LocalError> {
        let depth = deeper(name, depth)?;
        let text = name.text()?;
        let condition = self.conditions.get(text).ok_or_else(|| {
            fault(
                name.line,
                format!("`{text}` is not a condition of this template"),
            )
        })?;
        self.condition(condition, depth)
    }

    fn condition(&self, node: &Node, depth: usize) -> Result<bool, LocalError> {
        let depth = deeper(node, depth)?;
        if let [only] = node.entries()
            && only.key == "Condition"
        {
            return self.named_condition(&only.value, depth);
        }
        let Value::Call {
            intrinsic,
            argument,
        } = &node.value
        else {
            return Err(fault(
                node.line,
                "expected Equals, Not, And, Or or Condition",
            ));
        };
        match intrinsic.as_str() {
            "Condition" => self.named_condition(argument, depth),
            "Fn::Equals" => match argument.list()? {
                [left, right] => Ok(self.same(left, right, depth)?),
                _ => Err(fault(node.line, "Equals takes two values")),
            },
            "Fn::Not" => match argument.list()? {
                [only] => Ok(!self.condition(only, depth)?),
                _ => Err(fault(node.line, "Not takes one condition")),
            },
            "Fn::And" => self
                .each(argument, depth)
                .map(|all| all.into_iter().all(|one| one)),
            "Fn::Or" => self
                .each(argument, depth)
                .map(|all| all.into_iter().any(|one| one)),
            other => Err(fault(
                node.line,
                format!(
                    "intrinsic `{other}` is not one the local suite understands in a condition (it knows Equals, Not, And, Or and Condition)"
                ),
            )),
        }
    }

    fn each(&self, argument: &Node, depth: usize) -> Result<Vec<bool>, LocalError> {
        argument
            .list()?
            .iter()
            .map(|one| self.condition(one, depth))
            .collect()
    }

    fn same(&self, left: &Node, right: &Node, depth: usize) -> Result<bool, LocalError> {
        let value = |side: &Node| -> Result<Option<Value>, LocalError> {
            Ok(self.resolve_at(side, depth)?.map(|node| node.value))
        };
        Ok(value(left)? == value(right)?)
    }
}

/// The type of a resource.
pub(crate) fn resource_type(resource: &Node) -> Result<&str, LocalError> {
    resource.require("Type")?.text()
}

fn named(section: Option<&Node>) -> BTreeMap<&str, &Node> {
    section
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|entry| (entry.key.as_str(), &entry.value))
        .collect()
}

fn parameters<'a>(
    document: &'a Node,
    stack: &Stack,
) -> Result<BTreeMap<&'a str, String>, LocalError> {
    let declared = document
        .get("Parameters")
        .map(Node::entries)
        .unwrap_or_default();
    let mut values = BTreeMap::new();
    for Entry {
        key,
        line,
        value: declaration,
    } in declared
    {
        let kind = declaration.require("Type")?;
        if !matches!(kind.text()?, "String" | "Number") {
            return Err(fault(
                kind.line,
                "the local suite knows parameters of type String and Number",
            ));
        }
        let given = stack.parameters.get(key).map(String::as_str);
        let value = match (given, declaration.get("Default")) {
            (Some(value), _) => value,
            (None, Some(default)) => default.text()?,
            (None, None) => {
                return Err(fault(
                    *line,
                    format!(
                        "parameter `{key}` has no default and the local suite gives it no value"
                    ),
                ));
            }
        };
        check_allowed(key, value, declaration)?;
        values.insert(key.as_str(), value.to_owned());
    }
    match stack
        .parameters
        .keys()
        .find(|given| !values.contains_key(given.as_str()))
    {
        Some(unknown) => Err(fault(
            document.get("Parameters").map_or(1, |section| section.line),
            format!(
                "the local suite sets parameter `{unknown}`, which the template does not declare"
            ),
        )),
        None => Ok(values),
    }
}

fn check_allowed(name: &str, value: &str, declaration: &Node) -> Result<(), LocalError> {
    let Some(allowed) = declaration.get("AllowedValues") else {
        return Ok(());
    };
    for one in allowed.list()? {
        if one.text()? == value {
            return Ok(());
        }
    }
    Err(fault(
        allowed.line,
        format!("`{value}` is not an allowed value of parameter `{name}`"),
    ))
}

fn deeper(node: &Node, depth: usize) -> Result<usize, LocalError> {
    if depth >= MAX_DEPTH {
        return Err(fault(
            node.line,
            "this refers to itself, or is nested too deep",
        ));
    }
    Ok(depth.saturating_add(1))
}
