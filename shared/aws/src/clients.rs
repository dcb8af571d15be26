//! Three SDK clients over one HTTP client, configured by environment variables alone.
//!
//! No `aws-config`: Lambda gives credentials in three variables that outlive the environment, and
//! the chain of other providers costs megabytes and milliseconds at cold start (ADR 0002).

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::error::Error;
use crate::secrets::Secrets;

/// The clients a function speaks to AWS with.
#[derive(Debug, Clone)]
pub struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) secrets: Secrets,
}

impl Clients {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and,
    /// where another endpoint than AWS is meant, `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first missing variable.
    pub fn from_environment(variables: &BTreeMap<String, String>) -> Result<Self, Error> {
        let required = |name: &'static str| variables.get(name).ok_or(Error::Setting(name));
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            variables.get("AWS_SESSION_TOKEN").cloned(),
            None,
            "environment",
        );
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_https();
        let endpoint = variables.get("AWS_ENDPOINT_URL").map(String::as_str);
        Ok(Self::build(
            http,
            credentials,
            required("AWS_REGION")?,
            endpoint,
        ))
    }

    /// Clients of an AWS embedded in this process: requests never leave it.
    #[must_use]
    pub fn embedded(http: SharedHttpClient, region: &str) -> Self {
        Self::build(
            http,
            Credentials::new("embedded", "embedded", None, None, "embedded"),
            region,
            None,
        )
    }

    /// The SQS client, for a poller that stands in for the event source mapping.
    #[must_use]
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        &self.sqs
    }

    fn build(
        http: SharedHttpClient,
        credentials: Credentials,
        region: &str,
        endpoint: Option<&str>,
    ) -> Self {
        let secrets = Secrets {
            http: http.clone(),
            credentials: credentials.clone(),
            endpoint: endpoint.map(str::to_owned),
        };
        let provider = SharedCredentialsProvider::new(credentials);
        let region = Region::new(region.to_owned());
        macro_rules! client {
            ($sdk:ident) => {{
                let mut config = $sdk::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .http_client(http.clone())
                    .credentials_provider(provider.clone())
                    .region(region.clone());
                config.set_endpoint_url(endpoint.map(str::to_owned));
                $sdk::Client::from_conf(config.build())
            }};
        }
        Self {
            dynamodb: client!(aws_sdk_dynamodb),
            kms: client!(aws_sdk_kms),
            sqs: client!(aws_sdk_sqs),
            secrets,
        }
    }
}
