//! The reading side of `video.mp4`, while it grows and after.
//!
//! A player seeks only when a file has an index in front and its length does not change. A file
//! that grows has neither, so a reader says how many fragments it knows of, and gets a
//! [`VirtualFile`] of just these with their index: the same bytes for the same count, however far
//! the file has grown since, and also from the finished file.

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
    container::{self, Indexed},
};

/// Longest box that is read into memory. Ours take some hundred bytes.
const MAX_BOX: usize = 1 << 20;
/// Read at once; holds all of an ordinary fragment but its data.
const GLANCE: usize = 2048;

/// A piece of the video that is in the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Place in the file, in bytes.
    pub offset: u64,
    /// In bytes.
    pub len: u64,
    /// In the video, whose first picture is at zero.
    pub start: Duration,
    pub duration: Duration,
    /// Whether a player can start here.
    pub starts_group: bool,
}

impl Fragment {
    pub fn end(&self) -> Duration {
        self.start + self.duration
    }
}

/// What a video file holds at one moment.
#[derive(Debug)]
pub struct GrowingVideo {
    file: Arc<File>,
    header: Vec<u8>,
    epoch: Duration,
    fragments: Vec<Fragment>,
}

impl GrowingVideo {
    /// Looks through a file. What does not end, or is not ours, ends the video; a file that does
    /// not exist yet is one of no fragments.
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
        let mut video =
            Self { file: Arc::new(file), header: vec![], epoch: Duration::ZERO, fragments: vec![] };
        video.walk().map_err(refused)?;
        Ok(video)
    }

    /// The engine's clock at time zero of the video.
    pub const fn epoch(&self) -> Duration {
        self.epoch
    }

    pub const fn header_len(&self) -> u64 {
        self.header.len() as u64
    }

    pub fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }

    /// How much of the video can be seen.
    pub fn duration(&self) -> Duration {
        self.fragments.last().map_or(Duration::ZERO, Fragment::end)
    }

    /// The video of the first `count` fragments, or of all there are if these are fewer; nothing
    /// when there is nothing to play.
    ///
    /// # Errors
    /// When the index does not fit its box, which is an error of ours.
    pub fn view(&self, count: usize) -> Result<Option<VirtualFile>, CaptureError> {
        let fragments = &self.fragments[..count.min(self.fragments.len())];
        let (Some(first), Some(last)) = (fragments.first(), fragments.last()) else {
            return Ok(None);
        };
        let groups: Vec<Indexed> = fragments
            .chunk_by(|_, next| !next.starts_group)
            .map(|group| Indexed {
                len: group.iter().map(|fragment| fragment.len).sum(),
                duration: group.iter().map(|fragment| fragment.duration).sum(),
            })
            .collect();
        let mut front = self.header.clone();
        front.extend(container::index(&groups)?);
        let (from, until) = (first.offset, last.offset + last.len);
        Ok(Some(VirtualFile { front, file: Arc::clone(&self.file), from, until }))
    }

    fn walk(&mut self) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        let mut at = 0;
        // The moof whose data comes next.
        let mut open: Option<(u64, container::PartTimes)> = None;
        let mut seen = Glance { start: 0, bytes: vec![] };
        while let Some((kind, head, size)) = self.box_at(&mut seen, at, end)? {
            let next = at + size;
            let is_ours = match (&kind.to_string() as &str, open.take()) {
                ("moof", None) => {
                    let body = self.body(&mut seen, at + head, size - head)?;
                    let times = body.and_then(|body| {
                        let moof = Moof::decode_atom(&header_of(kind, size - head), &mut &body[..]);
                        container::part_times(&moof.ok()?)
                    });
                    open = times.map(|times| (at, times));
                    open.is_some()
                }
                ("mdat", Some((offset, times))) => {
                    self.fragments.push(Fragment {
                        offset,
                        len: next - offset,
                        start: times.start,
                        duration: times.duration,
                        starts_group: times.starts_group,
                    });
                    true
                }
                ("sidx", None) if self.fragments.is_empty() => true,
                ("ftyp" | "moov" | "uuid", None) if self.fragments.is_empty() => {
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
            at = next;
        }
        Ok(())
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

const fn header_of(kind: FourCC, body: u64) -> Header {
    #[expect(clippy::cast_possible_truncation, reason = "bounded by MAX_BOX")]
    Header { kind, size: Some(body as usize) }
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

/// A video file that does not exist as such: header and index from memory, the rest from the file.
/// Stays readable, and the same, while the file grows and after it is replaced by its final form.
#[derive(Debug)]
pub struct VirtualFile {
    front: Vec<u8>,
    file: Arc<File>,
    from: u64,
    until: u64,
}

impl VirtualFile {
    /// In bytes.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub const fn len(&self) -> u64 {
        self.front.len() as u64 + (self.until - self.from)
    }

    /// The bytes of a range, cut to the length; a caller asks for as many as it wants in memory.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let front = self.front.len() as u64;
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let place = |at: u64| usize::try_from(at.min(front)).unwrap_or(usize::MAX);
        let mut bytes = self.front[place(start)..place(end)].to_vec();
        let (skip, stop) = (start.max(front) - front, end.max(front) - front);
        let before = bytes.len();
        bytes.resize(before + usize::try_from(stop - skip).unwrap_or(usize::MAX), 0);
        self.file.read_exact_at(&mut bytes[before..], self.from + skip)?;
        Ok(bytes)
    }
}
