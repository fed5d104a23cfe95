//! The reading side of `video.mp4`, while it grows and after.
//!
//! A player seeks only when a file has an index in front and its length does not change. A file
//! that grows has neither, so a reader says how many pictures it knows of, and gets a
//! [`VirtualFile`] of just these: with their index, and each group in one piece, however many parts
//! it was written in. The same count gives the same bytes, however far the file has grown since,
//! and also from the finished file.

use std::{
    fs::File,
    io::{self, ErrorKind},
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use mp4_atom::{Decode, DecodeAtom, FourCC, Header, Moof};

use super::{
    CaptureError,
    container::{self, Entry, Indexed},
};

/// Longest box that is read into memory. Ours take some hundred bytes.
const MAX_BOX: usize = 1 << 20;
/// Read at once; holds all of an ordinary fragment but its data.
const GLANCE: usize = 2048;

/// A picture of the video.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// Place of its data in the file.
    offset: u64,
    entry: Entry,
}

/// What a video file holds at one moment.
#[derive(Debug)]
pub struct GrowingVideo {
    file: Arc<File>,
    header: Vec<u8>,
    epoch: Duration,
    duration: Duration,
    shown: Vec<Shown>,
}

impl GrowingVideo {
    /// Looks through a file. What does not end, or is not ours, ends the video; a file that does
    /// not exist yet has no pictures. Reads some hundred bytes a second of video: call it through
    /// [`tasks::blocking`](crate::tasks::blocking).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn scan(path: &Path) -> Result<Self, CaptureError> {
        let refused = |source| CaptureError::File { path: path.into(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                File::open("/dev/null").map_err(refused)?
            }
            Err(error) => return Err(refused(error)),
        };
        let mut video = Self {
            file: Arc::new(file),
            header: vec![],
            epoch: Duration::ZERO,
            duration: Duration::ZERO,
            shown: vec![],
        };
        video.walk().map_err(refused)?;
        Ok(video)
    }

    /// The engine's clock at time zero of the video.
    pub const fn epoch(&self) -> Duration {
        self.epoch
    }

    /// How much of the video can be seen.
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// How many pictures can be seen: the number to ask [`view`](Self::view) for.
    pub fn pictures(&self) -> usize {
        self.shown.len()
    }

    /// The video of the first `count` pictures, or of all there are if these are fewer; nothing
    /// when there is nothing to play.
    ///
    /// # Errors
    /// When a table does not fit its box, which is an error of ours.
    pub fn view(&self, count: usize) -> Result<Option<VirtualFile>, CaptureError> {
        let shown = &self.shown[..count.min(self.shown.len())];
        if shown.is_empty() {
            return Ok(None);
        }
        let groups: Vec<&[Shown]> = shown.chunk_by(|_, next| !next.entry.key).collect();
        // In a recording of weeks several groups share an entry of the index.
        let together = groups.len().div_ceil(container::MOST_INDEXED);
        let mut start = Duration::ZERO;
        let mut fronts = Vec::new();
        let mut indexed = Vec::new();
        for (groups, number) in groups.chunks(together).zip(1..) {
            let entries: Vec<Entry> = groups.concat().iter().map(|shown| shown.entry).collect();
            let front = container::front(number, start, &entries)?;
            let data: u64 = entries.iter().map(|entry| u64::from(entry.len)).sum();
            let micros = entries.iter().map(|entry| u64::from(entry.duration_us)).sum();
            let duration = Duration::from_micros(micros);
            indexed.push(Indexed { len: front.len() as u64 + data, duration });
            fronts.push(front);
            start += duration;
        }
        let mut view = VirtualFile::new(Arc::clone(&self.file));
        view.add_made(&self.header);
        view.add_made(&container::index(&indexed)?);
        for (groups, front) in groups.chunks(together).zip(&fronts) {
            view.add_made(front);
            for shown in groups.iter().copied().flatten() {
                view.add_stored(shown.offset, u64::from(shown.entry.len));
            }
        }
        Ok(Some(view))
    }

    fn walk(&mut self) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        let mut at = 0;
        // The pictures whose data comes next.
        let mut open: Option<Vec<Entry>> = None;
        let mut seen = Glance { start: 0, bytes: vec![] };
        while let Some((kind, head, size)) = self.box_at(&mut seen, at, end)? {
            let is_ours = match (&kind.to_string() as &str, open.take()) {
                ("moof", None) => {
                    let body = self.body(&mut seen, at + head, size - head)?;
                    let found = body.and_then(|body| {
                        let header = Header { kind, size: Some(body.len()) };
                        container::entries(&Moof::decode_atom(&header, &mut &body[..]).ok()?)
                    });
                    open = found.filter(|(start, _)| *start == self.duration).map(|found| found.1);
                    open.is_some()
                }
                ("mdat", Some(entries)) => {
                    let data: u64 = entries.iter().map(|entry| u64::from(entry.len)).sum();
                    let is_all = head + data == size;
                    if is_all {
                        self.add(at + head, &entries);
                    }
                    is_all
                }
                ("sidx", None) if self.shown.is_empty() => true,
                ("ftyp" | "moov" | "uuid", None) if self.shown.is_empty() => {
                    let Some(all) = self.body(&mut seen, at, size)? else { break };
                    let body = &all[usize::try_from(head).unwrap_or(0)..];
                    self.epoch = container::clock(body).unwrap_or(self.epoch);
                    self.header.extend(all);
                    true
                }
                _ => false,
            };
            if !is_ours {
                break;
            }
            at += size;
        }
        Ok(())
    }

    fn add(&mut self, mut offset: u64, entries: &[Entry]) {
        for entry in entries {
            self.shown.push(Shown { offset, entry: *entry });
            offset += u64::from(entry.len);
            self.duration += Duration::from_micros(u64::from(entry.duration_us));
        }
    }

    /// Kind, length of the header and length of the box at `at`, if it ends before `end`.
    fn box_at(
        &self,
        seen: &mut Glance,
        at: u64,
        end: u64,
    ) -> io::Result<Option<(FourCC, u64, u64)>> {
        let available = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(16);
        let Some(mut bytes) = seen.get(&self.file, at, available)? else { return Ok(None) };
        let before = bytes.len();
        let Ok(header) = Header::decode(&mut bytes) else { return Ok(None) };
        let head = (before - bytes.len()) as u64;
        let Some(size) = header.size else { return Ok(None) };
        let size = head + size as u64;
        Ok((at.checked_add(size).is_some_and(|next| next <= end)).then_some((
            header.kind,
            head,
            size,
        )))
    }

    fn body(&self, seen: &mut Glance, at: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= MAX_BOX) else {
            return Ok(None);
        };
        Ok(seen.get(&self.file, at, len)?.map(<[u8]>::to_vec))
    }
}

