//! Which functions this build holds, and that the template holds the same.

use passerelle_aws::Clients;
use passerelle_runtime::{Environment, Function, StartError};

use crate::error::LocalError;
use crate::template::{self, Template};

type Build = fn(&Environment, &Clients) -> Result<Function, StartError>;

/// Every function of `functions/`, by folder.
const FUNCTIONS: [(&str, Build); 9] = [
    ("institutions", institutions::function),
    ("consent-start", consent_start::function),
    ("bank-callback", bank_callback::function),
    ("sync", sync::function),
    ("refresh", refresh::function),
    ("consent-expiry", consent_expiry::function),
    ("scoring", scoring::function),
    ("connections", connections::function),
    ("registry", registry::function),
];

/// Builds the function of a resource with the environment the template gives it.
pub(crate) fn build(
    resource: &template::Function,
    environment: &Environment,
    clients: &Clients,
) -> Result<Function, LocalError> {
    let build = find(resource)?;
    build(environment, clients).map_err(|error| LocalError::FunctionStart {
        function: resource.folder.clone(),
        reason: chain(&error),
    })
}

fn find(resource: &template::Function) -> Result<Build, LocalError> {
    let known = FUNCTIONS
        .iter()
        .find(|(folder, _)| *folder == resource.folder);
    known
        .map(|(_, build)| *build)
        .ok_or_else(|| LocalError::Template {
            line: resource.line,
            problem: format!(
                "`{}` runs `{}`, which this build has no function for",
                resource.logical_id, resource.folder
            ),
        })
}

/// Refuses a template that runs a function this build lacks, leaves one out, or runs one twice.
pub(crate) fn check(template: &Template) -> Result<(), LocalError> {
    for resource in &template.functions {
        find(resource)?;
    }
    for (folder, _) in FUNCTIONS {
        let mut resources = template.functions.iter().filter(|one| one.folder == folder);
        match (resources.next(), resources.next()) {
            (Some(_), None) => {}
            (None, _) => {
                return Err(LocalError::Template {
                    line: template.resources_line,
                    problem: format!("no resource here runs the function `{folder}` of this build"),
                });
            }
            (Some(first), Some(second)) => {
                return Err(LocalError::Template {
                    line: second.line,
                    problem: format!(
                        "`{folder}` is already run by `{}` (line {})",
                        first.logical_id, first.line
                    ),
                });
            }
        }
    }
    Ok(())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
