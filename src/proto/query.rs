//! Text in the address of a request (RFC 3986): names that authors give must not end it.

use std::fmt::Write as _;

/// `text` as a value of a query: all but letters, digits and `-._~` is written in percent.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(byte.into());
        } else {
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted
}

/// `path?name=value&…`; pairs without a value are left out.
pub fn address(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut address = path.to_owned();
    let mut between = '?';
    for (name, value) in pairs {
        if let Some(value) = value {
            let _ = write!(address, "{between}{name}={}", quoted(value));
            between = '&';
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_an_author_writes_ends_the_value() {
        for (text, want) in [
            ("plain-1.0_~", "plain-1.0_~"),
            ("a b&c=d#e?f/g", "a%20b%26c%3Dd%23e%3Ff%2Fg"),
            ("zażółć\n%", "za%C5%BC%C3%B3%C5%82%C4%87%0A%25"),
        ] {
            assert_eq!(quoted(text), want);
        }
        assert_eq!(
            address("/x", &[("a", None), ("b", Some("1 2")), ("c", Some(""))]),
            "/x?b=1%202&c="
        );
        assert_eq!(address("/x", &[("a", None)]), "/x");
    }
}
