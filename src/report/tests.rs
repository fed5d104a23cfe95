//! Reports from fixed data: what each end of a job comes to in every format.

use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use super::{
    cases::{Fate, suites},
    media::{Media, Video},
    results::Results,
    *,
};
use crate::{
    markup::samples::*,
    model::{Cause, Code, Event, Job, Outcome, Place, Run, Verdict, Who},
    supervise::JobFolder,
};

const NAME: &str = "debian installer asks the right questions";

/// A folder with these events, and what is read from it.
fn gathered(job: Job, events: &[Event]) -> (tempfile::TempDir, JobFolder, Results) {
    let data = tempfile::tempdir().unwrap();
    write_folder(data.path(), job.id, events);
    let folder = JobFolder::new(data.path(), job.id);
    let results = Results::gather(job, &folder, moment()).unwrap();
    (data, folder, results)
}

fn failed() -> (tempfile::TempDir, JobFolder, Results) {
    gathered(ended(2, NAME, Verdict::Failed, 20), &story(Some(Outcome::Fail)))
}

fn page(results: &Results, folder: &JobFolder) -> String {
    html::render(results, &Media::gather(results, folder, Video::Embed)).into_string()
}

#[test]
fn a_failed_job_is_told_to_build_servers() {
    let (_data, _, results) = failed();
    insta::assert_snapshot!(junit::render(&results));
}

#[test]
fn a_failed_job_is_told_as_tap() {
    let (_data, _, results) = failed();
    insta::assert_snapshot!(tap::render(&results));
}

#[test]
fn the_page_has_everything_in_it_and_leads_nowhere_else() {
    let (_data, folder, results) = failed();
    let page = page(&results, &folder);
    let pictures = regex::Regex::new("data:image/png;base64,[A-Za-z0-9+/=]+").unwrap();
    assert!(pictures.find_iter(&page).count() >= 3, "three screens, one large and small");
    for (_, [link]) in regex::Regex::new("(?:href|src)=\"([^\"]*)\"")
        .unwrap()
        .captures_iter(&page)
        .map(|found| found.extract())
    {
        assert!(link.starts_with('#') || link.starts_with("data:"), "{link}");
        if let Some(name) = link.strip_prefix('#') {
            assert!(page.contains(&format!("id=\"{name}\"")), "{link} leads nowhere");
        }
    }
    assert!(!page.contains(" style="), "the policy forbids it");
    let (_, main) = page.split_once("<main").unwrap();
    let (main, _) = main.split_once("</main>").unwrap();
    let icons = regex::Regex::new("<svg class=\"icon\".*?</svg>").unwrap();
    let main = pictures.replace_all(main, "data:…");
    insta::assert_snapshot!(icons.replace_all(&main, "").replace("><", ">\n<"));
}

/// How every end looks to a program that counts failures, errors and what was skipped.
#[test]
fn no_format_takes_a_bad_job_for_a_good_one() {
    for (verdict, who, code, failures, errors, skipped) in [
        (Verdict::Passed, None, Code::Internal, 0, 0, 0),
        (Verdict::Softfailed, Some(Who::Guest), Code::Workaround, 0, 0, 0),
        (Verdict::Failed, Some(Who::Guest), Code::NoMatch, 1, 0, 0),
        (Verdict::Incomplete, Some(Who::Author), Code::BadFile, 0, 1, 0),
        (Verdict::Incomplete, Some(Who::Lab), Code::MissingTool, 0, 1, 0),
        (Verdict::Incomplete, Some(Who::Host), Code::HostResources, 0, 1, 0),
        (Verdict::Incomplete, Some(Who::Guest), Code::GuestPanicked, 0, 1, 0),
        (Verdict::Incomplete, Some(Who::Sutler), Code::EngineDied, 0, 1, 0),
        (Verdict::TimedOut, Some(Who::Author), Code::JobTimeout, 0, 1, 0),
        (Verdict::TooSlow, Some(Who::Host), Code::HostResources, 0, 1, 0),
        (Verdict::Canceled, Some(Who::Author), Code::Canceled, 0, 0, 1),
        (Verdict::Skipped, Some(Who::Author), Code::Canceled, 0, 0, 1),
    ] {
        let mut job = ended(2, NAME, verdict, 20);
        job.cause = who.map(|who| Cause::new(who, code, "because"));
        // Nothing but the record is left: before its first step, or long after its end.
        let (_data, folder, results) = gathered(job, &[]);
        let case = format!("{verdict} {}", code.name());
        let xml = junit::render(&results);
        let read = Report::deserialize_from_str(&xml).unwrap();
        assert_eq!((read.failures, read.errors), (failures, errors), "{case}: {xml}");
        let cases: Vec<_> = read.test_suites.iter().flat_map(|suite| &suite.test_cases).collect();
        assert_eq!(cases.len(), 1, "{case}");
        let is_skipped = matches!(cases[0].status, TestCaseStatus::Skipped { .. });
        assert_eq!(usize::from(is_skipped), skipped, "{case}");
        let tap = tap::render(&results);
        let counts = |tap: &str| {
            tap.lines()
                .filter(|line| line.starts_with("not ok") && !line.contains("# TODO"))
                .count()
        };
        assert_eq!(counts(&tap), failures + errors, "{tap}");
        let page = page(&results, &folder);
        assert!(page.contains("not kept any more"), "{case}");
        assert!(verdict == Verdict::Passed || page.contains("because"), "{case}");
    }
}

