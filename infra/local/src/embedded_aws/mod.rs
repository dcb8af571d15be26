//! DynamoDB, KMS and SQS inside this process.
//!
//! The functions reach them with the same SDK clients as in production: only the HTTP client under
//! the SDK is another, one that never opens a socket. DynamoDB keeps its items in a SQLite file and
//! KMS its keys in files that are replaced whole, so both survive the process being killed; SQS is in
//! memory, because a queue only holds hints of what the table says is due.

mod bridge;
mod dynamodb;
mod files;
mod kms;
mod provision;
mod signing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sdk_sqs::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use winterbaume_core::MockAws;
use winterbaume_sqs::SqsService;

pub(crate) use files::{read_if_present, write_private};

use crate::error::LocalError;
use crate::stack::REGION;
use dynamodb::DynamoDb;
use kms::Kms;

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Nowhere: everything ends with the process.
    Memory,
    /// In a folder, made when absent.
    Folder(PathBuf),
}

impl Storage {
    /// A file in the state folder; none in memory.
    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Memory => None,
            Self::Folder(folder) => Some(folder.join(name)),
        }
    }
}

/// The three services of one suite.
#[derive(Debug, Clone)]
pub struct EmbeddedAws {
    dynamodb: Arc<DynamoDb>,
    kms: Arc<Kms>,
    sqs: Arc<Sqs>,
    http: SharedHttpClient,
}

/// SQS as the emulator gives it.
pub(crate) struct Sqs(SqsService);

impl std::fmt::Debug for Sqs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sqs")
    }
}

impl EmbeddedAws {
    /// Opens the services over what was stored before.
    ///
    /// # Errors
    /// Files that cannot be read or do not hold what they should.
    pub async fn open(storage: &Storage) -> Result<Self, LocalError> {
        if let Storage::Folder(folder) = storage {
            make_folder(folder)?;
        }
        let dynamodb = Arc::new(DynamoDb::open(storage.file("dynamodb.sqlite").as_deref())?);
        let kms =
            Arc::new(Kms::open(storage.file("kms.json"), storage.file("kms-signing.json")).await?);
        let sqs = Arc::new(Sqs(SqsService::new()));
        let http = MockAws::builder()
            .with_service(Arc::clone(&dynamodb))
            .with_service(Arc::clone(&kms))
            .with_service(Arc::clone(&sqs))
            .build()
            .http_client();
        Ok(Self {
            dynamodb,
            kms,
            sqs,
            http,
        })
    }

    /// The HTTP client that reaches these services and nothing else.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        self.http.clone()
    }

    /// Clients as the functions use them.
    #[must_use]
    pub fn clients(&self) -> passerelle_aws::Clients {
        passerelle_aws::Clients::embedded(self.http_client(), REGION)
    }

    pub(crate) fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(self.http_client())
            .credentials_provider(credentials())
            .region(Region::new(REGION));
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    pub(crate) fn kms_client(&self) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(self.http_client())
            .credentials_provider(credentials())
            .region(Region::new(REGION));
        aws_sdk_kms::Client::from_conf(config.build())
    }

    pub(crate) fn sqs_client(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(self.http_client())
            .credentials_provider(credentials())
            .region(Region::new(REGION));
        aws_sdk_sqs::Client::from_conf(config.build())
    }
}

/// Nothing checks them: requests never leave the process.
fn credentials() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(
        "embedded", "embedded", None, None, "embedded",
    ))
}

fn make_folder(folder: &Path) -> Result<(), LocalError> {
    std::fs::create_dir_all(folder).map_err(LocalError::file("making", folder))?;
    files::only_for_owner(folder)
}

#[cfg(test)]
mod tests;
