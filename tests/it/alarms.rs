//! What rings: every function has its alarms, and each rings at the first fault of ours.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::template::{Template, logical_id_behind};

/// The metric filters of a log, by the metric they count.
fn counted(template: &Template, log: &str) -> BTreeMap<String, String> {
    template
        .resources("AWS::Logs::MetricFilter")
        .into_values()
        .filter(|filter| logical_id_behind(&filter["LogGroupName"]) == log)
        .map(|filter| {
            let metric = &filter["MetricTransformations"][0];
            let name = metric["MetricName"].as_str().expect("a name").to_owned();
            let pattern = filter["FilterPattern"].as_str().expect("a pattern");
            (name, pattern.to_owned())
        })
        .collect()
}

/// The alarms on a metric of ours that ring when it is counted once in a minute.
fn rings_at_once(template: &Template, metric: &str) -> bool {
    let rings = |alarm: &&Value| {
        alarm["MetricName"] == metric
            && alarm["Namespace"]["!Sub"] == "Passerelle/${AWS::StackName}"
            && alarm["Statistic"] == "Sum"
            && alarm["Threshold"] == 0
            && alarm["EvaluationPeriods"] == 1
            && alarm["Period"] == 60
            && alarm["ComparisonOperator"] == "GreaterThanThreshold"
            && alarm["TreatMissingData"] == "notBreaching"
            && alarm["AlarmActions"]["!If"][0] == "HasAlarmTopic"
    };
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    alarms.into_values().filter(|alarm| rings(alarm)).count() == 1
}

/// The log line is the runtime's, and its own test holds when it says `failure`.
#[test]
fn an_alarm_of_every_function_rings_at_the_first_line_that_says_failure() {
    let template = Template::read();
    let functions = template.resources("AWS::Serverless::Function");
    assert!(functions.len() >= 9);
    for (logical_id, properties) in functions {
        let log = logical_id_behind(&properties["LoggingConfig"]["LogGroup"]);
        let metric = logical_id.replace("Function", "Failures");
        let counted = counted(&template, &log);
        let pattern = counted.get(&metric).map(String::as_str);
        assert_eq!(pattern, Some("{ $.failure IS TRUE }"), "{logical_id}");
        assert!(rings_at_once(&template, &metric), "no alarm on {metric}");
    }
}

/// A function that crashes, takes too long or is refused capacity writes no line: the door does.
#[test]
fn an_alarm_rings_at_the_first_answer_of_the_door_that_no_function_chose() {
    let template = Template::read();
    let apis = template.resources("AWS::Serverless::HttpApi");
    let api = apis.into_values().next().expect("an API");
    let log = logical_id_behind(&api["AccessLogSettings"]["DestinationArn"]);
    let format = api["AccessLogSettings"]["Format"]
        .as_str()
        .expect("a format");
    let format: Value = serde_json::from_str(format).expect("a JSON line");
    assert_eq!(format["status"], "$context.status");
    assert_eq!(
        format["integration_error"],
        "$context.integrationErrorMessage"
    );
    let counted = counted(&template, &log);
    let pattern = &counted["ApiServerErrors"];
    for status in ["500", "502", "504"] {
        let counts = format!("($.status = \"{status}\")");
        assert!(pattern.contains(&counts), "{pattern}");
    }
    // What a function answers for a bank that is down reaches the door without an error.
    let chosen = "($.status = \"503\" && $.integration_error != \"-\")";
    assert!(pattern.contains(chosen), "{pattern}");
    assert!(rings_at_once(&template, "ApiServerErrors"));
}
