//! A small Lambda Runtime API on loopback, and the process it feeds.
//!
//! What Lambda does to a function on `provided.al2023`, and no more: the executable is started with
//! nothing but its settings in the environment, asks for the next event, and posts what came of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Segment, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// A debug build on a busy machine is slow to start; an answer later than this is none.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The function answered.
    Answer(Value),
    /// The function said that it failed.
    Failure(Value),
}

impl Outcome {
    pub fn answer(self) -> Value {
        match self {
            Self::Answer(answer) => answer,
            Self::Failure(error) => panic!("the function failed: {error}"),
        }
    }
}

/// What the function posts.
#[derive(Debug)]
enum Posted {
    Outcome { request: String, outcome: Outcome },
    InitFailure(Value),
}

struct Door {
    events: Mutex<mpsc::Receiver<(String, Value)>>,
    posted: mpsc::Sender<Posted>,
}

/// A function under the Runtime API.
pub struct Bootstrap {
    process: Child,
    /// Read all along: a full pipe would stop the function.
    output: [JoinHandle<String>; 2],
    events: mpsc::Sender<(String, Value)>,
    posted: mpsc::Receiver<Posted>,
    count: AtomicUsize,
}

/// A process that ended, and what it wrote.
pub struct Ended {
    pub status: ExitStatus,
    pub log: String,
}

impl Bootstrap {
    /// Starts an executable with these variables and nothing else of ours.
    pub async fn start(program: &Path, name: &str, variables: &BTreeMap<String, String>) -> Self {
        let (events, waiting) = mpsc::channel(1);
        let (post, posted) = mpsc::channel(8);
        let address = serve(Door {
            events: Mutex::new(waiting),
            posted: post,
        })
        .await;
        let mut process = Command::new(program)
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]1")
            .env("AWS_REGION", "eu-west-3")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            .env("AWS_SESSION_TOKEN", "not-a-token")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let output = [
            tokio::spawn(read_all(process.stdout.take())),
            tokio::spawn(read_all(process.stderr.take())),
        ];
        Self {
            process,
            output,
            events,
            posted,
            count: AtomicUsize::new(0),
        }
    }

    /// Hands one event over and waits for what comes of it.
    pub async fn invoke(&mut self, event: &Value) -> Outcome {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let request = format!("8476a536-e9f4-11e8-9739-{number:012x}");
        self.events
            .send((request.clone(), event.clone()))
            .await
            .expect("the function still listens");
        match self.next_post().await {
            Posted::Outcome {
                request: answered,
                outcome,
            } => {
                assert_eq!(answered, request, "the answer is to another event");
                outcome
            }
            Posted::InitFailure(error) => panic!("the function could not start: {error}"),
        }
    }

    async fn next_post(&mut self) -> Posted {
        let posted = tokio::time::timeout(PATIENCE, self.posted.recv()).await;
        match posted {
            Ok(Some(posted)) => posted,
            Ok(None) => panic!("the Runtime API is gone"),
            Err(_) => panic!("no answer, the log says:\n{}", self.killed_log().await),
        }
    }

    /// Ends the process as Lambda does, and gives what it wrote to its log.
    pub async fn stop(mut self) -> String {
        self.killed_log().await
    }

    async fn killed_log(&mut self) -> String {
        self.process.start_kill().ok();
        self.wait_for_end().await.log
    }

    /// Waits until the process ends by itself.
    pub async fn ended(mut self) -> Ended {
        self.wait_for_end().await
    }

    async fn wait_for_end(&mut self) -> Ended {
        let status = tokio::time::timeout(PATIENCE, self.process.wait())
            .await
            .expect("the process ends")
            .expect("an exit status");
        let mut log = String::new();
        for output in &mut self.output {
            log.push_str(&output.await.expect("the log was read"));
        }
        Ended { status, log }
    }
}

async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await.expect("a readable pipe");
    }
    String::from_utf8(bytes).expect("a log is text")
}

async fn serve(door: Door) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{request}/response",
            post(response),
        )
        .route(
            "/2018-06-01/runtime/invocation/{request}/error",
            post(error),
        )
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(Arc::new(door));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn next(State(door): State<Arc<Door>>) -> Response<Body> {
    let Some((request, event)) = door.events.lock().await.recv().await else {
        // The test is over: Lambda would freeze the environment here.
        return std::future::pending().await;
    };
    let deadline = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        + PATIENCE;
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", request)
        .header(
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        )
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-west-3:123456789012:function:passerelle",
        )
        .header(
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        )
        .body(Body::from(event.to_string()))
        .expect("a response")
}

async fn response(
    State(door): State<Arc<Door>>,
    Segment(request): Segment<String>,
    body: Bytes,
) -> StatusCode {
    let answer = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).expect("an answer is JSON")
    };
    let outcome = Outcome::Answer(answer);
    door.posted
        .send(Posted::Outcome { request, outcome })
        .await
        .ok();
    StatusCode::ACCEPTED
}

async fn error(
    State(door): State<Arc<Door>>,
    Segment(request): Segment<String>,
    body: Bytes,
) -> StatusCode {
    let outcome = Outcome::Failure(serde_json::from_slice(&body).expect("an error is JSON"));
    door.posted
        .send(Posted::Outcome { request, outcome })
        .await
        .ok();
    StatusCode::ACCEPTED
}

async fn init_error(State(door): State<Arc<Door>>, body: Bytes) -> StatusCode {
    let error = serde_json::from_slice(&body).unwrap_or(Value::Null);
    door.posted.send(Posted::InitFailure(error)).await.ok();
    StatusCode::ACCEPTED
}
