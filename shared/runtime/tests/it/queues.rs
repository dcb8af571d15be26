//! A batch gives back exactly what was not done.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::Context;
use passerelle_domain::deadline::Deadline;
use passerelle_runtime::{Function, Work, WorkError};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::events::batch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    DoneLater,
    Fails,
    FailsForGood,
    PanicsAtOnce,
    PanicsLater,
    Garbage,
    UnknownField,
    NoBody,
}

const FATES: [Fate; 9] = [
    Fate::Done,
    Fate::DoneLater,
    Fate::Fails,
    Fate::FailsForGood,
    Fate::PanicsAtOnce,
    Fate::PanicsLater,
    Fate::Garbage,
    Fate::UnknownField,
    Fate::NoBody,
];

impl Fate {
    /// The fate travels in the client id, the one free text of a message.
    fn body(self) -> String {
        let work = json!({
            "client": format!("{self:?}"),
            "connection": "cnx_00000000000000000000000000",
            "correlation": "cor_00000000000000000000000000",
        });
        match self {
            Self::Garbage => "{not json".to_owned(),
            Self::NoBody => String::new(),
            Self::UnknownField => {
                let mut work = work;
                work["iban"] = json!("FR76");
                work.to_string()
            }
            _ => work.to_string(),
        }
    }

    fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::DoneLater)
    }
}

fn work(work: Work, _: Deadline) -> impl Future<Output = Result<(), WorkError>> + Send + 'static {
    let fate = work.client.as_str().to_owned();
    assert_ne!(fate, "PanicsAtOnce");
    async move {
        tokio::task::yield_now().await;
        match fate.as_str() {
            "DoneLater" => tokio::time::sleep(Duration::from_millis(1)).await,
            "PanicsLater" => panic!("later"),
            "Fails" => return Err(WorkError::retryable(std::io::Error::other("not now"))),
            "FailsForGood" => return Err(WorkError::permanent("never")),
            "Hangs" => std::future::pending().await,
            _ => {}
        }
        Ok(())
    }
}

fn function() -> Function {
    Function::new("example").queue(work)
}

fn given_back(answer: &Value) -> BTreeSet<String> {
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_mix_gives_back_exactly_the_failed_ones(
        fates in proptest::collection::vec(proptest::sample::select(&FATES[..]), 0..20)
    ) {
        let ids: Vec<String> = (0..fates.len()).map(|index| format!("message-{index}")).collect();
        let records = ids.iter().map(String::as_str).zip(fates.iter().map(|fate| fate.body()));
        let event = batch(records);
        // A batch is never empty in life; without a record nothing says that it is one.
        prop_assume!(!fates.is_empty());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(function().answer(event, Context::default())).unwrap();
        let expected: BTreeSet<String> = ids
            .iter()
            .zip(&fates)
            .filter(|(_, fate)| !fate.is_done())
            .map(|(id, _)| id.clone())
            .collect();
        prop_assert_eq!(given_back(&answer), expected);
    }
}

#[tokio::test]
async fn what_is_not_done_in_time_is_given_back_and_the_rest_is_not() {
    let hanging = json!({
        "client": "Hangs",
        "connection": "cnx_00000000000000000000000000",
        "correlation": "cor_00000000000000000000000000",
    });
    let event = batch([("hangs", hanging.to_string()), ("done", Fate::Done.body())]);
    let in_1_6_seconds = SystemTime::now() + Duration::from_millis(1600);
    let mut context = Context::default();
    let deadline = in_1_6_seconds.duration_since(UNIX_EPOCH).unwrap();
    context.deadline = u64::try_from(deadline.as_millis()).unwrap();
    let answer = function().answer(event, context).await.unwrap();
    assert_eq!(given_back(&answer), BTreeSet::from(["hangs".to_owned()]));
}

#[tokio::test]
async fn a_batch_past_its_deadline_is_given_back_whole() {
    let event = batch([("a", Fate::DoneLater.body()), ("b", Fate::DoneLater.body())]);
    let mut context = Context::default();
    context.deadline = 1;
    let answer = function().answer(event, context).await.unwrap();
    assert_eq!(given_back(&answer).len(), 2);
}

#[tokio::test]
async fn a_record_without_an_id_fails_the_batch() {
    let mut event = batch([("a", Fate::Done.body()), ("b", Fate::Done.body())]);
    event["Records"][1]["messageId"] = Value::Null;
    assert!(function().answer(event, Context::default()).await.is_err());
}

#[tokio::test]
async fn a_batch_for_a_function_without_a_queue_is_an_error_that_says_so() {
    let event = batch([("a", Fate::Done.body())]);
    let error = Function::new("refresh")
        .answer(event, Context::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the function refresh has no queue trigger: check template.yaml"
    );
}
