//! What a search for needles costs, beside os-autoinst's matcher on the same files.
//!
//! A thousand needles are cut from the frames at places a seed tells. Both sides have the needles'
//! pictures in memory and are given new screens, as when a step waits. Both run in a process of their
//! own, of which the memory is told.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sutler::{
    clock::Stopwatch,
    picture::{Picture, read_image},
    vision::{NARROW, NeedleSet, find},
};

use crate::support::{
    figures::{Aim, Figure, Figures, Spread},
    frames,
    isotovideo::{ISOTOVIDEO, Isotovideo},
    work_folder,
};

const NEEDLES: usize = 1000;
const SEED: u64 = 20_250_607;
/// Names the file with what to do in a process of its own.
const TASKS: &str = "SUTLER_BENCH_NEEDLES";
/// Needles that are measured alone.
const ALONE: usize = 25;
/// Least difference between two pixels of an area, so that it shows something.
const CONTRAST: u8 = 60;

#[derive(Serialize, Deserialize)]
struct Asked {
    needles: PathBuf,
    screens: Vec<PathBuf>,
    tasks: Vec<Task>,
}

/// A search for some needles in the order of their names.
#[derive(Clone, Serialize, Deserialize)]
struct Task {
    first: usize,
    count: usize,
    ratio: f64,
    repeats: usize,
}

/// A line of a searching process.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Said {
    Searched { task: usize, screen: usize, ms: Vec<f64>, ok: BTreeSet<String> },
    Ended { peak_mib: f64 },
}

pub(crate) fn run() {
    if let Some(file) = env::var_os(TASKS) {
        return search(Path::new(&file));
    }
    let work = &work_folder("needles");
    let frames = frames::pictures();
    let needles = work.join("needles");
    cut_needles(&frames, &needles);
    // A screen from the middle of the recording, and an early one.
    let screens = vec![frames[frames.len() / 4].clone(), frames[frames.len() / 7].clone()];
    let alone = |ratio: f64, repeats| {
        (0..ALONE).map(move |at| Task { first: at * NEEDLES / ALONE, count: 1, ratio, repeats })
    };
    let many = |count, ratio: f64, repeats| Task { first: 0, count, ratio, repeats };
    let mut cases: Vec<(String, Vec<Task>)> = Vec::new();
    for (words, ratio, repeats) in
        [("margin 50", 0.0, 5), ("margin 69", NARROW, 5), ("whole screen", 1.0, 2)]
    {
        cases.push((format!("1 candidate, {words}"), alone(ratio, repeats).collect()));
        cases.push((format!("100 candidates, {words}"), vec![many(100, ratio, repeats)]));
        if ratio < 1.0 {
            cases.push((format!("1,000 candidates, {words}"), vec![many(NEEDLES, ratio, 3)]));
        }
    }
    let tasks: Vec<Task> = cases.iter().flat_map(|(_, tasks)| tasks.clone()).collect();
    let asked = work.join("tasks.json");
    let json = serde_json::to_vec(&Asked { needles, screens, tasks }).expect("it is plain data");
    fs::write(&asked, json).expect("a bench can write to its folder");

    let mut us = Command::new(env::current_exe().expect("Linux tells"));
    us.arg("needles").env(TASKS, &asked);
    let (ours, our_peak) = answers("sutler", us);
    let name = Isotovideo::name();
    let theirs = Path::new(ISOTOVIDEO).exists().then(|| {
        let mut peer = Command::new("perl");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/os-autoinst/needles.pl");
        peer.arg(script).arg(&asked).env("LC_ALL", "C.UTF-8");
        answers(&name, peer)
    });

    let mut figures = Figures::new("needles");
    let mut first = 0;
    for (words, tasks) in &cases {
        let range = first..first + tasks.len();
        first = range.end;
        let spread = |answers: &[Answer]| {
            let of = answers.iter().filter(|answer| range.contains(&answer.task));
            let a_needle = |ms: &f64| ms / tasks[0].count as f64;
            Spread::of(&of.flat_map(|answer| answer.ms.iter().map(a_needle)).collect::<Vec<_>>())
        };
        let mut figure = Figure::new(format!("needles, {words}: a needle"), "ms", spread(&ours));
        if let Some((theirs, _)) = &theirs {
            let theirs = spread(theirs);
            figure = figure.aim(Aim::AtMost(theirs.median / 20.0)).beside(&name, theirs);
        }
        figures.push(figure);
    }
    let mut figure =
        Figure::new("needles, 1,000 candidates: peak memory", "MiB", Spread::once(our_peak))
            .aim(Aim::AtMost(150.0));
    if let Some((theirs, peak)) = &theirs {
        figure = figure.beside(&name, Spread::once(*peak));
        let differences: usize = ours
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| ours.ok.symmetric_difference(&theirs.ok).count())
            .sum();
        let verdicts =
            Figure::new("needles: verdicts that differ", "", Spread::once(differences as f64));
        figures.push(verdicts.aim(Aim::AtMost(0.0)));
    }
    figures.push(figure);
    figures.finish();
}

