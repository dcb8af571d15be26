//! The data files of the crate: comma-separated lines, `#` comments, one heading line, no quoting.
//!
//! They are compiled in, so a line that does not parse is our mistake and never the outside
//! world's: a test of each file proves that all its lines parse.

use std::str::FromStr;

/// A line of a data file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} line {line}: column {column} cannot be used; correct the line")]
pub struct MalformedTable {
    /// The data file.
    pub file: &'static str,
    /// Line number, from 1.
    pub line: usize,
    /// Column number, from 1.
    pub column: usize,
}

impl MalformedTable {
    /// Never: compiled-in data does not change by itself.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// One line of a data file.
#[derive(Debug, Clone)]
pub(crate) struct Row<'a> {
    file: &'static str,
    line: usize,
    columns: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// The text of a column, empty when the line is shorter.
    pub fn text(&self, column: usize) -> &'a str {
        self.columns.get(column).copied().unwrap_or_default()
    }

    /// The text of a column that must be there.
    pub fn required(&self, column: usize) -> Result<&'a str, MalformedTable> {
        match self.text(column) {
            "" => Err(self.malformed(column)),
            text => Ok(text),
        }
    }

    /// The value of a column that must be there.
    pub fn parse<T: FromStr>(&self, column: usize) -> Result<T, MalformedTable> {
        self.text(column)
            .parse()
            .map_err(|_| self.malformed(column))
    }

    /// The value of a column that may be empty.
    pub fn optional<T: FromStr>(&self, column: usize) -> Result<Option<T>, MalformedTable> {
        match self.text(column) {
            "" => Ok(None),
            _ => self.parse(column).map(Some),
        }
    }

    /// The parts of a column separated by `|`.
    pub fn alternatives(&self, column: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text(column)
            .split('|')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    }

    /// The error that names this line and a column.
    pub fn malformed(&self, column: usize) -> MalformedTable {
        MalformedTable {
            file: self.file,
            line: self.line,
            column: column + 1,
        }
    }
}

/// The lines of a data file, heading and comments left out.
pub(crate) fn rows<'a>(
    file: &'static str,
    text: &'a str,
) -> impl Iterator<Item = Row<'a>> + use<'a> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .skip(1)
        .map(move |(index, line)| Row {
            file,
            line: index + 1,
            columns: line.split(',').map(str::trim).collect(),
        })
}
