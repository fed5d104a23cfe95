//! Which names this box answers to.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

use super::errors::WebError;

/// A page of another name that resolves to this address may not read ours (DNS rebinding).
///
/// A number is no name: who asks for one means the machine that has it. So where the page listens
/// beyond loopback, numbers are answered.
pub(super) fn check_host(
    headers: &HeaderMap,
    in_target: Option<&str>,
    hosts: &[String],
    listen: &[String],
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
            || is_number(name) && listen.iter().any(|at| is_open(at))
    };
    if known(name) && in_target.is_none_or(known) { Ok(()) } else { Err(refused()) }
}

fn is_number(name: &str) -> bool {
    name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

/// Whether other machines reach this address.
fn is_open(at: &str) -> bool {
    at.parse::<SocketAddr>().is_ok_and(|at| !at.ip().is_loopback())
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
            assert_eq!(check_host(&headers, None, &hosts, &[]).is_ok(), ok, "{host}");
        }
        assert!(check_host(&HeaderMap::new(), None, &hosts, &[]).is_err(), "no host at all");
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, "localhost".parse().unwrap());
        twice.append(header::HOST, "evil.example".parse().unwrap());
        assert!(check_host(&twice, None, &hosts, &[]).is_err(), "two hosts");
        let headers = HeaderMap::from_iter([(header::HOST, "localhost".parse().unwrap())]);
        assert!(
            check_host(&headers, Some("evil.example"), &hosts, &[]).is_err(),
            "absolute target"
        );
    }

    #[test]
    fn numbers_are_answered_where_other_machines_reach_the_page() {
        let listen = ["192.0.2.1:8470".to_owned()];
        for (host, listen, ok) in [
            ("192.0.2.1:8470", &listen[..], true),
            ("[2001:db8::1]:8470", &listen, true),
            ("lab.example", &listen, false),
            ("192.0.2.1:8470", &["127.0.0.1:8470".to_owned()], false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            assert_eq!(check_host(&headers, None, &[], listen).is_ok(), ok, "{host} {listen:?}");
        }
    }
}
