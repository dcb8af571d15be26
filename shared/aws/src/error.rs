//! What can go wrong when speaking to AWS, in words that do not name an SDK type.

use std::any::Any;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use passerelle_domain::failure::Failure;

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
    /// Another transaction was at work on the same item at this moment. Nothing is said about what it
    /// leaves there: the same request may succeed.
    #[error("another change to the same item was under way: retry")]
    Busy(#[source] Cause),
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
            Self::Conflict | Self::Busy(_) | Self::Throttled(_) | Self::Unavailable(_) => true,
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
        let code = match cancellation(&error) {
            Some(code) => code,
            None => error.code().unwrap_or_default(),
        };
        let code = code.to_owned();
        let cause = Box::new(error);
        match Verdict::of(&code) {
            Verdict::Conflict => Self::Conflict,
            Verdict::Busy => Self::Busy(cause),
            Verdict::Throttled => Self::Throttled(cause),
            Verdict::Unavailable => Self::Unavailable(cause),
            Verdict::Refused => Self::Refused {
                code,
                source: cause,
            },
        }
    }
}

impl Failure for Error {
    fn is_retryable(&self) -> bool {
        self.is_retryable()
    }
}

/// What a code means for who asked. In order of weight: of several reasons why a transaction was
/// cancelled the first here decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// A refused condition speaks of what is stored: the same request is refused again however much
    /// patience AWS is given, so beside a throttle it is the one that is told.
    Conflict,
    /// Never mends by itself.
    Refused,
    Throttled,
    Busy,
    Unavailable,
}

impl Verdict {
    fn of(code: &str) -> Self {
        match code {
            "ConditionalCheckFailedException" | "ConditionalCheckFailed" => Self::Conflict,
            "TransactionConflictException"
            | "TransactionConflict"
            | "TransactionInProgressException" => Self::Busy,
            "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "ThrottlingException"
            | "ThrottlingError"
            | "RequestLimitExceeded"
            // SQS, and the KMS behind an encrypted queue.
            | "RequestThrottled"
            | "KmsThrottled"
            | "KMS.ThrottlingException" => Self::Throttled,
            // No code: no answer came, or one without a reason.
            "" | "InternalServerError"
            | "InternalFailure"
            | "InternalServiceError"
            | "ServiceUnavailable"
            | "KMSInternalException"
            | "DependencyTimeoutException"
            | "KeyUnavailableException" => Self::Unavailable,
            // Among them `ValidationError`, `ItemCollectionSizeLimitExceeded` and
            // `IdempotentParameterMismatchException`: ours to mend.
            _ => Self::Refused,
        }
    }
}

