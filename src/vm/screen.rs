//! The owner of the screen's connection: frames come out, keys and clicks go in.
//!
//! A frame is made when all rectangles of one update have arrived, and only then is the next update
//! asked for: a guest that draws without end is slowed by us, not the other way round.
//!
//! QEMU 7.2 looks at the guest's screen every 30 ms while it changes, and 50 ms later each time it
//! does not, up to every 3 s. Keys and clicks bring it back to 30 ms at once; a change that comes by
//! itself (the end of a boot) is seen late. While somebody waits for the screen
//! ([`ScreenHandle::attention`]) we therefore say something without meaning every [`NUDGE`].

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use tokio::{
    io::Interest,
    net::UnixStream,
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    MachineEvent, VmError,
    hands::{self, Act, Beat},
    monitor::unless_blocked,
};
use crate::{
    clock::{self, Stopwatch},
    gauges::Timings,
    model::{Button, Operation},
    picture::{Frame, Picture, Rect},
    proto::{
        keymap::{Key, KeymapError},
        rfb::{self, Area, Message},
    },
};

/// So often that QEMU never comes to wait longer than 30 ms. Measured with QEMU 7.2 and a still
/// screen: nudges every 40, 60, 100 and 200 ms all cost it less processor time than can be told from
/// the noise (2 ms a second).
const NUDGE: Duration = Duration::from_millis(50);
/// A screen that changes so long after a key does not answer it.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// One read: a megapixel takes sixteen, and keys get their turn between them.
const READ: usize = 256 << 10;

/// Newest frame; `None` until the first. A reader that has missed a number has missed damage.
pub(super) type Frames = watch::Receiver<Option<Arc<Frame>>>;

#[derive(Debug)]
struct Request {
    beats: VecDeque<Beat>,
    done: oneshot::Sender<()>,
}

/// Sends to the owner of the screen. Whatever is sent is carried out whole and in order: when a
/// caller stops waiting, typing ends after the key that is down has been released.
#[derive(Debug, Clone)]
pub struct ScreenHandle {
    /// `None` where the guest has no screen.
    requests: Option<mpsc::Sender<Request>>,
    attention: Arc<watch::Sender<bool>>,
    unanswered: watch::Receiver<Option<Duration>>,
}

impl ScreenHandle {
    /// Presses keys together, as in `ctrl-alt-f2`. Returns when they have been released.
    pub async fn send_keys(&self, keys: &str) -> Result<(), VmError> {
        self.play(hands::chord(keys)).await
    }

    /// Types characters of a US keyboard, one each `interval`. Returns after the last.
    pub async fn type_text(&self, text: &str, interval: Duration) -> Result<(), VmError> {
        self.play(hands::text(text, interval)).await
    }

    /// Moves the pointer, in pixels from the top left.
    pub async fn pointer(&self, x: u16, y: u16) -> Result<(), VmError> {
        self.play(Ok(hands::pointer(x, y))).await
    }

    /// Moves the pointer and clicks, once or twice.
    pub async fn click(&self, x: u16, y: u16, button: Button, double: bool) -> Result<(), VmError> {
        self.play(Ok(hands::click(x, y, button, double))).await
    }

    /// Somebody waits for the screen to change, or no longer.
    pub fn attention(&self, on: bool) {
        self.attention.send_replace(on);
    }

    /// When the first key or button was pressed that no changed screen has followed, on the clock
    /// of the frames.
    pub fn unanswered(&self) -> Option<Duration> {
        *self.unanswered.borrow()
    }

    async fn play(&self, beats: Result<Vec<Beat>, KeymapError>) -> Result<(), VmError> {
        let beats = beats.map_err(|source| VmError::Keys { source })?.into();
        let requests = self.requests.as_ref().ok_or(VmError::NoScreen)?;
        let (done, played) = oneshot::channel();
        requests.send(Request { beats, done }).await.map_err(|_| VmError::Ended)?;
        played.await.map_err(|_| VmError::Ended)
    }
}

/// The owner's own state.
pub(super) struct Owner {
    stream: UnixStream,
    rfb: rfb::Client,
    clock: Stopwatch,
    timings: Timings,
    /// When the first byte of the update came that is not whole yet.
    update_began: Option<Duration>,
    /// When the first key or button was pressed that no frame has followed.
    unanswered: watch::Sender<Option<Duration>>,
    number: u64,
    frames: watch::Sender<Option<Arc<Frame>>>,
    connected: Option<oneshot::Sender<()>>,
    requests: mpsc::Receiver<Request>,
    attention: watch::Receiver<bool>,
    playing: Option<Request>,
    /// When the next act is due.
    due: Instant,
    held: Vec<Key>,
    buttons: u8,
}

/// The screen of a machine that has none: no frame ever comes.
pub(super) fn none() -> (ScreenHandle, Frames) {
    let attention = Arc::new(watch::Sender::new(false));
    let unanswered = watch::Sender::new(None).subscribe();
    (ScreenHandle { requests: None, attention, unanswered }, watch::Sender::new(None).subscribe())
}

impl Owner {
    /// `connected` is told when the server has introduced itself.
    pub(super) fn new(
        stream: UnixStream,
        timings: Timings,
        connected: oneshot::Sender<()>,
    ) -> (Self, ScreenHandle, Frames) {
        let (sender, requests) = mpsc::channel(16);
        let (attention, attended) = watch::channel(false);
        let (frames, newest) = watch::channel(None);
        let (unanswered, asked) = watch::channel(None);
        let clock = timings.clock();
        let owner = Self {
            stream,
            rfb: rfb::Client::new(),
            clock,
            timings,
            update_began: None,
            unanswered,
            number: 0,
            frames,
            connected: Some(connected),
            requests,
            attention: attended,
            playing: None,
            due: clock.instant(clock.elapsed()),
            held: Vec::new(),
            buttons: 0,
        };
        let attention = Arc::new(attention);
        let handle = ScreenHandle { requests: Some(sender), attention, unanswered: asked };
        (owner, handle, newest)
    }

