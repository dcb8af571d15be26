//! Events as the platform makes them.

use lambda_runtime::Context;
use passerelle_runtime::Function;
use serde_json::{Value, json};

/// An HTTP API request under construction.
pub struct Http(Value);

impl Http {
    pub fn new(method: &str, path: &str) -> Self {
        crate::log::start();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Self(json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"host": "api.example.test"},
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api",
                "domainName": "api.example.test",
                "domainPrefix": "api",
                "http": {
                    "method": method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7",
                    "userAgent": "test"
                },
                "requestId": "id",
                "routeKey": "$default",
                "stage": "$default",
                "time": "22/Nov/2026:08:00:00 +0000",
                "timeEpoch": 1_795_334_400_000_i64
            },
            "isBase64Encoded": false
        }))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = value.into();
        self
    }

    pub fn body(mut self, content_type: &str, body: &str) -> Self {
        self.0["headers"]["content-type"] = content_type.into();
        self.0["body"] = body.into();
        self
    }

    pub fn json(self, body: &str) -> Self {
        self.body("application/json", body)
    }

    pub fn claims(mut self, claims: Value) -> Self {
        self.0["requestContext"]["authorizer"] = json!({"jwt": {"claims": claims, "scopes": null}});
        self
    }

    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.0.pointer_mut(parent).unwrap()[name] = value;
        self
    }

    pub async fn send(self, function: &Function) -> Answer {
        Answer(function.answer(self.0, Context::default()).await.unwrap())
    }
}

/// What API Gateway gets back.
pub struct Answer(pub Value);

impl Answer {
    pub fn status(&self) -> u64 {
        self.0["statusCode"].as_u64().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0["headers"][name].as_str()
    }

    pub fn text(&self) -> &str {
        self.0["body"].as_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The problem document, its request id checked against the header and taken out.
    pub fn problem(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let mut problem = self.json();
        let id = problem
            .as_object_mut()
            .unwrap()
            .remove("request_id")
            .unwrap();
        assert_eq!(id.as_str(), self.header("x-request-id"));
        assert_eq!(problem["status"].as_u64(), Some(self.status()));
        problem
    }
}

/// A queue event of records, each with an id and a body.
pub fn batch<'a>(records: impl IntoIterator<Item = (&'a str, String)>) -> Value {
    crate::log::start();
    let records: Vec<_> = records
        .into_iter()
        .map(|(id, body)| {
            json!({
                "messageId": id,
                "receiptHandle": "handle",
                "body": body,
                "attributes": {},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-3:123456789012:sync",
                "awsRegion": "eu-west-3"
            })
        })
        .collect();
    json!({ "Records": records })
}
