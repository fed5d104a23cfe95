//! The video of a screen: the encoder as a process of its own, and what a browser makes of the
//! file it writes.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sutler::{
    capture::{Canvas, EncoderCommand, GrowingVideo, Recorder, VIDEO_FILE},
    clock::Stopwatch,
    gauges::Timings,
    picture::{Frame, Picture, write_image},
};
use thirtyfour::WebDriver;

use crate::support::browser::with_browser;

const SUTLER: &str = env!("CARGO_BIN_EXE_sutler");
/// Small, so that a test build encodes it quickly.
const WIDTH: u32 = 160;
const HEIGHT: u32 = 120;
/// A picture becomes part of the file within this, with what a busy machine adds.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// Colour of the picture of this number: neighbours differ by more than an encoder changes.
fn colour(number: u64) -> [u8; 3] {
    [37, 83, 131].map(|step| u8::try_from(30 + number * step % 200).unwrap())
}

/// One colour in the middle, and around it what fills a file: a player that reads all of a video
/// at once shows nothing about seeking.
fn picture(number: u64) -> Picture {
    let mut picture = Picture::filled(WIDTH, HEIGHT, colour(number));
    let mut noise = number;
    for y in (0..32).chain(88..HEIGHT) {
        for value in picture.row_mut(0, y, WIDTH) {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *value = noise.to_be_bytes()[0];
        }
    }
    picture
}

/// Two pictures a second, the first at zero; a rest of some seconds after the 40th.
fn time(number: u64) -> Duration {
    let rest = if number > 40 { 5000 } else { 0 };
    Duration::from_millis(500 * (number - 1) + rest)
}

fn frame(number: u64, at: Duration) -> Frame {
    let picture = Arc::new(picture(number));
    Frame { number, at, wall: Timestamp::UNIX_EPOCH, picture, damage: vec![] }
}

