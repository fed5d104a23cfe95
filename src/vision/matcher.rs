//! Where a needle's area is on a screen, by OpenCV. No other file names it.
//!
//! All comparing happens on grey, slightly blurred pixels, as in os-autoinst: the sum of squared
//! differences at every place allowed, the nearest to where the area was cut among those about as
//! good as the best, and from the mean squared difference there the similarity.
//!
//! OpenCV finds the sums through a Fourier transform in 32-bit floats, which is fast and slightly
//! noisy. Places found by it are therefore measured again in whole numbers, and an area that is
//! unchanged where it was is seen without it.

use std::sync::Once;

use opencv::{
    boxed_ref::BoxedRef,
    core::{self, CV_8U, Mat, Point, Size, Vec3b},
    imgproc,
    prelude::*,
};

use crate::picture::{Picture, Rect};

/// How much worse than the best a place may be to count as equally good, as a sum of squared
/// differences. os-autoinst forgets the places before the best one in reading order, however
/// little worse they are, and so lets noise choose between equals; here all of them count.
const AS_GOOD: f32 = 10.0;
/// The grey of pure green, with which excluded areas are painted.
const EXCLUDED: u8 = 150;
const SIZES: &str = "opencv takes pictures whose sizes were checked";

/// Grey pixels, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gray {
    pub(super) width: i32,
    pub(super) height: i32,
    pixels: Box<[u8]>,
}

/// What a needle's match area looks like: grey and blurred.
pub(super) type Template = Gray;

/// The best place for a template.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) similarity: f64,
}

impl Gray {
    pub(super) fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width().cast_signed(), picture.height().cast_signed());
        if width == 0 || height == 0 {
            return Self { width, height, pixels: Box::default() };
        }
        single_threaded();
        let colour = Mat::new_rows_cols_with_bytes::<Vec3b>(height, width, picture.rgb());
        let mut gray = Mat::default();
        imgproc::cvt_color_def(&colour.expect(SIZES), &mut gray, imgproc::COLOR_RGB2GRAY)
            .expect(SIZES);
        Self::from_mat(&gray)
    }

    /// A copy with the rectangles painted over. One that is not wholly inside is left out.
    pub(super) fn painted(&self, excluded: &[Rect]) -> Self {
        let mut painted = self.clone();
        for rect in excluded {
            if lies_inside(*rect, self.width.unsigned_abs(), self.height.unsigned_abs()) {
                for y in rect.y..rect.y + rect.h {
                    let row = self.row_range(rect.x, y, rect.w);
                    painted.pixels[row].fill(EXCLUDED);
                }
            }
        }
        painted
    }

    pub(super) fn blurred(&self) -> Self {
        if self.pixels.is_empty() {
            return self.clone();
        }
        let mut blurred = Mat::default();
        imgproc::gaussian_blur_def(&self.mat(), &mut blurred, Size::new(3, 3), 0.0).expect(SIZES);
        Self::from_mat(&blurred)
    }

    /// The part inside a rectangle that lies inside, blurred as os-autoinst blurs its templates:
    /// the part alone, though with its true neighbours. OpenCV rounds the blur of a part otherwise
    /// than that of a whole picture, on some processors.
    pub(super) fn cut_blurred(&self, rect: Rect) -> Self {
        single_threaded();
        let whole = self.mat();
        let part = Mat::roi(&whole, core::Rect::new(rect.x, rect.y, rect.w, rect.h)).expect(SIZES);
        let mut blurred = Mat::default();
        imgproc::gaussian_blur_def(&part, &mut blurred, Size::new(3, 3), 0.0).expect(SIZES);
        Self::from_mat(&blurred)
    }

    fn row_range(&self, x: i32, y: i32, w: i32) -> std::ops::Range<usize> {
        let [x, y, w, width] = [x, y, w, self.width].map(|n| n.unsigned_abs() as usize);
        let start = y * width + x;
        start..start + w
    }

    fn row(&self, x: i32, y: i32, w: i32) -> &[u8] {
        &self.pixels[self.row_range(x, y, w)]
    }

    fn mat(&self) -> BoxedRef<'_, Mat> {
        Mat::new_rows_cols_with_data(self.height, self.width, &self.pixels[..]).expect(SIZES)
    }

    fn from_mat(mat: &Mat) -> Self {
        debug_assert_eq!(mat.typ(), CV_8U, "one byte a pixel");
        let pixels = mat.data_bytes().expect("a matrix of our own is in one piece").into();
        Self { width: mat.cols(), height: mat.rows(), pixels }
    }

    /// Whether `template` is at this place, but for the rounding of the blur.
    fn shows(&self, template: &Self, x: i32, y: i32) -> bool {
        (0..template.height).all(|row| {
            let here = self.row(x, y + row, template.width);
            let there = template.row(0, row, template.width);
            here == there || here.iter().zip(there).all(|(a, b)| a.abs_diff(*b) <= 1)
        })
    }

    /// Mean squared difference to `template` at this place.
    fn difference(&self, template: &Self, x: i32, y: i32) -> f64 {
        let mut sum = 0;
        for row in 0..template.height {
            let here = self.row(x, y + row, template.width);
            let there = template.row(0, row, template.width);
            let squares = here.iter().zip(there).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2));
            // At most 16384 pixels a row: their squares fit.
            sum += u64::from(squares.sum::<u32>());
        }
        sum as f64 / template.pixels.len() as f64
    }
}

