//! What holds for any needle and any picture.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    matcher,
    needle_set::LoadedNeedle,
    place::{AS_GOOD, Found, Part, Template},
    screen::{find, nearest, search},
};
use crate::picture::{Picture, Rect, write_image};

const SIZE: (u32, u32) = (96, 64);

fn picture(seed: u64, noise: u32) -> Picture {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state >> 56).unwrap()
    };
    let mut picture = Picture::filled(SIZE.0, SIZE.1, [0; 3]);
    let rows = (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y)));
    let cells: Vec<u8> = (0..24 * 16).map(|_| next()).collect();
    for (x, y) in rows {
        // Away from black and white, so that noise goes both ways.
        let cell = 64 + cells[(y / 4 * 24 + x / 4) as usize] / 2;
        let sign = if next() & 1 == 0 { 1 } else { -1 };
        let value = u8::try_from((i32::from(cell) + sign * noise.cast_signed()).clamp(0, 255));
        picture.row_mut(x, y, 1).fill(value.unwrap());
    }
    picture
}

fn needle(picture: &Picture, [x, y, w, h]: [u32; 4]) -> Arc<LoadedNeedle> {
    let folder = tempfile::tempdir().unwrap();
    let json = format!(r#"{{"area":[{{"xpos":{x},"ypos":{y},"width":{w},"height":{h}}}]}}"#);
    std::fs::write(folder.path().join("n.json"), json).unwrap();
    write_image(&folder.path().join("n.png"), picture).unwrap();
    let needle = LoadedNeedle::load(&folder.path().join("n.json")).unwrap();
    Arc::new(needle.into_prepared().unwrap())
}

fn area() -> impl Strategy<Value = [u32; 4]> {
    (1..SIZE.0, 1..SIZE.1)
        .prop_flat_map(|(w, h)| (0..=SIZE.0 - w, 0..=SIZE.1 - h, Just(w), Just(h)))
        .prop_map(|(x, y, w, h)| [x, y, w, h])
}

/// What makes searching hard: noise that no mean tells apart, patterns that are everywhere, places
/// that are all alike, slopes on which neighbours are nearly alike.
fn hard(kind: u32, seed: u64, noise: u32) -> Picture {
    let mut hard = picture(seed, noise);
    for (y, x) in (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (y, x))) {
        let grain = u32::from(hard.row(x, y, 1)[0]) % (noise + 1);
        let value = match kind {
            0 => continue,
            1 => (x % 8 * 9 + y % 8 * 17) % 200 + grain,
            2 => 120 + grain / 4,
            3 => x + y + grain / 4,
            _ => {
                if x > SIZE.0 / 2 {
                    40 + grain
                } else {
                    180
                }
            }
        };
        hard.row_mut(x, y, 1).fill(u8::try_from(value.min(255)).unwrap());
    }
    hard
}

/// The transform's floats may take a neighbour for the best place, which is hardly worse.
const NOISE: f64 = 0.001;

