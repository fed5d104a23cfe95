//! Whole pages from fixed data. What changed is read in the snapshot's difference.

use std::sync::Arc;

use crate::{
    estimates::{Basis, Estimate, Snapshot},
    markup::{Tail, Usuals, samples::*},
    model::{
        Cause, Code, Cursor, Foretold, Identity, Job, JobId, Outcome, Outlook, Part, Run, Verdict,
        Who,
    },
    store::Standing,
    web::{
        history::{self, HistoryView},
        job::{self, JobView},
        listing::Listing,
        live,
        queue::{self, QueueView},
        step::{self, StepView},
        video::Video,
    },
};

const NAME: &str = "debian installer asks the right questions";

fn job_view(job: Job, run: Run) -> JobView {
    let run = Arc::new(run);
    let url = format!("/jobs/{}/video.mp4?fragments=7", job.id);
    let serial = Tail {
        name: "serial0.txt".into(),
        size: 40_000,
        text: "login: <b>root</b>\n".into(),
        cut: true,
    };
    JobView {
        moment: moment(),
        who: Identity::nobody(None),
        ahead: None,
        limited: Vec::new(),
        job,
        run,
        standing: Standing::default(),
        reason: None,
        video: Some(Video { url, epoch: std::time::Duration::from_secs(1) }),
        usual: Usuals::new(),
        texts: vec![serial],
        files: vec![("events.jsonl".into(), 9_000), ("serial0.txt".into(), 40_000)],
    }
}

/// A page as lines, without what changes with every edit of a style.
fn lines(page: maud::Markup) -> String {
    let text = page.into_string();
    let (_, after) = text.split_once("<main").unwrap();
    let (content, _) = after.split_once("</main>").unwrap();
    let icons = regex::Regex::new("<svg class=\"icon\".*?</svg>").unwrap();
    icons.replace_all(content, "").replace("><", ">\n<")
}

/// Starts, ends and ends at the latest so many seconds from now.
fn outlook(start: i64, end: i64, late: i64) -> Outlook {
    let at = |seconds| moment().now + jiff::SignedDuration::from_secs(seconds);
    let later = start + late - end;
    Outlook {
        start: Foretold { usual: at(start), late: at(if start < 0 { start } else { later }) },
        end: Foretold { usual: at(end), late: at(late) },
    }
}

fn estimate(outlook: Outlook, basis: Basis) -> Estimate {
    let parts = [(Part::Boot, 10), (Part::Test, 130), (Part::Collect, 10)];
    Estimate::sample(outlook, basis, &parts)
}

#[test]
fn the_queue_shows_what_runs_waits_and_has_ended() {
    let view = QueueView {
        hold: None,
        moment: moment(),
        who: Identity::nobody(None),
        active: vec![(running(3, NAME), Arc::new(Run::of(story(None))))],
        waiting: vec![(waiting(4, "memtest86+", 2), Some("needs 4096 MiB".into()))],
        ahead: Arc::new(
            Snapshot::default()
                .with(JobId(3), estimate(outlook(-60, 90, 200), Basis::Job { runs: 12 }))
                .with(JobId(4), estimate(outlook(90, 600, 1_200), Basis::Limit)),
        ),
        waiting_in_all: 2,
        ended: vec![ended(2, NAME, Verdict::Failed, 20), ended(1, NAME, Verdict::Passed, 30)],
        inbox: "/var/lib/sutler/inbox".into(),
    };
    insta::assert_snapshot!(lines(queue::render(&view)));
}

#[test]
fn a_new_box_says_how_to_begin() {
    let view = QueueView {
        hold: None,
        moment: moment(),
        who: Identity::nobody(None),
        active: vec![],
        waiting: vec![],
        ahead: Arc::default(),
        waiting_in_all: 0,
        ended: vec![],
        inbox: "/var/lib/sutler/inbox".into(),
    };
    let page = lines(queue::render(&view));
    assert!(page.contains("/var/lib/sutler/inbox"), "{page}");
}

#[test]
fn the_history_is_told_by_days() {
    let view = HistoryView {
        moment: moment(),
        who: Identity::nobody(None),
        jobs: vec![ended(2, NAME, Verdict::Canceled, 20), ended(1, NAME, Verdict::Passed, 2_000)],
        listing: Listing::read(vec![("cursor".into(), "-ended:1800000000000000-9".into())], 50)
            .unwrap(),
        in_all: Some(80),
        older: Some(Cursor::Ended { value: None, ended_us: 1_700_000_000_000_000, id: JobId(1) }),
        is_cut: false,
        device_types: vec!["qemu-x86_64".into()],
        whose: None,
    };
    insta::assert_snapshot!(lines(history::render(&view)));
}

#[test]
fn a_failed_job_says_who_has_to_act_and_shows_where() {
    let run = Run::of(story(Some(Outcome::Fail)));
    let view = job_view(ended(2, NAME, Verdict::Failed, 20), run);
    insta::assert_snapshot!(lines(job::render(&view)));
}

