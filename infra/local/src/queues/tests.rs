use std::sync::Mutex;

use passerelle_runtime::{Function, Work, WorkError};

use super::*;
use crate::embedded_aws::{EmbeddedAws, Storage};

#[test]
fn an_answer_is_read_as_lambda_reads_it() {
    let ids = BTreeSet::from(["a", "b"]);
    let these =
        |failed: &[&str]| Failures::These(failed.iter().map(|id| (*id).to_owned()).collect());
    for (answer, expected) in [
        (json!(null), these(&[])),
        (json!({}), these(&[])),
        (json!({ "batchItemFailures": null }), these(&[])),
        (json!({ "batchItemFailures": [] }), these(&[])),
        (
            json!({ "batchItemFailures": [{ "itemIdentifier": "b" }] }),
            these(&["b"]),
        ),
        (
            json!({ "batchItemFailures": [{ "itemIdentifier": "c" }] }),
            Failures::All,
        ),
        (
            json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }),
            Failures::All,
        ),
        (json!({ "batchItemFailures": [{}] }), Failures::All),
        (json!({ "batchItemFailures": "b" }), Failures::All),
        (json!("text"), Failures::All),
    ] {
        assert_eq!(failures(&answer, &ids), expected, "{answer}");
    }
}

fn work(number: u8) -> Work {
    Work {
        client: "cli_demo".parse().unwrap(),
        connection: passerelle_domain::ids::ConnectionId::from_entropy([number; 16]),
        correlation: passerelle_domain::ids::CorrelationId::from_entropy([number; 16]),
        decided_at: passerelle_domain::Timestamp::UNIX_EPOCH,
    }
}

#[tokio::test]
async fn good_messages_go_bad_ones_come_back_and_end_in_the_dead_letter_queue() {
    let aws = EmbeddedAws::open(&Storage::Memory).await.unwrap();
    let sqs = aws.sqs_client();
    let dead = sqs
        .create_queue()
        .queue_name("dead")
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    let url = sqs
        .create_queue()
        .queue_name("work")
        .attributes(QueueAttributeName::VisibilityTimeout, "1")
        .attributes(
            QueueAttributeName::RedrivePolicy,
            format!(
                r#"{{"deadLetterTargetArn":"arn:aws:sqs:{REGION}:{}:dead","maxReceiveCount":2}}"#,
                crate::stack::ACCOUNT
            ),
        )
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();

    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let notebook = Arc::clone(&seen);
    let poisoned = work(9).connection;
    let function = Function::new("worker").queue(move |work: Work, _| {
        notebook.lock().unwrap().push(work.connection.to_string());
        let poisoned = work.connection == poisoned;
        async move {
            assert!(!poisoned, "this one never works");
            Ok::<(), WorkError>(())
        }
    });
    let (_alive, life) = tokio::sync::watch::channel(());
    let lambda = Arc::new(Lambda {
        folder: "worker".to_owned(),
        arn: "arn:aws:lambda:x:y:function:worker".to_owned(),
        timeout: Duration::from_secs(5),
        function,
        life,
    });
    let source = QueueSource {
        line: 1,
        queue_arn: format!("arn:aws:sqs:{REGION}:{}:work", crate::stack::ACCOUNT),
        batch_size: 10,
        window_seconds: 0,
        reports_failures: true,
        max_concurrency: None,
    };
    let mapping = Mapping::new(lambda, source, url.clone(), sqs.clone());
    for number in [1, 2, 9] {
        let body = serde_json::to_string(&work(number)).unwrap();
        sqs.send_message()
            .queue_url(&url)
            .message_body(body)
            .send()
            .await
            .unwrap();
    }
    let running = tokio::spawn(mapping.clone().run());
    let ended = sqs
        .receive_message()
        .queue_url(&dead)
        .wait_time_seconds(10)
        .send()
        .await
        .unwrap();
    running.abort();

    let body: Work = serde_json::from_str(ended.messages()[0].body().unwrap()).unwrap();
    assert_eq!(body, work(9));
    let seen = seen.lock().unwrap().clone();
    let times = |number: u8| {
        seen.iter()
            .filter(|id| **id == work(number).connection.as_str())
            .count()
    };
    assert_eq!((times(1), times(2), times(9)), (1, 1, 2));
    assert!(mapping.is_idle().await);
}
