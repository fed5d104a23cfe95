//! Jobs as they look on a real box, for tests and to look at pages while they are designed.

use std::{fs, path::Path, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use crate::{
    markup::Moment,
    model::*,
    picture::{Picture, write_image},
    supervise::JobFolder,
};

pub(crate) const NOW: &str = "2026-11-21T12:00:00Z";

pub(crate) fn moment() -> Moment {
    Moment { now: NOW.parse().unwrap(), zone: TimeZone::UTC }
}

/// A definition as people write them.
const DEFINITION: &str = "\
job_name: debian installer asks the right questions
device_type: qemu-x86_64
timeouts: { job: { minutes: 15 }, action: { minutes: 5 } }
metadata: { build: \"20230607\" }
actions:
- boot: { method: qemu, guest: { memory: 1G } }
- test:
    screen:
      needles: needles/
      steps:
      - assert_screen: { tags: installer-language, timeout: 2m }
      - send_key: ret
";

/// A job that was submitted some minutes ago and has done nothing yet.
pub(crate) fn waiting(id: u64, name: &str, minutes_ago: i64) -> Job {
    let now: Timestamp = NOW.parse().unwrap();
    Job {
        id: JobId(id),
        uuid: uuid::Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + u128::from(id)),
        name: name.into(),
        definition: DEFINITION.into(),
        definition_hash: Digest::of(DEFINITION.as_bytes()),
        bundle: Digest::of(b"bundle"),
        submitter: Submitter { uid: Some(1000), name: "ada".into() },
        way_in: WayIn::Inbox,
        submitted: now - jiff::SignedDuration::from_mins(minutes_ago),
        started: None,
        ended: None,
        priority: Priority::MEDIUM,
        device_type: "qemu-x86_64".into(),
        tags: vec!["uefi".into()],
        settings: [("LANG_ROW".into(), "English".into())].into(),
        metadata: [("build".into(), "20230607".into())].into(),
        visibility: Visibility::Public,
        stream: Some("/public/team/installer/".into()),
        group: None,
        server: None,
        needs: Needs { memory_mib: 1024, cores: 1, at_most: Duration::from_secs(900) },
        conditions: Conditions::default(),
        state: JobState::Waiting,
        cancel_asked: false,
        verdict: None,
        cause: None,
        backend: serde_json::Map::new(),
        lineage: Lineage::default(),
        device: None,
        decision: None,
        parts: Vec::new(),
        known_failure: None,
        load_at_end: None,
        holdings: Holdings::default(),
    }
}

pub(crate) fn running(id: u64, name: &str) -> Job {
    let mut job = waiting(id, name, 4);
    job.state = JobState::Running;
    job.started = Some(job.submitted + jiff::SignedDuration::from_secs(9));
    job.device = Some("qemu-2".into());
    let why = "first in the queue; its device was the only one that was idle";
    job.decision = Some(why.into());
    job
}

pub(crate) fn ended(id: u64, name: &str, verdict: Verdict, minutes_ago: i64) -> Job {
    let mut job = running(id, name);
    job.submitted -= jiff::SignedDuration::from_mins(minutes_ago);
    job.started = Some(job.submitted + jiff::SignedDuration::from_secs(9));
    let took = 20 + i64::try_from(id * 37 % 190).unwrap();
    job.ended = job.started.map(|started| started + jiff::SignedDuration::from_secs(took));
    job.state = JobState::Ended;
    job.verdict = Some(verdict);
    job.cause = cause(verdict);
    let end = json!({"sutler": {"qemu": "7.2.19", "acceleration": "tcg", "exit": 0}});
    job.backend = end.as_object().unwrap().clone();
    job.load_at_end =
        Some(HostLoad { load1: 1.42, memory_available_mib: 5_204, cpu_pressure10: Some(12.0) });
    job
}

fn cause(verdict: Verdict) -> Option<Cause> {
    let (who, code, words) = match verdict {
        Verdict::Passed => return None,
        Verdict::Softfailed => (
            Who::Guest,
            Code::Workaround,
            "needle country-list-slow stands for a known workaround (deb#1034567)",
        ),
        Verdict::Failed => (
            Who::Guest,
            Code::NoMatch,
            "no needle with tags installer-country matched within 30 s; \
             the best, country-list, lacked 1 of 2 areas",
        ),
        Verdict::Incomplete => {
            (Who::Host, Code::HostResources, "the disk that holds the data folder is full")
        }
        Verdict::TimedOut | Verdict::TooSlow => {
            (Who::Author, Code::ActionTimeout, "the test used up its 5 minutes")
        }
        Verdict::Canceled | Verdict::Skipped => {
            (Who::Author, Code::Canceled, "ada asked for it to be stopped")
        }
    };
    let mut cause = Cause::new(who, code, words);
    if code == Code::NoMatch {
        cause.place = Place { part: Some(Part::Test), action: Some(1), step: Some("1/2/1".into()) };
        cause.evidence.screen = Some(screen_file(FAILED_SCREEN));
    }
    Some(cause)
}

const LANGUAGE_SCREEN: &str = "language";
const COUNTRY_SCREEN: &str = "country";
const FAILED_SCREEN: &str = "failed";

/// A real screen's name is the hash of its file; here the name of what it shows.
fn screen_file(shows: &str) -> String {
    format!("screens/{}.png", Digest::of(shows.as_bytes()))
}

fn area(x: i32, y: i32, w: i32, h: i32, similarity: f64) -> AreaMatch {
    let result = if similarity < 0.96 { Outcome::Fail } else { Outcome::Ok };
    AreaMatch { kind: AreaKind::Match, x, y, w, h, similarity, result, click_point: None }
}

fn candidate(needle: &str, areas: Vec<AreaMatch>) -> Candidate {
    let ok = areas.iter().all(|area| area.result == Outcome::Ok);
    Candidate {
        needle: needle.into(),
        hash: Digest::of(needle.as_bytes()),
        ok,
        error: if ok { 0.0 } else { 0.2 },
        areas,
        tags: vec!["installer-country".into()],
        workaround: None,
        expected: (!ok).then(|| expected(needle)),
    }
}

fn expected(needle: &str) -> Expected {
    let areas = vec![[28, 128, 320, 28], [40, 254, 470, 30]];
    let (sha256, file) = (Digest::of(needle.as_bytes()), screen_file(COUNTRY_SCREEN));
    Expected { sha256, file, width: 1024, height: 768, areas }
}

/// The events of a run of four steps, the last of which ended as told, or still runs.
pub(crate) fn story(last: Option<Outcome>) -> Vec<Event> {
    let mut events = Story::default();
    events.at(0, Fact::Hello { version: "0.1.0".into(), protocol: PROTOCOL, pid: 4711 });
    events.part(Part::Deploy, "deploy", 900);
    events.log("kernel and ramdisk are in place");
    events.at(950, start(Part::Boot, "boot"));
    events.log("qemu 7.2.19 runs, emulated");
    events.at(6_400, end(Part::Boot, "boot", Outcome::Ok, 5_450));
    events.at(6_400, start(Part::Test, "screen"));
    events.at(6_400, Fact::Progress { done: 0, total: 5 });
    events.step("1/0", "assert_screen", "installer-language", 24_000, Outcome::Ok, |events| {
        let found = candidate(
            "language-list",
            vec![area(28, 128, 320, 28, 1.0), area(34, 190, 956, 340, 0.9931)],
        );
        events.shot("1/0", LANGUAGE_SCREEN, vec![found]);
    });
    events.step("1/1", "send_key", "ret", 120, Outcome::Ok, |_| {});
    events.at(
        31_000,
        Fact::ModuleStarted {
            path: "1/2".into(),
            name: "country".into(),
            flags: ModuleFlags { fatal: true, ignore_failure: false },
            steps: 2,
        },
    );
    events.step("1/2/0", "wait_still_screen", "2 s", 3_100, Outcome::Ok, |events| {
        events.shot("1/2/0", COUNTRY_SCREEN, vec![]);
    });
    events.at(34_300, Fact::Progress { done: 3, total: 5 });
    match last {
        None => {
            events.next(Fact::StepStarted {
                path: "1/2/1".into(),
                verb: "assert_and_click".into(),
                subject: "installer-country".into(),
            });
        }
        Some(result) => events.finish(result),
    }
    events.events
}

/// The same story on a box that measures, once a second.
pub(crate) fn measured(story: Vec<Event>) -> Vec<Event> {
    let last = story.last().map_or(0, |event| event.mono_us);
    let wall = |us: u64| story[0].wall + Duration::from_micros(us);
    let samples = (1..=last / 1_000_000).map(|second| Event {
        seq: 0,
        mono_us: second * 1_000_000,
        wall: wall(second * 1_000_000),
        fact: Fact::Measure { values: sample(second) },
    });
    let mut events: Vec<_> = story.iter().cloned().chain(samples).collect();
    events.sort_by_key(|event| event.mono_us);
    events.iter_mut().zip(1..).for_each(|(event, seq)| event.seq = seq);
    events
}

/// What a guest does that boots, waits, is slowed for a while, and waits again.
fn sample(second: u64) -> std::collections::BTreeMap<String, f64> {
    let is_busy = second < 24;
    let is_slow = (36..48).contains(&second);
    let wave = ((second * 37) % 23) as f64;
    let values = [
        ("guest_cpu", if is_busy { 88.0 + wave / 2.0 } else { 7.0 + wave }),
        ("engine_cpu", 3.0 + wave / 6.0),
        ("encoder_cpu", if is_busy { 21.0 + wave } else { 1.0 }),
        ("guest_wait", if is_slow { 41.0 + wave } else { 0.5 }),
        ("cpu_pressure", if is_slow { 63.0 + wave } else { 4.0 + wave / 3.0 }),
        ("io_pressure", wave / 2.0),
        ("steal", if is_slow { 3.0 } else { 0.0 }),
        ("host_load1", if is_slow { 4.2 } else { 1.1 }),
        ("frames", if is_busy { wave } else { (second % 3) as f64 }),
        ("frames_dropped", if is_slow { 2.0 } else { 0.0 }),
        ("frame_lag", if is_slow { 38.0 } else { 2.5 + wave / 20.0 }),
        ("match_time", if is_slow { 310.0 } else { 12.0 + wave }),
        ("encode_lag", 50.0 + wave * 2.0),
        ("guest_memory", 412.0 + (second * 2) as f64),
        ("memory_available", 5_204.0 - (second * 2) as f64),
        ("memory_pressure", if is_slow { 8.0 } else { 0.0 }),
        ("disk_write", (second / 4 * 4096) as f64),
        ("weather", wave),
    ];
    let mut values: std::collections::BTreeMap<_, _> =
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if second.is_multiple_of(9) {
        values.insert("key_to_screen".into(), 120.0 + wave * 9.0);
    }
    values
}

/// Puts events one after the other.
#[derive(Default)]
struct Story {
    events: Vec<Event>,
    clock_ms: u64,
}

fn start(part: Part, name: &str) -> Fact {
    Fact::PartStarted { part, name: name.into(), expected_ms: None }
}

fn end(part: Part, name: &str, result: Outcome, took_ms: u64) -> Fact {
    Fact::PartEnded { part, name: name.into(), result, took_ms }
}

impl Story {
    fn at(&mut self, ms: u64, fact: Fact) {
        self.clock_ms = self.clock_ms.max(ms);
        let now: Timestamp = NOW.parse().unwrap();
        let began = now - jiff::SignedDuration::from_secs(231);
        self.events.push(Event {
            seq: self.events.len() as u64 + 1,
            mono_us: self.clock_ms * 1000,
            wall: began + Duration::from_millis(self.clock_ms),
            fact,
        });
    }

    fn next(&mut self, fact: Fact) {
        self.at(0, fact);
    }

    fn log(&mut self, text: &str) {
        self.next(Fact::Log { level: Level::Info, text: text.into() });
    }

    fn part(&mut self, part: Part, name: &str, took_ms: u64) {
        self.next(start(part, name));
        self.at(self.clock_ms + took_ms, end(part, name, Outcome::Ok, took_ms));
    }

    fn step(
        &mut self,
        path: &str,
        verb: &str,
        subject: &str,
        took_ms: u64,
        result: Outcome,
        within: impl FnOnce(&mut Self),
    ) {
        let (path, verb, subject) = (path.to_owned(), verb.into(), subject.into());
        self.next(Fact::StepStarted { path: path.clone(), verb, subject });
        self.clock_ms += took_ms;
        within(self);
        let words = match result {
            Outcome::Fail => "no needle with tags installer-country matched within 30 s".into(),
            Outcome::Ok | Outcome::Softfail | Outcome::Skip | Outcome::NotRun => String::new(),
        };
        self.next(Fact::StepEnded { path, result, took_ms, words });
    }

    fn shot(&mut self, path: &str, shows: &str, candidates: Vec<Candidate>) {
        self.next(Fact::Screen {
            path: path.into(),
            frame: self.clock_ms / 100,
            sha256: Digest::of(shows.as_bytes()),
            file: screen_file(shows),
            width: 1024,
            height: 768,
        });
        if !candidates.is_empty() {
            self.next(Fact::Match {
                path: path.into(),
                tags: "installer-country".into(),
                needle: candidates.iter().find(|c| c.ok).map(|c| c.needle.clone()),
                candidates,
            });
        }
    }

    fn finish(&mut self, result: Outcome) {
        let (shows, likeness) = match result {
            Outcome::Fail => (FAILED_SCREEN, 0.6237),
            Outcome::Ok | Outcome::Softfail | Outcome::Skip | Outcome::NotRun => {
                (COUNTRY_SCREEN, 0.9987)
            }
        };
        let took = if result == Outcome::Fail { 30_000 } else { 1_400 };
        self.step("1/2/1", "assert_and_click", "installer-country", took, result, |events| {
            let best = candidate(
                "country-list",
                vec![area(28, 128, 320, 28, 1.0), area(40, 254, 470, 30, likeness)],
            );
            let other = candidate(
                "country-list-old-theme",
                vec![area(10, 2, 300, 24, 0.31), area(40, 290, 470, 30, 0.4)],
            );
            events.shot("1/2/1", shows, vec![best, other]);
        });
        self.next(Fact::ModuleEnded { path: "1/2".into(), name: "country".into(), result });
        self.next(Fact::Progress { done: 5, total: 5 });
        self.next(end(Part::Test, "screen", result, self.clock_ms - 6_400));
        self.part(Part::Collect, "collect", 1_300);
        let verdict = if result == Outcome::Ok { Verdict::Passed } else { Verdict::Failed };
        self.next(Fact::Log { level: Level::Warning, text: format!("the run {verdict}") });
        self.next(Fact::Ended {
            verdict,
            cause: cause(verdict),
            backend: serde_json::Map::new(),
            load: None,
        });
    }
}

/// Fills a job's folder as an engine would.
pub(crate) fn write_folder(data: &Path, job: JobId, events: &[Event]) {
    let folder = JobFolder::new(data, job);
    fs::create_dir_all(folder.file("screens")).unwrap();
    let lines: String =
        events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
    fs::write(folder.file(JobFolder::EVENTS), lines).unwrap();
    fs::write(folder.file(JobFolder::LOG), "INFO engine started\nINFO qemu started\n").unwrap();
    let serial = "SeaBIOS (version 1.16.2)\r\n\x1b[2JBooting from ROM..\r\n\x1b[1mLinux\x1b[0m 6.1";
    fs::write(folder.file("serial0.txt"), serial).unwrap();
    for (shows, rows, lit) in
        [(LANGUAGE_SCREEN, 12, 5), (COUNTRY_SCREEN, 9, 3), (FAILED_SCREEN, 6, 1)]
    {
        write_image(&folder.file(&screen_file(shows)), &installer(rows, lit)).unwrap();
    }
    write_image(&folder.file("last.png"), &installer(9, 4)).unwrap();
}

/// Something that looks like an installer: a banner, a heading, a list with one row lit.
fn installer(rows: u32, lit: u32) -> Picture {
    let mut picture = Picture::filled(1024, 768, [235, 236, 240]);
    fill(&mut picture, (0, 0, 1024, 104), [168, 16, 56]);
    fill(&mut picture, (0, 96, 1024, 8), [120, 8, 40]);
    text(&mut picture, 28, 40, 22, [255, 255, 255]);
    text(&mut picture, 34, 134, 26, [30, 30, 34]);
    fill(&mut picture, (34, 190, 956, 340), [255, 255, 255]);
    for row in 0..rows {
        let y = 196 + row * 28;
        let ink = if row == lit { [255, 255, 255] } else { [40, 40, 44] };
        if row == lit {
            fill(&mut picture, (36, y, 952, 26), [60, 90, 150]);
        }
        text(&mut picture, 48, y + 7, 12 + (row * 7) % 15, ink);
    }
    for x in [700, 860] {
        fill(&mut picture, (x, 700, 130, 40), [210, 212, 218]);
        text(&mut picture, x + 24, 714, 8, [40, 40, 44]);
    }
    picture
}

fn fill(picture: &mut Picture, (x, y, w, h): (u32, u32, u32, u32), colour: [u8; 3]) {
    for row in y..y + h {
        picture.row_mut(x, row, w).copy_from_slice(&colour.repeat(w as usize));
    }
}

/// Something that looks like a line of letters.
fn text(picture: &mut Picture, x: u32, y: u32, letters: u32, ink: [u8; 3]) {
    for letter in (0..letters).filter(|letter| letter % 6 != 5) {
        let tall = 8 + (letter * 5 + y) % 5;
        fill(picture, (x + letter * 10, y + 12 - tall, 2, tall), ink);
        fill(picture, (x + letter * 10 + 2, y + 12 - tall, 5, 2), ink);
        fill(picture, (x + letter * 10 + 2, y + 6, 4, 2), ink);
    }
}
