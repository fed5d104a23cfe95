//! Serves a file, or the part of it a `Range` header asks for, without reading it all at once.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::stream;

use super::errors::WebError;
use crate::tasks;

/// Bytes read at a time: a client that reads slowly holds no more.
const CHUNK: u64 = 256 << 10;

/// Bytes that can be read from any place. Reading may block.
pub(super) trait Ranged: Send + Sync + 'static {
    fn length(&self) -> u64;
    /// All of `range`, which lies within the length.
    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>>;
}

/// A file as long as it was when it was opened.
pub(super) struct Whole {
    file: File,
    length: u64,
}

impl Whole {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl Ranged for Whole {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }
}

/// What a `Range` header asks of a file.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    /// Nothing of it lies in the file.
    Outside,
}

/// One range, as browsers send for video. Several at once, or what cannot be read, get the whole
/// file, which the header allows.
fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some((from, to)) = header
        .and_then(|header| header.strip_prefix("bytes="))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Wanted::All;
    };
    match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), _) if from >= length => Wanted::Outside,
        (Ok(from), Ok(to)) if to >= from => Wanted::Part(from..to.saturating_add(1).min(length)),
        (Ok(from), Err(_)) if to.is_empty() => Wanted::Part(from..length),
        (Err(_), Ok(last)) if from.is_empty() && last > 0 && length > 0 => {
            Wanted::Part(length.saturating_sub(last)..length)
        }
        (Err(_), Ok(_)) if from.is_empty() => Wanted::Outside,
        (Ok(_), _) | (Err(_), _) => Wanted::All,
    }
}

/// # Errors
/// [`WebError::Range`] when the part asked for lies outside.
pub(super) fn serve(
    request: &HeaderMap,
    source: Arc<dyn Ranged>,
    content_type: &'static str,
) -> Result<Response, WebError> {
    let length = source.length();
    let asked = request.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match wanted(asked, length) {
        Wanted::All => (StatusCode::OK, 0..length),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Outside => return Err(WebError::Range { length }),
    };
    let mut response = Response::new(body(source, range.clone()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let told = format!("bytes {}-{}/{length}", range.start, range.end - 1);
        let value = HeaderValue::try_from(told).expect("digits are a header");
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

fn body(source: Arc<dyn Ranged>, range: Range<u64>) -> Body {
    Body::from_stream(stream::try_unfold((source, range), |(source, rest)| async move {
        if rest.is_empty() {
            return Ok::<_, io::Error>(None);
        }
        let cut = rest.end.min(rest.start + CHUNK);
        let (reader, from) = (source.clone(), rest.start);
        let bytes = tasks::blocking(move || reader.read(from..cut)).await?;
        Ok(Some((bytes, (source, cut..rest.end))))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_the_file_and_the_rest_is_ignored() {
        for (header, want) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=10-19", Wanted::Part(10..20)),
            ("bytes=10-", Wanted::Part(10..100)),
            ("bytes=90-500", Wanted::Part(90..100)),
            ("bytes=90-18446744073709551615", Wanted::Part(90..100)),
            ("bytes=-5", Wanted::Part(95..100)),
            ("bytes=-500", Wanted::Part(0..100)),
            ("bytes=-0", Wanted::Outside),
            ("bytes=100-", Wanted::Outside),
            ("bytes=20-10", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("bytes=", Wanted::All),
            ("lines=1-2", Wanted::All),
        ] {
            assert_eq!(wanted(Some(header), 100), want, "{header}");
        }
        assert_eq!(wanted(None, 100), Wanted::All);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Outside);
        assert_eq!(wanted(Some("bytes=-5"), 0), Wanted::Outside);
    }
}
