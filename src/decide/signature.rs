//! Decides which failures are of one kind: what is left of them when everything is taken away that
//! differs from run to run.
//!
//! A kind is the cause's code, the step by its verb and subject (not by its place: steps are added
//! before it), the tags of its needles, and the last lines, in which numbers, times, addresses and
//! the like are replaced by what they are. The number is a hash of all this and the same on every
//! box; what it is made of may only change together with [`VERSION`].

use std::sync::LazyLock;

use regex::Regex;

use crate::model::{Digest, Failure, Signature};

/// Of the way a signature is made; part of the hash, so that kinds of two ways are never taken for
/// one.
const VERSION: &str = "2";
/// Lines that are looked at, of those there are the last.
const LINES: usize = 5;
/// Letters of a line that are looked at.
const LETTERS: usize = 200;

/// What kind of failure this is.
pub fn signature(failure: &Failure) -> Signature {
    let mut parts = vec![VERSION.to_owned(), failure.code.name().to_owned()];
    if let Some(step) = &failure.step {
        parts.push(step.verb.clone());
        // It names the tags that were asked for. Those of the needles that came nearest differ from
        // run to run, as does which of them was.
        parts.push(normal(&step.subject));
    }
    let words = failure.words.split("; the nearest was ").next().unwrap_or_default();
    parts.push(normal(words));
    parts.extend(last_lines(failure));
    // No line holds a line feed, so no two lists read the same.
    let hash = Digest::of(parts.join("\n").as_bytes());
    let bytes = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
    Signature(u64::from_be_bytes(*bytes))
}

/// The lines that say most: the evidence, or, where neither it nor a step says anything, the log.
fn last_lines(failure: &Failure) -> Vec<String> {
    let log = if failure.step.is_none() { failure.log.as_slice() } else { &[] };
    let lines = if failure.evidence.is_empty() { log } else { &failure.evidence };
    let mut last: Vec<_> =
        lines.iter().rev().map(|line| normal(line)).filter(|line| !line.is_empty()).collect();
    last.truncate(LINES);
    last.reverse();
    last
}

/// A line without what differs from run to run.
pub fn normal(line: &str) -> String {
    static VARIES: LazyLock<Regex> = LazyLock::new(|| {
        // The first that fits at a place is taken, so what contains others comes before them.
        let kinds = [
            r"(?P<escape>\x1b\[[0-9;?]*[ -/]*[@-~])",
            r"(?P<uuid>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)",
            r"(?P<mac>\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b)",
            r"(?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)",
            r"(?P<clock>\b\d{1,3}:\d\d(?::\d\d(?:[.,]\d+)?)?\b)",
            r"(?P<ip4>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b)",
            r"(?P<ip6>\b(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b)",
            r"(?P<hex>\b0[xX][0-9a-fA-F]+\b)",
            r"(?P<hash>\b[0-9a-fA-F]*[0-9][0-9a-fA-F]*[a-fA-F][0-9a-fA-F]*\b|\b[0-9a-fA-F]*[a-fA-F][0-9a-fA-F]*[0-9][0-9a-fA-F]*\b)",
            r"(?P<number>[0-9]+(?:[.,][0-9]+)*)",
            r"(?P<blank>\s+)",
            r"(?P<control>[\x00-\x1f\x7f])",
        ];
        Regex::new(&kinds.join("|")).expect("it is as written above")
    });
    let short: String = line.chars().take(LETTERS).collect();
    let plain = VARIES.replace_all(&short, |found: &regex::Captures<'_>| {
        let is = |kind: &str| found.name(kind).is_some();
        let word = if is("escape") || is("control") {
            ""
        } else if is("uuid") {
            "<uuid>"
        } else if is("mac") || is("ip4") || is("ip6") {
            "<address>"
        } else if is("date") || is("clock") {
            "<time>"
        } else if is("hex") {
            "<hex>"
        } else if is("hash") {
            // Eight and more are a hash or an address; fewer are part of a name, such as `eth0`
            // or `a1`, in which only digits vary.
            if found[0].len() >= 8 { "<hex>" } else { return digits(&found[0]) }
        } else if is("number") {
            "<n>"
        } else {
            " "
        };
        word.to_owned()
    });
    plain.trim().to_owned()
}

