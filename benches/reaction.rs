//! How soon a step sees that the screen has changed.
//!
//! `guests/reaction.S` repaints its screen at a moment it makes known; 30 times a key is sent and the
//! other page waited for. The figure is the time from that moment to the one at which the step is
//! said to have passed. os-autoinst does the same, at its defaults and at its fastest settings.

use std::{fmt::Write as _, fs, path::Path};

use jiff::Timestamp;
use serde_json::Value;

use crate::support::{
    copy_folder,
    figures::{Aim, Figure, Figures, Spread},
    guests,
    isotovideo::Isotovideo,
    marks::{Mark, Marks},
    sutler, work_folder,
};

const ROUNDS: usize = 30;

pub(crate) fn run() {
    let work = &work_folder("reaction");
    let marks = Marks::listen(&work.join("marks"));
    let needles = make_needles(work, &marks);

    let mut figures = Figures::new("reaction");
    let ours = ours(work, &marks, &needles);
    let changed =
        |delays: &[f64]| Figure::new("changed screen to step passed", "ms", Spread::of(delays));
    let mut figure = changed(&ours).aim(Aim::AtMost(50.0));
    if let Some(theirs) = theirs(work, &marks, &needles, "default", &[]) {
        figure = figure.beside(Isotovideo::name(), Spread::of(&theirs));
    }
    figures.push(figure);
    let fast = [("NO_WAIT", Value::from(1)), ("SCREENSHOTINTERVAL", Value::from(0.1))];
    if let Some(theirs) = theirs(work, &marks, &needles, "fast", &fast) {
        let name = format!("{} at its fastest settings", Isotovideo::name());
        figures.push(changed(&ours).aim(Aim::AtMost(50.0)).beside(name, Spread::of(&theirs)));
    }
    figures.finish();
}

/// Needles of both pages, cut from what Sutler sees of them.
pub(crate) fn make_needles(work: &Path, marks: &Marks) -> std::path::PathBuf {
    let folder = work.join("look");
    let still = "- wait_still_screen: { stilltime: 1s, timeout: 20s }\n- save_screenshot\n";
    let steps = format!(
        "- wait_still_screen: {{ stilltime: 3s, timeout: 30s }}\n{still}- send_key: ret\n- wait_still_screen: {{ stilltime: 3s, timeout: 20s }}\n{still}"
    );
    let out = run_job(&folder, &steps, marks);
    let needles = work.join("needles");
    fs::create_dir(&needles).expect("a bench can write to its folder");
    let events = sutler::events(&out);
    let screens = events.iter().filter(|(_, event)| event["event"] == "screen");
    let files: Vec<_> = screens.filter_map(|(_, event)| event["file"].as_str()).collect();
    assert!(files.len() >= 2, "two screens were kept");
    for (page, file) in ["page-a", "page-b"].iter().zip([files[0], files[files.len() - 1]]) {
        fs::copy(out.join(file), needles.join(page).with_extension("png")).expect("it was kept");
        let area = r#"{"type": "match", "xpos": 40, "ypos": 100, "width": 560, "height": 160}"#;
        let json = format!(r#"{{ "tags": ["{page}"], "area": [{area}], "properties": [] }}"#);
        fs::write(needles.join(page).with_extension("json"), json).expect("the same");
    }
    needles
}

/// Runs a job of these steps on the guest and returns the folder of its results.
fn run_job(folder: &Path, steps: &str, marks: &Marks) -> std::path::PathBuf {
    fs::create_dir_all(folder.join("needles")).expect("a bench can write to its folder");
    guests::disk("reaction", folder);
    let mut text = "job_name: reaction\n\
        timeouts: { job: { minutes: 5 } }\n\
        actions:\n\
        - boot:\n    method: qemu\n    guest: { memory: 64M, disk: reaction.img }\n\
        - test:\n    screen:\n      needles: needles/\n      steps:\n"
        .to_owned();
    for line in steps.lines() {
        let _ = writeln!(text, "      {line}");
    }
    let (job, out) = (folder.join("job.yaml"), folder.join("out"));
    fs::write(&job, text).expect("a bench can write to its folder");
    marks.take();
    sutler::must_pass(sutler::start(&job, &out, &marks.path()), &out);
    out
}

/// Milliseconds from repaint to step passed, for each round.
fn ours(work: &Path, marks: &Marks, needles: &Path) -> Vec<f64> {
    let folder = work.join("ours");
    let mut steps = "- assert_screen: { tags: page-a, timeout: 60s }\n".to_owned();
    for round in 1..=ROUNDS {
        let page = if round % 2 == 1 { "page-b" } else { "page-a" };
        let _ =
            writeln!(steps, "- send_key: ret\n- assert_screen: {{ tags: {page}, timeout: 30s }}");
    }
    copy_folder(needles, &folder.join("needles"));
    let out = run_job(&folder, &steps, marks);
    let mut verb = String::new();
    let mut passed = Vec::new();
    for (at, event) in sutler::events(&out) {
        match event["event"].as_str() {
            Some("step_started") => verb = event["verb"].as_str().unwrap_or_default().into(),
            Some("step_ended") if verb == "assert_screen" => passed.push(at),
            _ => {}
        }
    }
    delays(&marks.take(), &passed)
}

fn theirs(
    work: &Path,
    marks: &Marks,
    needles: &Path,
    name: &str,
    settings: &[(&str, Value)],
) -> Option<Vec<f64>> {
    let folder = work.join(name);
    fs::create_dir_all(&folder).expect("a bench can write to its folder");
    let disk = guests::disk("reaction", &folder);
    let drive = format!(
        "drive if=none,id=rx,format=raw,file={},readonly=on -device virtio-blk,drive=rx,bootindex=0",
        disk.display()
    );
    let mut peer = Isotovideo::new("reaction", &folder, needles)?
        .set("QEMURAM", 64)
        .set("ROUNDS", ROUNDS)
        .set("OFFLINE_SUT", 1)
        .qemu(marks.qemu())
        .set("QEMU_APPEND", drive);
    for (name, value) in settings {
        peer = peer.set(name, value.clone());
    }
    marks.take();
    peer.must_pass(peer.start(), "reaction");
    Some(delays(&marks.take(), &peer.found()))
}

/// From every repaint but the first, which is the boot, to the first pass after it.
fn delays(marks: &[Mark], passed: &[Timestamp]) -> Vec<f64> {
    let repaints = marks.iter().filter(|(_, byte)| matches!(byte, b'A' | b'B')).skip(1);
    let delays: Vec<_> = repaints
        .filter_map(|(at, _)| {
            let seen = passed.iter().find(|passed| *passed > at)?;
            Some(seen.duration_since(*at).as_secs_f64() * 1000.0)
        })
        .collect();
    assert_eq!(delays.len(), ROUNDS, "every repaint was seen");
    delays
}
