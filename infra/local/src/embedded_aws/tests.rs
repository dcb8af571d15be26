use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::*;
use crate::stack;
use crate::template::{Document, Stack, Template};

const SOURCE: &str = "\
Resources:
  Api: { Type: AWS::Serverless::HttpApi, Properties: {} }
  VaultKey: { Type: AWS::KMS::Key, Properties: {} }
  VaultAlias: { Type: AWS::KMS::Alias, Properties: { AliasName: alias/vault, TargetKeyId: !Ref VaultKey } }
  Dead: { Type: AWS::SQS::Queue, Properties: {} }
  Work:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 1
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2 }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: sk, KeyType: RANGE }]
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: sk, AttributeType: S }
        - { AttributeName: due, AttributeType: S }
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true }
      GlobalSecondaryIndexes:
        - IndexName: due
          KeySchema: [{ AttributeName: due, KeyType: HASH }]
          Projection: { ProjectionType: KEYS_ONLY }
  WorkerFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/worker/
      Events: { Work: { Type: SQS, Properties: { Queue: !GetAtt Work.Arn } } }
";

async fn provisioned(
    storage: &Storage,
    source: &str,
) -> Result<(EmbeddedAws, Template), LocalError> {
    let aws = EmbeddedAws::open(storage).await?;
    let document = Document::parse(source)?;
    let key_ids = aws.keys(&document.keys()).await?;
    let template = document.bind(&Stack {
        name: stack::STACK.to_owned(),
        region: stack::REGION.to_owned(),
        account: stack::ACCOUNT.to_owned(),
        api_endpoint: String::new(),
        parameters: BTreeMap::new(),
        key_ids,
    })?;
    aws.provision(&template).await?;
    Ok((aws, template))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[tokio::test]
async fn a_second_start_finds_items_and_keys_and_the_first_process_may_have_been_killed() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::Folder(folder.path().join("state"));

    let (first, template) = provisioned(&storage, SOURCE).await.unwrap();
    let table = template.tables[0].name.clone();
    first
        .dynamodb_client()
        .put_item()
        .table_name(&table)
        .item("pk", text("a"))
        .item("sk", text("b"))
        .item("due", text("now"))
        .send()
        .await
        .unwrap();
    let sealed = first
        .kms_client()
        .encrypt()
        .key_id(&template.keys[0].id)
        .plaintext(aws_sdk_kms::primitives::Blob::new("secret"))
        .encryption_context("tenant", "cli_demo")
        .send()
        .await
        .unwrap()
        .ciphertext_blob
        .unwrap();
    // Nothing is closed: what is not on disk now is lost.
    std::mem::forget(first);

    let (second, again) = provisioned(&storage, SOURCE).await.unwrap();
    assert_eq!(again.keys, template.keys);
    let found = second
        .dynamodb_client()
        .query()
        .table_name(&table)
        .index_name("due")
        .key_condition_expression("due = :now")
        .expression_attribute_values(":now", text("now"))
        .send()
        .await
        .unwrap();
    assert_eq!(found.count(), 1);
    let open = |tenant: &'static str, sealed: aws_sdk_kms::primitives::Blob| {
        second
            .kms_client()
            .decrypt()
            .ciphertext_blob(sealed)
            .encryption_context("tenant", tenant)
            .send()
    };
    let opened = open("cli_demo", sealed.clone()).await.unwrap();
    assert_eq!(opened.plaintext.unwrap().as_ref(), b"secret");
    assert!(open("cli_other", sealed).await.is_err());
}

#[tokio::test]
async fn a_table_stored_with_another_shape_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::Folder(folder.path().join("state"));
    drop(provisioned(&storage, SOURCE).await.unwrap());
    let changed = SOURCE.replace("- IndexName: due", "- IndexName: late");
    let error = provisioned(&storage, &changed).await.unwrap_err();
    assert!(matches!(error, LocalError::SchemaChanged { .. }), "{error}");
    assert!(
        error.to_string().contains("passerelle-local-Table"),
        "{error}"
    );
}