struct Answer {
    task: usize,
    ms: Vec<f64>,
    ok: BTreeSet<String>,
}

/// What a searching process says, and its peak memory in MiB.
fn answers(name: &str, mut command: Command) -> (Vec<Answer>, f64) {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let style = ProgressStyle::with_template("{msg} {spinner} {pos} searches measured");
    let bar = ProgressBar::new_spinner().with_style(style.expect("a constant template"));
    bar.set_message(name.to_owned());
    let said = child.stdout.take().expect("it is piped");
    let (mut answers, mut peak) = (Vec::new(), 0.0);
    // Anything else on the same stream is its log.
    let lines = BufReader::new(said).lines().map_while(Result::ok);
    for line in lines.filter(|line| line.starts_with('{')) {
        match serde_json::from_str(&line).expect("a line of ours") {
            Said::Searched { task, ms, ok, .. } => answers.push(Answer { task, ms, ok }),
            Said::Ended { peak_mib } => peak = peak_mib,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    assert!(child.wait().is_ok_and(|status| status.success()), "{name} searches to the end");
    (answers, peak)
}

/// Our side, in a process of its own.
fn search(file: &Path) {
    let asked = fs::read(file).expect("the bench wrote it");
    let asked: Asked = serde_json::from_slice(&asked).expect("the bench wrote it");
    let (set, refused) = NeedleSet::load(&asked.needles).expect("the bench wrote them");
    assert!(refused.is_empty(), "{refused:?}");
    let mut needles: Vec<_> = set.iter().cloned().collect();
    needles.sort_by(|a, b| a.needle.name.cmp(&b.needle.name));
    let screens: Vec<Picture> =
        asked.screens.iter().map(|file| read_image(file).expect("it is a picture")).collect();
    for (number, Task { first, count, ratio, repeats }) in asked.tasks.iter().enumerate() {
        let wanted = &needles[*first..first + count];
        wanted.iter().for_each(|needle| needle.prepare().expect("the bench wrote it"));
        for (screen, picture) in screens.iter().enumerate() {
            let mut ok = BTreeSet::new();
            let ms = (0..*repeats).map(|_| {
                let picture = Arc::new(picture.clone());
                let clock = Stopwatch::start();
                let found = find(&picture, wanted, *ratio);
                let ms = clock.elapsed().as_secs_f64() * 1000.0;
                ok = found.into_iter().map(|candidate| candidate.needle).collect();
                ms
            });
            let ms = ms.collect();
            let said = Said::Searched { task: number, screen, ms, ok };
            println!("{}", serde_json::to_string(&said).expect("it is plain data"));
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 =
        peak.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    let said = Said::Ended { peak_mib: kib / 1024.0 };
    println!("{}", serde_json::to_string(&said).expect("it is plain data"));
}

/// Needles of one to three areas that show something.
fn cut_needles(frames: &[PathBuf], folder: &Path) {
    fs::create_dir_all(folder).expect("a bench can write to its folder");
    let mut state = SEED;
    let mut below = move |end: u32| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 33).unwrap_or(0) % end.max(1)
    };
    let bar = ProgressBar::new(NEEDLES as u64);
    let pictures: Vec<_> = frames.iter().map(|f| read_image(f).expect("it is a picture")).collect();
    for number in 0..NEEDLES {
        let at = below(u32::try_from(frames.len()).unwrap_or(u32::MAX)) as usize;
        let picture = &pictures[at];
        let mut areas = Vec::new();
        let wanted = [1, 1, 1, 2, 2, 3][below(6) as usize];
        // A screen that is empty gives what it has.
        for _ in 0..200 {
            let (widest, highest) = (below(900), below(240));
            let (w, h) = (40 + below(widest), 12 + below(highest));
            let (x, y) = (below(picture.width() - w), below(picture.height() - h));
            let pixels = (y..y + h).flat_map(|y| picture.row(x, y, w));
            let (least, most) = pixels.fold((255, 0), |(a, b): (u8, u8), v| (a.min(*v), b.max(*v)));
            if most - least >= CONTRAST {
                areas.push(
                    json!({ "xpos": x, "ypos": y, "width": w, "height": h, "type": "match" }),
                );
            }
            if areas.len() == wanted {
                break;
            }
        }
        if areas.is_empty() {
            areas
                .push(json!({ "xpos": 0, "ypos": 0, "width": 200, "height": 40, "type": "match" }));
        }
        let file = folder.join(format!("n{number:04}.json"));
        let json = json!({ "tags": ["bench"], "properties": [], "area": areas });
        fs::write(&file, json.to_string()).expect("a bench can write to its folder");
        let picture = folder.join(format!("n{number:04}.png"));
        // One copy of each frame, under many names.
        let first = folder.join(format!(".frame{at}"));
        if !first.exists() {
            fs::copy(&frames[at], &first).expect("a bench can write to its folder");
        }
        fs::hard_link(first, picture).expect("both are in one folder");
        bar.inc(1);
    }
    bar.finish_and_clear();
}