/// Searches `screen` for `template`, at most `margin` pixels from `origin`, where the template
/// must fit.
pub(super) fn find(screen: &Gray, template: &Template, origin: (i32, i32), margin: i32) -> Found {
    let (x, y) = origin;
    if screen.shows(template, x, y) {
        return Found { x, y, similarity: 1.0 };
    }
    let region = region(Rect::new(x, y, template.width, template.height), margin)
        .within(screen.width.unsigned_abs(), screen.height.unsigned_abs());
    let best = nearest_best(screen, template, region, Point::new(x - region.x, y - region.y));
    let (x, y) = (region.x + best.x, region.y + best.y);
    Found { x, y, similarity: similarity(screen.difference(template, x, y)) }
}

/// What is searched for an area, before it is cut to the screen.
pub(super) const fn region(area: Rect, margin: i32) -> Rect {
    let twice = margin.saturating_mul(2);
    let (x, y) = (area.x.saturating_sub(margin), area.y.saturating_sub(margin));
    Rect::new(x, y, area.w.saturating_add(twice), area.h.saturating_add(twice))
}

/// Whether a rectangle has pixels and all of them belong to a picture of this size.
pub(super) fn lies_inside(rect: Rect, width: u32, height: u32) -> bool {
    !rect.is_empty() && rect.within(width, height) == rect
}

/// From 1 for a mean squared difference up to 2, over 0.9 at 40, to 0 at 382.
fn similarity(difference: f64) -> f64 {
    (0.9 + (40.0 - difference) / 380.0).clamp(0.0, 1.0)
}

/// The place in `region` nearest to `origin` among those that are about as good as the best.
fn nearest_best(screen: &Gray, template: &Template, region: Rect, origin: Point) -> Point {
    let whole = screen.mat();
    let region = core::Rect::new(region.x, region.y, region.w, region.h);
    let part = Mat::roi(&whole, region).expect(SIZES);
    let mut sums = Mat::default();
    imgproc::match_template_def(&part, &template.mat(), &mut sums, imgproc::TM_SQDIFF)
        .expect(SIZES);
    let row = |y| sums.at_row::<f32>(y).expect("the sums are floats");
    let rows = || (0..sums.rows()).map(|y| (y, row(y)));
    let least = rows().flat_map(|(_, sums)| sums).copied().fold(f32::INFINITY, f32::min);
    let mut best = (i64::MAX, origin);
    for (y, sums) in rows() {
        for (x, &sum) in (0..).zip(sums) {
            if sum <= least + AS_GOOD {
                let distance = i64::from(x - origin.x).pow(2) + i64::from(y - origin.y).pow(2);
                if distance < best.0 {
                    best = (distance, Point::new(x, y));
                }
            }
        }
    }
    best.1
}

/// Needles are searched side by side; OpenCV's own threads would only get in the way.
fn single_threaded() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = core::set_num_threads(1) {
            tracing::warn!(%error, "opencv keeps its own number of threads");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_falls_with_the_mean_squared_difference() {
        for (difference, want) in [
            (0.0, 1.0),
            (2.0, 1.0),
            (17.2, 0.96),
            (40.0, 0.9),
            (78.0, 0.8),
            (382.0, 0.0),
            (9e9, 0.0),
        ] {
            assert!((similarity(difference) - want).abs() < 1e-9, "{difference}");
        }
    }

    #[test]
    fn grey_is_weighted_and_green_is_the_excluded_grey() {
        let mut picture = Picture::filled(4, 1, [0, 255, 0]);
        picture.row_mut(1, 0, 3).copy_from_slice(&[255, 0, 0, 0, 0, 255, 255, 255, 255]);
        assert_eq!(&*Gray::of(&picture).pixels, [EXCLUDED, 76, 29, 255]);
        assert!(Gray::of(&Picture::filled(0, 9, [0; 3])).blurred().pixels.is_empty());
    }

    #[test]
    fn only_rectangles_wholly_inside_are_painted() {
        let gray = Gray::of(&Picture::filled(8, 8, [0; 3]));
        let inside = gray.painted(&[Rect::new(6, 6, 2, 2)]);
        assert_eq!(inside.pixels.iter().filter(|grey| **grey == EXCLUDED).count(), 4);
        for rect in [
            Rect::new(7, 0, 2, 1),
            Rect::new(-1, 0, 2, 2),
            Rect::new(0, 0, 0, 5),
            Rect::new(0, 0, i32::MAX, 1),
        ] {
            assert_eq!(gray.painted(&[rect]), gray, "{rect:?}");
        }
    }

    #[test]
    fn the_nearest_of_equals_wins_and_the_original_place_before_all() {
        let flat = Gray::of(&Picture::filled(40, 40, [90; 3]));
        let template = flat.cut_blurred(Rect::new(0, 0, 8, 8));
        assert_eq!(find(&flat, &template, (10, 10), 50), Found { x: 10, y: 10, similarity: 1.0 });

        let mut two = Picture::filled(64, 64, [10; 3]);
        for (x, y) in [(2, 2), (40, 44)] {
            for row in y..y + 6 {
                two.row_mut(x, row, 6).fill(200);
            }
        }
        let two = Gray::of(&two);
        let template = two.cut_blurred(Rect::new(0, 0, 10, 10));
        let two = two.blurred();
        let at = |origin, margin| {
            let found = find(&two, &template, origin, margin);
            ((found.x, found.y), found.similarity)
        };
        assert_eq!(at((30, 30), 50), ((38, 42), 1.0));
        assert_eq!(at((10, 10), 50), ((0, 0), 1.0));
        assert!(at((20, 20), 5).1 < 0.9, "neither is that near");
    }

    #[test]
    fn a_region_never_overflows() {
        assert_eq!(region(Rect::new(5, 6, 7, 8), 2), Rect::new(3, 4, 11, 12));
        let huge = region(Rect::new(5, 6, 7, 8), i32::MAX).within(100, 50);
        assert!(huge.w <= 100 && huge.h <= 50);
    }
}
