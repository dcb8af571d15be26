//! What can go wrong when speaking to AWS, in words that do not name an SDK type.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A request to AWS, or what it returned, that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else changed the item first: read it again and decide anew.
    #[error("the item was changed by somebody else in between")]
    Conflict,
    /// The key that would open this is gone: withdrawn, expired or erased. Final.
    #[error("the key of this connection was destroyed")]
    Erased,
    /// AWS asks for patience.
    #[error("AWS throttled the request: retry later")]
    Throttled(#[source] Cause),
    /// AWS could not be reached or failed.
    #[error("AWS did not answer the request: retry")]
    Unavailable(#[source] Cause),
    /// AWS refused the request: a permission, a name or a shape is wrong. Retrying does not help.
    #[error("AWS refused the request ({code}): check the function's policy and settings")]
    Refused {
        /// The error code AWS gave.
        code: String,
        /// What the SDK reported.
        #[source]
        source: Cause,
    },
    /// A stored item does not have the shape this version writes.
    #[error("a stored {0} cannot be read")]
    Unreadable(&'static str),
    /// A sealed blob does not open: wrong key, or not what its associated data says.
    #[error("a sealed {0} does not open: it was moved, rolled back or tampered with")]
    NotAuthentic(&'static str),
    /// A secret's name is not the ARN of a secret or of a parameter.
    #[error("a secret is named by its ARN in Secrets Manager or the Parameter Store")]
    SecretName,
    /// A setting is missing.
    #[error("the setting {0} is missing: set the environment variable")]
    Setting(&'static str),
}

impl Error {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict | Self::Throttled(_) | Self::Unavailable(_) => true,
            Self::Erased
            | Self::Refused { .. }
            | Self::Unreadable(_)
            | Self::NotAuthentic(_)
            | Self::SecretName
            | Self::Setting(_) => false,
        }
    }

    pub(crate) fn from_sdk<E, R>(error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let code = error.code().unwrap_or_default().to_owned();
        match code.as_str() {
            "ConditionalCheckFailedException" | "TransactionConflictException" => Self::Conflict,
            "TransactionCanceledException" => {
                let reasons = error.message().unwrap_or_default();
                if reasons.contains("ConditionalCheckFailed")
                    || reasons.contains("TransactionConflict")
                {
                    Self::Conflict
                } else {
                    Self::Refused {
                        code,
                        source: Box::new(error),
                    }
                }
            }
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "RequestThrottled" => Self::Throttled(Box::new(error)),
            ""
            | "InternalServerError"
            | "InternalFailure"
            | "InternalServiceError"
            | "ServiceUnavailable"
            | "KMSInternalException"
            | "DependencyTimeoutException" => Self::Unavailable(Box::new(error)),
            _ => Self::Refused {
                code,
                source: Box::new(error),
            },
        }
    }
}
