//! Boots a guest and waits until its screen is worth keeping.

use std::{collections::VecDeque, env, fs, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::NewError;
use crate::{
    clock::Stopwatch,
    console::Serial,
    gauges::Timings,
    picture::{Frame, Picture, psnr},
    tasks::{Tasks, blocking},
    vision::{Unrest, landmarks},
    vm::{Machine, MachineEvent, MachineSpec},
};

/// A screen that stayed alike for this long rests. Emulated firmware and boot loaders pause for
/// shorter.
const REST: Duration = Duration::from_secs(10);
/// A screen that has not come to rest by then never will.
const AT_MOST: Duration = Duration::from_secs(300);
/// Alike is where less than about a thousandth of it differs: a cursor blinks, a clock goes on.
const ALIKE_DB: f64 = 30.0;
/// Pictures of the last moments, to see what moves in them.
const KEEP: usize = 24;
const KEEP_FOR: Duration = Duration::from_secs(10);

/// What was waited for.
pub(super) struct Seen {
    /// Of the last moments; the last one is the screen.
    pub pictures: Vec<Arc<Picture>>,
    /// Of all the time the screen was there.
    pub unrest: Unrest,
    pub after: Duration,
    pub has_rested: bool,
}

impl Seen {
    pub(super) fn screen(&self) -> &Picture {
        self.pictures.last().expect("nothing is seen without a picture")
    }
}

/// A folder for the machine's sockets and overlays, gone when it is dropped.
struct Workshop(PathBuf);

impl Workshop {
    fn make() -> Result<Self, NewError> {
        let path = env::temp_dir().join(format!("sutler-new-{}", uuid::Uuid::new_v4()));
        let made = fs::create_dir(&path);
        made.map_err(|source| NewError::Folder { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // A folder that is left in /tmp does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Boots `spec`, waits until its screen rests, or for as long as `wait` says, and switches it off.
/// `tell` hears how long it has been at it, and for how long the screen has rested.
pub(super) async fn look(
    spec: &MachineSpec,
    wait: Option<Duration>,
    tell: &dyn Fn(Duration, Option<Duration>),
) -> Result<Seen, NewError> {
    let workshop = Workshop::make()?;
    let tasks = Tasks::new(CancellationToken::new());
    let clock = Stopwatch::start();
    let mut machine = Machine::start(spec, &workshop.0, &Timings::new(clock), &tasks).await?;
    let stream = machine.take_serial().expect("the machine is new, nobody has taken it");
    let serial = Serial::start(stream, &workshop.0.join("serial0.txt"), &tasks).await;
    let seen = match serial {
        Ok(_read_to_its_end) => {
            machine.cont().await?;
            tokio::select! {
                seen = watch(&mut machine, clock, wait, tell) => seen,
                _ = tokio::signal::ctrl_c() => Err(NewError::Interrupted),
            }
        }
        Err(error) => {
            let source = std::io::Error::other(error);
            Err(NewError::Folder { path: workshop.0.clone(), source })
        }
    };
    machine.close().await;
    tasks.close().await;
    seen
}

async fn watch(
    machine: &mut Machine,
    clock: Stopwatch,
    wait: Option<Duration>,
    tell: &dyn Fn(Duration, Option<Duration>),
) -> Result<Seen, NewError> {
    // How often whoever waits is told how far it is.
    const TELL: Duration = Duration::from_millis(500);
    // How often it is looked at what has changed.
    const COMPARE: Duration = Duration::from_millis(500);
    machine.screen.attention(true);
    let end = wait.unwrap_or(AT_MOST);
    let mut recent: VecDeque<Arc<Frame>> = VecDeque::new();
    // The picture that later ones are compared with, and since when they have been alike.
    let mut rest: Option<(Arc<Frame>, Duration)> = None;
    let (mut unrest, mut compare_at) = (Unrest::default(), Duration::ZERO);
    loop {
        let now = clock.elapsed();
        let rested = rest.as_ref().map(|(_, since)| now.saturating_sub(*since));
        tell(now, rested);
        let is_over = now >= end;
        let has_rested = wait.is_none() && rested.is_some_and(|rested| rested >= REST);
        if is_over || has_rested {
            let pictures: Vec<_> = recent.iter().map(|frame| frame.picture.clone()).collect();
            if pictures.is_empty() {
                return Err(NewError::NoPicture { waited: now });
            }
            let last = pictures.last().expect("there is one").clone();
            // An empty screen is at rest, too, and not what is waited for.
            if is_over || blocking(move || !landmarks(&[&last], &[], 1).is_empty()).await {
                return Ok(Seen { pictures, unrest, after: now, has_rested });
            }
            rest = rest.map(|(frame, _)| (frame, now));
        }
        let wake = clock.instant((now + TELL).min(end));
        let changed = tokio::select! {
            changed = timeout_at(wake, machine.frames.changed()) => changed,
            event = machine.events.recv() => match event {
                Some(MachineEvent::GuestOff { .. }) => return Err(NewError::Ended { why: "it powered itself off".into() }),
                Some(MachineEvent::QemuExited { status, last_lines }) => {
                    let words = last_lines.last().cloned().unwrap_or_default();
                    return Err(NewError::Ended { why: format!("{status} {words}") });
                }
                Some(MachineEvent::Panicked { info }) => {
                    return Err(NewError::Ended { why: format!("its kernel panicked {info}") });
                }
                Some(
                    MachineEvent::ScreenLost { .. } | MachineEvent::GuestReset { .. }
                    | MachineEvent::Stopped | MachineEvent::Resumed,
                ) => continue,
                None => return Err(NewError::Ended { why: "its machine is gone".into() }),
            },
        };
        match changed {
            Err(_elapsed) => continue,
            Ok(Err(_)) => {
                // The end of the machine follows, and says why.
                let _ = timeout(TELL, machine.events.recv()).await;
                return Err(NewError::Ended { why: "its screen is gone".into() });
            }
            Ok(Ok(())) => {}
        }
        let Some(frame) = machine.frames.borrow_and_update().clone() else { continue };
        let now = clock.elapsed();
        if now >= compare_at {
            compare_at = now + COMPARE;
            let picture = frame.picture.clone();
            unrest = blocking(move || {
                unrest.see(&picture);
                unrest
            })
            .await;
        }
        if let Some((reference, _)) = &rest {
            let (a, b) = (reference.picture.clone(), frame.picture.clone());
            if blocking(move || psnr(&a, &b)).await < ALIKE_DB {
                recent.clear();
                rest = Some((frame.clone(), now));
            }
        } else {
            rest = Some((frame.clone(), now));
        }
        recent.push_back(frame);
        while recent.len() > KEEP
            || recent.len() > 1 && recent.front().is_some_and(|first| first.at + KEEP_FOR < now)
        {
            recent.pop_front();
        }
    }
}
