//! Where a screen can be told by: small areas that stand out, stay as they are and are there once.
//! Pure.
//!
//! What stands out is measured as in Shi and Tomasi, "Good Features to Track" (1994): of the
//! gradients in a window, the smaller eigenvalue of their structure tensor is large only where
//! there are edges in more than one direction, so that the window fits in one place and in no place
//! beside it. Text is like that, a border or a shade is not. Among windows of several sizes the
//! best is taken, weighted so that neither the smallest nor the largest always wins.
//!
//! A window must not have changed in any of the pictures given (a cursor blinks, a clock goes on),
//! and must not be on the screen a second time. What changed now and then before that ([`Unrest`]: a
//! test's name, a progress bar that stands still for a while) is left out too, where there is
//! something else.

use std::sync::Arc;

use crate::picture::{Picture, Rect};

/// Widths and heights of windows, in pixels. Wide as words are.
const SIZES: [(usize, usize); 8] =
    [(72, 24), (96, 32), (128, 24), (160, 32), (192, 48), (240, 32), (96, 96), (160, 96)];
/// Windows begin at multiples of this.
const STEP: usize = 8;
/// A window may have this share of the best one's worth, and no less.
const LEAST_SHARE: f64 = 0.3;
/// The smaller eigenvalue, a pixel, of the faintest text that is one.
const LEAST_DENSITY: f64 = 40.0;
/// Windows that are searched elsewhere, at most: each is compared with the whole screen.
const SEARCHES: usize = 60;
/// Points of a window that are compared when it is searched elsewhere.
const PROBES: usize = 48;
/// Grey levels two places may differ by, a probe, and look alike.
const ALIKE: u32 = 20;
/// Room between two areas: they should tell of different parts of the screen.
const APART: i32 = 24;

/// Changes of a pixel that make it restless: with the first it came.
const OFTEN: u8 = 2;
/// Where more than one pixel in so many has changed, another screen has come.
const ANOTHER: usize = 50;

/// How often each pixel has changed since the screen came that is there now.
#[derive(Debug, Clone, Default)]
pub struct Unrest {
    last: Option<Arc<Picture>>,
    times: Vec<u8>,
}

impl Unrest {
    /// The screen as it is a little later.
    pub fn see(&mut self, picture: &Arc<Picture>) {
        let before = self.last.replace(picture.clone());
        let Some(before) = before.filter(|before| size(before) == size(picture)) else {
            self.times = vec![0; picture.rgb().len() / 3];
            return;
        };
        let pixels = before.rgb().chunks_exact(3).zip(picture.rgb().chunks_exact(3));
        let changed: Vec<_> =
            pixels.enumerate().filter(|(_, (was, is))| was != is).map(|(at, _)| at).collect();
        if changed.len() > self.times.len() / ANOTHER {
            self.times.fill(0);
            return;
        }
        for at in changed {
            self.times[at] = self.times[at].saturating_add(1);
        }
    }

    fn is_of(&self, picture: &Picture) -> bool {
        self.last.as_ref().is_some_and(|last| size(last) == size(picture))
    }
}

fn size(picture: &Picture) -> (u32, u32) {
    (picture.width(), picture.height())
}

/// Up to `most` areas of the last of `pictures`, best first. Pictures and unrest of another size
/// than the last are left out.
pub fn landmarks(pictures: &[&Picture], unrest: &[&Unrest], most: usize) -> Vec<Rect> {
    let Some((last, earlier)) = pictures.split_last() else { return vec![] };
    let unrest: Vec<_> = unrest.iter().filter(|unrest| unrest.is_of(last)).copied().collect();
    let found = of_those_at_rest(last, earlier, &unrest, most);
    if found.is_empty() && !unrest.is_empty() {
        return of_those_at_rest(last, earlier, &[], most);
    }
    found
}

