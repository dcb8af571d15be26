//! Secrets read from Secrets Manager or the Parameter Store, whichever the ARN names.
//!
//! Two SDK crates for two calls would cost every function their weight; both services speak the same
//! JSON protocol, so the one call each is written here, over the HTTP client the SDKs share.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SigningSettings, sign as sign_request,
};
use aws_sigv4::sign::v4;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{
    HttpRequest, HttpResponse, OrchestratorError, SensitiveOutput,
};
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use passerelle_domain::private::Private;
use serde::Deserialize;
use serde_json::json;

use crate::error::Error;

/// How long a secret may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads secrets.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    pub(crate) http: SharedHttpClient,
    pub(crate) credentials: Credentials,
    /// Another endpoint than AWS, where one is meant.
    pub(crate) endpoint: Option<String>,
}

/// A secret's place, read from its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place<'a> {
    service: Service,
    region: &'a str,
    arn: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    SecretsManager,
    ParameterStore,
}

impl<'a> Place<'a> {
    fn read(arn: &'a str) -> Result<Self, Error> {
        let mut parts = arn.split(':').skip(2);
        let service = match parts.next() {
            Some("secretsmanager") => Service::SecretsManager,
            Some("ssm") => Service::ParameterStore,
            _ => return Err(Error::SecretName),
        };
        let region = parts
            .next()
            .filter(|region| !region.is_empty())
            .ok_or(Error::SecretName)?;
        Ok(Self {
            service,
            region,
            arn,
        })
    }

    fn service(&self) -> &'static str {
        match self.service {
            Service::SecretsManager => "secretsmanager",
            Service::ParameterStore => "ssm",
        }
    }

    fn target(&self) -> &'static str {
        match self.service {
            Service::SecretsManager => "secretsmanager.GetSecretValue",
            Service::ParameterStore => "AmazonSSM.GetParameter",
        }
    }

    fn question(&self) -> String {
        match self.service {
            Service::SecretsManager => json!({"SecretId": self.arn}),
            Service::ParameterStore => json!({"Name": self.arn, "WithDecryption": true}),
        }
        .to_string()
    }
}

/// What either service answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    secret_string: Option<Private>,
    parameter: Option<Parameter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: Private,
}

/// A refusal, with the code AWS gave.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(ErrorMetadata);

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl Secrets {
    /// The text behind an ARN.
    ///
    /// # Errors
    /// [`Error::SecretName`] for an ARN of another service; otherwise what AWS answered.
    pub(crate) async fn read(&self, arn: &str) -> Result<Private, Error> {
        let place = Place::read(arn)?;
        let address = match &self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://{}.{}.amazonaws.com", place.service(), place.region),
        };
        let request = self.signed(&place, &format!("{address}/"))?;
        let mut hidden = Layer::new("Secret");
        hidden.store_put(SensitiveOutput);
        let operation = Operation::builder()
            .service_name(place.service())
            .operation_name(place.target())
            .behavior_version(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .endpoint_url(&address)
            .no_auth()
            // A secret that cannot be had ends the piece of work, which is tried again as a whole.
            .no_retry()
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build())
            .sleep_impl(TokioSleep::new())
            .runtime_plugin(StaticRuntimePlugin::new().with_config(hidden.freeze()))
            .serializer(|request: Signed| request.build())
            .deserializer(|response: &HttpResponse| read_answer(response))
            .build();
        operation.invoke(request).await.map_err(Error::from_sdk)
    }

    fn signed(&self, place: &Place<'_>, uri: &str) -> Result<Signed, Error> {
        let body = place.question();
        let headers = vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", place.target().to_owned()),
        ];
        let identity = self.credentials.clone().into();
        let unsignable = |_| Error::SecretName;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(place.region)
            .name(place.service())
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| Error::SecretName)?
            .into();
        let signable = SignableRequest::new(
            "POST",
            uri,
            headers.iter().map(|(name, value)| (*name, value.as_str())),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(unsignable)?;
        let (instructions, _) = sign_request(signable, &parameters)
            .map_err(unsignable)?
            .into_parts();
        let mut headers: Vec<(String, String)> = headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        headers.extend(
            instructions
                .headers()
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        Ok(Signed { headers, body })
    }
}

/// A request that is ready, but not yet of the orchestrator's type, which cannot be cloned.
#[derive(Debug)]
struct Signed {
    headers: Vec<(String, String)>,
    body: String,
}

impl Signed {
    fn build(self) -> Result<HttpRequest, aws_smithy_runtime_api::box_error::BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request.set_method("POST")?;
        request.set_uri("/")?;
        for (name, value) in self.headers {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }
}

fn read_answer(response: &HttpResponse) -> Result<Private, OrchestratorError<Refusal>> {
    let body = response.body().bytes().unwrap_or_default();
    if !response.status().is_success() {
        return Err(OrchestratorError::operation(read_refusal(body)));
    }
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    answer
        .and_then(|answer| {
            let parameter = answer.parameter.map(|parameter| parameter.value);
            answer.secret_string.or(parameter)
        })
        .ok_or_else(|| {
            let code = ErrorMetadata::builder().code("NotATextSecret").build();
            OrchestratorError::operation(Refusal(code))
        })
}

/// The code only: what AWS writes besides may repeat names.
fn read_refusal(body: &[u8]) -> Refusal {
    #[derive(Deserialize, Default)]
    struct Document {
        #[serde(rename = "__type", default)]
        kind: String,
    }
    let document: Document = serde_json::from_slice(body).unwrap_or_default();
    let code = document.kind.rsplit('#').next().unwrap_or_default();
    Refusal(ErrorMetadata::builder().code(code).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_which_service_and_where() {
        let secret = Place::read("arn:aws:secretsmanager:eu-west-3:1:secret:qwac-AbCdEf").unwrap();
        assert_eq!(secret.target(), "secretsmanager.GetSecretValue");
        assert!(
            secret
                .question()
                .contains(r#""SecretId":"arn:aws:secretsmanager:"#)
        );
        let parameter = Place::read("arn:aws:ssm:eu-west-1:1:parameter/banks/qwac").unwrap();
        assert_eq!(parameter.region, "eu-west-1");
        assert!(parameter.question().contains(r#""WithDecryption":true"#));
        for other in ["qwac", "", "arn:aws:s3:::bucket", "arn:aws:ssm:"] {
            assert!(
                matches!(Place::read(other), Err(Error::SecretName)),
                "{other}"
            );
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_and_nothing_else() {
        let body = br#"{"__type":"com.amazonaws#AccessDeniedException","Message":"user/me"}"#;
        let refusal = read_refusal(body);
        assert_eq!(refusal.code(), Some("AccessDeniedException"));
        assert!(!refusal.to_string().contains("user/me"));
    }
}