#[tokio::test]
async fn a_broken_key_file_is_refused_without_showing_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kms.json");
    std::fs::write(&path, "{\"keys\": \"0123456789abcdef").unwrap();
    let error = EmbeddedAws::open(&Storage::Folder(folder.path().to_owned()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, LocalError::StateUnreadable { .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("0123456789abcdef"));
}

#[tokio::test]
async fn a_refused_condition_returns_the_old_item_and_capacity_is_counted() {
    let (aws, template) = provisioned(&Storage::Memory, SOURCE).await.unwrap();
    let table = template.tables[0].name.clone();
    let put = || {
        aws.dynamodb_client()
            .put_item()
            .table_name(&table)
            .item("pk", text("a"))
            .item("sk", text("b"))
            .item("seq", AttributeValue::N("4".to_owned()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(
                aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
            )
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
    };
    let first = put().await.unwrap();
    assert_eq!(first.consumed_capacity.unwrap().capacity_units, Some(1.0));
    let error = put().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
        refused,
    ) = error
    else {
        panic!("expected a refused condition, got {error:?}");
    };
    assert_eq!(
        refused.item.unwrap()["seq"],
        AttributeValue::N("4".to_owned())
    );
}

#[tokio::test]
async fn a_message_received_too_often_ends_in_the_dead_letter_queue() {
    let (aws, template) = provisioned(&Storage::Memory, SOURCE).await.unwrap();
    let sqs = aws.sqs_client();
    let url = |logical: &str| {
        let queue = template
            .queues
            .iter()
            .find(|queue| queue.logical_id == logical)
            .unwrap();
        format!(
            "https://sqs.{}.amazonaws.com/{}/{}",
            stack::REGION,
            stack::ACCOUNT,
            queue.name
        )
    };
    let (work, dead) = (url("Work"), url("Dead"));
    sqs.send_message()
        .queue_url(&work)
        .message_body("ids")
        .send()
        .await
        .unwrap();
    let receive = |url: &str| {
        sqs.receive_message()
            .queue_url(url)
            .wait_time_seconds(2)
            .send()
    };
    for _ in 0..2 {
        assert_eq!(receive(&work).await.unwrap().messages().len(), 1);
    }
    assert_eq!(receive(&work).await.unwrap().messages().len(), 0);
    let ended = receive(&dead).await.unwrap();
    assert_eq!(ended.messages()[0].body(), Some("ids"));
}

#[tokio::test]
async fn another_process_reaches_the_same_services_through_the_bridge() {
    let (aws, template) = provisioned(&Storage::Memory, SOURCE).await.unwrap();
    let endpoint = aws.endpoint().await.unwrap();
    let variables = [
        ("AWS_REGION", stack::REGION),
        ("AWS_ACCESS_KEY_ID", "other"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
    ];
    let variables = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let clients = passerelle_aws::Clients::from_environment(&variables).unwrap();
    let name = &template
        .queues
        .iter()
        .find(|queue| queue.logical_id == "Work")
        .unwrap()
        .name;
    let found = clients
        .sqs()
        .get_queue_url()
        .queue_name(name)
        .send()
        .await
        .unwrap();
    let here = aws
        .sqs_client()
        .get_queue_url()
        .queue_name(name)
        .send()
        .await
        .unwrap();
    assert_eq!(found.queue_url, here.queue_url);
}

/// A queue that refuses some of a batch: one message once, another for as long as it is asked.
#[derive(Default)]
struct PickyQueue {
    refused: std::sync::Mutex<BTreeMap<String, usize>>,
    taken: std::sync::Mutex<Vec<String>>,
}

impl winterbaume_core::MockService for PickyQueue {
    fn service_name(&self) -> &str {
        "sqs"
    }

    fn url_patterns(&self) -> Vec<&str> {
        vec![r"^https?://sqs\.[^/]*amazonaws\.com"]
    }

    fn handle(
        &self,
        request: winterbaume_core::MockRequest,
    ) -> std::pin::Pin<
        Box<dyn std::future::Future<Output = winterbaume_core::MockResponse> + Send + '_>,
    > {
        let request: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        for entry in request["Entries"].as_array().unwrap() {
            let (id, body) = (&entry["Id"], entry["MessageBody"].as_str().unwrap());
            let mut refused = self.refused.lock().unwrap();
            let times = refused.entry(body.to_owned()).or_default();
            *times += 1;
            if body == "\"never\"" || (body == "\"later\"" && *times == 1) {
                failed.push(serde_json::json!({
                    "Id": id, "Code": "InternalError", "SenderFault": false,
                }));
            } else {
                self.taken.lock().unwrap().push(body.to_owned());
                taken.push(serde_json::json!({
                    "Id": id, "MessageId": "m", "MD5OfMessageBody": "-",
                }));
            }
        }
        let answer = serde_json::json!({"Successful": taken, "Failed": failed}).to_string();
        let answer = winterbaume_core::MockResponse::json(200, answer);
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test]
async fn what_a_queue_refuses_of_a_batch_is_offered_again_alone_and_told_if_it_stays_refused() {
    let queue = Arc::new(PickyQueue::default());
    let http = MockAws::builder().with_service(Arc::clone(&queue)).build();
    let clients = passerelle_aws::Clients::embedded(http.http_client(), REGION);
    let sender = passerelle_aws::Queue::new(&clients, "https://sqs.eu-west-3.amazonaws.com/1/q");
    let client: passerelle_domain::ids::ClientId = "cli_demo".parse().unwrap();
    let mut messages: Vec<_> = (0..25)
        .map(|number| (client.clone(), number.to_string()))
        .collect();
    messages[3].1 = "never".to_owned();
    messages[14].1 = "later".to_owned();
    let meter = passerelle_aws::Meter::default();
    let unsent = sender.send_all(&messages, &meter).await.unwrap();
    assert_eq!(unsent, [3]);
    let mut taken = queue.taken.lock().unwrap().clone();
    assert_eq!(taken.len(), 24, "no other is sent twice");
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 24);
    // Three batches; the first is offered twice more, the second once.
    assert_eq!(meter.usage().queue_requests, 6);
}