fn of_those_at_rest(
    last: &Picture,
    earlier: &[&Picture],
    unrest: &[&Unrest],
    most: usize,
) -> Vec<Rect> {
    let grey = Grey::of(last);
    let sums = Sums::of(&grey, earlier, unrest, last);
    let mut windows = grey.windows(&sums);
    windows.sort_by(|a, b| b.worth.total_cmp(&a.worth));
    let Some(best) = windows.first().map(|window| window.worth) else { return vec![] };
    let (mut found, mut twice): (Vec<Rect>, Vec<Rect>) = (vec![], vec![]);
    for window in windows.iter().take_while(|window| window.worth >= best * LEAST_SHARE) {
        if found.len() == most || found.len() + twice.len() == SEARCHES {
            break;
        }
        let Rect { x, y, w, h } = window.rect;
        let around = Rect::new(x - APART, y - APART, w + 2 * APART, h + 2 * APART);
        let is_taken = found.iter().any(|other| other.touches(&around));
        // What overlaps something that is there twice most often is so itself.
        if is_taken || twice.iter().any(|other| other.touches(&window.rect)) {
            continue;
        }
        if grey.has_twice(&window.rect) { &mut twice } else { &mut found }.push(window.rect);
    }
    found
}

struct Window {
    rect: Rect,
    worth: f64,
}

/// A picture in shades of grey.
struct Grey {
    width: usize,
    height: usize,
    levels: Vec<u8>,
}

impl Grey {
    fn of(picture: &Picture) -> Self {
        let level = |rgb: &[u8]| {
            let sum = 2 * u32::from(rgb[0]) + 5 * u32::from(rgb[1]) + u32::from(rgb[2]);
            u8::try_from(sum / 8).unwrap_or(u8::MAX)
        };
        let levels = picture.rgb().chunks_exact(3).map(level).collect();
        Self { width: picture.width() as usize, height: picture.height() as usize, levels }
    }

    fn at(&self, x: usize, y: usize) -> i32 {
        self.levels[y * self.width + x].into()
    }

    /// Change to the right and down; 0 at the rim.
    fn gradient(&self, x: usize, y: usize) -> (i32, i32) {
        if x == 0 || y == 0 || x + 1 >= self.width || y + 1 >= self.height {
            return (0, 0);
        }
        ((self.at(x + 1, y) - self.at(x - 1, y)) / 2, (self.at(x, y + 1) - self.at(x, y - 1)) / 2)
    }

    /// Every window that could be found again.
    fn windows(&self, sums: &Sums) -> Vec<Window> {
        let mut windows = Vec::new();
        for (w, h) in SIZES.into_iter().filter(|(w, h)| *w <= self.width && *h <= self.height) {
            for y in (0..=self.height - h).step_by(STEP) {
                for x in (0..=self.width - w).step_by(STEP) {
                    let [xx, yy, xy, moved] = sums.within(x, y, w, h);
                    let density = smaller_eigenvalue(xx, yy, xy) / (w * h) as f64;
                    if moved > 0.0 || density < LEAST_DENSITY {
                        continue;
                    }
                    let side = |side: usize| i32::try_from(side).unwrap_or(i32::MAX);
                    let rect = Rect::new(side(x), side(y), side(w), side(h));
                    windows.push(Window { rect, worth: density * ((w * h) as f64).sqrt() });
                }
            }
        }
        windows
    }

    /// Whether something like this window is on the screen a second time, not overlapping it much.
    fn has_twice(&self, rect: &Rect) -> bool {
        let side = |side: i32| usize::try_from(side).unwrap_or(0);
        let (x0, y0, w, h) = (side(rect.x), side(rect.y), side(rect.w), side(rect.h));
        let probes = self.probes(x0, y0, w, h);
        let most = ALIKE * u32::try_from(probes.len()).unwrap_or(u32::MAX);
        let is_alike = |x: usize, y: usize| {
            let mut sum = 0;
            probes.iter().all(|(dx, dy, level)| {
                sum += self.at(x + dx, y + dy).abs_diff(*level);
                sum <= most
            })
        };
        (0..=self.height - h).any(|y| {
            (0..=self.width - w).any(|x| {
                let is_itself = x.abs_diff(x0) < w / 2 && y.abs_diff(y0) < h / 2;
                !is_itself && is_alike(x, y)
            })
        })
    }

