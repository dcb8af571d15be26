//! The template as a tree in which every node knows its line and every intrinsic is visible.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::fault;
use crate::error::LocalError;

/// One node of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    /// What it holds.
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing was written.
    Null,
    /// A text, number or boolean, as text: CloudFormation itself does not tell them apart.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
    /// `!Name argument`, or the long form with one key. The name is the long one (`Fn::Sub`, `Ref`).
    Call {
        intrinsic: String,
        argument: Box<Node>,
    },
}

/// One line of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Node,
}

impl Node {
    /// Reads one YAML document.
    pub(crate) fn parse(source: &str) -> Result<Self, LocalError> {
        let documents = MarkedYaml::load_from_str(source)
            .map_err(|error| fault(error.marker().line(), format!("not YAML: {}", error.info())))?;
        match documents.as_slice() {
            [only] => Self::from_yaml(only),
            _ => Err(fault(1, "expected exactly one YAML document")),
        }
    }

    fn from_yaml(yaml: &MarkedYaml<'_>) -> Result<Self, LocalError> {
        let line = yaml.span.start.line();
        let value = match &yaml.data {
            YamlData::Value(scalar) => scalar_value(scalar),
            YamlData::Representation(text, ..) => Value::Scalar(text.to_string()),
            YamlData::Sequence(items) => Value::List(
                items
                    .iter()
                    .map(Self::from_yaml)
                    .collect::<Result<_, _>>()?,
            ),
            YamlData::Mapping(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| entry(key, value))
                    .collect::<Result<Vec<_>, LocalError>>()?;
                map_or_call(entries)
            }
            YamlData::Tagged(tag, inner) => {
                let argument = Self::from_yaml(inner)?;
                Value::Call {
                    intrinsic: long_name(&tag.suffix),
                    argument: Box::new(argument),
                }
            }
            YamlData::Alias(_) | YamlData::BadValue => {
                return Err(fault(line, "a value that cannot be read here"));
            }
        };
        Ok(Self { line, value })
    }

    /// The value under `key`, when this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// The value under a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The value under `key`, or an error that names it.
    pub(crate) fn require(&self, key: &str) -> Result<&Node, LocalError> {
        self.get(key)
            .ok_or_else(|| fault(self.line, format!("`{key}` is missing here")))
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entries of a mapping, or an error.
    pub(crate) fn map(&self) -> Result<&[Entry], LocalError> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            _ => Err(fault(self.line, "expected a mapping here")),
        }
    }

    /// The items of a sequence, or an error.
    pub(crate) fn list(&self) -> Result<&[Node], LocalError> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(fault(self.line, "expected a list here")),
        }
    }

    /// The text of a scalar, or an error.
    pub(crate) fn text(&self) -> Result<&str, LocalError> {
        match &self.value {
            Value::Scalar(text) => Ok(text),
            Value::Call { intrinsic, .. } => Err(fault(
                self.line,
                format!("`{intrinsic}` cannot stand here: expected plain text"),
            )),
            _ => Err(fault(self.line, "expected text here")),
        }
    }

    /// A number or other parsed scalar, or an error that says what was expected.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, expected: &str) -> Result<T, LocalError> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| fault(self.line, format!("`{text}` is not {expected}")))
    }
}

fn entry(key: &MarkedYaml<'_>, value: &MarkedYaml<'_>) -> Result<Entry, LocalError> {
    let key = Node::from_yaml(key)?;
    let name = key.text()?.to_owned();
    let mut value = Node::from_yaml(value)?;
    // An empty value has no place of its own: it is where its key is.
    if value.value == Value::Null {
        value.line = key.line;
    }
    Ok(Entry {
        key: name,
        line: key.line,
        value,
    })
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::Scalar(flag.to_string()),
        Scalar::Integer(number) => Value::Scalar(number.to_string()),
        Scalar::FloatingPoint(number) => Value::Scalar(number.to_string()),
        Scalar::String(text) => Value::Scalar(text.to_string()),
    }
}

fn map_or_call(mut entries: Vec<Entry>) -> Value {
    let is_call = matches!(
        entries.as_slice(),
        [only] if only.key == "Ref" || only.key.starts_with("Fn::")
    );
    match entries.pop() {
        Some(only) if is_call => Value::Call {
            intrinsic: only.key,
            argument: Box::new(only.value),
        },
        Some(last) => {
            entries.push(last);
            Value::Map(entries)
        }
        None => Value::Map(entries),
    }
}

fn long_name(tag: &str) -> String {
    match tag {
        "Ref" | "Condition" => tag.to_owned(),
        other => format!("Fn::{other}"),
    }
}
