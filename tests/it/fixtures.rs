//! The events of `events/<function>/<case>.json`: the same files for these tests, for
//! `cargo lambda invoke` and for `sam local invoke`.

use std::fs;

use serde_json::Value;

use crate::house;

/// What starts a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// An HTTP API route, `GET /v1/consents/{consent}`.
    Route(String),
    /// A queue, by the name in its ARN.
    Queue(String),
    /// A schedule.
    Schedule,
    /// An operator, directly.
    Command,
}

/// One event.
pub struct Fixture {
    /// File name without the extension.
    pub case: String,
    /// What Lambda would hand over.
    pub event: Value,
}

impl Fixture {
    pub fn trigger(&self) -> Trigger {
        let event = &self.event;
        if let Some(route) = event["routeKey"].as_str() {
            return Trigger::Route(route.to_owned());
        }
        if let Some(arn) = event["Records"][0]["eventSourceARN"].as_str() {
            let name = arn.rsplit(':').next().unwrap_or_default();
            return Trigger::Queue(name.to_owned());
        }
        if event["source"] == "aws.scheduler" {
            return Trigger::Schedule;
        }
        // One member: the command's name and what it is about.
        let command = event.as_object().filter(|members| members.len() == 1);
        assert!(
            command.is_some_and(|members| members.values().all(Value::is_object)),
            "{} looks like no event this suite can receive",
            self.case
        );
        Trigger::Command
    }
}

/// The events of a function, by case.
pub fn of(function: &str) -> Vec<Fixture> {
    let folder = house::root().join("events").join(function);
    let mut fixtures: Vec<Fixture> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .map(|path| {
            let case = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a readable event");
            let event = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Fixture { case, event }
        })
        .collect();
    fixtures.sort_by(|one, other| one.case.cmp(&other.case));
    fixtures
}

/// One event.
pub fn event(function: &str, case: &str) -> Value {
    of(function)
        .into_iter()
        .find(|fixture| fixture.case == case)
        .unwrap_or_else(|| panic!("no events/{function}/{case}.json"))
        .event
}
