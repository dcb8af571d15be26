//! IAM, as far as the template writes it: stands between a compiled function and the embedded AWS
//! and lets through only what the function's role allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use passerelle_local::Suite;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::permissions;
use crate::template::Template;

/// An action and what it is done to, by its name in the template.
type Permission = (String, String);

/// The role of one function at the door of AWS.
pub struct Gatekeeper {
    /// For `AWS_ENDPOINT_URL`.
    pub address: String,
    watch: Arc<Watch>,
}

struct Watch {
    allowed: BTreeSet<Permission>,
    /// Physical names (tables, queues) and ids (keys) by the names of the template.
    names: BTreeMap<String, String>,
    aws: Url,
    http: reqwest::Client,
    used: Mutex<BTreeSet<Permission>>,
    refused: Mutex<Vec<String>>,
}

impl Gatekeeper {
    /// Guards the suite's AWS for one function.
    pub async fn of(suite: &Suite, function: &str) -> Self {
        Self::of_less(suite, function, &[]).await
    }

    /// The same for a role that lacks some of what it needs: an outage of one action.
    pub async fn of_less(suite: &Suite, function: &str, missing: &[(&str, &str)]) -> Self {
        let template = Template::read();
        let role = template.function_in(function).role;
        let mut allowed = permissions::of_role(&template, &role);
        for (action, resource) in missing {
            allowed.remove(&((*action).to_owned(), (*resource).to_owned()));
        }
        let watch = Arc::new(Watch {
            allowed,
            names: names(suite),
            aws: suite.aws().endpoint().await.expect("a loopback port"),
            http: reqwest::Client::new(),
            used: Mutex::default(),
            refused: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(pass).with_state(Arc::clone(&watch));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, watch }
    }

    /// What the role was asked for and does not allow.
    pub fn refused(&self) -> Vec<String> {
        self.watch.refused.lock().unwrap().clone()
    }

    /// What was done.
    pub fn used(&self) -> BTreeSet<Permission> {
        self.watch.used.lock().unwrap().clone()
    }
}

fn names(suite: &Suite) -> BTreeMap<String, String> {
    let template = suite.template();
    let tables = template.tables.iter().map(|it| (&it.name, &it.logical_id));
    let keys = template.keys.iter().map(|it| (&it.id, &it.logical_id));
    let queues = template.queues.iter().map(|it| (&it.name, &it.logical_id));
    tables
        .chain(keys)
        .chain(queues)
        .map(|(physical, logical)| (physical.clone(), logical.clone()))
        .collect()
}

async fn pass(State(watch): State<Arc<Watch>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let target = headers["x-amz-target"].to_str().expect("a text").to_owned();
    let request: Value = serde_json::from_slice(&body).expect("AWS requests are JSON");
    for permission in watch.needed(&target, &request) {
        if !watch.allowed.contains(&permission) {
            return watch.refuse(&permission);
        }
        watch.used.lock().unwrap().insert(permission);
    }
    watch.forward(headers, body).await
}

impl Watch {
    /// What IAM would look for.
    fn needed(&self, target: &str, request: &Value) -> Vec<Permission> {
        let (service, operation) = target.split_once('.').expect("Service.Operation");
        let on = |field: &str| self.named(&request[field]);
        match (service, operation) {
            // A signing key takes no encryption context.
            ("TrentService", "Sign") => {
                assert_eq!(request["SigningAlgorithm"], "ECDSA_SHA_256");
                assert_eq!(request["MessageType"], "RAW");
                vec![("kms:Sign".to_owned(), on("KeyId"))]
            }
            ("TrentService", "GetPublicKey") => {
                vec![("kms:GetPublicKey".to_owned(), on("KeyId"))]
            }
            ("TrentService", _) => {
                let context = &request["EncryptionContext"];
                assert!(context["tenant"].is_string(), "no tenant: {operation}");
                assert_eq!(context["purpose"], "tenant-key", "{operation}");
                vec![(format!("kms:{operation}"), on("KeyId"))]
            }
            ("AmazonSQS", _) => vec![(format!("sqs:{operation}"), on("QueueUrl"))],
            (_, "BatchGetItem") => {
                let tables = request["RequestItems"].as_object().expect("RequestItems");
                let action = "dynamodb:BatchGetItem";
                tables
                    .keys()
                    .map(|table| (action.to_owned(), self.named(&json!(table))))
                    .collect()
            }
            (_, "TransactWriteItems") => {
                let items = request["TransactItems"].as_array().expect("TransactItems");
                items
                    .iter()
                    .filter_map(Value::as_object)
                    .flatten()
                    .map(|(kind, write)| {
                        // `Put`, `Update`, `Delete` and `ConditionCheck`.
                        (
                            format!("dynamodb:{kind}Item"),
                            self.named(&write["TableName"]),
                        )
                    })
                    .collect()
            }
            _ => {
                let table = on("TableName");
                let index = request["IndexName"].as_str();
                let place = index.map_or(table.clone(), |index| format!("{table}/index/{index}"));
                vec![(format!("dynamodb:{operation}"), place)]
            }
        }
    }

    fn named(&self, physical: &Value) -> String {
        let physical = physical.as_str().unwrap_or_default();
        // A queue is named by its address.
        let name = physical.rsplit('/').next().unwrap_or_default();
        let logical = self.names.get(name).or_else(|| self.names.get(physical));
        logical
            .cloned()
            .unwrap_or_else(|| format!("unknown {physical}"))
    }

    fn refuse(&self, (action, resource): &Permission) -> Response<Body> {
        let message = format!("the role allows no {action} on {resource}");
        self.refused.lock().unwrap().push(message.clone());
        let problem = json!({"__type": "AccessDeniedException", "message": message});
        answer(StatusCode::BAD_REQUEST, problem.to_string().into())
    }

    async fn forward(&self, headers: HeaderMap, body: Bytes) -> Response<Body> {
        let request = self.http.post(self.aws.clone()).headers(headers).body(body);
        let reply = request.send().await.expect("the embedded AWS answers");
        let status = reply.status();
        answer(status, reply.bytes().await.expect("an answer"))
    }
}

fn answer(status: StatusCode, body: Bytes) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(Body::from(body))
        .expect("a response")
}
