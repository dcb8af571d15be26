//! What the template lets each function do, and what it lets nobody do.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::template::{Template, logical_id_behind};

fn statements(document: &Value) -> &Vec<Value> {
    document["Statement"].as_array().expect("Statement")
}

fn actions(statement: &Value) -> Vec<&str> {
    match &statement["Action"] {
        Value::String(action) => vec![action],
        Value::Array(actions) => actions.iter().filter_map(Value::as_str).collect(),
        other => panic!("no action: {other}"),
    }
}

fn resources(statement: &Value) -> Vec<&Value> {
    match &statement["Resource"] {
        Value::Array(resources) => resources.iter().collect(),
        one => vec![one],
    }
}

/// Every statement of every role, with the role's name.
fn granted(template: &Template) -> Vec<(String, Value)> {
    template
        .resources("AWS::IAM::Role")
        .into_iter()
        .flat_map(|(role, properties)| {
            properties["Policies"]
                .as_array()
                .expect("Policies")
                .iter()
                .flat_map(|policy| statements(&policy["PolicyDocument"]).clone())
                .map(move |statement| (role.to_owned(), statement))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What a role may do: an action and, by its name in the template, what it may be done to. An index
/// is `Table/index/due`.
pub fn of_role(template: &Template, role: &str) -> BTreeSet<(String, String)> {
    let mut allowed = BTreeSet::new();
    for (whose, statement) in granted(template) {
        if whose != role {
            continue;
        }
        for action in actions(&statement) {
            for resource in resources(&statement) {
                allowed.insert((action.to_owned(), target(resource)));
            }
        }
    }
    allowed
}

fn target(resource: &Value) -> String {
    match resource.get("!Sub").and_then(Value::as_str) {
        Some(index) => index.replace("${", "").replace(".Arn}", ""),
        None => logical_id_behind(resource),
    }
}

#[test]
fn every_action_is_named_in_full() {
    let template = Template::read();
    let of_roles = granted(&template);
    let of_keys = template
        .resources("AWS::KMS::Key")
        .into_iter()
        .flat_map(|(key, properties)| {
            statements(&properties["KeyPolicy"])
                .iter()
                .map(move |statement| (key.to_owned(), statement.clone()))
        });
    let mut seen = 0;
    for (whose, statement) in of_roles.iter().cloned().chain(of_keys) {
        for action in actions(&statement) {
            assert!(!action.contains('*'), "{whose} allows {action}");
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} actions were looked at");
}

#[test]
fn every_resource_of_a_role_has_a_name() {
    for (role, statement) in granted(&Template::read()) {
        for resource in resources(&statement) {
            let sub = resource.get("!Sub").and_then(Value::as_str);
            let named = resource.get("!GetAtt").is_some()
                || sub.is_some_and(|text| text.starts_with("${Table.Arn}/index/"));
            let open = resource.to_string().contains('*');
            assert!(named && !open, "{role} reaches {resource}");
        }
    }
}

#[test]
fn a_tenant_key_is_opened_only_in_the_name_of_its_tenant() {
    let template = Template::read();
    let mut uses: Vec<Value> = granted(&template)
        .into_iter()
        .map(|(_, statement)| statement)
        .collect();
    for properties in template.resources("AWS::KMS::Key").into_values() {
        uses.extend(statements(&properties["KeyPolicy"]).iter().cloned());
    }
    uses.retain(|statement| {
        actions(statement)
            .iter()
            .any(|action| matches!(*action, "kms:Decrypt" | "kms:GenerateDataKey"))
    });
    assert!(!uses.is_empty());
    for statement in uses {
        assert_eq!(
            statement["Condition"]["Null"]["kms:EncryptionContext:tenant"], "false",
            "{statement}"
        );
    }
}

#[test]
fn every_function_has_a_role_of_its_own_that_only_lambda_may_take() {
    let template = Template::read();
    let roles = template.resources("AWS::IAM::Role");
    let mut used: Vec<String> = template
        .functions()
        .into_iter()
        .map(|function| function.role)
        .collect();
    used.sort();
    let known: Vec<String> = roles.keys().map(|role| (*role).to_owned()).collect();
    assert_eq!(used, known);
    for (role, properties) in roles {
        let trust = statements(&properties["AssumeRolePolicyDocument"]);
        assert_eq!(trust.len(), 1, "{role}");
        assert_eq!(
            trust[0]["Principal"]["Service"], "lambda.amazonaws.com",
            "{role}"
        );
        assert!(properties["ManagedPolicyArns"].is_null(), "{role}");
    }
}

#[test]
fn a_function_may_reach_exactly_the_tables_keys_and_queues_its_settings_name() {
    let template = Template::read();
    let named_by = [
        ("TABLE_NAME", "Table"),
        ("KEYS_TABLE_NAME", "KeysTable"),
        ("VAULT_KEY_ID", "VaultKey"),
        ("RECEIPT_KEY_ID", "ReceiptKey"),
        ("SYNC_QUEUE_URL", "SyncQueue"),
        ("SCORING_QUEUE_URL", "ScoringQueue"),
    ];
    for function in template.functions() {
        let reached: BTreeSet<String> = of_role(&template, &function.role)
            .into_iter()
            .filter_map(|(_, target)| target.split('/').next().map(str::to_owned))
            .collect();
        for (variable, resource) in named_by {
            let known = function.variables.contains(variable) || function.queues.contains(resource);
            let allowed = reached.contains(resource);
            assert_eq!(
                known, allowed,
                "{}: {variable} is set or consumed ({known}), {resource} is allowed ({allowed})",
                function.folder
            );
        }
    }
}

#[test]
fn every_queue_ends_in_dead_letters_that_ring_and_failed_records_are_reported_one_by_one() {
    let template = Template::read();
    let queues = template.resources("AWS::SQS::Queue");
    let watched: Vec<String> = template
        .resources("AWS::CloudWatch::Alarm")
        .into_values()
        .filter(|alarm| alarm["MetricName"] == "ApproximateNumberOfMessagesVisible")
        .map(|alarm| logical_id_behind(&alarm["Dimensions"][0]["Value"]))
        .collect();
    for function in template.functions() {
        for queue in &function.queues {
            let redrive = &queues[queue.as_str()]["RedrivePolicy"];
            let dead_letters = logical_id_behind(&redrive["deadLetterTargetArn"]);
            assert!(queues.contains_key(dead_letters.as_str()), "{queue}");
            assert!(
                watched.contains(&dead_letters),
                "no alarm on {dead_letters}"
            );
        }
    }
    let functions = template.resources("AWS::Serverless::Function");
    let consumers = functions.values().flat_map(|properties| {
        properties["Events"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, event)| event["Type"] == "SQS")
    });
    let mut seen = 0;
    for (_, event) in consumers {
        assert_eq!(
            event["Properties"]["FunctionResponseTypes"][0],
            "ReportBatchItemFailures"
        );
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn every_function_has_its_alarms_and_a_log_that_is_not_kept_for_ever() {
    let template = Template::read();
    let alarms: Vec<(String, String)> = template
        .resources("AWS::CloudWatch::Alarm")
        .into_values()
        .filter(|alarm| alarm["Namespace"] == "AWS/Lambda")
        .map(|alarm| {
            let metric = alarm["MetricName"].as_str().unwrap().to_owned();
            (metric, logical_id_behind(&alarm["Dimensions"][0]["Value"]))
        })
        .collect();
    let functions = template.resources("AWS::Serverless::Function");
    let logs = template.resources("AWS::Logs::LogGroup");
    for (logical_id, properties) in functions {
        for metric in ["Errors", "Throttles"] {
            let alarm = (metric.to_owned(), logical_id.to_owned());
            assert!(
                alarms.contains(&alarm),
                "no alarm on {metric} of {logical_id}"
            );
        }
        let log = logical_id_behind(&properties["LoggingConfig"]["LogGroup"]);
        assert!(!logs[log.as_str()]["RetentionInDays"].is_null(), "{log}");
    }
}

#[test]
fn certificates_and_their_keys_are_for_the_functions_that_call_banks_and_named_one_by_one() {
    let template = Template::read();
    let policies = template.resources("AWS::IAM::Policy");
    let mut allowed = BTreeSet::new();
    for (name, properties) in policies {
        let roles: Vec<String> = properties["Roles"]
            .as_array()
            .expect("Roles")
            .iter()
            .map(|role| role["!Ref"].as_str().expect("a role").to_owned())
            .collect();
        // A code is exchanged where the person returns, and where a return nobody carried on is given back:
        // these two functions may read the aggregator's secret.
        let callers: &[&str] = match name {
            "ReadAggregatorSecret" => &["BankCallbackRole", "ConsentExpiryRole"],
            _ => &[
                "ConsentStartRole",
                "BankCallbackRole",
                "SyncRole",
                "ConsentExpiryRole",
            ],
        };
        assert_eq!(roles, callers, "{name}");
        for statement in statements(&properties["PolicyDocument"]) {
            for resource in resources(statement) {
                let parameter = resource["!Ref"].as_str().expect("a parameter");
                for action in actions(statement) {
                    allowed.insert(format!("{action} {parameter}"));
                }
            }
        }
    }
    let expected = [
        "kms:Sign QsealKeyArn",
        "secretsmanager:GetSecretValue AggregatorSecretArn",
        "secretsmanager:GetSecretValue QsealSecretArn",
        "secretsmanager:GetSecretValue QwacSecretArn",
        "ssm:GetParameter AggregatorSecretArn",
        "ssm:GetParameter QsealSecretArn",
        "ssm:GetParameter QwacSecretArn",
    ];
    assert_eq!(allowed, expected.map(str::to_owned).into());
}

#[test]
fn what_the_sweep_of_consents_puts_off_is_counted_and_rings() {
    let template = Template::read();
    let filters = template.resources("AWS::Logs::MetricFilter");
    let filter = filters["ConsentExpiryPutOff"];
    let transformation = &filter["MetricTransformations"][0];
    assert_eq!(transformation["MetricValue"], "$.put_off");
    assert_eq!(filter["LogGroupName"]["!Ref"], "ConsentExpiryLogGroup");
    let line = crate::house::text("functions/consent-expiry/src/lib.rs");
    assert!(line.contains("put_off ="), "the log line says it");
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    let alarm = alarms["EndsPutOffAlarm"];
    assert_eq!(alarm["MetricName"], transformation["MetricName"]);
    assert_eq!(alarm["Namespace"], transformation["MetricNamespace"]);
}

#[test]
fn every_function_that_opens_a_certificate_has_its_remaining_days_watched() {
    let template = Template::read();
    let watched: BTreeSet<String> = template
        .resources("AWS::Logs::MetricFilter")
        .into_values()
        .filter(|properties| {
            properties["MetricTransformations"][0]["MetricName"] == "CertificateDaysLeft"
        })
        .map(|properties| {
            let transformation = &properties["MetricTransformations"][0];
            assert_eq!(transformation["MetricValue"], "$.certificate_days_left");
            let group = properties["LogGroupName"]["!Ref"].as_str().expect("a log");
            group.replace("LogGroup", "Function")
        })
        .collect();
    let opening: BTreeSet<String> = template
        .functions()
        .into_iter()
        .filter(|function| function.variables.contains("QWAC_SECRET"))
        .map(|function| function.logical_id)
        .collect();
    assert_eq!(watched, opening);
    let line = crate::house::text("shared/banks/src/identity/mod.rs");
    assert!(line.contains("certificate_days_left"));
}
