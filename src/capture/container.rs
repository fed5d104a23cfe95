//! Packets to the boxes of a fragmented MP4 file, and back to their times: the only file that
//! writes boxes.
//!
//! ```text
//! ftyp moov uuid(clock) [sidx]   moof mdat   moof mdat   ...
//!          header        index
//! ```
//!
//! While a video grows there is no index, and each moof and mdat are a part: some consecutive
//! pictures of one group, so that the newest is durable soon without a key frame each time. Players
//! are shown, and the finished file holds, one moof and mdat for a whole group, because Chromium
//! (156) looks for a key frame at the start of each and fails where there is none.
//!
//! Times are microseconds from the first picture; the clock box tells when that was on the engine's
//! own clock.

use std::time::Duration;

use mp4_atom::{
    Av01, Av1c, Codec, Colr, Compressor, Dinf, Dref, DrefEntry, Encode, FourCC, Ftyp, Hdlr, Header,
    Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mvex, Mvhd, SegmentReference, Sidx, Stbl, Stsd, Tfdt, Tfhd,
    Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url, Visual, Vmhd,
};

use super::{CaptureError, canvas::Canvas};

/// Times in the file are microseconds.
const TIMESCALE: u32 = 1_000_000;
const TRACK: u32 = 1;
/// Names the box that tells the engine's clock at the first picture; ours alone.
const CLOCK_ID: [u8; 16] = *b"sutler/clock/us1";
const CLOCK_LEN: usize = 8 + 16 + 8;

/// A player can start here; and: it needs the pictures before.
const KEY_FLAGS: u32 = 0x0200_0000;
const DELTA_FLAGS: u32 = 0x0101_0000;
const NOT_SYNC: u32 = 0x0001_0000;

/// One picture, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) data: Vec<u8>,
    pub(super) key: bool,
    pub(super) duration_us: u32,
}

/// What comes before the first part. `first` is the data of the first packet, which carries the
/// description of the stream; `epoch` is the engine's clock at the first picture.
pub(super) fn header(
    canvas: Canvas,
    first: &[u8],
    epoch: Duration,
) -> Result<Vec<u8>, CaptureError> {
    let sequence =
        obus(first).find(|obu| obu.kind == ObuKind::SEQUENCE).map_or(&[][..], |obu| obu.all);
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    let (width, height) = (side(canvas.width()), side(canvas.height()));
    let av01 = Av01 {
        visual: Visual {
            data_reference_index: 1,
            width,
            height,
            compressor: Compressor::from("rav1e"),
            ..Default::default()
        },
        av1c: Av1c {
            seq_level_idx_0: level(sequence),
            chroma_subsampling_x: true,
            chroma_subsampling_y: true,
            config_obus: sequence.to_vec(),
            ..Default::default()
        },
        colr: Some(Colr::Nclx {
            colour_primaries: 1,
            transfer_characteristics: 1,
            matrix_coefficients: 1,
            full_range_flag: false,
        }),
        ..Default::default()
    };
    let stbl = Stbl { stsd: Stsd { codecs: vec![Codec::Av01(av01)] }, ..Default::default() };
    let here = DrefEntry::Url(Url { location: String::new() });
    let mdia = Mdia {
        mdhd: Mdhd { timescale: TIMESCALE, language: "und".into(), ..Default::default() },
        hdlr: Hdlr { handler: FourCC::new(b"vide"), name: "screen".into() },
        minf: Minf {
            vmhd: Some(Vmhd::default()),
            dinf: Dinf { dref: Dref { entries: vec![here] } },
            stbl,
            ..Default::default()
        },
    };
    let tkhd = Tkhd {
        track_id: TRACK,
        enabled: true,
        in_movie: true,
        width: width.into(),
        height: height.into(),
        ..Default::default()
    };
    let trex = Trex { track_id: TRACK, default_sample_description_index: 1, ..Default::default() };
    let moov = Moov {
        mvhd: Mvhd {
            timescale: TIMESCALE,
            rate: 1.into(),
            next_track_id: TRACK + 1,
            ..Default::default()
        },
        mvex: Some(Mvex { mehd: None, trex: vec![trex] }),
        trak: vec![Trak { tkhd, mdia, ..Default::default() }],
        ..Default::default()
    };
    let ftyp = Ftyp {
        major_brand: b"iso6".into(),
        minor_version: 0,
        compatible_brands: vec![b"iso6".into(), b"av01".into(), b"mp41".into()],
    };
    let mut out = Vec::new();
    encode(&ftyp, &mut out)?;
    encode(&moov, &mut out)?;
    encode(&Header { kind: FourCC::new(b"uuid"), size: Some(CLOCK_LEN - 8) }, &mut out)?;
    out.extend(CLOCK_ID);
    out.extend(micros(epoch).to_be_bytes());
    Ok(out)
}

/// The engine's clock at the first picture, when `body` is that of our clock box.
pub(super) fn clock(body: &[u8]) -> Option<Duration> {
    let time = body.strip_prefix(&CLOCK_ID)?;
    Some(Duration::from_micros(u64::from_be_bytes(time.try_into().ok()?)))
}

