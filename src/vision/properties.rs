//! What holds for any needle and any picture.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    matcher,
    needle_set::LoadedNeedle,
    place::{AS_GOOD, Found, Part, Template, enough, similarity},
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

/// How far the transform's floats may be from the true similarity.
const NOISE: f64 = 0.001;

/// How much a template differs from a part at every place.
struct Everywhere {
    pixels: usize,
    /// From the origin outwards, and of those as far in reading order: as places are chosen.
    all: Vec<(u64, (usize, usize))>,
}

impl Everywhere {
    fn of(part: &Part, template: &Template, origin: (usize, usize)) -> Self {
        let gray = &template.gray;
        let (across, down) = (part.gray.width - gray.width, part.gray.height - gray.height);
        let places = (0..=down).flat_map(|y| (0..=across).map(move |x| (x, y)));
        let difference = |at| (part.gray.whole_difference(gray, at), at);
        let mut all: Vec<_> = places.map(difference).collect();
        all.sort_by_key(|(_, (x, y))| {
            (x.abs_diff(origin.0).pow(2) + y.abs_diff(origin.1).pow(2), *y, *x)
        });
        Self { pixels: gray.pixels.len(), all }
    }

    fn at(&self, place: (usize, usize)) -> u64 {
        self.all.iter().find(|(_, at)| *at == place).unwrap().0
    }

    fn most_similar(&self) -> f64 {
        let least = self.all.iter().map(|(difference, _)| *difference).min().unwrap();
        similarity(least, self.pixels)
    }

    /// Whether a place is the nearest of those that are about as good as the best and similar
    /// enough, but for the noise.
    fn is_chosen(&self, place: (usize, usize), needed: f64) -> bool {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few levels")]
        let noise = (NOISE * 380.0 * self.pixels as f64).ceil() as u64;
        let good = self.all.iter().map(|(difference, _)| *difference).min().unwrap() + AS_GOOD;
        let surely = |difference: u64| {
            difference + noise <= good
                && enough(similarity(difference + noise, self.pixels), needed)
        };
        let mut nearer = self.all.iter().take_while(|(_, at)| *at != place);
        self.at(place) <= good + noise && !nearer.any(|(difference, _)| surely(*difference))
    }
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

        let everywhere = Everywhere::of(&part, &template, at);
        let unmoved = part.gray.shows(&template.gray, at.0, at.1);
        for needed in [0.0, 0.5, 0.96, 1.0] {
            let found = part.find(&template, origin, whole, needed);
            let Some(Found { x, y, similarity: claimed }) = found else {
                prop_assert!(!unmoved && everywhere.most_similar() < needed + NOISE);
                continue;
            };
            let place = (x.cast_unsigned() as usize, y.cast_unsigned() as usize);
            // Unchanged where it was is enough, though it may be more like itself elsewhere.
            if unmoved {
                prop_assert_eq!((place, claimed), (at, 1.0));
                continue;
            }
            prop_assert_eq!(claimed, similarity(everywhere.at(place), everywhere.pixels));
            prop_assert!(enough(claimed, needed));
            prop_assert!(everywhere.is_chosen(place, needed), "{place:?} for {needed}");
        }
        let limit = |least| least + AS_GOOD as f32;
        let place = matcher::nearest_best(&part.gray, &template.gray, at, limit);
        prop_assert!(everywhere.is_chosen(place, 0.0), "{place:?} by OpenCV");
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