#[test]
fn a_case_that_was_cut_off_says_why() {
    let mut job = ended(2, NAME, Verdict::Incomplete, 20);
    let mut cause = Cause::new(Who::Sutler, Code::EngineDied, "the engine was killed");
    cause.place = Place { step: Some("1/2/1".into()), ..Place::default() };
    job.cause = Some(cause);
    let mut run = Run::of(story(None));
    run.end = Run::of(story(Some(Outcome::Fail))).end;
    let suites = suites(&job, &run);
    let cut = suites.last().unwrap().cases.last().unwrap();
    assert_eq!((cut.fate, cut.words.as_str()), (Fate::Broken, "the engine was killed"));
    assert_eq!(suites[0].name, "job");
    assert!(suites[0].cases.iter().all(|case| case.name != "verdict"), "it is shown already");
}

#[test]
fn a_failure_that_counts_for_nothing_turns_no_build_red() {
    let job = ended(1, NAME, Verdict::Passed, 20);
    let (_data, _, results) = gathered(job, &story(Some(Outcome::Fail)));
    let read = Report::deserialize_from_str(&junit::render(&results)).unwrap();
    assert_eq!((read.failures, read.errors), (0, 0));
    assert!(tap::render(&results).contains("# TODO no needle with tags"));
}

#[test]
fn a_job_that_runs_has_a_report_of_what_is_known() {
    let (_data, folder, results) = gathered(running(3, NAME), &story(None));
    assert!(page(&results, &folder).contains("before the job ended"));
    let read = Report::deserialize_from_str(&junit::render(&results)).unwrap();
    assert_eq!((read.failures, read.errors), (0, 0));
}

#[test]
fn steps_of_one_name_are_told_apart() {
    let job = ended(1, NAME, Verdict::Passed, 20);
    let mut run = Run::of(story(Some(Outcome::Ok)));
    let twice = run.items[0].steps[0].clone();
    run.items[0].steps.push(twice);
    let suites = suites(&job, &run);
    let names: Vec<_> = suites[1].cases.iter().map(|case| case.name.as_str()).collect();
    let want = [
        "assert_screen installer-language",
        "assert_screen installer-language (2)",
        "send_key ret",
    ];
    assert_eq!(names, want);
}

/// What a job's author, its guest or a stranger may have written stays text in every format.
#[test]
fn hostile_words_stay_words() {
    for words in [
        "</script><script>alert(1)</script>",
        "]]><evil/>",
        "\u{1b}[31mred\u{1b}]0;title\u{7}\u{0}\u{8}\u{fffe}\u{ffff}\u{85}",
        "\"onload='x' </title></style></main>",
        "# TODO \\# SKIP\n1..0\nBail out! \n  ...\nnot ok 1",
        "--- \n...\n: [ { & * ! | > ' \" % @ `",
    ] {
        let mut job = ended(2, words, Verdict::Failed, 20);
        job.device_type = words.into();
        job.metadata = [(words.into(), words.into())].into();
        job.definition = words.into();
        if let Some(cause) = &mut job.cause {
            cause.words = words.into();
            cause.evidence.lines = vec![words.into()];
            cause.evidence.file = Some(words.into());
        }
        let (_data, folder, mut results) = gathered(job, &story(Some(Outcome::Fail)));
        for item in &mut results.run.items {
            if let Some(module) = &mut item.module {
                module.name = words.into();
            }
            for step in &mut item.steps {
                step.subject = words.into();
                step.words = words.into();
                for candidate in step.screens.iter_mut().flat_map(|shot| &mut shot.candidates) {
                    candidate.needle = words.into();
                }
            }
        }
        results.tails.iter_mut().for_each(|tail| tail.text = words.into());
        results.run.log.iter_mut().for_each(|line| line.text = words.into());

        let page = page(&results, &folder);
        assert_eq!(page.matches("<script").count(), 1, "only ours: {words}");
        assert_eq!(page.matches("</style>").count(), 2, "{words}");
        assert!(!page.contains("\"onload"), "{words}");

        let xml = junit::render(&results);
        assert!(
            xml.chars().all(
                |c| matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            ),
            "{xml:?}"
        );
        let read = Report::deserialize_from_str(&xml).unwrap();
        assert_eq!((read.failures, read.errors), (1, 0));
        let cases = read.test_suites.iter().flat_map(|suite| &suite.test_cases);
        let is_failure = |status: &TestCaseStatus| {
            matches!(status, TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. })
        };
        assert_eq!(cases.filter(|case| is_failure(&case.status)).count(), 1);

        let tap = tap::render(&results);
        let told: usize = tap.lines().nth(1).unwrap().strip_prefix("1..").unwrap().parse().unwrap();
        let is_test = |line: &&str| line.starts_with("ok ") || line.starts_with("not ok ");
        assert_eq!(tap.lines().filter(is_test).count(), told, "{tap}");
        assert!(tap.lines().filter(is_test).all(|line| !line.contains(" # ")), "{tap}");
        assert!(!tap.contains("\nBail") && !tap.contains('\u{1b}'), "{tap}");
    }
}
