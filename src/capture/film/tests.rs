use std::fs;

use mp4_atom::{Any, Moof, ReadFrom};
use proptest::prelude::*;

use super::*;
use crate::capture::VirtualFile;

const SMALL: Canvas = Canvas::SMALLEST;

fn picture(grey: u64) -> Arc<Picture> {
    let grey = u8::try_from(grey % 256).unwrap();
    Arc::new(Picture::filled(16, 16, [grey, 255 - grey, grey]))
}

fn millis(at: u64) -> Duration {
    Duration::from_millis(at)
}

/// Time (in the video) and duration of every picture in the file, and whether it is a key frame.
fn pictures(path: &Path) -> Vec<(Duration, Duration, bool)> {
    let mut file = &fs::read(path).unwrap()[..];
    let mut pictures = Vec::new();
    while let Some(found) = Option::<Any>::read_from(&mut file).unwrap() {
        if let Any::Moof(Moof { traf, .. }) = found {
            let mut at = traf[0].tfdt.as_ref().unwrap().base_media_decode_time;
            for sample in &traf[0].trun[0].samples {
                let duration = u64::from(sample.duration.unwrap());
                let is_key = sample.flags.unwrap() & 0x1_0000 == 0;
                let [start, lasts] = [at, duration].map(Duration::from_micros);
                pictures.push((start, lasts, is_key));
                at += duration;
            }
        }
    }
    pictures
}

fn all(view: &VirtualFile) -> Vec<u8> {
    view.read(0..view.len()).unwrap()
}

/// A film of many groups and parts, with rests in it.
fn long_film(folder: &Path) -> Film {
    let mut film = Film::start(folder, SMALL).unwrap();
    for number in 1..=150_u64 {
        film.show(number, millis(5000 + 300 * number), &picture(number)).unwrap();
        if number % 25 == 0 {
            film.quiet(millis(5100 + 300 * number)).unwrap();
        }
    }
    film
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..Default::default() })]

    #[test]
    fn times_in_the_file_are_the_times_given(
        first in 0..10_000_000_u64,
        gaps in prop::collection::vec((1..3_000_000_u64, any::<bool>()), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut film = Film::start(folder.path(), SMALL).unwrap();
        let mut at = Duration::from_micros(first);
        let mut given = Vec::new();
        let mut durable = None;
        for ((gap, rests), number) in gaps.iter().zip(1..) {
            durable = film.show(number, at, &picture(number)).unwrap().max(durable);
            given.push(at);
            let next = at + Duration::from_micros(*gap);
            let halfway = at + (next - at) / 2;
            if *rests && *gap > 100_000 {
                durable = film.quiet(halfway).unwrap().max(durable);
                prop_assert_eq!(durable, Some(number));
                prop_assert!(film.is_settled());
            }
            at = next;
        }
        let path = film.path.clone();
        durable = film.end(at).unwrap().max(durable);
        prop_assert_eq!(durable, Some(gaps.len() as u64));

        let video = GrowingVideo::scan(&path).unwrap();
        prop_assert_eq!(video.epoch(), given[0]);
        let shown = pictures(&path);
        for (at, number) in given.iter().zip(1..) {
            let start = *at - video.epoch();
            prop_assert!(shown.iter().any(|picture| picture.0 == start), "picture {}", number);
        }
        prop_assert!(shown.windows(2).all(|two| two[0].0 + two[0].1 == two[1].0), "no gaps");
        // However soon it ends, the last one is seen.
        let end = at.max(given[given.len() - 1] + REPEAT_STEP);
        prop_assert_eq!(video.duration(), end - given[0]);
    }
}

