use super::*;

/// The smallest template the suite would run, with a place to put something wrong.
fn small(extra_resources: &str, route_path: &str) -> String {
    format!(
        "\
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {{ Type: String, Default: dev, AllowedValues: [dev, production] }}
Conditions:
  Live: !Equals [!Ref Stage, production]
Globals:
  Function:
    Timeout: 7
    Environment: {{ Variables: {{ STAGE: !Ref Stage }} }}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Insurer
        Authorizers:
          Insurer:
            JwtConfiguration: {{ issuer: 'https://issuer.example', audience: [us] }}
  HelloFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/hello/
      Environment: {{ Variables: {{ LIVE: !If [Live, 'yes', 'no'] }} }}
      Events:
        Say: {{ Type: HttpApi, Properties: {{ ApiId: !Ref Api, Method: get, Path: '{route_path}' }} }}
{extra_resources}"
    )
}

fn stack() -> Stack {
    Stack {
        name: "local".to_owned(),
        region: "eu-west-3".to_owned(),
        account: "123456789012".to_owned(),
        api_endpoint: "http://127.0.0.1:1".to_owned(),
        parameters: BTreeMap::new(),
        key_ids: BTreeMap::new(),
    }
}

fn bind(source: &str) -> Result<Template, LocalError> {
    Document::parse(source)?.bind(&stack())
}

/// The line and the words of the refusal, with the text of that line.
fn refusal(source: &str) -> (String, String) {
    match bind(source) {
        Err(LocalError::Template { line, problem }) => {
            let text = source
                .lines()
                .nth(line - 1)
                .unwrap_or_default()
                .trim()
                .to_owned();
            (text, problem)
        }
        other => panic!("expected a refusal with a line, got {other:?}"),
    }
}

#[test]
fn a_small_template_gives_its_function_with_globals_merged_and_conditions_decided() {
    let template = bind(&small("", "/hello")).unwrap();
    let hello = template.functions.first().unwrap();
    assert_eq!(hello.folder, "hello");
    assert_eq!(hello.timeout_seconds, 7);
    assert_eq!(hello.environment["STAGE"], "dev");
    assert_eq!(hello.environment["LIVE"], "no");
    let route = template.api.routes.first().unwrap();
    assert_eq!(
        (route.method.as_str(), route.path.as_str()),
        ("GET", "/hello")
    );
    assert_eq!(route.authorizer.as_ref().unwrap().audience, ["us"]);
}

#[test]
fn a_parameter_given_by_the_suite_wins_over_its_default() {
    let mut stack = stack();
    stack
        .parameters
        .insert("Stage".to_owned(), "production".to_owned());
    let template = Document::parse(&small("", "/hello"))
        .unwrap()
        .bind(&stack)
        .unwrap();
    assert_eq!(
        template.functions.first().unwrap().environment["LIVE"],
        "yes"
    );
}

#[test]
fn a_parameter_value_that_is_not_allowed_or_not_declared_is_refused() {
    for (name, value, words) in [
        ("Stage", "holiday", "not an allowed value"),
        ("Colour", "red", "does not declare"),
    ] {
        let mut stack = stack();
        stack.parameters.insert(name.to_owned(), value.to_owned());
        let error = Document::parse(&small("", "/hello"))
            .unwrap()
            .bind(&stack)
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn an_unknown_intrinsic_is_refused_with_its_name_and_line() {
    let (line, problem) = refusal(&small(
        "  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      Path: !Select [0, [a, b]]\n",
        "/hello",
    ));
    assert!(line.starts_with("Path: !Select"), "{line}");
    assert!(problem.contains("`Fn::Select`"), "{problem}");
}

#[test]
fn an_unknown_resource_type_is_refused_with_its_line() {
    let (line, problem) = refusal(&small(
        "  Topic:\n    Type: AWS::Kinesis::Stream\n    Properties: {}\n",
        "/hello",
    ));
    assert_eq!(line, "Type: AWS::Kinesis::Stream");
    assert!(problem.contains("AWS::Kinesis::Stream"), "{problem}");
}

#[test]
fn a_section_or_a_global_the_suite_does_not_know_is_refused() {
    let (line, problem) = refusal(&format!("{}Mappings:\n  A: 1\n", small("", "/hello")));
    assert_eq!(line, "Mappings:");
    assert!(problem.contains("`Mappings`"), "{problem}");
    let source = small("", "/hello").replace("Globals:\n", "Globals:\n  Api: { Cors: x }\n");
    let (line, problem) = refusal(&source);
    assert!(line.starts_with("Api:"), "{line}");
    assert!(problem.contains("Globals"), "{problem}");
}

#[test]
fn a_reference_to_nothing_is_refused_even_where_nothing_runs_locally() {
    for (written, words) in [
        ("!Ref Nowhere", "`Nowhere` is neither"),
        ("!GetAtt Nowhere.Arn", "`Nowhere` is not a resource"),
        ("!Sub 'x-${Nowhere.Arn}'", "`Nowhere` is not a resource"),
        ("!GetAtt Api.Colour", "attribute `Colour`"),
        ("!If [Sometimes, a, b]", "`Sometimes` is not a condition"),
        ("!Sub 'x-${open'", "without its `}`"),
    ] {
        let (line, problem) = refusal(&small(
            &format!("  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      Path: {written}\n"),
            "/hello",
        ));
        assert!(line.starts_with("Path: "), "{written}: {line}");
        assert!(problem.contains(words), "{written}: {problem}");
    }
}

#[test]
fn a_condition_that_refers_to_itself_ends_with_an_error() {
    let source = small("", "/hello").replace(
        "  Live: !Equals [!Ref Stage, production]",
        "  Live: !Not [!Condition Live]",
    );
    let (_, problem) = refusal(&source);
    assert!(problem.contains("refers to itself"), "{problem}");
}

#[test]
fn the_same_route_twice_is_refused_with_both_owners() {
    let second = "  OtherFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/other/
      Events:
        Say: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /hello } }
";
    let (line, problem) = refusal(&small(second, "/hello"));
    assert!(line.starts_with("Say:"), "{line}");
    assert!(problem.contains("HelloFunction"), "{problem}");
}

