//! What the disk holds.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::words::{clean, size, time};
use crate::cli::answers::{Disk, Screens};

pub(in crate::cli) fn disk(disk: &Disk, zone: &TimeZone) -> String {
    let now = &disk.now;
    let mut text = String::new();
    for (name, bytes) in [
        ("videos", now.videos),
        ("results", now.results),
        ("bundles", now.bundles),
        ("store", now.store),
    ] {
        let _ = writeln!(text, "{name:<8} {:>10}", size(bytes));
    }
    let _ = writeln!(text, "{:<8} {:>10} of {}", "free", size(now.free), size(disk.disk));
    let Screens { screens, shared, bytes } = disk.screens;
    if screens > 0 {
        let saved = size(bytes);
        let _ = writeln!(
            text,
            "\nScreens kept: {screens}, {shared} of them already for another job; {saved} saved"
        );
    }
    let _ = writeln!(text, "\n{}", clean(&disk.forecast.words));
    for rule in &disk.rules {
        let _ = writeln!(text, "  {}", clean(rule));
    }
    if disk.backup_under_way {
        text += "A backup is being made; nothing is removed meanwhile.\n";
    }
    if disk.kept_jobs > 0 {
        let _ = writeln!(text, "Jobs that somebody keeps: {}", disk.kept_jobs);
    }
    if !disk.next.is_empty() {
        text += "\nNext:\n";
    }
    for next in &disk.next {
        let at = time(next.at, zone);
        let _ =
            writeln!(text, "  {at}  {:<8} job {:<8} {:>10}", next.what, next.job, size(next.bytes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_told_by_kind_with_what_goes_next() {
        let answer = serde_json::json!({
            "now": {"at": "2026-01-31T12:00:00Z", "videos": 12_345_678_901_u64, "results": 345_678,
                    "bundles": 0, "store": 4_096, "free": 40_000_000_000_u64,
                    "added_videos": 1, "added_results": 1},
            "disk": 100_000_000_000_u64, "kept_jobs": 1, "daily": null,
            "screens": {"screens": 120, "shared": 97, "bytes": 3_456_789},
            "forecast": {"outcome": "unknown", "words": "It is too early."},
            "rules": ["A video goes when it is older than 30 days."],
            "next": [{"job": 7, "what": "video", "at": "2026-02-03T12:05:09Z", "bytes": 1_048_576}],
            "history": [], "backup_under_way": false,
        });
        let answer = serde_json::from_value(answer).unwrap();
        insta::assert_snapshot!(disk(&answer, &TimeZone::UTC), @r"
        videos     11.5 GiB
        results   337.6 KiB
        bundles         0 B
        store       4.0 KiB
        free       37.3 GiB of 93.1 GiB

        Screens kept: 120, 97 of them already for another job; 3.3 MiB saved

        It is too early.
          A video goes when it is older than 30 days.
        Jobs that somebody keeps: 1

        Next:
          2026-02-03 12:05:09  video    job 7           1.0 MiB
        ");
    }
}
