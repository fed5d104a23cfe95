//! What holds for any needle and any picture.

use std::sync::Arc;

use proptest::prelude::*;

use super::{needle_set::LoadedNeedle, screen::search};
use crate::picture::{Picture, write_image};

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

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
