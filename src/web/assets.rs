//! Style, script and icon: part of the binary, served under a name that holds their hash, so
//! that a browser keeps them for ever and never mixes versions.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use super::errors::{PageError, WebError};
use crate::{markup, model::Digest};

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "sutler.css",
        content_type: "text/css; charset=utf-8",
        bytes: markup::STYLE.as_bytes(),
    },
    Asset {
        name: "sutler.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: concat!(
            include_str!("../../assets/web/video.js"),
            include_str!("../../assets/web/sutler.js"),
            include_str!("../../assets/web/compose.js")
        )
        .as_bytes(),
    },
    Asset {
        name: "sutler.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../../assets/web/sutler.svg"),
    },
];

/// One hash over all of them: they change together, with the binary.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<u8> = ASSETS.iter().flat_map(|asset| asset.bytes).copied().collect();
    Digest::of(&all).to_string()[..12].to_owned()
});

/// Where pages find an asset.
pub(super) fn url(name: &str) -> String {
    debug_assert!(ASSETS.iter().any(|asset| asset.name == name), "no asset {name}");
    format!("/assets/{}/{name}", *HASH)
}

/// `GET /assets/{hash}/{name}`
pub(super) async fn show(
    Path((hash, name)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let asset = ASSETS
        .iter()
        .find(|asset| asset.name == name && hash == *HASH)
        .ok_or(WebError::NotFound("asset"))?;
    let headers = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.bytes).into_response())
}
