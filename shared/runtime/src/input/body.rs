//! Bodies: JSON for the API, forms for the pages.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::explain::{misfit, parameter, pointer};
use crate::problem::{Code, FieldError, Problem};

/// The largest body read, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// A JSON body, in either direction.
///
/// Reading: the type must be `application/json` (or end in `+json`), at most [`BODY_LIMIT`] bytes. Let
/// `T` deny unknown fields. Whatever does not fit is a problem that names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(media_type(request.headers())) {
            return Err(Problem::new(Code::UnsupportedMediaType));
        }
        let bytes = read(request).await?;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| unfit(error.path(), error.inner()))?;
        reader.end().map_err(|error| not_json(&error))?;
        Ok(Self(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => ([(CONTENT_TYPE, "application/json")], bytes).into_response(),
            Err(cause) => Problem::internal(&cause).into_response(),
        }
    }
}

/// A form a page posted: `application/x-www-form-urlencoded`, at most [`BODY_LIMIT`] bytes.
///
/// `Vec<(String, String)>` as `T` reads a form whose names repeat, a group of switches for instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if media_type(request.headers()) != Some("application/x-www-form-urlencoded") {
            return Err(Problem::new(Code::UnsupportedMediaType)
                .with_detail("Send the form as `application/x-www-form-urlencoded`."));
        }
        let bytes = read(request).await?;
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(&bytes));
        serde_path_to_error::deserialize(pairs)
            .map(Self)
            .map_err(|error| {
                let misfit = misfit(&error.inner().to_string());
                let name = parameter(error.path(), misfit.field.as_deref());
                Problem::new(Code::InvalidBody)
                    .with_error(FieldError::parameter(name, misfit.detail))
            })
    }
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    text.split(';').next().map(str::trim)
}

fn is_json(media_type: Option<&str>) -> bool {
    media_type.is_some_and(|text| {
        let text = text.to_ascii_lowercase();
        text == "application/json" || (text.starts_with("application/") && text.ends_with("+json"))
    })
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_LIMIT) {
        return Err(Problem::new(Code::BodyTooLarge));
    }
    // The only ways to fail are the limit and a caller that went away.
    to_bytes(request.into_body(), BODY_LIMIT)
        .await
        .map_err(|_| Problem::new(Code::BodyTooLarge))
}

/// What somebody wrote as JSON, read as strictly as a body.
pub(crate) fn written<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| unfit(error.path(), error.inner()))
}

fn unfit(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Data => {
            let misfit = misfit(&error.to_string());
            Problem::invalid_body(pointer(path, misfit.field.as_deref()), misfit.detail)
        }
        Category::Syntax | Category::Eof | Category::Io => not_json(error),
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(Code::InvalidBody).with_detail(format!(
        "The body is not valid JSON: look at line {}, column {}.",
        error.line(),
        error.column()
    ))
}