fn digits(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 4);
    for letter in word.chars() {
        if !letter.is_ascii_digit() {
            text.push(letter);
        } else if !text.ends_with("<n>") {
            text.push_str("<n>");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, FailedStep, Part, Verdict, Who};

    #[test]
    fn what_differs_from_run_to_run_is_taken_away() {
        for (line, want) in [
            ("no needle matched in 120 s", "no needle matched in <n> s"),
            ("best: installer-location, 71.4 %", "best: installer-location, <n> %"),
            ("[   12.345678] eth0: link up", "[ <n>] eth<n>: link up"),
            ("job 0193a5e0-0000-7000-8000-00000000abcd", "job <uuid>"),
            ("lease of 10.0.2.15 from 10.0.2.2:67", "lease of <address> from <address>"),
            ("mac 52:54:00:12:34:56 and fe80::5054:ff:fe12:3456", "mac <address> and <address>"),
            ("2026-01-31T12:05:09.123Z: gone", "<time>: gone"),
            ("2026-01-31 at 12:05", "<time> at <time>"),
            ("RIP: 0010:0xffffffff81000000 <f>", "RIP: <n>:<hex> <f>"),
            ("at ffff8880deadbeef in d41d8cd98f00b204e9800998ecf8427e", "at <hex> in <hex>"),
            ("pid 1234 of a1b2", "pid <n> of a<n>b<n>"),
            ("\u{1b}[1;31mred\u{1b}[0m\u{7}", "red"),
            ("  many\t\tblanks  ", "many blanks"),
            ("deadbeef stays a word, feed too", "deadbeef stays a word, feed too"),
            ("", ""),
        ] {
            assert_eq!(normal(line), want, "{line}");
        }
        assert!(normal(&"x".repeat(10_000)).len() <= LETTERS);
    }

    fn failure() -> Failure {
        Failure {
            verdict: Verdict::Failed,
            who: Who::Guest,
            code: Code::NoMatch,
            words: "no needle matched in 120 s".into(),
            part: Some(Part::Test),
            step: Some(FailedStep {
                path: "1/3/0".into(),
                verb: "assert_screen".into(),
                subject: "desktop".into(),
                needles: vec!["desktop-2026".into()],
                tags: vec!["desktop".into(), "kde".into()],
            }),
            screen: Some("screens/aa.png".into()),
            evidence: vec!["best: desktop-2026, 71 %".into()],
            log: vec!["powered on after 12 ms".into()],
            serial: vec!["login:".into()],
            job: "kde comes up".into(),
            device_type: "qemu-x86_64".into(),
        }
    }

    #[test]
    fn a_kind_is_cause_step_needles_and_words_and_nothing_else() {
        let usual = signature(&failure());
        let with = |change: fn(&mut Failure)| {
            let mut other = failure();
            change(&mut other);
            signature(&other)
        };
        let step = |failure: &mut Failure, change: fn(&mut FailedStep)| {
            failure.step.iter_mut().for_each(change);
        };
        for (case, same) in [
            ("another number", with(|f| f.words = "no needle matched in 90 s".into())),
            ("another place", with(|f| f.step.as_mut().unwrap().path = "1/4/0".into())),
            ("another run", with(|f| f.screen = Some("screens/bb.png".into()))),
            ("another job", with(|f| f.job = "kde comes up again".into())),
            ("another console", with(|f| f.serial = vec!["panic".into()])),
            ("the evidence counts, not the log", with(|f| f.log = vec!["other".into()])),
            (
                "tags of other needles that were near",
                with(|f| f.step.as_mut().unwrap().tags.push("x".into())),
            ),
            (
                "another needle that was nearest",
                with(|f| f.words += "; the nearest was kde with 70 %"),
            ),
            ("older lines", with(|f| f.evidence.insert(0, String::new()))),
        ] {
            assert_eq!(same, usual, "{case}");
        }
        let mut other_verb = failure();
        step(&mut other_verb, |step| step.verb = "check_screen".into());
        for (case, other) in [
            ("another code", with(|f| f.code = Code::BadStep)),
            ("another verb", signature(&other_verb)),
            ("another subject", with(|f| f.step.as_mut().unwrap().subject = "login".into())),
            ("no step", with(|f| f.step = None)),
            ("no evidence", with(|f| f.evidence.clear())),
            ("other words", with(|f| f.words = "QEMU died".into())),
            ("another last line", with(|f| f.evidence = vec!["best: login, 71 %".into()])),
        ] {
            assert_ne!(other, usual, "{case}");
        }
    }

    #[test]
    fn a_signature_is_the_same_on_every_box_and_in_every_version() {
        assert_eq!(signature(&failure()).to_string(), "4f23c707e860a656");
    }

    proptest::proptest! {
        #[test]
        fn a_normal_line_has_no_digits_and_no_control_characters(line in "\\PC{0,300}|[ -~\\x00-\\x1f]{0,300}") {
            let normal = normal(&line);
            proptest::prop_assert!(!normal.contains(|c: char| c.is_ascii_digit()), "{normal}");
            proptest::prop_assert!(!normal.contains(|c: char| c.is_ascii_control()), "{normal:?}");
        }
    }
}