#[test]
fn nobody_has_to_act_for_a_job_that_was_canceled() {
    let mut job = ended(1, NAME, Verdict::Canceled, 20);
    job.cause = Some(Cause::new(Who::Author, Code::Canceled, "canceled by ada"));
    let page = lines(job::render(&job_view(job, Run::default())));
    assert!(page.contains("Nobody has to act: somebody asked"), "{page}");
}

#[test]
fn a_job_says_what_differs_from_the_one_it_was_made_of() {
    let mut job = ended(8, NAME, Verdict::Passed, 20);
    job.lineage.resubmitted_from = Some(JobId(7));
    let page = lines(job::render(&job_view(job, Run::default())));
    assert!(page.contains(r#"<a href="/jobs/8/diff">what differs</a>"#), "{page}");
}

#[test]
fn a_passed_job_has_no_cause() {
    let run = Run::of(story(Some(Outcome::Ok)));
    let page = lines(job::render(&job_view(ended(1, NAME, Verdict::Passed, 20), run)));
    assert!(!page.contains("has to act"), "{page}");
    assert!(!page.contains("/live"), "{page}");
}

#[test]
fn a_click_is_drawn_where_it_went() {
    let run = Run::of(story(Some(Outcome::Ok)));
    let job = ended(1, NAME, Verdict::Passed, 20);
    let step = run.steps().last().unwrap();
    let chosen = |chosen| lines(step::render(&StepView { job: &job, run: &run, step, chosen }));
    insta::assert_snapshot!(chosen(None));
    let other = chosen(Some((0, 1)));
    assert!(!other.contains("class=\"click\""), "the other candidate was not clicked");
    assert!(other.contains("✗ 31.0 %"), "{other}");
    assert!(!chosen(Some((0, 7))).contains("area-label"), "there is no eighth candidate");
}

#[test]
fn a_live_page_shows_the_last_steps_only() {
    let page = lines(live::render(&job_view(running(3, NAME), Run::of(story(None)))));
    assert!(page.contains("/jobs/3/live.png"), "{page}");
    assert!(!page.contains("/files/screens/"), "{page}");
    let over = lines(live::render(&job_view(ended(3, NAME, Verdict::Passed, 1), Run::default())));
    assert!(!over.contains("live.png"), "{over}");
}

/// What a job's author, its guest or a stranger may have written stays text.
#[test]
fn hostile_words_stay_words() {
    let long = "long ".repeat(2_000);
    let hostile = [
        "<script>alert(1)</script>",
        "\"onload='x' </title></main>",
        "\u{202e}txt.exe \u{5e9}\u{5dc}\u{5d5}\u{5dd} 🦀",
        "javascript:alert(1)",
        &long,
    ];
    for words in hostile {
        let mut job = ended(2, words, Verdict::Failed, 20);
        job.device_type = words.into();
        job.submitter.name = words.into();
        job.tags = vec![words.into()];
        job.stream = Some(words.into());
        job.metadata = [(words.into(), words.into())].into();
        job.definition = words.into();
        job.backend = [(words.to_owned(), words.into())].into_iter().collect();
        if let Some(cause) = &mut job.cause {
            cause.words = words.into();
            cause.evidence.lines = vec![words.into()];
            cause.evidence.file = Some(words.into());
        }
        let mut run = Run::of(story(Some(Outcome::Fail)));
        for item in &mut run.items {
            if let Some(module) = &mut item.module {
                module.name = words.into();
            }
            for step in &mut item.steps {
                step.subject = words.into();
                step.words = words.into();
                for screen in &mut step.screens {
                    for candidate in &mut screen.candidates {
                        candidate.needle = words.into();
                        candidate.tags = vec![words.into()];
                    }
                }
            }
        }
        run.log.iter_mut().for_each(|line| line.text = words.into());
        let step = run.steps().last().unwrap().clone();
        let view = job_view(job.clone(), run.clone());
        let queue = QueueView {
            hold: None,
            moment: moment(),
            who: Identity::nobody(None),
            active: vec![(job.clone(), Arc::new(run.clone()))],
            waiting: vec![(job.clone(), Some(words.into()))],
            ahead: Arc::default(),
            waiting_in_all: 1,
            ended: vec![job.clone()],
            inbox: words.into(),
        };
        for page in [
            job::render(&view),
            live::render(&view),
            queue::render(&queue),
            step::render(&StepView { job: &job, run: &run, step: &step, chosen: None }),
        ] {
            let page = page.into_string();
            assert_eq!(page.matches("<script").count(), 1, "only ours: {words}");
            assert_eq!(page.matches("</main>").count(), 1, "{words}");
            assert!(!page.contains("\"onload"), "{words}");
            assert!(!page.contains("href=\"javascript"), "{words}");
            assert!(page.len() < 400_000, "{} bytes", page.len());
        }
    }
}
