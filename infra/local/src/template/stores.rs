//! Tables, keys and queues as the template writes them.

use super::document::Node;
use super::{Resource, Stack, fault};
use crate::error::LocalError;

/// A table with its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name in the template.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// Partition key and, when there is one, sort key.
    pub keys: Vec<String>,
    /// Attribute names and types (`S`, `N`, `B`), of tables and indexes together.
    pub attributes: Vec<(String, String)>,
    /// Global secondary indexes.
    pub indexes: Vec<Index>,
    /// The attribute that says when an item may be forgotten.
    pub ttl_attribute: Option<String>,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Partition key and, when there is one, sort key.
    pub keys: Vec<String>,
    /// `KEYS_ONLY`, `ALL` or `INCLUDE`.
    pub projection: String,
    /// Attributes of an `INCLUDE` projection.
    pub included: Vec<String>,
}

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Name in the template.
    pub logical_id: String,
    /// Its id.
    pub id: String,
    /// `SYMMETRIC_DEFAULT` when the template says nothing.
    pub spec: String,
    /// `ENCRYPT_DECRYPT` when the template says nothing.
    pub usage: String,
}

/// A name of a KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// `alias/…`.
    pub name: String,
    /// Id of the key it names.
    pub key_id: String,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Name in the template.
    pub logical_id: String,
    /// Where the template writes it.
    pub line: usize,
    /// Physical name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Seconds a received message stays hidden.
    pub visibility_seconds: u32,
    /// Seconds a message is kept.
    pub retention_seconds: u32,
    /// Where a message goes that was received too often.
    pub redrive: Option<Redrive>,
}

/// The end of a message that was received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// ARN of the dead-letter queue.
    pub target_arn: String,
    /// Receives before it goes there.
    pub max_receives: u32,
}

pub(crate) fn table(resource: &Resource, stack: &Stack) -> Result<Table, LocalError> {
    let attributes = resource.required("AttributeDefinitions")?.list()?;
    let indexes = resource
        .property(&["GlobalSecondaryIndexes"])
        .map(Node::list)
        .transpose()?;
    let ttl = resource.property(&["TimeToLiveSpecification"]);
    if let Some(unknown) = resource.property(&["LocalSecondaryIndexes"]) {
        return Err(fault(
            unknown.line,
            "the local suite does not know local secondary indexes",
        ));
    }
    let table = Table {
        logical_id: resource.logical_id.clone(),
        name: resource.physical_name("TableName", stack)?,
        keys: key_schema(resource.required("KeySchema")?)?,
        attributes: attributes
            .iter()
            .map(|one| {
                let name = one.require("AttributeName")?.text()?.to_owned();
                Ok((name, one.require("AttributeType")?.text()?.to_owned()))
            })
            .collect::<Result<_, LocalError>>()?,
        indexes: indexes
            .unwrap_or_default()
            .iter()
            .map(index)
            .collect::<Result<_, _>>()?,
        ttl_attribute: match ttl {
            Some(ttl) if ttl.require("Enabled")?.text()? == "true" => {
                Some(ttl.require("AttributeName")?.text()?.to_owned())
            }
            _ => None,
        },
    };
    check_attributes(&table, resource)?;
    Ok(table)
}

fn index(node: &Node) -> Result<Index, LocalError> {
    let projection = node.require("Projection")?;
    let included = projection
        .get("NonKeyAttributes")
        .map(Node::list)
        .transpose()?;
    Ok(Index {
        name: node.require("IndexName")?.text()?.to_owned(),
        keys: key_schema(node.require("KeySchema")?)?,
        projection: projection.require("ProjectionType")?.text()?.to_owned(),
        included: included
            .unwrap_or_default()
            .iter()
            .map(|one| one.text().map(str::to_owned))
            .collect::<Result<_, _>>()?,
    })
}

fn key_schema(node: &Node) -> Result<Vec<String>, LocalError> {
    let entries = node.list()?;
    let of_type = |wanted: &str| -> Result<Option<String>, LocalError> {
        for entry in entries {
            if entry.require("KeyType")?.text()? == wanted {
                return Ok(Some(entry.require("AttributeName")?.text()?.to_owned()));
            }
        }
        Ok(None)
    };
    let partition = of_type("HASH")?
        .ok_or_else(|| fault(node.line, "a key schema needs one attribute of type HASH"))?;
    let sort = of_type("RANGE")?;
    if entries.len() != 1 + usize::from(sort.is_some()) {
        return Err(fault(
            node.line,
            "a key schema is one HASH and at most one RANGE here",
        ));
    }
    Ok(std::iter::once(partition).chain(sort).collect())
}

fn check_attributes(table: &Table, resource: &Resource) -> Result<(), LocalError> {
    let used = table
        .keys
        .iter()
        .chain(table.indexes.iter().flat_map(|index| &index.keys));
    for name in used {
        if !table.attributes.iter().any(|(defined, _)| defined == name) {
            return Err(fault(
                resource.line,
                format!(
                    "table `{}` uses key `{name}` without defining it",
                    table.logical_id
                ),
            ));
        }
    }
    Ok(())
}

pub(crate) fn key(resource: &Resource, stack: &Stack) -> Result<Key, LocalError> {
    let text_or = |name: &str, default: &str| -> Result<String, LocalError> {
        Ok(resource
            .property(&[name])
            .map(Node::text)
            .transpose()?
            .unwrap_or(default)
            .to_owned())
    };
    Ok(Key {
        logical_id: resource.logical_id.clone(),
        id: stack
            .key_ids
            .get(&resource.logical_id)
            .cloned()
            .ok_or_else(|| {
                fault(
                    resource.line,
                    format!("key `{}` was not made", resource.logical_id),
                )
            })?,
        spec: text_or("KeySpec", "SYMMETRIC_DEFAULT")?,
        usage: text_or("KeyUsage", "ENCRYPT_DECRYPT")?,
    })
}

pub(crate) fn alias(resource: &Resource) -> Result<Alias, LocalError> {
    Ok(Alias {
        name: resource.required("AliasName")?.text()?.to_owned(),
        key_id: resource.required("TargetKeyId")?.text()?.to_owned(),
    })
}

pub(crate) fn queue(resource: &Resource, stack: &Stack) -> Result<Queue, LocalError> {
    const SECONDS: &str = "a number of seconds";
    let seconds = |name: &str, default: u32| -> Result<u32, LocalError> {
        let given = resource
            .property(&[name])
            .map(|node| node.parsed(SECONDS))
            .transpose()?;
        Ok(given.unwrap_or(default))
    };
    if let Some(fifo) = resource.property(&["FifoQueue"])
        && fifo.text()? == "true"
    {
        return Err(fault(
            fifo.line,
            "the local suite runs standard queues only",
        ));
    }
    let name = resource.physical_name("QueueName", stack)?;
    let redrive = resource.property(&["RedrivePolicy"]).map(|policy| {
        Ok::<_, LocalError>(Redrive {
            target_arn: policy.require("deadLetterTargetArn")?.text()?.to_owned(),
            max_receives: policy
                .require("maxReceiveCount")?
                .parsed("a number of receives")?,
        })
    });
    Ok(Queue {
        logical_id: resource.logical_id.clone(),
        line: resource.line,
        arn: format!("arn:aws:sqs:{}:{}:{name}", stack.region, stack.account),
        name,
        visibility_seconds: seconds("VisibilityTimeout", 30)?,
        retention_seconds: seconds("MessageRetentionPeriod", 345_600)?,
        redrive: redrive.transpose()?,
    })
}
