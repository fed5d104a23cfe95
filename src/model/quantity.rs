//! Amounts as people write them: `30d`, `1h 30m`, `512M`, `1.5G`.

use std::time::Duration;

/// Memory of one guest, at least: less boots nothing.
pub const LEAST_MEMORY_MIB: u32 = 4;

/// Digits with at most one point. Signs, exponents, `.inf` and `.nan` are none of it.
pub fn decimal(text: &str) -> Option<f64> {
    let digits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let plain =
        text.len() <= 24 && text.bytes().all(digits) && text.starts_with(|c: char| c != '.');
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// `2m`, `1h 30m`, `500ms`, `30d`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() || rest.len() > 64 {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let seconds = match unit.to_ascii_lowercase().as_str() {
            "ms" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(decimal(number)? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail.trim_start();
    }
    Some(total)
}

/// Memory or disk in MiB: `512`, `512M`, `2G`, `1.5G`, `2GiB`.
pub fn mib(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "m" | "mb" | "mib" => 1.0,
        "g" | "gb" | "gib" => 1_024.0,
        "t" | "tb" | "tib" => 1_048_576.0,
        _ => return None,
    };
    Some(decimal(number)? * unit)
}

/// The same where a number alone could be meant in any unit.
pub fn mib_with_unit(text: &str) -> Option<f64> {
    mib(text).filter(|_| text.ends_with(|c: char| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_without_its_unit_is_one_only_where_that_is_clear() {
        for (text, plain, with_unit) in [
            ("2", Some(2.0), None),
            ("2.5", Some(2.5), None),
            ("512M", Some(512.0), Some(512.0)),
            ("1.5 GiB", Some(1_536.0), Some(1_536.0)),
            ("2k", None, None),
            ("G", None, None),
            ("", None, None),
        ] {
            assert_eq!((mib(text), mib_with_unit(text)), (plain, with_unit), "{text}");
        }
    }

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, want) in [
            ("2m", Some(120_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30 min", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1.5s", Some(1_500)),
            ("7d", Some(604_800_000)),
            ("", None),
            ("5", None),
            ("m", None),
            ("-5s", None),
            ("1e9s", None),
            ("5 parsecs", None),
            ("NaN", None),
            (".5s", None),
            ("99999999999999999999999d", None),
        ] {
            let found = duration(text).map(|duration| duration.as_millis());
            assert_eq!(found, want, "{text}");
        }
    }
}