    /// Serves until stopped or the connection is lost, which is an event unless the machine is
    /// ending (`exited` then says so soon).
    pub(super) async fn run(
        mut self,
        events: mpsc::Sender<MachineEvent>,
        ended: impl Future<Output = ()>,
        stop: CancellationToken,
    ) {
        let lost = tokio::select! {
            lost = self.serve() => lost,
            () = stop.cancelled() => return,
        };
        // Callers are told at once.
        self.requests.close();
        self.playing = None;
        tokio::select! {
            () = stop.cancelled() => return,
            () = ended => return,
            () = sleep_until(self.clock.instant(self.clock.elapsed() + Duration::from_secs(3))) => {}
        }
        tokio::select! {
            _ = events.send(MachineEvent::ScreenLost { why: lost.to_string() }) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Serves until the connection is lost.
    async fn serve(&mut self) -> io::Error {
        let mut nudge = interval(NUDGE);
        nudge.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut buffer = vec![0; READ];
        let mut attention = self.attention.clone();
        let mut handles_left = true;
        loop {
            let all_said = self.rfb.output().is_empty();
            let attended = *self.attention.borrow();
            let interest =
                if all_said { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            tokio::select! {
                ready = self.stream.ready(interest) => {
                    if let Err(error) = ready.and_then(|_| self.talk(&mut buffer)) {
                        return error;
                    }
                }
                () = sleep_until(self.due), if self.playing.is_some() => self.play(),
                request = self.requests.recv(), if self.playing.is_none() && handles_left => {
                    handles_left = request.is_some();
                    self.playing = request;
                }
                changed = attention.changed(), if handles_left => {
                    handles_left = changed.is_ok();
                    nudge.reset_immediately();
                }
                // Not while QEMU does not listen: nudges would only pile up.
                _ = nudge.tick(), if attended && all_said => self.rfb.nudge(),
            }
        }
    }

    /// Reads and writes what the socket takes now.
    fn talk(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let output = self.rfb.output();
        if !output.is_empty()
            && let Some(count) = unless_blocked(self.stream.try_write(output))?
        {
            output.drain(..count);
        }
        let count = match unless_blocked(self.stream.try_read(buffer))? {
            None => return Ok(()),
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => count,
        };
        let now = self.clock.elapsed();
        self.update_began.get_or_insert(now);
        self.rfb.feed(&buffer[..count]);
        while let Some(message) = self.rfb.poll().map_err(io::Error::other)? {
            match message {
                Message::Connected { name } => {
                    tracing::debug!(name, "the screen is connected");
                    if let Some(connected) = self.connected.take() {
                        let _ = connected.send(());
                    }
                }
                Message::Updated { damage } => {
                    self.rfb.request_update();
                    // What follows in the same read is the next update's.
                    let began = self.update_began.replace(now).unwrap_or(now);
                    if !damage.is_empty() {
                        self.timings.since(Operation::UpdateReceive, began);
                        self.publish(&damage);
                        self.timings.since(Operation::FrameLag, began);
                    }
                }
            }
        }
        if self.rfb.is_between_messages() {
            self.update_began = None;
        }
        Ok(())
    }

    fn publish(&mut self, damage: &[Area]) {
        let (width, height) = self.rfb.size();
        self.number += 1;
        let picture = Picture::new(width.into(), height.into(), self.rfb.rgb().to_vec());
        let rect = |area: &Area| {
            Rect::new(area.x.into(), area.y.into(), area.width.into(), area.height.into())
        };
        self.frames.send_replace(Some(Arc::new(Frame {
            number: self.number,
            at: self.clock.elapsed(),
            wall: clock::now(),
            picture: Arc::new(picture),
            damage: damage.iter().map(rect).collect(),
        })));
        if let Some(pressed) = *self.unanswered.borrow()
            && self.clock.elapsed().saturating_sub(pressed) < FORGOTTEN
        {
            self.timings.since(Operation::KeyToScreen, pressed);
        }
        self.unanswered.send_replace(None);
    }

    /// Does what is due.
    fn play(&mut self) {
        let Some(request) = &mut self.playing else { return };
        let at_rest = self.held.is_empty() && self.buttons == 0;
        let forsaken = at_rest && request.done.is_closed();
        if let Some((act, after)) = request.beats.pop_front().filter(|_| !forsaken) {
            let buttons_before = self.buttons;
            match act {
                Act::Press(key) => {
                    self.held.push(key);
                    self.rfb.key(key, true);
                }
                Act::Release(key) => {
                    self.held.retain(|held| *held != key);
                    self.rfb.key(key, false);
                }
                Act::Pointer { x, y, buttons } => {
                    self.buttons = buttons;
                    self.rfb.pointer(x, y, buttons);
                }
            }
            let is_press = matches!(act, Act::Press(_));
            let is_click = self.buttons & !buttons_before != 0;
            if is_press || is_click {
                let now = self.clock.elapsed();
                self.unanswered
                    .send_if_modified(|since| since.replace(since.unwrap_or(now)).is_none());
            }
            self.due = self.clock.instant(self.clock.elapsed() + after);
        }
        // The time after the last act passes before the next request, not before this answer.
        if (forsaken || request.beats.is_empty())
            && let Some(request) = self.playing.take()
        {
            let _ = request.done.send(());
        }
    }
}
