//! The encoder's process: lines in, `video.mp4` and lines out.

use std::{
    io::{BufRead, Write},
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::{
    CaptureError,
    canvas::Canvas,
    film::Film,
    spool::{Answer, Order, SPOOL_FRAMES},
};
use crate::{clock::Stopwatch, picture::read_image};

/// A screen that did not change for this long is quiet: its picture is pushed into the file.
const QUIET: Duration = Duration::from_millis(1500);
/// While it stays so, the video grows this often.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// A frame may still be on its way to us. Nothing is said of the last moment.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// Encodes the frames that `orders` names into `video.mp4` in `folder`, until it is told the end or
/// `orders` ends. Blocks for as long.
///
/// # Errors
/// When a line cannot be understood, a picture or the video not be used, or nobody hears the
/// answers. What is in the file by then can be played.
pub fn encode_video(
    folder: &Path,
    canvas: Canvas,
    orders: impl BufRead + Send + 'static,
    mut answers: impl Write,
) -> Result<(), CaptureError> {
    let mut film = Film::start(folder, canvas)?;
    let lines = read_lines(orders)?;
    // When the newest frame was on the screen, and since when we know it.
    let mut newest: Option<(Duration, Stopwatch)> = None;
    let mut say = |answer: &Answer| say(&mut answers, answer);
    let mut end = None;
    while end.is_none() {
        let wait = match &newest {
            Some((_, since)) if !film.is_settled() => QUIET.saturating_sub(since.elapsed()),
            Some(_) | None => HEARTBEAT,
        };
        let durable = match lines.recv_timeout(wait) {
            Ok(line) => match parse(&line?)? {
                Order::Frame { frame, at_us, file } => {
                    let since = Stopwatch::start();
                    let picture = Arc::new(read_image(&folder.join(file))?);
                    let at = Duration::from_micros(at_us);
                    newest = Some((at, since));
                    film.show(frame, at, &picture)?
                }
                Order::End { end_us } => {
                    end = Some(Duration::from_micros(end_us));
                    None
                }
            },
            Err(mpsc::RecvTimeoutError::Timeout) => match &newest {
                Some((at, since)) => {
                    film.quiet(*at + since.elapsed().saturating_sub(ON_ITS_WAY))?
                }
                None => None,
            },
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                end = Some(newest.map_or(Duration::ZERO, |(at, since)| at + since.elapsed()));
                None
            }
        };
        if let Some(durable) = durable {
            say(&Answer::Durable { durable })?;
        }
    }
    let durable = film.end(end.unwrap_or_default())?;
    if let Some(durable) = durable {
        say(&Answer::Durable { durable })?;
    }
    say(&Answer::Finished { finished: true })
}

type Lines = mpsc::Receiver<Result<String, CaptureError>>;

/// Lines, from a thread of their own, so that the wait for one can end. That thread ends with the
/// process: nothing can end its read but the other side.
fn read_lines(orders: impl BufRead + Send + 'static) -> Result<Lines, CaptureError> {
    let (sender, lines) = mpsc::sync_channel(SPOOL_FRAMES + 1);
    let read = move || {
        for line in orders.lines() {
            let line = line.map_err(|source| CaptureError::Pipe { source });
            if sender.send(line).is_err() {
                break;
            }
        }
    };
    let thread = thread::Builder::new().name("orders".into()).spawn(read);
    thread.map_err(|source| CaptureError::Pipe { source })?;
    Ok(lines)
}

fn parse(line: &str) -> Result<Order, CaptureError> {
    serde_json::from_str(line)
        .map_err(|source| CaptureError::Order { line: line.chars().take(200).collect(), source })
}

fn say(answers: &mut impl Write, answer: &Answer) -> Result<(), CaptureError> {
    let mut line = serde_json::to_string(answer).expect("an answer is plain data");
    line.push('\n');
    answers
        .write_all(line.as_bytes())
        .and_then(|()| answers.flush())
        .map_err(|source| CaptureError::Pipe { source })
}
