//! What a request's address says, checked: unknown parameters are refused by name.

use axum::{
    extract::{self, FromRequestParts, OriginalUri, Query},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{errors::WebError, misread};
use crate::model::JobId;

/// The query, as a type that denies unknown fields.
pub(super) struct Params<T>(pub T);

/// For an address that takes none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParams {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = BadParams;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, BadParams> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => {
                let text = rejection.body_text();
                let fact = text.strip_prefix("Failed to deserialize query string: ");
                let words = misread::spoken(fact.unwrap_or(&text), "parameter");
                Err(BadParams { words, api: is_api(parts) })
            }
        }
    }
}

/// What stands in the address itself. One that is no text is refused as parameters are.
pub(super) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = BadParams;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, BadParams> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(found)) => Ok(Self(found)),
            Err(rejection) => {
                let text = rejection.body_text();
                let fact = text.strip_prefix("Invalid URL: ").unwrap_or(&text);
                let words = format!("the address cannot be read: {fact}");
                Err(BadParams { words, api: is_api(parts) })
            }
        }
    }
}

/// Whether it came to an address of the API, whose router sees only what is below.
fn is_api(parts: &Parts) -> bool {
    let whole = parts.extensions.get::<OriginalUri>();
    whole.map_or(&parts.uri, |OriginalUri(uri)| uri).path().starts_with("/api")
}

/// Answers as the address it came to does.
pub(super) struct BadParams {
    words: String,
    api: bool,
}

impl axum::response::IntoResponse for BadParams {
    fn into_response(self) -> axum::response::Response {
        let error = WebError::BadRequest(self.words);
        if self.api {
            super::errors::Problem(error).into_response()
        } else {
            super::errors::PageError(error).into_response()
        }
    }
}

/// A job's number in an address. What is none names no job.
pub(super) fn number(text: &str) -> Result<JobId, WebError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| WebError::no_job(text))
}