    /// Where in a window it differs most from its surroundings, spread over all of it: from each
    /// cell of a grid the point with the steepest change, and its neighbour across the edge.
    fn probes(&self, x0: usize, y0: usize, w: usize, h: usize) -> Vec<(usize, usize, i32)> {
        const COLUMNS: usize = 8;
        const ROWS: usize = PROBES / COLUMNS / 2;
        let mut probes = Vec::with_capacity(PROBES);
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                let cells = (row * h / ROWS..(row + 1) * h / ROWS).flat_map(|dy| {
                    (column * w / COLUMNS..(column + 1) * w / COLUMNS).map(move |dx| (dx, dy))
                });
                let steep = |(dx, dy): &(usize, usize)| {
                    let (right, down) = self.gradient(x0 + dx, y0 + dy);
                    right.abs() + down.abs()
                };
                let Some((dx, dy)) = cells.max_by_key(steep) else { continue };
                probes.push((dx, dy, self.at(x0 + dx, y0 + dy)));
                let across = if dx + 1 < w { dx + 1 } else { dx - 1 };
                probes.push((across, dy, self.at(x0 + across, y0 + dy)));
            }
        }
        probes
    }
}

fn smaller_eigenvalue(xx: f64, yy: f64, xy: f64) -> f64 {
    let (mean, half) = ((xx + yy) / 2.0, (xx - yy) / 2.0);
    mean - half.hypot(xy)
}

/// Sums over everything above and to the left, so that any window costs four looks: squares and
/// product of the gradients, and pixels that were not always as they are.
struct Sums {
    width: usize,
    of: Vec<[f64; 4]>,
}

impl Sums {
    fn of(grey: &Grey, earlier: &[&Picture], unrest: &[&Unrest], last: &Picture) -> Self {
        let earlier: Vec<_> =
            earlier.iter().filter(|picture| size(picture) == size(last)).collect();
        let width = grey.width + 1;
        let mut of = vec![[0.0; 4]; width * (grey.height + 1)];
        for y in 0..grey.height {
            let mut row = [0.0; 4];
            for x in 0..grey.width {
                let (right, down) = grey.gradient(x, y);
                let number = y * grey.width + x;
                let at = 3 * number;
                let pixel = &last.rgb()[at..at + 3];
                let has_moved = earlier.iter().any(|picture| &picture.rgb()[at..at + 3] != pixel)
                    || unrest.iter().any(|unrest| unrest.times[number] >= OFTEN);
                let here = [right * right, down * down, right * down, has_moved.into()];
                for (sum, value) in row.iter_mut().zip(here) {
                    *sum += f64::from(value);
                }
                let above = of[y * width + x + 1];
                of[(y + 1) * width + x + 1] = std::array::from_fn(|kind| above[kind] + row[kind]);
            }
        }
        Self { width, of }
    }

    fn within(&self, x: usize, y: usize, w: usize, h: usize) -> [f64; 4] {
        let at = |x: usize, y: usize| self.of[y * self.width + x];
        let (a, b, c, d) = (at(x, y), at(x + w, y), at(x, y + h), at(x + w, y + h));
        std::array::from_fn(|kind| d[kind] - b[kind] - c[kind] + a[kind])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something like a line of text: uneven strokes that `seed` decides.
    fn write(picture: &mut Picture, x: u32, y: u32, w: u32, h: u32, seed: u32) {
        let mut state = seed;
        for dy in (0..h).step_by(2) {
            for dx in (0..w).step_by(3) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if state >> 30 == 0 {
                    picture.row_mut(x + dx, y + dy, 2).fill(230);
                    picture.row_mut(x + dx, y + dy + 1, 2).fill(230);
                }
            }
        }
    }