/// One part, complete. `number` is from 1, `start` the time of the first of `samples` in the video.
pub(super) fn part(
    number: u32,
    start: Duration,
    samples: &[Sample],
) -> Result<Vec<u8>, CaptureError> {
    let entry = |sample: &Sample| Entry {
        len: u32::try_from(sample.data.len()).unwrap_or(u32::MAX),
        duration_us: sample.duration_us,
        key: sample.key,
    };
    let mut out = front(number, start, &samples.iter().map(entry).collect::<Vec<_>>())?;
    samples.iter().for_each(|sample| out.extend_from_slice(&sample.data));
    Ok(out)
}

/// What a table in the file says of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Of its data, in bytes.
    pub(super) len: u32,
    pub(super) duration_us: u32,
    pub(super) key: bool,
}

/// What comes before the data of some pictures: a moof, and the head of an mdat.
pub(super) fn front(
    number: u32,
    start: Duration,
    entries: &[Entry],
) -> Result<Vec<u8>, CaptureError> {
    let entry = |entry: &Entry| TrunEntry {
        duration: Some(entry.duration_us),
        size: Some(entry.len),
        flags: Some(if entry.key { KEY_FLAGS } else { DELTA_FLAGS }),
        cts: None,
    };
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number: number },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: TRACK, default_base_is_moof: true, ..Default::default() },
            tfdt: Some(Tfdt { base_media_decode_time: micros(start) }),
            trun: vec![Trun {
                data_offset: Some(0),
                samples: entries.iter().map(entry).collect::<Vec<_>>().into(),
            }],
            ..Default::default()
        }],
    };
    let mut out = Vec::new();
    encode(&moof, &mut out)?;
    // Where the data starts depends on the length of the box that says so.
    moof.traf[0].trun[0].data_offset = i32::try_from(out.len() + 8).ok();
    out.clear();
    encode(&moof, &mut out)?;
    let size = entries.iter().map(|entry| entry.len as usize).sum();
    encode(&Header { kind: FourCC::new(b"mdat"), size: Some(size) }, &mut out)?;
    Ok(out)
}

/// Reads what [`front`] wrote: when it starts, and its pictures. Nothing for some other writer's.
pub(super) fn entries(moof: &Moof) -> Option<(Duration, Vec<Entry>)> {
    let traf = moof.traf.first()?;
    let start = Duration::from_micros(traf.tfdt.as_ref()?.base_media_decode_time);
    let entry = |sample: TrunEntry| {
        let key = sample.flags? & NOT_SYNC == 0;
        Some(Entry { len: sample.size?, duration_us: sample.duration?, key })
    };
    let entries: Option<Vec<Entry>> = traf.trun.first()?.samples.iter().map(entry).collect();
    Some((start, entries?))
}

/// A moof and its mdat, as the index names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Indexed {
    pub(super) len: u64,
    pub(super) duration: Duration,
}

/// As many as one index can name.
pub(super) const MOST_INDEXED: usize = u16::MAX as usize;

/// The index of what follows it directly, the first of it starting at zero.
pub(super) fn index(all: &[Indexed]) -> Result<Vec<u8>, CaptureError> {
    let reference = |one: &Indexed| SegmentReference {
        reference_type: false,
        referenced_size: u32::try_from(one.len).unwrap_or(u32::MAX),
        subsegment_duration: u32::try_from(micros(one.duration)).unwrap_or(u32::MAX),
        starts_with_sap: true,
        sap_type: 1,
        sap_delta_time: 0,
    };
    let sidx = Sidx {
        reference_id: TRACK,
        timescale: TIMESCALE,
        earliest_presentation_time: 0,
        first_offset: 0,
        references: all.iter().map(reference).collect(),
    };
    let mut out = Vec::new();
    encode(&sidx, &mut out)?;
    Ok(out)
}

/// A packet as a file holds it: without the marks that separate pictures in a bare stream.
pub(super) fn without_delimiters(packet: &[u8]) -> Vec<u8> {
    obus(packet)
        .filter(|obu| obu.kind != ObuKind::DELIMITER)
        .flat_map(|obu| obu.all)
        .copied()
        .collect()
}

fn encode(what: &impl Encode, out: &mut Vec<u8>) -> Result<(), CaptureError> {
    what.encode(out).map_err(|source| CaptureError::Box { source })
}

/// Whole microseconds; a duration of 500,000 years and more is cut.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// One unit of an AV1 stream.
struct Obu<'a> {
    kind: ObuKind,
    /// With its header.
    all: &'a [u8],
}

#[derive(PartialEq, Eq)]
struct ObuKind(u8);

impl ObuKind {
    const SEQUENCE: Self = Self(1);
    const DELIMITER: Self = Self(2);
}

/// The units of a packet. One that is cut short ends them.
fn obus(mut rest: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    std::iter::from_fn(move || {
        let head = *rest.first()?;
        let start = if head & 0b100 == 0 { 1 } else { 2 };
        let (mut size, mut len_bytes) = (0_usize, 0);
        if head & 0b10 == 0 {
            size = rest.len().checked_sub(start)?;
        } else {
            for byte in rest.get(start..)?.iter().take(4) {
                size |= usize::from(byte & 0x7f) << (7 * len_bytes);
                len_bytes += 1;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let (all, after) = rest.split_at_checked(start + len_bytes + size)?;
        rest = after;
        Some(Obu { kind: ObuKind(head >> 3 & 0b1111), all })
    })
}

/// The level in a sequence header of rav1e, which has no timing and one operating point: it follows
/// 24 bits of the body, which has a header and a length of one byte each. 31 is "any".
fn level(sequence: &[u8]) -> u8 {
    sequence.get(5).map_or(31, |byte| byte >> 3)
}