/// The answer by looking everywhere: the nearest of the best, and its difference.
fn everywhere(part: &Part, template: &Template, origin: (usize, usize)) -> (u64, (usize, usize)) {
    let gray = &template.gray;
    let (across, down) = (part.gray.width - gray.width, part.gray.height - gray.height);
    let places = (0..=down).flat_map(|y| (0..=across).map(move |x| (x, y)));
    let difference = |at| part.gray.whole_difference(gray, at);
    let all: Vec<_> = places.map(|at| (difference(at), at)).collect();
    let least = all.iter().map(|(difference, _)| *difference).min().unwrap();
    let good = all.into_iter().filter(|(difference, _)| *difference <= least + AS_GOOD);
    good.min_by_key(|(_, (x, y))| {
        (x.abs_diff(origin.0).pow(2) + y.abs_diff(origin.1).pow(2), *y, *x)
    })
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn less_looking_finds_what_looking_everywhere_finds(
        (kinds, seeds) in ((0_u32..5, 0_u32..5), any::<(u64, bool)>()),
        noise in 0_u32..40,
        area in area(),
        to in (0.0..=1.0, 0.0..=1.0),
    ) {
        let [x, y, w, h] = area.map(u32::cast_signed);
        let cut_from = hard(kinds.0, seeds.0, noise);
        let other = if seeds.1 { seeds.0 } else { !seeds.0 };
        let screen = hard(if seeds.1 { kinds.0 } else { kinds.1 }, other, noise / 2);
        let template = Template::cut(&cut_from, Rect::new(x, y, w, h), &[]);
        let whole = Rect::new(0, 0, SIZE.0.cast_signed(), SIZE.1.cast_signed());
        let part = Part::of(&screen, whole, &[]);
        #[expect(clippy::cast_possible_truncation, reason = "a place on the screen")]
        let moved = |part: f64, room: i32| (part * f64::from(room)) as i32;
        let origin = (moved(to.0, whole.w - w), moved(to.1, whole.h - h));
        let at = (origin.0 as usize, origin.1 as usize);

        let (difference, place) = everywhere(&part, &template, at);
        let pixels = template.gray.pixels.len() as f64;
        let similarity = |difference: u64| (0.9 + (40.0 - difference as f64 / pixels) / 380.0).clamp(0.0, 1.0);
        let want = similarity(difference);
        // Unchanged where it was is enough, though it may be more like itself elsewhere.
        let here = part.gray.shows(&template.gray, at.0, at.1);
        let place = if here { at } else { place };
        let found = Found {
            x: i32::try_from(place.0).unwrap(),
            y: i32::try_from(place.1).unwrap(),
            similarity: want,
        };
        for needed in [0.0, 0.5, 0.96, 1.0] {
            let ours = part.find(&template, origin, whole, needed);
            if (want - needed).abs() > NOISE {
                prop_assert_eq!(ours.is_some(), want > needed, "{:?} {:?} {}", ours, found, needed);
            }
            if let Some(ours) = ours {
                // Not by the similarity, which is 1 for all that differs by less than noise.
                let at = (ours.x.cast_unsigned() as usize, ours.y.cast_unsigned() as usize);
                let taken = part.gray.whole_difference(&template.gray, at);
                let apart = taken.abs_diff(difference) as f64 / pixels / 380.0;
                prop_assert!(ours == found || taken != difference && apart < NOISE, "{ours:?} {found:?}");
                prop_assert!((ours.similarity - want).abs() < NOISE, "{ours:?} {found:?}");
            }
        }
        let theirs = matcher::nearest_best(&part.gray, &template.gray, at, AS_GOOD);
        let theirs = part.gray.whole_difference(&template.gray, theirs);
        prop_assert!(difference <= theirs + AS_GOOD);
        prop_assert!((want - similarity(theirs)).abs() < NOISE, "{difference} {theirs}");
    }

    #[test]
    fn finding_is_searching_without_what_does_not_match(seed: u64, noise in 0_u32..20, all in prop::collection::vec(area(), 1..5)) {
        let cut_from = picture(seed, 0);
        let needles: Vec<_> = all.into_iter().map(|area| needle(&cut_from, area)).collect();
        let screen = picture(seed, noise);
        let searched = search(&screen, &needles, 0.02);
        let matching = searched.iter().filter(|candidate| candidate.ok).count();
        let found = find(&screen, &needles, 0.02);
        prop_assert!(found.len() == matching && found.iter().all(|candidate| candidate.ok));
        for (found, searched) in found.iter().zip(&searched) {
            prop_assert!((found.error - searched.error).abs() < NOISE);
        }
        let most = needles.len() - 1;
        prop_assert_eq!(nearest(&screen, &needles, 0.02, most).len(), most);
    }

    #[test]
    fn a_needle_is_where_it_was_cut_from(seed: u64, area in area(), ratio in 0.0..=1.0) {
        let screen = picture(seed, 0);
        let found = &search(&screen, &[needle(&screen, area)], ratio)[0];
        let place = [found.areas[0].x, found.areas[0].y].map(i32::unsigned_abs);
        prop_assert_eq!((found.ok, found.error, place), (true, 0.0, [area[0], area[1]]));
    }

    #[test]
    fn more_noise_never_makes_it_more_similar(seed: u64) {
        let needle = needle(&picture(seed, 0), [10, 8, 60, 40]);
        let similarity = |noise| {
            search(&picture(seed, noise), std::slice::from_ref(&needle), 0.0)[0].areas[0].similarity
        };
        let falling: Vec<_> = (0..=60).step_by(6).map(similarity).collect();
        prop_assert!(falling.is_sorted_by(|a, b| a >= b), "{falling:?}");
        prop_assert!(falling[0] == 1.0 && falling[10] < 0.9);
    }
}