#[test]
fn a_queue_that_nobody_reads_and_an_event_without_a_queue_are_refused() {
    let (line, problem) = refusal(&small(
        "  Lonely:\n    Type: AWS::SQS::Queue\n    Properties: {}\n",
        "/hello",
    ));
    assert_eq!(line, "Lonely:");
    assert!(problem.contains("no function reads"), "{problem}");

    let reader = "  ReaderFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/reader/
      Events:
        Work: { Type: SQS, Properties: { Queue: 'arn:aws:sqs:eu-west-3:123456789012:elsewhere' } }
";
    let (line, problem) = refusal(&small(reader, "/hello"));
    assert!(line.starts_with("Work:"), "{line}");
    assert!(
        problem.contains("not a queue of this template"),
        "{problem}"
    );
}

#[test]
fn an_unknown_event_and_an_unreadable_schedule_are_refused() {
    for (event, words) in [
        ("{ Type: S3, Properties: {} }", "not `S3`"),
        (
            "{ Type: ScheduleV2, Properties: { ScheduleExpression: 'rate(0 minutes)' } }",
            "rate",
        ),
        (
            "{ Type: ScheduleV2, Properties: { ScheduleExpression: soon } }",
            "rate",
        ),
    ] {
        let function = format!(
            "  TickFunction:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: functions/tick/\n      Events:\n        Tick: {event}\n"
        );
        let (_, problem) = refusal(&small(&function, "/hello"));
        assert!(problem.contains(words), "{event}: {problem}");
    }
}

#[test]
fn yaml_that_cannot_be_read_is_refused_with_its_line() {
    let (_, problem) = refusal("Resources:\n  A: [1, 2\nB: 3\n");
    assert!(problem.contains("not YAML"), "{problem}");
    let (line, problem) = refusal("Resources:\n  A: 1\n  A: 2\n");
    assert_eq!(line, "A: 2");
    assert!(problem.contains("duplicated"), "{problem}");
}

#[test]
fn the_template_of_this_project_is_read_whole() {
    let source =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"))
            .unwrap();
    let document = Document::parse(&source).unwrap();
    let mut stack = stack();
    for (index, key) in document.keys().into_iter().enumerate() {
        assert_eq!(key.signs, key.logical_id == "ReceiptKey");
        let id = format!("key-{index}");
        stack.key_ids.insert(key.logical_id, id);
    }
    stack.parameters = crate::stack::parameters("http://127.0.0.1:1");
    let template = document.bind(&stack).unwrap();
    assert!(template.functions.len() >= 8);
    let sync = template
        .functions
        .iter()
        .find(|one| one.folder == "sync")
        .unwrap();
    let queue = template
        .queues
        .iter()
        .find(|one| one.arn == sync.queues[0].queue_arn)
        .unwrap();
    assert!(sync.queues[0].reports_failures);
    assert!(u64::from(queue.visibility_seconds) >= 6 * sync.timeout_seconds);
    assert_eq!(queue.redrive.as_ref().unwrap().max_receives, 5);
    assert_eq!(sync.environment["VAULT_KEY_ID"], "key-0");
    assert!(sync.environment["SCORING_QUEUE_URL"].ends_with("/123456789012/local-ScoringQueue"));
    let refresh = template
        .functions
        .iter()
        .find(|one| one.folder == "refresh")
        .unwrap();
    assert_eq!(refresh.schedules[0].expression, "rate(1 minute)");
    let main = template
        .tables
        .iter()
        .find(|one| one.logical_id == "Table")
        .unwrap();
    assert_eq!(main.keys, ["pk", "sk"]);
    assert_eq!(main.ttl_attribute.as_deref(), Some("ttl"));
    let mut indexes: Vec<_> = main
        .indexes
        .iter()
        .map(|index| index.name.as_str())
        .collect();
    indexes.sort_unstable();
    assert_eq!(indexes, ["calendar", "due", "wheel"]);
    let open: Vec<_> = template
        .api
        .routes
        .iter()
        .filter(|route| route.authorizer.is_none())
        .map(|route| route.path.as_str())
        .collect();
    assert!(open.contains(&"/journey/{proxy+}") && !open.contains(&"/v1/consents"));
}
