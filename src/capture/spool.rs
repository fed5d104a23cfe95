//! The lines between recorder and encoder, and the pictures that wait between them.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::picture::Picture;

/// Pictures that wait for the encoder, at most.
pub(super) const SPOOL_FRAMES: usize = 24;
/// And their bytes.
pub(super) const SPOOL_BYTES: u64 = 96 << 20;
/// In the job's folder.
pub(super) const SPOOL_FOLDER: &str = "spool";

/// A line to the encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Order {
    /// Encode `file` (in the job's folder), which was on the screen from `at_us` on.
    Frame { frame: u64, at_us: u64, file: PathBuf },
    /// Nothing comes after this; the last frame was on the screen until `end_us`.
    End { end_us: u64 },
}

/// A line from the encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// This frame and all before it are in the video, whatever happens now.
    Durable { durable: u64 },
    /// The video is complete.
    Finished { finished: bool },
}

/// What is in the spool folder, oldest first.
#[derive(Debug, Default)]
pub(super) struct Spool {
    waiting: VecDeque<Waiting>,
    bytes: u64,
}

/// A picture in the spool.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) number: u64,
    /// When its turn came to be written, on the engine's clock.
    pub(super) since: Duration,
    bytes: u64,
}

impl Spool {
    /// Place of a frame's file, relative to the job's folder.
    pub(super) fn file(number: u64) -> PathBuf {
        Path::new(SPOOL_FOLDER).join(format!("{number:08}.ppm"))
    }

    pub(super) fn has_room(&self, picture: &Picture) -> bool {
        let bytes = self.bytes + picture.rgb().len() as u64;
        self.waiting.len() < SPOOL_FRAMES && bytes <= SPOOL_BYTES
    }

    pub(super) fn add(&mut self, number: u64, picture: &Picture, since: Duration) {
        let bytes = picture.rgb().len() as u64;
        self.bytes += bytes;
        self.waiting.push_back(Waiting { number, since, bytes });
    }

    /// The numbers of the frames up to `number`.
    pub(super) fn up_to(&self, number: u64) -> Vec<u64> {
        let numbers = self.waiting.iter().map(|waiting| waiting.number);
        numbers.take_while(|waiting| *waiting <= number).collect()
    }

    /// Takes out the frames up to `number`, whose files are gone.
    pub(super) fn remove_to(&mut self, number: u64) -> Vec<Waiting> {
        let count = self.waiting.iter().take_while(|waiting| waiting.number <= number).count();
        let gone: Vec<_> = self.waiting.drain(..count).collect();
        self.bytes -= gone.iter().map(|waiting| waiting.bytes).sum::<u64>();
        gone
    }

    /// How many pictures wait, and since when the oldest does.
    pub(super) fn waiting(&self) -> (usize, Option<Duration>) {
        (self.waiting.len(), self.waiting.front().map(|oldest| oldest.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_the_other_side_reads() {
        let order = Order::Frame { frame: 7, at_us: 1_500_000, file: Spool::file(7) };
        let line = serde_json::to_string(&order).unwrap();
        assert_eq!(line, r#"{"frame":7,"at_us":1500000,"file":"spool/00000007.ppm"}"#);
        assert_eq!(serde_json::from_str::<Order>(&line).unwrap(), order);
        let end: Order = serde_json::from_str(r#"{"end_us":9}"#).unwrap();
        assert_eq!(end, Order::End { end_us: 9 });
        let answer: Answer = serde_json::from_str(r#"{"durable":9}"#).unwrap();
        assert_eq!(answer, Answer::Durable { durable: 9 });
    }

    #[test]
    fn it_is_bounded_by_frames_and_by_bytes() {
        let small = Picture::filled(8, 8, [0; 3]);
        let mut spool = Spool::default();
        for number in 1..=SPOOL_FRAMES as u64 {
            assert!(spool.has_room(&small));
            spool.add(number, &small, Duration::from_secs(number));
        }
        assert!(!spool.has_room(&small));
        let gone = spool.remove_to(2);
        assert_eq!(gone.iter().map(|waiting| waiting.number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(spool.waiting(), (SPOOL_FRAMES - 2, Some(Duration::from_secs(3))));
        assert!(spool.has_room(&small));
        let mut spool = Spool::default();
        let large = Picture::filled(4096, 4095, [0; 3]);
        spool.add(1, &large, Duration::ZERO);
        assert!(spool.has_room(&large));
        spool.add(2, &large, Duration::ZERO);
        assert!(!spool.has_room(&large));
        assert!(spool.has_room(&small));
    }
}