/// Some bytes of the file, so that a box costs one read and not three.
struct Glance {
    start: u64,
    bytes: Vec<u8>,
}

impl Glance {
    /// `len` bytes at `at`, or nothing when the file has fewer.
    fn get(&mut self, file: &File, at: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let has = |glance: &Self| {
            let skip = usize::try_from(at.checked_sub(glance.start)?).ok()?;
            glance.bytes.get(skip..skip.checked_add(len)?).map(|_| skip)
        };
        if has(self).is_none() {
            self.start = at;
            self.bytes.resize(len.max(GLANCE), 0);
            let mut filled = 0;
            while filled < self.bytes.len() {
                match file.read_at(&mut self.bytes[filled..], at + filled as u64)? {
                    0 => break,
                    more => filled += more,
                }
            }
            self.bytes.truncate(filled);
        }
        Ok(has(self).map(|skip| &self.bytes[skip..skip + len]))
    }
}

/// A video file that does not exist as such: tables from memory, pictures from the file. Stays
/// readable, and the same, while the file grows and after it is replaced by its final form.
#[derive(Debug)]
pub struct VirtualFile {
    file: Arc<File>,
    made: Vec<u8>,
    /// In order, without gaps.
    pieces: Vec<Piece>,
    len: u64,
}

#[derive(Debug)]
struct Piece {
    start: u64,
    len: u64,
    source: Source,
}

/// Where the bytes of a piece start.
#[derive(Debug)]
enum Source {
    Made(usize),
    Stored(u64),
}

impl VirtualFile {
    const fn new(file: Arc<File>) -> Self {
        Self { file, made: Vec::new(), pieces: Vec::new(), len: 0 }
    }

    fn add_made(&mut self, bytes: &[u8]) {
        let source = Source::Made(self.made.len());
        self.made.extend_from_slice(bytes);
        self.add(bytes.len() as u64, source);
    }

    fn add_stored(&mut self, offset: u64, len: u64) {
        match self.pieces.last_mut() {
            Some(Piece { len: before, source: Source::Stored(start), .. })
                if *start + *before == offset =>
            {
                *before += len;
                self.len += len;
            }
            Some(_) | None => self.add(len, Source::Stored(offset)),
        }
    }

    fn add(&mut self, len: u64, source: Source) {
        self.pieces.push(Piece { start: self.len, len, source });
        self.len += len;
    }

    /// In bytes.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// The bytes of a range, cut to the length; a caller asks for as many as it wants in memory.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let end = range.end.min(self.len);
        let mut at = range.start.min(end);
        let size = |len: u64| usize::try_from(len).map_err(io::Error::other);
        let mut bytes = Vec::with_capacity(size(end - at)?);
        let first = self.pieces.partition_point(|piece| piece.start + piece.len <= at);
        for piece in &self.pieces[first..] {
            if at >= end {
                break;
            }
            let skip = at - piece.start;
            let len = (piece.len - skip).min(end - at);
            match piece.source {
                Source::Made(from) => {
                    let from = from + size(skip)?;
                    bytes.extend_from_slice(&self.made[from..from + size(len)?]);
                }
                Source::Stored(from) => {
                    let before = bytes.len();
                    bytes.resize(before + size(len)?, 0);
                    self.file.read_exact_at(&mut bytes[before..], from + skip)?;
                }
            }
            at += len;
        }
        Ok(bytes)
    }
}