#[test]
fn a_cut_anywhere_leaves_the_parts_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let film = long_film(folder.path());
    let whole = fs::read(&film.path).unwrap();
    // Where each part ends, and how many pictures there are by then.
    let mut parts = Vec::new();
    let mut pictures = 0;
    let mut rest = &whole[..];
    while let Some(found) = Option::<Any>::read_from(&mut rest).unwrap() {
        if let Any::Moof(moof) = found {
            pictures += moof.traf[0].trun[0].samples.len();
        } else if let Any::Mdat(_) = found {
            parts.push((whole.len() - rest.len(), pictures));
        }
    }
    assert!(parts.len() > 20, "{}", parts.len());
    let cut = folder.path().join("cut.mp4");
    let near_head = 0..parts[1].0 + 20;
    let near_tail = whole.len() - 700..=whole.len();
    for len in near_head.chain(near_tail) {
        fs::write(&cut, &whole[..len]).unwrap();
        let left = GrowingVideo::scan(&cut).unwrap();
        let want = parts.iter().rfind(|part| part.0 <= len).map_or(0, |part| part.1);
        assert_eq!(left.pictures(), want, "cut to {len} bytes");
        assert_eq!(left.view(usize::MAX).unwrap().is_some(), want > 0);
    }
    for tail in [&[0_u8; 100][..], b"\0\0\0\x08moof", &[0xff; 16], b"\0\0\0\x01moof\0\0"] {
        fs::write(&cut, [&whole, tail].concat()).unwrap();
        assert_eq!(GrowingVideo::scan(&cut).unwrap().pictures(), pictures);
    }
}

#[test]
fn a_count_names_the_same_bytes_while_the_file_grows_and_when_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let mut film = long_film(folder.path());
    let path = film.path.clone();
    let early = GrowingVideo::scan(&path).unwrap();
    // In the middle of the second group.
    let count = 140;
    let early = early.view(count).unwrap().unwrap();
    let bytes = all(&early);
    assert_eq!(bytes.len() as u64, early.len());

    film.show(151, millis(90_000), &picture(9)).unwrap();
    film.end(millis(95_000)).unwrap();
    let video = GrowingVideo::scan(&path).unwrap();
    assert_eq!(all(&video.view(count).unwrap().unwrap()), bytes);
    assert_eq!(all(&early), bytes, "an open view outlives the file it was made from");
    let whole = video.view(usize::MAX).unwrap().unwrap();
    assert_eq!(all(&whole), fs::read(&path).unwrap(), "the finished file is its own whole view");
    for (start, end) in [(0, 1), (100, 5000), (whole.len() - 3, whole.len() + 50)] {
        let piece = whole.read(start..end).unwrap();
        let [start, end] = [start, end.min(whole.len())].map(|at| usize::try_from(at).unwrap());
        assert_eq!(piece, all(&whole)[start..end]);
    }
    assert!(whole.read(whole.len() + 5..u64::MAX).unwrap().is_empty());
}

#[test]
fn the_finished_file_has_an_index_and_each_group_in_one_piece() {
    let folder = tempfile::tempdir().unwrap();
    let film = long_film(folder.path());
    let path = film.path.clone();
    film.end(millis(60_000)).unwrap();
    let mut file = &fs::read(&path).unwrap()[..];
    let mut kinds = Vec::new();
    let mut index = None;
    while let Some(found) = Option::<Any>::read_from(&mut file).unwrap() {
        kinds.push(found.kind().to_string());
        if let Any::Sidx(sidx) = found {
            index = Some((sidx, file.len() as u64));
        }
    }
    let groups = ["moof", "mdat"].repeat(2);
    assert_eq!(kinds, [&["ftyp", "moov", "uuid", "sidx"][..], &groups].concat());
    let (index, after) = index.unwrap();
    let sizes = index.references.iter().map(|group| u64::from(group.referenced_size));
    assert_eq!(sizes.sum::<u64>(), after, "the index covers what follows it, exactly");
    let keys = pictures(&path).iter().filter(|picture| picture.2).count();
    assert_eq!((keys, index.references.len()), (2, 2), "150 pictures and some repeats");
}

#[test]
fn a_film_without_pictures_or_with_a_single_one_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut film = Film::start(folder.path(), SMALL).unwrap();
    assert_eq!(film.quiet(millis(10)).unwrap(), None);
    let path = film.path.clone();
    assert_eq!(film.end(millis(20)).unwrap(), None);
    assert_eq!(GrowingVideo::scan(&path).unwrap().pictures(), 0);
    let nowhere = GrowingVideo::scan(&folder.path().join("nowhere")).unwrap();
    assert_eq!(nowhere.pictures(), 0);

    let mut film = Film::start(folder.path(), SMALL).unwrap();
    film.show(1, millis(700), &picture(1)).unwrap();
    assert_eq!(film.end(millis(1700)).unwrap(), Some(1));
    let video = GrowingVideo::scan(&path).unwrap();
    assert_eq!((video.epoch(), video.duration()), (millis(700), millis(1000)));
}