    fn lies_in(area: &Rect, x: i32, y: i32, w: i32, h: i32) -> bool {
        let place = Rect::new(x - 24, y - 24, w + 48, h + 48);
        let cut = area.intersection(&place);
        (cut.w, cut.h) == (area.w, area.h)
    }

    #[test]
    fn what_is_blank_or_has_only_borders_has_no_landmark() {
        let mut picture = Picture::filled(400, 300, [20; 3]);
        assert!(landmarks(&[&picture], &[], 3).is_empty());
        for y in 100..200 {
            picture.row_mut(0, y, 400).fill(220);
        }
        assert!(landmarks(&[&picture], &[], 3).is_empty(), "an edge in one direction");
        assert!(landmarks(&[], &[], 3).is_empty());
    }

    #[test]
    fn what_moves_or_is_there_twice_is_none() {
        let mut picture = Picture::filled(640, 480, [20; 3]);
        // A heading, a line that is there twice, and a clock.
        write(&mut picture, 40, 40, 160, 24, 1);
        write(&mut picture, 40, 200, 160, 24, 2);
        write(&mut picture, 40, 300, 160, 24, 2);
        let mut earlier = picture.clone();
        write(&mut picture, 400, 400, 160, 24, 3);
        write(&mut earlier, 400, 400, 160, 24, 4);
        let found = landmarks(&[&earlier, &picture], &[], 3);
        assert!(!found.is_empty());
        assert!(found.iter().all(|area| lies_in(area, 40, 40, 160, 24)), "{found:?}");
        // Without the earlier picture the clock is as good as the heading.
        let found = landmarks(&[&picture], &[], 3);
        assert!(found.iter().any(|area| lies_in(area, 400, 400, 160, 24)), "{found:?}");
    }

    #[test]
    fn what_changed_now_and_then_is_none_where_there_is_something_else() {
        let empty = Picture::filled(640, 480, [20; 3]);
        let mut heading = empty.clone();
        write(&mut heading, 40, 40, 160, 24, 1);
        // A line under the heading that says something else each time, and rests at last.
        let told = |heading: &Picture, seed| {
            let mut picture = heading.clone();
            write(&mut picture, 400, 400, 160, 24, seed);
            Arc::new(picture)
        };
        let of = |heading: &Picture| {
            let mut unrest = Unrest::default();
            (10..16).for_each(|seed| unrest.see(&told(heading, seed)));
            (told(heading, 15), unrest)
        };
        let line = |found: &[Rect]| found.iter().any(|area| lies_in(area, 400, 400, 160, 24));
        let (last, unrest) = of(&heading);
        assert!(line(&landmarks(&[&last], &[], 3)));
        let found = landmarks(&[&last], &[&unrest], 3);
        assert!(!found.is_empty() && !line(&found), "{found:?}");
        // With nothing else there, it is better than nothing.
        let (last, unrest) = of(&empty);
        assert!(line(&landmarks(&[&last], &[&unrest], 3)));
        // Of what came with another screen it is not held against it how things were before.
        let (_, mut unrest) = of(&heading);
        unrest.see(&Arc::new(Picture::filled(640, 480, [200; 3])));
        unrest.see(&last);
        assert!(line(&landmarks(&[&last], &[&unrest], 3)));
    }

    #[test]
    fn areas_lie_apart_and_within_the_picture() {
        let mut picture = Picture::filled(640, 480, [20; 3]);
        for (number, (x, y)) in (7..).zip([(0, 0), (470, 0), (0, 450), (300, 200)]) {
            write(&mut picture, x, y, 160, 26, number);
        }
        let found = landmarks(&[&picture], &[], 3);
        assert_eq!(found.len(), 3);
        for (number, area) in found.iter().enumerate() {
            assert_eq!(area.within(640, 480), *area);
            assert!(found[..number].iter().all(|other| !other.touches(area)));
        }
    }
}
