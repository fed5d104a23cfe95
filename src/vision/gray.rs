//! Grey pixels: painted over, blurred, compared.
//!
//! All comparing of needles happens on these, as in os-autoinst. The blur of a screen rounds half up
//! everywhere, so that a place looks the same whichever part of its screen is made ready. OpenCV's,
//! which templates get, rounds half to even in parts of a picture, on some processors: a difference
//! of one level.

use crate::picture::Rect;

/// The grey of pure green, with which excluded areas are painted.
pub(super) const EXCLUDED: u8 = 150;

/// Grey pixels, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gray {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Box<[u8]>,
}

impl Gray {
    pub(super) fn row(&self, x: usize, y: usize, width: usize) -> &[u8] {
        &self.pixels[y * self.width + x..][..width]
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.width.max(1))
    }

    /// Paints over what of `rect` lies inside.
    pub(super) fn paint(&mut self, rect: Rect) {
        let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let rect = rect.within(side(self.width), side(self.height));
        if !rect.is_empty() {
            let [x, y, w, h] = [rect.x, rect.y, rect.w, rect.h].map(|n| n.unsigned_abs() as usize);
            for row in y..y + h {
                self.pixels[row * self.width + x..][..w].fill(EXCLUDED);
            }
        }
    }

    /// Each pixel mixed with its neighbours, 1 2 1 in both directions. Past an edge lies what lies
    /// before it.
    pub(super) fn blurred(&self) -> Self {
        let Self { width, height, .. } = *self;
        let mut pixels = vec![0; self.pixels.len()];
        // A row mixed downwards, and one place more at either end.
        let mut mixed = vec![0_u16; width + 2];
        for (y, out) in pixels.chunks_exact_mut(width.max(1)).enumerate() {
            let above = if y == 0 { 1.min(height - 1) } else { y - 1 };
            let below = if y + 1 == height { height.saturating_sub(2) } else { y + 1 };
            let [a, b, c] = [above, y, below].map(|y| self.row(0, y, width));
            for (mixed, ((a, b), c)) in mixed[1..].iter_mut().zip(a.iter().zip(b).zip(c)) {
                *mixed = u16::from(*a) + 2 * u16::from(*b) + u16::from(*c);
            }
            mixed[0] = mixed[2.min(width)];
            mixed[width + 1] = mixed[(width - 1).max(1)];
            let three = mixed.iter().zip(&mixed[1..]).zip(&mixed[2..]);
            for (out, ((a, b), c)) in out.iter_mut().zip(three) {
                *out = ((a + 2 * b + c + 8) >> 4).to_le_bytes()[0];
            }
        }
        Self { width, height, pixels: pixels.into() }
    }

    /// The part of this size at this place.
    pub(super) fn cut(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let rows = (y..y + height).flat_map(|y| self.row(x, y, width)).copied();
        Self { width, height, pixels: rows.collect() }
    }

    /// Whether `template` is at this place, but for the rounding of the blur.
    pub(super) fn shows(&self, template: &Self, x: usize, y: usize) -> bool {
        template.rows().zip(y..).all(|(row, y)| {
            let here = self.row(x, y, template.width);
            here == row || here.iter().zip(row).all(|(a, b)| a.abs_diff(*b) <= 1)
        })
    }

    /// The sum of squared differences to `template` at this place, or nothing when that is more
    /// than `limit`; and how many pixels were compared to know. `order` has the template's rows, the
    /// ones that are likely to differ first.
    pub(super) fn difference(
        &self,
        template: &Self,
        order: &[usize],
        (x, y): (usize, usize),
        limit: u64,
    ) -> (Option<u64>, usize) {
        let mut sum = 0;
        for (below, compared) in order.iter().zip(1..) {
            let row = template.row(0, *below, template.width);
            sum += squares(self.row(x, y + below, template.width), row);
            if sum > limit {
                return (None, compared * template.width);
            }
        }
        (Some(sum), template.pixels.len())
    }

    /// The same without a limit.
    pub(super) fn whole_difference(&self, template: &Self, (x, y): (usize, usize)) -> u64 {
        let rows = template.rows().zip(y..);
        rows.map(|(row, y)| squares(self.row(x, y, template.width), row)).sum()
    }

    /// The mean level, rounded down; 0 of nothing.
    pub(super) fn mean(&self) -> u8 {
        let sum: u64 = self.pixels.iter().map(|pixel| u64::from(*pixel)).sum();
        u8::try_from(sum / self.pixels.len().max(1) as u64).unwrap_or(u8::MAX)
    }

    /// Its rows, those first that stand out most from the picture's mean: on most screens most
    /// places are flat.
    pub(super) fn striking_rows(&self) -> Box<[usize]> {
        let flat = vec![self.mean(); self.width];
        let mut rows: Vec<_> =
            self.rows().zip(0..).map(|(row, y)| (squares(row, &flat), y)).collect();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows.into_iter().map(|(_, y)| y).collect()
    }
}

/// The sum of squared differences of two rows.
fn squares(a: &[u8], b: &[u8]) -> u64 {
    let squares = a.iter().zip(b).map(|(a, b)| {
        let apart = i16::from(*a) - i16::from(*b);
        i32::from(apart) * i32::from(apart)
    });
    // Some 60,000 pixels a row fit: more than any picture has.
    u64::from(squares.sum::<i32>().cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(width: usize, pixels: &[u8]) -> Gray {
        Gray { width, height: pixels.len() / width, pixels: pixels.into() }
    }

    #[test]
    fn only_the_part_inside_is_painted() {
        for (rect, want) in [
            (Rect::new(6, 6, 2, 2), 4),
            (Rect::new(7, -1, 9, 3), 2),
            (Rect::new(0, 0, 0, 5), 0),
            (Rect::new(8, 0, i32::MAX, 1), 0),
        ] {
            let mut gray = gray(8, &[0; 64]);
            gray.paint(rect);
            assert_eq!(gray.pixels.iter().filter(|grey| **grey == EXCLUDED).count(), want);
        }
    }

    #[test]
    fn the_blur_mixes_neighbours_and_mirrors_at_the_edges() {
        let dot = gray(5, &[0, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, 0, 0, 0, 0]);
        let want = [0, 20, 40, 20, 0, 0, 20, 40, 20, 0, 0, 20, 40, 20, 0];
        assert_eq!(&*dot.blurred().pixels, want, "the rows above and below count twice at edges");
        for width in [1, 2, 3, 9] {
            let flat = gray(width, &vec![77; width * 3]);
            assert_eq!(flat.blurred(), flat, "{width}");
        }
        assert!(Gray { width: 0, height: 0, pixels: [].into() }.blurred().pixels.is_empty());
    }

    #[test]
    fn the_rows_that_stand_out_come_first() {
        let picture = gray(3, &[90, 90, 90, 0, 200, 0, 90, 90, 90, 90, 120, 90]);
        assert_eq!(*picture.striking_rows(), [1, 3, 2, 0]);
    }

    #[test]
    fn a_difference_is_given_up_when_it_is_too_large() {
        let (white, black) = (gray(4, &[255; 16]), gray(2, &[0; 4]));
        let all = 4 * 255 * 255;
        assert_eq!(white.whole_difference(&black, (1, 2)), all);
        assert_eq!(white.difference(&black, &[1, 0], (1, 2), all), (Some(all), 4));
        assert_eq!(white.difference(&black, &[1, 0], (1, 2), 9), (None, 2));
        assert!(white.shows(&white.cut(1, 1, 3, 2), 0, 2) && !white.shows(&black, 0, 0));
    }
}
