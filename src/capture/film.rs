//! Turns pictures with times into the parts of `video.mp4`: what starts a group, how long each
//! picture lasts, when a part is written.
//!
//! The encoder keeps its newest pictures back until more come, and on a screen that stays quiet
//! none do. [`Film::quiet`] then repeats the last picture until all real ones are out. A repeat is
//! some dozen bytes; ending the group instead would cost a key frame each time a screen rests, and
//! most screens of an installation do.

use std::{
    collections::VecDeque,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    CaptureError, GrowingVideo, VIDEO_FILE,
    canvas::{Canvas, Planes},
    container::{self, Sample, micros},
    encoder::{Encoder, Packet},
};
use crate::picture::Picture;

/// A seek decodes at most this many pictures. Most are little more than a repetition and decoded in
/// no time, while the first of a group costs as much to encode as some twenty others.
const GROUP_PICTURES: u32 = 128;
/// And nothing depends on older pictures than this.
const GROUP_TIME: Duration = Duration::from_secs(600);
/// A part of the file is written when it holds this many pictures,
const PART_PICTURES: usize = 8;
/// or this much time.
const PART_TIME: Duration = Duration::from_secs(1);
/// Between repeats of a picture.
const REPEAT_STEP: Duration = Duration::from_millis(1);
/// More than any encoder setting of ours holds back.
const MOST_REPEATS: usize = 16;

/// A picture the encoder has and its packet not yet.
struct Held {
    at: Duration,
    /// Its number, when it is no repeat.
    number: Option<u64>,
}

pub(super) struct Film {
    path: PathBuf,
    file: File,
    planes: Planes,
    encoder: Encoder,
    held: VecDeque<Held>,
    /// Engine's clock at the first picture, once there is one.
    epoch: Option<Duration>,
    last_at: Duration,
    group_start: Duration,
    group_pictures: u32,
    part: Vec<Sample>,
    part_start: Duration,
    part_time: Duration,
    parts: u32,
    /// The highest number in the part; durable once the part is.
    encoded: Option<u64>,
}

impl Film {
    /// Starts an empty `video.mp4` in `folder`.
    pub(super) fn start(folder: &Path, canvas: Canvas) -> Result<Self, CaptureError> {
        let path = folder.join(VIDEO_FILE);
        let file = File::create(&path)
            .map_err(|source| CaptureError::File { path: path.clone(), source })?;
        Ok(Self {
            path,
            file,
            planes: Planes::black(canvas),
            encoder: Encoder::new(canvas)?,
            held: VecDeque::new(),
            epoch: None,
            last_at: Duration::ZERO,
            group_start: Duration::ZERO,
            group_pictures: 0,
            part: Vec::new(),
            part_start: Duration::ZERO,
            part_time: Duration::ZERO,
            parts: 0,
            encoded: None,
        })
    }

    /// Whether every picture's packet is in the file.
    pub(super) fn is_settled(&self) -> bool {
        self.part.is_empty() && self.held.iter().all(|held| held.number.is_none())
    }

    /// Takes a picture shown from `at` on (engine's clock). Gives the highest number that became
    /// durable. A time not after the one before is moved up to one microsecond after it.
    pub(super) fn show(
        &mut self,
        number: u64,
        at: Duration,
        picture: &Arc<Picture>,
    ) -> Result<Option<u64>, CaptureError> {
        self.planes.draw(picture);
        self.push(at, Some(number))
    }

    /// Says that nothing changed until `at`. Afterwards all pictures are durable.
    pub(super) fn quiet(&mut self, at: Duration) -> Result<Option<u64>, CaptureError> {
        if self.epoch.is_none() {
            return Ok(None);
        }
        // The first repeat ends the last picture, so it carries the time; others only push.
        let mut durable = self.push(at, None)?;
        for _ in 0..MOST_REPEATS {
            if self.held.iter().all(|held| held.number.is_none()) {
                break;
            }
            durable = self.push(self.last_at + REPEAT_STEP, None)?.max(durable);
        }
        Ok(self.write_part()?.max(durable))
    }

