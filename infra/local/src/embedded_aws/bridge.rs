//! The embedded services for another process, over a loopback port.
//!
//! A compiled function that runs on its own reaches them with `AWS_ENDPOINT_URL`. Nothing listens
//! until somebody asks for it: whoever can reach the port can use the keys.

use std::future::Future;
use std::pin::Pin;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use url::Url;
use winterbaume_core::{MockRequest, MockResponse, MockService};

use super::{EmbeddedAws, Sqs};
use crate::error::LocalError;
use crate::stack::REGION;

/// DynamoDB's own limit for one request, the largest of the three.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;

impl EmbeddedAws {
    /// Listens on a loopback port until the runtime ends, and gives the address for
    /// `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// When loopback cannot be listened on.
    pub async fn endpoint(&self) -> Result<Url, LocalError> {
        let listen = |source| LocalError::Listen { port: 0, source };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the embedded AWS stopped listening");
            }
        });
        Url::parse(&format!("http://{address}"))
            .map_err(|error| LocalError::Argument(error.to_string()))
    }

    fn service(&self, target: &str) -> Option<(&'static str, &dyn MockService)> {
        match target.split_once('.')?.0 {
            "DynamoDB_20120810" => Some(("dynamodb", &*self.dynamodb)),
            "TrentService" => Some(("kms", &*self.kms)),
            "AmazonSQS" => Some(("sqs", &*self.sqs)),
            _ => None,
        }
    }
}

async fn answer(State(aws): State<EmbeddedAws>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts
        .headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    let Some((name, service)) = target.and_then(|target| aws.service(target)) else {
        return (StatusCode::BAD_REQUEST, "no service has this X-Amz-Target").into_response();
    };
    let Ok(body) = to_bytes(body, LARGEST_REQUEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = MockRequest {
        method: parts.method.to_string(),
        // The services read the region from their own address, not from ours.
        uri: format!("https://{name}.{REGION}.amazonaws.com/"),
        headers: parts.headers,
        body,
    };
    into_response(service.handle(request).await)
}

fn into_response(answer: MockResponse) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    *response.headers_mut() = answer.headers;
    response
}

/// The operation a request names: `X-Amz-Target: Service.Operation`.
pub(super) fn operation(headers: &HeaderMap) -> Option<String> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    target.rsplit('.').next().map(str::to_owned)
}

impl MockService for Sqs {
    fn service_name(&self) -> &str {
        "sqs"
    }

    fn url_patterns(&self) -> Vec<&str> {
        vec![r"^https?://sqs\.[^/]*amazonaws\.com"]
    }

    fn handle(
        &self,
        request: MockRequest,
    ) -> Pin<Box<dyn Future<Output = MockResponse> + Send + '_>> {
        self.0.handle(request)
    }
}