/// An encoder that is told what to do line by line.
struct Encoder {
    child: Child,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Encoder {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(SUTLER)
            .args(["encode-video", "--canvas", "160x120", "."])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers, folder: folder.into() }
    }

    fn tell(&mut self, order: &Value) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    fn show(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let file = format!("{number}.ppm");
            write_image(&self.folder.join(&file), &picture(number)).unwrap();
            let at_us = u64::try_from(time(number).as_micros()).unwrap();
            self.tell(&json!({ "frame": number, "at_us": at_us, "file": file }));
        }
    }

    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        let len = self.answers.read_line(&mut line).unwrap();
        (len > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    fn until_durable(&mut self, number: u64) {
        while self.answer().expect("the encoder lives")["durable"] != json!(number) {}
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scan(folder: &Path) -> GrowingVideo {
    GrowingVideo::scan(&folder.join(VIDEO_FILE)).unwrap()
}

/// Serves a page with a video element, and the growing video with ranges; gives the address.
async fn serve(folder: &Path) -> String {
    let page = || async { Html("<!doctype html><video id=v muted width=160 height=120></video>") };
    let app = Router::new()
        .route("/", get(page))
        .route("/video.mp4", get(video))
        .with_state(Arc::new(folder.join(VIDEO_FILE)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

#[derive(serde::Deserialize)]
struct Wanted {
    pictures: usize,
}

async fn video(
    State(path): State<Arc<PathBuf>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let video = GrowingVideo::scan(&path).unwrap();
    let view = video.view(wanted.pictures).unwrap().unwrap();
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (start, end) = range
        .and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
        .map_or((0, None), |(start, end)| (start.parse().unwrap(), end.parse::<u64>().ok()));
    let end = end.map_or(view.len(), |end| end + 1);
    let headers = [
        (header::CONTENT_TYPE, "video/mp4".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_RANGE, format!("bytes {start}-{}/{}", end - 1, view.len())),
    ];
    (StatusCode::PARTIAL_CONTENT, headers, view.read(start..end).unwrap()).into_response()
}

/// Runs a script that gives its answer to `done`, with `v` the video element.
async fn script(driver: &WebDriver, body: &str) -> Value {
    let script = format!(
        "const done = arguments[0], v = document.getElementById('v');
         const on = (event, what) => v.addEventListener(event, what, {{ once: true }});
         on('error', () => done('error: ' + v.error.message));
         {body}"
    );
    driver.execute_async(script, vec![]).await.unwrap().json().clone()
}

/// Loads the first `count` pictures; gives the duration in seconds.
async fn load(driver: &WebDriver, count: usize) -> f64 {
    let body =
        format!("on('loadeddata', () => done(v.duration)); v.src = '/video.mp4?pictures={count}';");
    let duration = script(driver, &body).await;
    duration.as_f64().unwrap_or_else(|| panic!("{duration}"))
}

/// Seeks and tells the colour that is then seen. On a busy host Chromium (156) says that it has
/// sought while it still shows the picture before, so the picture itself is waited for.
async fn colour_at(driver: &WebDriver, seconds: f64) -> [u8; 3] {
    let body = format!(
        "const shown = (now, picture) => {{
             if (Math.abs(picture.mediaTime - {seconds}) > 0.3) {{
                 v.requestVideoFrameCallback(shown);
                 return;
             }}
             const c = new OffscreenCanvas(160, 120).getContext('2d');
             c.drawImage(v, 0, 0);
             done([...c.getImageData(80, 60, 1, 1).data]);
         }};
         v.requestVideoFrameCallback(shown);
         v.currentTime = {seconds};"
    );
    let seen = script(driver, &body).await;
    [0, 1, 2].map(|channel| {
        let value = seen[channel].as_u64().unwrap_or_else(|| panic!("{seen}"));
        u8::try_from(value).unwrap()
    })
}

async fn expect_picture(driver: &WebDriver, number: u64) {
    // In the middle of its half second.
    let seen = colour_at(driver, time(number).as_secs_f64() + 0.25).await;
    let want = colour(number);
    let far = seen.iter().zip(want).any(|(seen, want)| seen.abs_diff(want) > 8);
    assert!(!far, "picture {number}: seen {seen:?}, want {want:?}");
}

#[tokio::test]
async fn a_browser_plays_and_seeks_a_video_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let mut encoder = Encoder::start(folder.path());
    encoder.show(1..=40);
    encoder.until_durable(40);
    let early = scan(folder.path()).pictures();
    let page = serve(folder.path()).await;
    with_browser(async |driver| {
        driver.goto(&page).await.unwrap();
        let duration = load(driver, early).await;
        assert!((19.5..22.0).contains(&duration), "{duration}");
        for number in [15, 1, 39, 40, 7] {
            expect_picture(driver, number).await;
        }
        let plays = "v.currentTime = 3; v.play();
            v.ontimeupdate = () => { if (v.currentTime > 4) { v.pause(); done(v.currentTime) } };";
        let reached = script(driver, plays).await.as_f64().unwrap();
        assert!((4.0..6.0).contains(&reached), "{reached}");

        encoder.show(41..=140);
        encoder.until_durable(140);
        let late = scan(folder.path()).pictures();
        let duration = load(driver, early).await;
        assert!(duration < 22.0, "the same count is the same video: {duration}");
        let duration = load(driver, late).await;
        assert!((74.5..77.0).contains(&duration), "{duration}");
        for number in [100, 3, 64, 65, 66, 139, 41] {
            expect_picture(driver, number).await;
        }

        encoder.tell(&json!({ "end_us": 90_000_000 }));
        while encoder.answer().is_some() {}
        assert_eq!(load(driver, usize::MAX).await, 90.0);
        for number in [77, 140, 2] {
            expect_picture(driver, number).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_browser_plays_what_a_killed_encoder_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut encoder = Encoder::start(folder.path());
    encoder.show(1..=40);
    encoder.until_durable(40);
    encoder.show(41..=60);
    encoder.child.kill().unwrap();
    encoder.child.wait().unwrap();
    let whole = scan(folder.path());
    assert!(whole.duration() >= time(40));
    // The last part as if the disk had lost the end of it.
    let path = folder.path().join(VIDEO_FILE);
    let len = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(len - 10).unwrap();
    let left = scan(folder.path());
    assert!(left.duration() < whole.duration() && left.duration() > time(35));
    let page = serve(folder.path()).await;
    with_browser(async |driver| {
        driver.goto(&page).await.unwrap();
        let duration = load(driver, usize::MAX).await;
        assert_eq!(duration, left.duration().as_secs_f64());
        for number in [2, 30, 11] {
            expect_picture(driver, number).await;
        }
    })
    .await;
}

/// Waits for a change of the recorder's counts that no event tells to a test.
async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it happens within a minute");
}

fn timings() -> Timings {
    Timings::new(Stopwatch::start())
}

fn recorder(folder: &Path) -> Recorder {
    let command = EncoderCommand::new(SUTLER).at_normal_priority();
    Recorder::start(folder, &command, Canvas::new(WIDTH, HEIGHT), timings()).unwrap()
}

fn spooled(folder: &Path) -> usize {
    let files = fs::read_dir(folder.join("spool")).unwrap();
    files.filter(|file| file.as_ref().unwrap().path().extension().unwrap() == "ppm").count()
}

fn pid(recorder: &Recorder) -> Pid {
    Pid::from_raw(recorder.encoder_pid().cast_signed()).unwrap()
}

#[tokio::test]
async fn the_newest_frame_of_a_quiet_screen_reaches_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    recorder.offer(&frame(1, Duration::ZERO));
    // The first picture pays for the start of the process.
    until(|| recorder.report().encoded == 1).await;
    for number in 2..=4 {
        let clock = Stopwatch::start();
        recorder.offer(&frame(number, Duration::from_secs(5 * number)));
        until(|| recorder.report().encoded == number).await;
        assert!(clock.elapsed() < 2 * IDLE_LIMIT, "{:?}", clock.elapsed());
        let video = scan(folder.path());
        assert!(video.duration() > Duration::from_secs(5 * number));
        assert_eq!(spooled(folder.path()), 0);
    }
    let report = recorder.close(Duration::from_secs(30), Duration::from_secs(60)).await;
    assert_eq!((report.offered, report.encoded, report.dropped, report.finished), (4, 4, 0, true));
    assert!(report.bytes > 0 && report.encoder_cpu > Duration::ZERO, "{report:?}");
    let video = scan(folder.path());
    assert_eq!(video.duration(), Duration::from_secs(30));
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left, [VIDEO_FILE]);
}

#[tokio::test]
async fn a_stopped_encoder_costs_frames_and_neither_time_nor_disk() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    kill_process(pid(&recorder), Signal::STOP).unwrap();
    let clock = Stopwatch::start();
    for number in 1..=300 {
        recorder.offer(&frame(number, time(number)));
        if number < 30 {
            // Lets each of the first be spooled, until there is no room.
            until(|| spooled(folder.path()) >= usize::try_from(number.min(24)).unwrap()).await;
        }
    }
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());
    assert_eq!((spooled(folder.path()), recorder.report().encoded), (24, 0));
    kill_process(pid(&recorder), Signal::CONT).unwrap();
    let report = recorder.close(time(301), Duration::from_secs(60)).await;
    assert_eq!((report.offered, report.encoded, report.dropped), (300, 25, 275));
    let video = scan(folder.path());
    assert_eq!(video.duration(), time(301), "the newest of the dropped ones got in");
}

