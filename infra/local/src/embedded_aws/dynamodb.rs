//! DynamoDB: dynoxide's operations behind the SDK's wire format.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use winterbaume_core::{MockRequest, MockResponse, MockService};

use crate::error::LocalError;

/// The tables of one suite.
pub(crate) struct DynamoDb {
    database: Database,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DynamoDb")
    }
}

impl DynamoDb {
    /// Opens the file, made when absent, or an empty database in memory.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, LocalError> {
        let opened = match file {
            Some(path) => Database::new(&path.to_string_lossy()),
            None => Database::memory(),
        };
        let database = opened.map_err(|error| LocalError::StateUnreadable {
            what: "the tables",
            why: error.to_string(),
        })?;
        Ok(Self { database })
    }

    fn perform(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
        let database = &self.database;
        match operation {
            "CreateTable" => perform(body, |request| database.create_table(request)),
            "DeleteTable" => perform(body, |request| database.delete_table(request)),
            "DescribeTable" => perform(body, |request| database.describe_table(request)),
            "ListTables" => perform(body, |request| database.list_tables(request)),
            "UpdateTimeToLive" => perform(body, |request| database.update_time_to_live(request)),
            "DescribeTimeToLive" => {
                perform(body, |request| database.describe_time_to_live(request))
            }
            "GetItem" => perform(body, |request| database.get_item(request)),
            "PutItem" => perform(body, |request| database.put_item(request)),
            "UpdateItem" => perform(body, |request| database.update_item(request)),
            "DeleteItem" => perform(body, |request| database.delete_item(request)),
            "Query" => perform(body, |request| database.query(request)),
            "Scan" => perform(body, |request| database.scan(request)),
            "BatchGetItem" => perform(body, |request| database.batch_get_item(request)),
            "BatchWriteItem" => perform(body, |request| database.batch_write_item(request)),
            "TransactGetItems" => perform(body, |request| database.transact_get_items(request)),
            "TransactWriteItems" => perform(body, |request| database.transact_write_items(request)),
            other => Err(DynoxideError::ValidationException(format!(
                "the local suite has no operation {other}"
            ))),
        }
    }
}

fn perform<Request, Answer>(
    body: &[u8],
    operation: impl FnOnce(Request) -> dynoxide::Result<Answer>,
) -> Result<Vec<u8>, DynoxideError>
where
    Request: DeserializeOwned,
    Answer: Serialize,
{
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    let answer = operation(request).map_err(without_internal_tag)?;
    serde_json::to_vec(&answer)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The engine marks some refusals for its own server to reword; on the wire they are validations.
fn without_internal_tag(error: DynoxideError) -> DynoxideError {
    match error {
        DynoxideError::EnvelopedValidation(message) => DynoxideError::ValidationException(message),
        other => other,
    }
}

impl MockService for DynamoDb {
    fn service_name(&self) -> &str {
        "dynamodb"
    }

    fn url_patterns(&self) -> Vec<&str> {
        // Also the form with the account number in front, which the SDK prefers when it knows it.
        vec![r"^https?://([0-9]{12}\.(ddb|dynamodb)|dynamodb)\.[^/]*amazonaws\.com"]
    }

    fn handle(
        &self,
        request: MockRequest,
    ) -> Pin<Box<dyn Future<Output = MockResponse> + Send + '_>> {
        let operation = super::bridge::operation(&request.headers).unwrap_or_default();
        let response = match self.perform(&operation, &request.body) {
            Ok(body) => MockResponse::json(200, body),
            Err(error) => MockResponse::json(error.status_code(), error.to_json()),
        };
        Box::pin(std::future::ready(response))
    }
}
