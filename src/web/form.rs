//! Forms of our pages, as they come back.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    errors::{PageError, WebError},
    guard::{SessionKey, form_key},
};
use crate::job_file::MAX_TEXT;

/// Bytes of a form.
const MOST: usize = 16 << 10;
/// Bytes of one that holds a job's definition, of which each may be written as three.
const MOST_LONG: usize = 3 * MAX_TEXT + MOST;

/// What a form says, once it has shown that it is of the session it came with.
pub(super) struct Form<T>(pub T);

/// The same of a form that holds a job's definition, or names many jobs.
pub(super) struct LongForm<T>(pub T);

#[derive(Deserialize)]
struct Keyed {
    form: Option<String>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        read(request, state, MOST).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LongForm<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        read(request, state, MOST_LONG).await.map(Self)
    }
}

async fn read<S: Send + Sync, T: DeserializeOwned>(
    request: Request,
    state: &S,
    most: usize,
) -> Result<T, PageError> {
    let (head, body) = request.into_parts();
    let session = head.extensions.get::<SessionKey>().and_then(|SessionKey(key)| key.clone());
    let refused = |words: String| PageError(WebError::BadRequest(words));
    let bytes = to_bytes(body, most).await;
    let bytes = bytes.map_err(|_| refused(format!("a form has at most {most} bytes")))?;
    let again = || Request::from_parts(head.clone(), Body::from(bytes.clone()));
    let read = axum::Form::<Keyed>::from_request(again(), state).await;
    let axum::Form(Keyed { form }) = read.map_err(|error| refused(error.body_text()))?;
    if let Some(session) = session
        && !form.is_some_and(|given| form_key(&session).is(&given))
    {
        return Err(PageError(WebError::Forged));
    }
    let read = axum::Form::<T>::from_request(again(), state).await;
    let axum::Form(read) = read.map_err(|error| refused(error.body_text()))?;
    Ok(read)
}