#[tokio::test]
async fn an_encoder_that_never_ends_is_killed_after_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    recorder.offer(&frame(1, Duration::ZERO));
    until(|| recorder.report().encoded == 1).await;
    kill_process(pid(&recorder), Signal::STOP).unwrap();
    recorder.offer(&frame(2, Duration::from_secs(1)));
    let mut trouble = recorder.trouble();
    let report = recorder.close(Duration::from_secs(2), Duration::from_millis(200)).await;
    assert_eq!((report.encoded, report.dropped, report.finished), (1, 1, false));
    assert!(trouble.borrow_and_update().as_ref().unwrap().contains("not done"));
    assert!(scan(folder.path()).pictures() >= 1, "what was durable stays");
}

#[tokio::test]
async fn a_dead_encoder_is_told_once_and_costs_only_the_video() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    let mut trouble = recorder.trouble();
    kill_process(pid(&recorder), Signal::KILL).unwrap();
    trouble.changed().await.unwrap();
    assert!(trouble.borrow_and_update().as_ref().unwrap().contains("signal: 9"));
    for number in 1..10 {
        recorder.offer(&frame(number, time(number)));
    }
    let report = recorder.close(time(10), Duration::from_secs(60)).await;
    assert_eq!((report.offered, report.encoded, report.dropped), (9, 0, 9));
    assert!(trouble.changed().await.is_err(), "nothing more is told");
}

#[tokio::test]
async fn every_thread_of_the_encoder_runs_only_when_nobody_else_wants_to() {
    const SCHED_IDLE: &str = "5";
    let folder = tempfile::tempdir().unwrap();
    let canvas = Canvas::new(WIDTH, HEIGHT);
    let command = EncoderCommand::new(SUTLER);
    let recorder = Recorder::start(folder.path(), &command, canvas, timings()).unwrap();
    recorder.offer(&frame(1, Duration::ZERO));
    until(|| recorder.report().encoded == 1).await;
    let tasks = fs::read_dir(format!("/proc/{}/task", recorder.encoder_pid())).unwrap();
    let policies: Vec<String> = tasks
        .map(|task| fs::read_to_string(task.unwrap().path().join("stat")).unwrap())
        .map(|stat| stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38).unwrap().into())
        .collect();
    assert!(policies.len() >= 3, "main, reader and rav1e's own: {policies:?}");
    assert!(policies.iter().all(|policy| policy == SCHED_IDLE), "{policies:?}");
    drop(recorder);
}