/// The reason that decides why a transaction was cancelled; none where it was no cancellation.
fn cancellation<E: 'static, R>(error: &SdkError<E, R>) -> Option<&str> {
    let service: &dyn Any = match error {
        SdkError::ServiceError(failure) => failure.err(),
        _ => return None,
    };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) =
        service.downcast_ref::<TransactWriteItemsError>()?
    else {
        return None;
    };
    let reasons = cancelled.cancellation_reasons().iter();
    let reasons = reasons
        .filter_map(|reason| reason.code())
        .filter(|code| *code != "None");
    Some(
        reasons
            .min_by_key(|code| Verdict::of(code))
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::{
        IdempotentParameterMismatchException, TransactionCanceledException,
        TransactionInProgressException,
    };
    use aws_sdk_kms::operation::decrypt::DecryptError;
    use aws_sdk_kms::types::error::KeyUnavailableException;
    use aws_sdk_sqs::operation::send_message::SendMessageError;
    use aws_sdk_sqs::types::error::{KmsThrottled, RequestThrottled};

    use super::*;

    fn cancelled(reasons: &[&str]) -> Error {
        let reasons = reasons
            .iter()
            .map(|code| CancellationReason::builder().code(*code).build());
        let exception = TransactionCanceledException::builder()
            .set_cancellation_reasons(Some(reasons.collect()))
            .meta(coded("TransactionCanceledException"))
            .build();
        of(TransactWriteItemsError::TransactionCanceledException(
            exception,
        ))
    }

    fn coded(code: &str) -> ErrorMetadata {
        ErrorMetadata::builder().code(code).build()
    }

    fn of<E>(error: E) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        Error::from_sdk(SdkError::<_, ()>::service_error(error, ()))
    }

    fn says(error: &Error) -> (&'static str, bool) {
        let kind = match error {
            Error::Conflict => "conflict",
            Error::Busy(_) => "busy",
            Error::Throttled(_) => "throttled",
            Error::Unavailable(_) => "unavailable",
            Error::Refused { .. } => "refused",
            _ => "another",
        };
        (kind, error.is_retryable())
    }

    #[test]
    fn a_cancelled_transaction_is_what_its_reasons_say() {
        for (reasons, expected) in [
            (&["None", "ConditionalCheckFailed"][..], ("conflict", true)),
            (&["TransactionConflict", "None"], ("busy", true)),
            (&["ThrottlingError"], ("throttled", true)),
            (
                &["None", "ProvisionedThroughputExceeded"],
                ("throttled", true),
            ),
            (&["ItemCollectionSizeLimitExceeded"], ("refused", false)),
            (&["ValidationError", "None"], ("refused", false)),
            (&["None", "None"], ("unavailable", true)),
            (&[], ("unavailable", true)),
        ] {
            assert_eq!(says(&cancelled(reasons)), expected, "{reasons:?}");
        }
    }

    #[test]
    fn of_several_reasons_the_one_that_no_patience_mends_is_told() {
        for (reasons, expected) in [
            (
                &["ThrottlingError", "ConditionalCheckFailed"][..],
                ("conflict", true),
            ),
            (
                &["ValidationError", "ConditionalCheckFailed"],
                ("conflict", true),
            ),
            (&["ThrottlingError", "ValidationError"], ("refused", false)),
            (
                &["TransactionConflict", "ThrottlingError"],
                ("throttled", true),
            ),
        ] {
            assert_eq!(says(&cancelled(reasons)), expected, "{reasons:?}");
        }
        let Error::Refused { code, .. } = cancelled(&["None", "ValidationError"]) else {
            panic!("it is refused");
        };
        assert_eq!(
            code, "ValidationError",
            "the reason is named, not the envelope"
        );
    }

    #[test]
    fn a_transaction_that_is_still_at_work_is_waited_for_and_a_token_used_twice_is_ours_to_mend() {
        let running = TransactionInProgressException::builder()
            .meta(coded("TransactionInProgressException"))
            .build();
        let running = TransactWriteItemsError::TransactionInProgressException(running);
        assert_eq!(says(&of(running)), ("busy", true));
        let mismatch = IdempotentParameterMismatchException::builder()
            .meta(coded("IdempotentParameterMismatchException"))
            .build();
        let mismatch = TransactWriteItemsError::IdempotentParameterMismatchException(mismatch);
        assert_eq!(says(&of(mismatch)), ("refused", false));
        let single = UpdateItemError::generic(coded("TransactionConflictException"));
        assert_eq!(says(&of(single)), ("busy", true));
    }

    #[test]
    fn keys_and_queues_that_ask_for_patience_get_it() {
        let throttled = RequestThrottled::builder().meta(coded("RequestThrottled"));
        let throttled = SendMessageError::RequestThrottled(throttled.build());
        assert_eq!(says(&of(throttled)), ("throttled", true));
        // Under its own name, and under the one of the older protocol.
        for code in ["KmsThrottled", "KMS.ThrottlingException"] {
            let throttled = KmsThrottled::builder().meta(coded(code)).build();
            let throttled = SendMessageError::KmsThrottled(throttled);
            assert_eq!(says(&of(throttled)), ("throttled", true), "{code}");
        }
        let kms = DecryptError::generic(coded("ThrottlingException"));
        assert_eq!(says(&of(kms)), ("throttled", true));
        let away = KeyUnavailableException::builder().meta(coded("KeyUnavailableException"));
        let away = DecryptError::KeyUnavailableException(away.build());
        assert_eq!(says(&of(away)), ("unavailable", true));
        let disabled = DecryptError::generic(coded("DisabledException"));
        assert_eq!(says(&of(disabled)), ("refused", false));
    }
}
