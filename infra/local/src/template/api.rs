//! The HTTP API: its routes, each with its function, and who may pass.

use super::document::Node;
use super::{Resource, fault};
use crate::error::LocalError;

/// The HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Name in the template.
    pub logical_id: String,
    /// Routes of all functions, no two alike.
    pub routes: Vec<Route>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `GET`, …, or `ANY`.
    pub method: String,
    /// The path with its variables, for instance `/v1/consents/{consent}`.
    pub path: String,
    /// Logical id of the function that answers.
    pub function: String,
    /// Who may pass; nobody is asked when absent.
    pub authorizer: Option<Authorizer>,
    /// Where the template writes it.
    pub line: usize,
}

/// A JWT authorizer as a route uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// The `iss` a token must have.
    pub issuer: String,
    /// One of these must be its `aud` or `client_id`.
    pub audience: Vec<String>,
    /// One of these must be among its scopes, when there are any.
    pub scopes: Vec<String>,
}

pub(crate) fn read(resources: &[Resource], globals: &Node) -> Result<Api, LocalError> {
    let mut apis = resources
        .iter()
        .filter(|one| one.kind == "AWS::Serverless::HttpApi");
    let (Some(api), None) = (apis.next(), apis.next()) else {
        return Err(fault(
            1,
            "the local suite runs templates with exactly one AWS::Serverless::HttpApi",
        ));
    };
    if let Some(body) = api
        .property(&["DefinitionBody"])
        .or(api.property(&["DefinitionUri"]))
    {
        return Err(fault(
            body.line,
            "routes are written as events of their function, not as a definition",
        ));
    }
    let mut routes: Vec<Route> = Vec::new();
    for function in resources
        .iter()
        .filter(|one| one.kind == "AWS::Serverless::Function")
    {
        let events = function
            .property(&["Events"])
            .map(Node::entries)
            .unwrap_or_default();
        for event in events {
            if event.value.require("Type")?.text()? != "HttpApi" {
                continue;
            }
            let route = route(&event.value, event.line, function, api, globals)?;
            if let Some(first) = routes
                .iter()
                .find(|one| one.method == route.method && one.path == route.path)
            {
                return Err(fault(
                    route.line,
                    format!(
                        "{} {} is already a route of `{}` (line {})",
                        route.method, route.path, first.function, first.line
                    ),
                ));
            }
            routes.push(route);
        }
    }
    Ok(Api {
        logical_id: api.logical_id.clone(),
        routes,
    })
}

fn route(
    event: &Node,
    line: usize,
    function: &Resource,
    api: &Resource,
    globals: &Node,
) -> Result<Route, LocalError> {
    let properties = event.require("Properties")?;
    let path = properties.require("Path")?;
    if !path.text()?.starts_with('/') {
        return Err(fault(path.line, "a path begins with `/`"));
    }
    Ok(Route {
        method: properties.require("Method")?.text()?.to_ascii_uppercase(),
        path: path.text()?.to_owned(),
        function: function.logical_id.clone(),
        authorizer: authorizer(properties, api, globals)?,
        line,
    })
}

fn authorizer(
    event: &Node,
    api: &Resource,
    globals: &Node,
) -> Result<Option<Authorizer>, LocalError> {
    let auth = api
        .property(&["Auth"])
        .or_else(|| globals.at(&["HttpApi", "Auth"]));
    let chosen = event
        .at(&["Auth", "Authorizer"])
        .or_else(|| auth.and_then(|auth| auth.get("DefaultAuthorizer")));
    let Some(chosen) = chosen else {
        return Ok(None);
    };
    if chosen.text()? == "NONE" {
        return Ok(None);
    }
    let missing = || {
        fault(
            chosen.line,
            format!(
                "authorizer `{}` is not defined",
                chosen.text().unwrap_or("")
            ),
        )
    };
    let definition = auth
        .and_then(|auth| auth.at(&["Authorizers", chosen.text().ok()?]))
        .ok_or_else(missing)?;
    let jwt = definition.require("JwtConfiguration").map_err(|_| {
        fault(
            definition.line,
            "the local suite knows JWT authorizers only: `JwtConfiguration` is missing",
        )
    })?;
    let scopes = event
        .at(&["Auth", "AuthorizationScopes"])
        .or(definition.get("AuthorizationScopes"));
    Ok(Some(Authorizer {
        issuer: jwt.require("issuer")?.text()?.to_owned(),
        audience: texts(jwt.require("audience")?)?,
        scopes: scopes.map(texts).transpose()?.unwrap_or_default(),
    }))
}

fn texts(node: &Node) -> Result<Vec<String>, LocalError> {
    node.list()?
        .iter()
        .map(|one| one.text().map(str::to_owned))
        .collect()
}
