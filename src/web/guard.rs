//! What every request must pass and every answer carries: known host, allowed method, strict
//! headers.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    errors::{PageError, Problem, WebError},
    layout,
    state::Web,
};
use crate::model::Submitter;

/// By which door a request came; each listener sets its own as an extension. A request without one
/// is treated as the least trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// TCP: anybody on this box, guests among them. Reads only.
    Page,
    /// The Unix socket: the kernel says who it is.
    Socket { uid: u32, name: String },
}

impl Access {
    /// Who asks, where that is known.
    pub(super) fn submitter(&self) -> Result<Submitter, WebError> {
        match self {
            Self::Page => Err(WebError::SocketOnly),
            Self::Socket { uid, name } => Ok(Submitter { uid: Some(*uid), name: name.clone() }),
        }
    }
}

/// Set on every answer that has none of its own. Everything a page needs comes from here, nothing
/// in a page is a script or a style, and nobody may frame it.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'; object-src 'none'";
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-cache"),
];

/// Lets a request through, or answers it.
pub(super) async fn guard(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let access = request.extensions().get().cloned().unwrap_or(Access::Page);
    let is_api = request.uri().path().starts_with("/api");
    let guests = *web.about.acceleration.borrow();
    let mut response = layout::with_foot(guests, async {
        match check(&access, &request, &web.hosts) {
            Ok(()) => next.run(request).await,
            Err(error) if is_api => Problem(error).into_response(),
            Err(error) => PageError(error).into_response(),
        }
    })
    .await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn check(access: &Access, request: &Request, hosts: &[String]) -> Result<(), WebError> {
    match access {
        // Whoever may open the socket is no browser that another page has sent here.
        Access::Socket { .. } => Ok(()),
        Access::Page => {
            check_host(request.headers(), request.uri().host(), hosts)?;
            match *request.method() {
                Method::GET | Method::HEAD => Ok(()),
                _ => Err(WebError::Method),
            }
        }
    }
}

/// A page of another name that resolves to this address may not read ours (DNS rebinding).
fn check_host(
    headers: &HeaderMap,
    in_target: Option<&str>,
    hosts: &[String],
) -> Result<(), WebError> {
    let mut given = headers.get_all(header::HOST).iter();
    let named = match (given.next(), given.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    let refused = || WebError::Host(named.unwrap_or_default().chars().take(80).collect());
    let name = without_port(named.ok_or_else(refused)?).ok_or_else(refused)?;
    let known = |name: &str| {
        ["localhost", "127.0.0.1", "[::1]"]
            .into_iter()
            .chain(hosts.iter().map(String::as_str))
            .any(|host| host.eq_ignore_ascii_case(name))
    };
    if known(name) && in_target.is_none_or(known) { Ok(()) } else { Err(refused()) }
}

/// `None` when what follows the colon is no port.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rfind(']') {
        Some(end) => host.split_at(end + 1),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let digits = match port.strip_prefix(':') {
        Some(digits) => digits,
        None if port.is_empty() => return Some(name),
        None => return None,
    };
    digits.parse::<u16>().is_ok().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_of_this_box_are_answered() {
        let hosts = ["lab.example".to_owned()];
        for (host, ok) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("127.0.0.1:1", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("lab.example:80", true),
            ("localhost.evil.example", false),
            ("evil.example", false),
            ("localhost:evil", false),
            ("localhost:1:2", false),
            ("localhost@evil", false),
            ("[::1]x", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            assert_eq!(check_host(&headers, None, &hosts).is_ok(), ok, "{host}");
        }
        assert!(check_host(&HeaderMap::new(), None, &hosts).is_err(), "no host at all");
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, "localhost".parse().unwrap());
        twice.append(header::HOST, "evil.example".parse().unwrap());
        assert!(check_host(&twice, None, &hosts).is_err(), "two hosts");
        let headers = HeaderMap::from_iter([(header::HOST, "localhost".parse().unwrap())]);
        assert!(check_host(&headers, Some("evil.example"), &hosts).is_err(), "absolute target");
    }
}
