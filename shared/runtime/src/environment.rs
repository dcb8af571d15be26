//! What a function is given at cold start: its variables and its clock.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::clock::Clock;

/// The variables and the clock a function starts with. Read once, at cold start.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    clock: Clock,
}

impl Environment {
    /// The variables of this process and the system clock.
    ///
    /// A variable whose name or value is not Unicode is left out: none of ours is.
    #[must_use]
    pub fn from_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::new(variables, Clock::system())
    }

    /// Variables and a clock chosen by the caller: a test, or the suite on one machine.
    #[must_use]
    pub fn new(variables: BTreeMap<String, String>, clock: Clock) -> Self {
        Self { variables, clock }
    }

    /// Every variable, for what reads a group of them.
    #[must_use]
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// A variable the function cannot do without.
    ///
    /// # Errors
    /// [`StartError::Missing`] when it is absent or empty.
    pub fn text(&self, name: &'static str) -> Result<String, StartError> {
        self.optional(name).ok_or(StartError::Missing { name })
    }

    /// A variable that may be absent. Empty means absent, because a template cannot leave one out.
    #[must_use]
    pub fn optional(&self, name: &'static str) -> Option<String> {
        self.variables
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    /// A variable that is more than text.
    ///
    /// # Errors
    /// [`StartError::Missing`] when it is absent or empty, [`StartError::Unreadable`] when it does
    /// not parse.
    pub fn parsed<T>(&self, name: &'static str) -> Result<T, StartError>
    where
        T: FromStr,
    {
        self.text(name)?
            .parse()
            .map_err(|_| StartError::Unreadable {
                name,
                expected: std::any::type_name::<T>(),
            })
    }

    /// A variable that is more than text and may be absent.
    ///
    /// # Errors
    /// [`StartError::Unreadable`] when it is there and does not parse.
    pub fn optional_parsed<T>(&self, name: &'static str) -> Result<Option<T>, StartError>
    where
        T: FromStr,
    {
        self.optional(name).map(|_| self.parsed(name)).transpose()
    }

    /// The clock everything in the function reads the time from.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }
}

/// Why a function cannot start. None is worth a retry: the deployment has to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable is absent or empty.
    #[error("the environment variable {name} is missing or empty: set it in template.yaml")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A variable does not parse. Its value is not repeated: it could be a secret.
    #[error("the environment variable {name} cannot be read: expected {expected}")]
    Unreadable {
        /// Its name.
        name: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// Something the function is built from could not be built.
    #[error("cannot set up {what}")]
    Setup {
        /// What, in a few words.
        what: &'static str,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StartError {
    /// Something the function is built from could not be built.
    pub fn setup(
        what: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Setup {
            what,
            cause: cause.into(),
        }
    }

    /// Whether starting again unchanged could work.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Unreadable { .. } | Self::Setup { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, value: &str) -> Environment {
        let variables = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        Environment::new(variables, Clock::system())
    }

    #[test]
    fn an_empty_variable_is_absent() {
        let environment = environment("TABLE_NAME", "");
        assert_eq!(environment.optional("TABLE_NAME"), None);
        let error = environment.text("TABLE_NAME").unwrap_err().to_string();
        assert!(error.contains("TABLE_NAME"), "{error}");
    }

    #[test]
    fn an_unreadable_variable_is_named_and_its_value_is_not_repeated() {
        let environment = environment("REFRESHES_PER_DAY", "s3cret");
        let error = environment.parsed::<u8>("REFRESHES_PER_DAY").unwrap_err();
        assert!(error.to_string().contains("REFRESHES_PER_DAY"));
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
