use proptest::prelude::*;

use super::*;
use crate::model::{Code, FailedStep, Part, RuleRetry, Touch, Verdict, Who};

fn failure() -> Failure {
    Failure {
        verdict: Verdict::Failed,
        who: Who::Guest,
        code: Code::NoMatch,
        words: "no needle matched in 120 s".into(),
        part: Some(Part::Test),
        step: Some(FailedStep {
            path: "1/3".into(),
            verb: "assert_screen".into(),
            subject: "desktop".into(),
            needles: vec!["desktop-kde-2026".into()],
            tags: vec!["desktop".into(), "kde".into()],
        }),
        screen: None,
        evidence: vec!["best: desktop-kde-2026, 71 %".into()],
        log: vec!["powered on".into(), "a key was lost".into()],
        serial: vec!["Kernel panic - not syncing".into(), "---[ end ]---".into()],
        job: "kde comes up".into(),
        device_type: "qemu-x86_64".into(),
    }
}

fn rule(name: &str, pattern: Pattern) -> KnownRule {
    let touch = Touch { at: jiff::Timestamp::UNIX_EPOCH, by: "ada".into() };
    KnownRule {
        name: name.into(),
        owner: "ada".into(),
        notes: String::new(),
        bug: None,
        created: touch.clone(),
        changed: touch,
        enabled: true,
        pattern,
        retry: RuleRetry::default(),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_pattern_holds_when_every_part_of_it_does() {
    let none = Pattern::default;
    let by = |change: fn(&mut Pattern)| {
        let mut pattern = none();
        change(&mut pattern);
        pattern
    };
    for (case, pattern, want) in [
        ("its code", by(|p| p.codes = vec![Code::NoMatch]), true),
        ("one of its codes", by(|p| p.codes = vec![Code::BadStep, Code::NoMatch]), true),
        ("another code", by(|p| p.codes = vec![Code::BadStep]), false),
        ("who", by(|p| p.who = Some(Who::Guest)), true),
        ("somebody else", by(|p| p.who = Some(Who::Host)), false),
        ("words", by(|p| p.words = some("matched in [0-9]+ s$")), true),
        ("other words", by(|p| p.words = some("^matched")), false),
        ("a line of the log", by(|p| p.log = some("key was lost")), true),
        ("a line of the evidence", by(|p| p.log = some("^best: desktop")), true),
        ("an expression ends with its line", by(|p| p.log = some("on$")), true),
        ("and does not go over two", by(|p| p.log = some("on.*key")), false),
        ("the log is not the console", by(|p| p.log = some("panic")), false),
        ("a line of the console", by(|p| p.serial = some("(?i)kernel PANIC")), true),
        ("another console", by(|p| p.serial = some("oops")), false),
        ("a needle", by(|p| p.needle = some("desktop-*-2026")), true),
        ("a tag", by(|p| p.needle = some("kde")), true),
        ("a name fits from end to end", by(|p| p.needle = some("desk")), false),
        ("one letter", by(|p| p.needle = some("kd?")), true),
        ("an expression for a name", by(|p| p.needle = some("/desktop-(kde|gnome)-.*/")), true),
        ("that fits from end to end, too", by(|p| p.needle = some("/desk/")), false),
        ("dots of a name are dots", by(|p| p.needle = some("desktop.kde.2026")), false),
        ("the job", by(|p| p.job = some("kde *")), true),
        ("another job", by(|p| p.job = some("gnome *")), false),
        ("the device type", by(|p| p.device_type = some("qemu-x86?64")), true),
        (
            "all of it",
            by(|p| (p.codes, p.needle, p.job) = (vec![Code::NoMatch], some("kde"), some("*"))),
            true,
        ),
        ("all but one", by(|p| (p.needle, p.serial) = (some("kde"), some("oops"))), false),
        ("an expression that is none", by(|p| p.log = some("(")), false),
        ("nothing", none(), false),
    ] {
        assert_eq!(matches(&rule("r", pattern), &failure()), want, "{case}");
    }
    let no_step = Failure { step: None, ..failure() };
    let needle = Pattern { needle: some("*"), ..none() };
    assert!(!matches(&rule("r", needle), &no_step), "no step, no needle");
}

#[test]
fn rules_that_are_on_match_by_their_names() {
    let fits = || Pattern { needle: some("kde"), ..Pattern::default() };
    let misses = Pattern { needle: some("gnome"), ..Pattern::default() };
    let off = KnownRule { enabled: false, ..rule("b-off", fits()) };
    let rules = [rule("z", fits()), off, rule("c", misses), rule("a", fits())];
    let found: Vec<_> = matching(&rules, &failure()).iter().map(|rule| &rule.name).collect();
    assert_eq!(found, ["a", "z"]);
}

#[test]
fn what_cannot_be_kept_is_said() {
    let fine = || rule("slow-mirror-7", Pattern { log: some("x"), ..Pattern::default() });
    assert_eq!(check(&fine()), Ok(()));
    for name in ["", "-x", "X", "a b", "a/b", "é", "..", &"x".repeat(65)] {
        assert_eq!(check(&KnownRule { name: name.into(), ..fine() }), Err(BadRule::Name), "{name}");
    }
    for (bug, want) in [
        ("https://bugs.example/7", true),
        ("http://[::1]/7?a=b#c", true),
        ("javascript:alert(1)", false),
        ("https://", false),
        ("https:///x", false),
        ("HTTPS://bugs.example", false),
        ("ftp://bugs.example", false),
        ("https://bugs.example/a b", false),
        ("https://bugs.example/\u{7}", false),
        (" https://bugs.example", false),
    ] {
        let kept = check(&KnownRule { bug: some(bug), ..fine() });
        assert_eq!(kept, if want { Ok(()) } else { Err(BadRule::Bug) }, "{bug}");
    }
    let long = "x".repeat(NOTES + 1);
    assert_eq!(check(&KnownRule { notes: long, ..fine() }), Err(BadRule::Notes));
    assert_eq!(check(&rule("r", Pattern::default())), Err(BadRule::Empty));
    for (text, why) in [("(", "unclosed"), (r"\w{1000}{1000}", "size limit"), (r"(a)\1", "back")] {
        let bad = check(&rule("r", Pattern { log: some(text), ..Pattern::default() }));
        let Err(BadRule::Expression { part: "log", why: said }) = bad else { panic!("{bad:?}") };
        assert!(said.contains(why), "{said}");
    }
    for text in ["", &"x".repeat(501)] {
        let bad = check(&rule("r", Pattern { needle: some(text), ..Pattern::default() }));
        assert_eq!(bad, Err(BadRule::Length { part: "needle" }));
    }
}

/// One that takes other engines of expressions longer than the universe is old.
#[test]
fn a_hostile_expression_on_a_hostile_line_takes_no_time() {
    let pattern = Pattern { serial: some("^(a+)+$"), ..Pattern::default() };
    let line = "a".repeat(100) + "!";
    let hostile = Failure { serial: vec![line; 10_000], ..failure() }.bounded();
    let since = crate::clock::Stopwatch::start();
    assert!(!matches(&rule("r", pattern), &hostile));
    assert!(since.elapsed() < std::time::Duration::from_secs(5), "{:?}", since.elapsed());
}

#[test]
fn a_suggestion_matches_what_it_was_made_of() {
    let no_step = |job: &str| Failure { step: None, job: job.into(), ..failure() };
    let odd = "/tmp/* (x86)? is \"odd\"";
    for failure in [failure(), no_step("boots"), no_step(odd), no_step(&"long ".repeat(60))] {
        let suggested = rule(&suggested_name(&failure), suggestion(&failure));
        assert_eq!(check(&suggested), Ok(()), "{suggested:?}");
        assert!(matches(&suggested, &failure), "{suggested:?}");
        let other = Failure { code: Code::BadStep, ..failure };
        assert!(!matches(&suggested, &other), "{suggested:?}");
    }
    assert_eq!(suggested_name(&failure()), "no-match-desktop");
    assert_eq!(suggestion(&failure()).needle, some("desktop"));
}

proptest! {
    #[test]
    fn a_plain_name_is_a_pattern_of_itself_and_of_no_other(
        name in "[a-zA-Z0-9._ +()\\[\\]-]{1,40}",
        other in "[a-zA-Z0-9._ +()\\[\\]-]{1,40}",
    ) {
        let pattern = Pattern { job: Some(name.clone()), ..Pattern::default() };
        let matcher = Matcher::new(&pattern).unwrap();
        let matches_itself = matcher.matches(&Failure { job: name.clone(), ..failure() });
        prop_assert!(matches_itself);
        let matches_other = matcher.matches(&Failure { job: other.clone(), ..failure() });
        prop_assert_eq!(matches_other, name == other);
    }

    #[test]
    fn no_text_makes_a_rule_fall_over(text in "\\PC{0,60}") {
        let pattern = Pattern {
            log: Some(text.clone()),
            needle: Some(text.clone()),
            job: Some(format!("/{text}/")),
            ..Pattern::default()
        };
        if let Ok(matcher) = Matcher::new(&pattern) {
            matcher.matches(&failure());
        }
    }
}
