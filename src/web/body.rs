//! What a request's body says, as JSON.

use axum::body::{Body, to_bytes};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::{errors::WebError, misread};

/// Bytes of a body that holds no job.
const MOST: usize = 64 << 10;

/// Reads a body.
///
/// # Errors
/// When it is too long, is no JSON, or has what its type does not know.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, WebError> {
    let bytes = to_bytes(body, MOST).await;
    let bytes = bytes.map_err(|_| WebError::TooLong { limit: MOST })?;
    parse(&bytes)
}

/// A body that was read already.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WebError> {
    let parsed = serde_json::from_slice(bytes);
    parsed.map_err(|error| WebError::BadRequest(misread::of_json(bytes, &error)))
}

/// Tells null from nothing, for a field that may be taken away.
pub(super) fn given<'de, T, D>(from: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(from).map(Some)
}
