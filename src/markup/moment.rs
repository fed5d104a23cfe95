//! Times and durations in words, as seen from one moment in one time zone.
//!
//! Pages are rendered for a given [`Moment`], so that a test sees the same words every day. The
//! machine-readable time is always beside the words.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};

/// When and where a page is read.
#[derive(Debug, Clone)]
pub struct Moment {
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Moment {
    /// "3 minutes ago", with the exact time as its title.
    pub fn ago(&self, at: Timestamp) -> Markup {
        html! { time datetime=(at) title=(self.exact(at)) data-relative { (self.relative(at)) } }
    }

    /// The same of what is expected, which may be late: then "any moment".
    pub fn expected(&self, at: Timestamp) -> Markup {
        let words = match self.now.duration_since(at).as_secs() {
            ..=-10 => self.relative(at),
            _ => "any moment".to_owned(),
        };
        html! { time datetime=(at) title=(self.exact(at)) data-relative="expected" { (words) } }
    }

    /// "21 Nov 23:24", with the year when it is another one.
    pub fn stamp(&self, at: Timestamp) -> Markup {
        let (now, then) = (self.now.to_zoned(self.zone.clone()), at.to_zoned(self.zone.clone()));
        let format = if now.year() == then.year() { "%-d %b %H:%M" } else { "%-d %b %Y %H:%M" };
        html! { time datetime=(at) title=(self.exact(at)) { (then.strftime(format)) } }
    }

    /// Time of day alone, under a heading that names the day.
    pub fn clock(&self, at: Timestamp) -> Markup {
        let then = at.to_zoned(self.zone.clone());
        html! { time datetime=(at) title=(self.exact(at)) { (then.strftime("%H:%M")) } }
    }

    /// "Today", "Yesterday" or the date.
    pub fn day(&self, at: Timestamp) -> String {
        let today = self.now.to_zoned(self.zone.clone()).date();
        let day = at.to_zoned(self.zone.clone()).date();
        match today.since(day).map(|span| span.get_days()) {
            Ok(0) => "Today".into(),
            Ok(1) => "Yesterday".into(),
            Ok(_) | Err(_) => day.strftime("%A, %-d %B %Y").to_string(),
        }
    }

    fn exact(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%A, %-d %B %Y, %H:%M:%S %Z").to_string()
    }

    fn relative(&self, at: Timestamp) -> String {
        let seconds = self.now.duration_since(at).as_secs();
        let (amount, unit) = match seconds.unsigned_abs() {
            0..=9 => return "just now".into(),
            past @ 10..=89 => (past, "second"),
            past @ 90..=5_399 => (rounded(past, 60), "minute"),
            past @ 5_400..=129_599 => (rounded(past, 3_600), "hour"),
            past => (rounded(past, 86_400), "day"),
        };
        let plural = if amount == 1 { "" } else { "s" };
        if seconds < 0 {
            format!("in {amount} {unit}{plural}")
        } else {
            format!("{amount} {unit}{plural} ago")
        }
    }
}

/// To the nearest: 90 seconds are 2 minutes, so that what is later never looks sooner.
const fn rounded(seconds: u64, unit: u64) -> u64 {
    (seconds + unit / 2) / unit
}

/// A duration as short as it stays useful: `0.4 s`, `12.3 s`, `2 m 14 s`, `1 h 02 m`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=59 => format!("{:.1} s", duration.as_secs_f64().min(59.9)),
        60..=3_599 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{} h {:02} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A place in a recording: `0:07`, `12:34`, `1:02:03`.
pub fn position(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds % 3_600 / 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// `412 B`, `18.2 KiB`, `3.4 MiB`.
pub fn size(bytes: u64) -> String {
    const STEP: f64 = 1024.0;
    match bytes as f64 {
        small if small < STEP => format!("{bytes} B"),
        some if some < STEP * STEP => format!("{:.1} KiB", some / STEP),
        much if much < STEP * STEP * STEP => format!("{:.1} MiB", much / STEP / STEP),
        vast => format!("{:.1} GiB", vast / STEP / STEP / STEP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_the_moment_of_the_page() {
        let moment = Moment { now: "2026-11-21T12:00:00Z".parse().unwrap(), zone: TimeZone::UTC };
        for (at, words, day) in [
            ("2026-11-21T11:59:55Z", "just now", "Today"),
            ("2026-11-21T12:00:30Z", "in 30 seconds", "Today"),
            ("2026-11-21T12:01:29Z", "in 89 seconds", "Today"),
            ("2026-11-21T12:01:30Z", "in 2 minutes", "Today"),
            ("2026-11-21T11:58:00Z", "2 minutes ago", "Today"),
            ("2026-11-20T23:00:00Z", "13 hours ago", "Yesterday"),
            ("2026-11-18T12:00:00Z", "3 days ago", "Wednesday, 18 November 2026"),
        ] {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!((moment.relative(at).as_str(), moment.day(at).as_str()), (words, day));
        }
    }

    #[test]
    fn what_is_expected_is_never_over() {
        let moment = Moment { now: "2026-11-21T12:00:00Z".parse().unwrap(), zone: TimeZone::UTC };
        for (at, words) in [
            ("2026-11-21T12:00:30Z", "in 30 seconds"),
            ("2026-11-21T12:00:05Z", "any moment"),
            ("2026-11-21T11:00:00Z", "any moment"),
        ] {
            let shown = moment.expected(at.parse().unwrap()).into_string();
            assert!(shown.contains(&format!(">{words}<")), "{shown}");
        }
    }

    #[test]
    fn durations_sizes_and_positions_are_short() {
        for (millis, words, place) in [
            (0, "0.0 s", "0:00"),
            (412, "0.4 s", "0:00"),
            (59_990, "59.9 s", "0:59"),
            (134_000, "2 m 14 s", "2:14"),
            (3_723_000, "1 h 02 m", "1:02:03"),
            (90_000_000, "1 d 01 h", "25:00:00"),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!((span(duration).as_str(), position(duration).as_str()), (words, place));
        }
        assert_eq!([size(412), size(18_637), size(3_565_158)], ["412 B", "18.2 KiB", "3.4 MiB"]);
    }
}