    /// Ends the last picture at `at` and puts the index into the file.
    pub(super) fn end(mut self, at: Duration) -> Result<Option<u64>, CaptureError> {
        let Some(epoch) = self.epoch else { return Ok(None) };
        let end = at.max(self.last_at + REPEAT_STEP);
        let canvas = self.planes.canvas;
        let encoder = std::mem::replace(&mut self.encoder, Encoder::new(canvas)?);
        let mut durable = self.take(encoder.finish()?, Some(end), epoch)?;
        durable = self.write_part()?.max(durable);
        self.put_index()?;
        Ok(durable)
    }

    fn push(&mut self, at: Duration, number: Option<u64>) -> Result<Option<u64>, CaptureError> {
        let first = self.epoch.is_none();
        let epoch = *self.epoch.get_or_insert(at);
        // Whole microseconds, so that durations add up to times.
        let at = Duration::from_micros(micros(at));
        let at = if first { at } else { at.max(self.last_at + Duration::from_micros(1)) };
        self.last_at = at;
        let key = first
            || self.group_pictures >= GROUP_PICTURES
            || at.saturating_sub(self.group_start) >= GROUP_TIME;
        if key {
            (self.group_start, self.group_pictures) = (at, 0);
        }
        self.group_pictures += 1;
        self.held.push_back(Held { at, number });
        let packets = self.encoder.push(&self.planes, key)?;
        self.take(packets, None, epoch)
    }

    /// Adds packets to the part. `end` is when the last held picture ends, if none follows.
    fn take(
        &mut self,
        packets: Vec<Packet>,
        end: Option<Duration>,
        epoch: Duration,
    ) -> Result<Option<u64>, CaptureError> {
        let mut durable = None;
        for packet in packets {
            let held = self.held.pop_front().expect("a packet has its picture");
            let next = self.held.front().map(|next| next.at).or(end);
            let next = next.expect("a packet comes when the next picture is known, or the end");
            if packet.key {
                durable = self.write_part()?.max(durable);
            }
            if self.parts == 0 && self.part.is_empty() {
                let header = container::header(self.planes.canvas, &packet.data, epoch)?;
                self.write(&header)?;
            }
            if self.part.is_empty() {
                self.part_start = held.at - epoch;
            }
            let duration_us = u32::try_from(micros(next - held.at)).unwrap_or(u32::MAX);
            let data = container::without_delimiters(&packet.data);
            self.part.push(Sample { data, key: packet.key, duration_us });
            self.part_time += next - held.at;
            self.encoded = held.number.or(self.encoded);
            if self.part.len() >= PART_PICTURES || self.part_time >= PART_TIME {
                durable = self.write_part()?.max(durable);
            }
        }
        Ok(durable)
    }

    /// Makes what is encoded durable: one write, so that a part is in the file or is not.
    fn write_part(&mut self) -> Result<Option<u64>, CaptureError> {
        if self.part.is_empty() {
            return Ok(None);
        }
        self.parts += 1;
        let bytes = container::part(self.parts, self.part_start, &self.part)?;
        self.write(&bytes)?;
        self.file.sync_data().map_err(|source| self.refused(source))?;
        self.part.clear();
        self.part_time = Duration::ZERO;
        Ok(self.encoded.take())
    }

    /// Replaces the file by what players were shown of it all the time, for every player that is
    /// handed it later.
    fn put_index(&self) -> Result<(), CaptureError> {
        let video = GrowingVideo::scan(&self.path)?;
        let Some(view) = video.view(usize::MAX)? else { return Ok(()) };
        let path = self.path.with_extension("mp4.part");
        let refused = |source| CaptureError::File { path: path.clone(), source };
        let mut file = File::create(&path).map_err(refused)?;
        let mut at = 0;
        while at < view.len() {
            let until = view.len().min(at + (1 << 20));
            let bytes = view.read(at..until).map_err(refused)?;
            file.write_all(&bytes).map_err(refused)?;
            at = until;
        }
        file.sync_all().map_err(refused)?;
        std::fs::rename(&path, &self.path).map_err(refused)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        self.file.write_all(bytes).map_err(|source| self.refused(source))
    }

    fn refused(&self, source: std::io::Error) -> CaptureError {
        CaptureError::File { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests;
