//! What OpenCV does for the matcher. No other file names it.
//!
//! It turns colours into grey, blurs templates as os-autoinst does, and it searches where [`super::place`] finds no shorter way: by a
//! Fourier transform, which costs the same whatever the pixels are. That gives 32-bit floats, which
//! are slightly noisy, so the place found is measured again in whole numbers by the caller.

use std::sync::Once;

use opencv::{
    boxed_ref::BoxedRef,
    core::{self, CV_8U, CV_32F, Mat, Scalar, Size, Vec3b},
    imgproc,
    prelude::*,
};

use super::gray::Gray;
use crate::picture::{Picture, Rect};

const SIZES: &str = "opencv takes pictures whose sizes were checked";

/// The part of a picture inside `rect`, which lies inside, in grey.
pub(super) fn gray(picture: &Picture, rect: Rect) -> Gray {
    single_threaded();
    let (width, height) = (picture.width().cast_signed(), picture.height().cast_signed());
    let colour = Mat::new_rows_cols_with_bytes::<Vec3b>(height, width, picture.rgb()).expect(SIZES);
    let part = Mat::roi(&colour, core::Rect::new(rect.x, rect.y, rect.w, rect.h)).expect(SIZES);
    let mut gray = Mat::default();
    imgproc::cvt_color_def(&part, &mut gray, imgproc::COLOR_RGB2GRAY).expect(SIZES);
    debug_assert_eq!(gray.typ(), CV_8U, "one byte a pixel");
    let pixels = gray.data_bytes().expect("a matrix of our own is in one piece").into();
    let [width, height] = [rect.w, rect.h].map(|side| side.unsigned_abs() as usize);
    Gray { width, height, pixels }
}

/// The part inside a rectangle that lies inside, blurred as os-autoinst blurs its templates: the
/// part alone, though with its true neighbours, which OpenCV rounds otherwise than whole pictures.
pub(super) fn cut_blurred(gray: &Gray, [x, y, width, height]: [usize; 4]) -> Gray {
    let side = |length: usize| i32::try_from(length).expect(SIZES);
    let rect = core::Rect::new(side(x), side(y), side(width), side(height));
    let whole = mat(gray);
    let part = Mat::roi(&whole, rect).expect(SIZES);
    let mut blurred = Mat::default();
    imgproc::gaussian_blur_def(&part, &mut blurred, Size::new(3, 3), 0.0).expect(SIZES);
    let pixels = blurred.data_bytes().expect("a matrix of our own is in one piece").into();
    Gray { width, height, pixels }
}

/// The place nearest to `origin` among those in `screen` that are about as good as the best: `limit`
/// makes of the least sum of squared differences the largest that counts.
pub(super) fn nearest_best(
    screen: &Gray,
    template: &Gray,
    origin: (usize, usize),
    limit: impl Fn(f32) -> f32,
) -> (usize, usize) {
    let mut sums = Mat::default();
    imgproc::match_template_def(&mat(screen), &mat(template), &mut sums, imgproc::TM_SQDIFF)
        .expect(SIZES);
    let rows = (0..sums.rows()).map(|y| sums.at_row::<f32>(y).expect("the sums are floats"));
    nearest(&rows.collect::<Vec<_>>(), origin, limit)
}

/// Of sums of squared differences, row by row, the place nearest to `origin` among the least and
/// those within `limit` of it; of two as near, the first in reading order.
fn nearest(rows: &[&[f32]], origin: (usize, usize), limit: impl Fn(f32) -> f32) -> (usize, usize) {
    let least_of = |row: &&[f32]| row.iter().copied().fold(f32::INFINITY, f32::min);
    let least: Vec<f32> = rows.iter().map(least_of).collect();
    let best = least_of(&&*least);
    let limit = limit(best).max(best);
    let mut nearest = (usize::MAX, (origin.1, origin.0));
    for ((row, y), _) in
        rows.iter().zip(0_usize..).zip(&least).filter(|(_, least)| **least <= limit)
    {
        for (_, x) in row.iter().zip(0_usize..).filter(|(sum, _)| **sum <= limit) {
            let distance = x.abs_diff(origin.0).pow(2) + y.abs_diff(origin.1).pow(2);
            nearest = nearest.min((distance, (y, x)));
        }
    }
    let (_, (y, x)) = nearest;
    (x, y)
}

/// A screen's Fourier transform, made once for all templates that are searched on the whole of it.
///
/// The sum of squared differences to a template is the sum of the squares there, less twice the
/// correlation of both, and the template's own squares (J. P. Lewis, "Fast Normalized
/// Cross-Correlation", 1995). Correlations at all places come from one product of transforms, in
/// floats; both pictures are taken less their means, for small numbers lose less that way.
#[derive(Debug)]
pub(super) struct Spectrum {
    width: usize,
    height: usize,
    mean: u8,
    /// Of the grey levels less the mean, in OpenCV's packed form.
    transform: Mat,
    /// Sums of the levels and of their squares over everything above and to the left.
    sums: Box<[(u64, u64)]>,
}

impl Spectrum {
    pub(super) fn of(screen: &Gray) -> Self {
        let Gray { width, height, .. } = *screen;
        let best = |side: usize| {
            let side = i32::try_from(side).expect(SIZES);
            core::get_optimal_dft_size(side).expect(SIZES)
        };
        let mean = screen.mean();
        let transform = transform(screen, mean, (best(height), best(width)));
        let mut sums = vec![(0, 0); (width + 1) * (height + 1)];
        for (row, y) in screen.rows().zip(1..) {
            let (above, here) = sums.split_at_mut(y * (width + 1));
            let above = &above[(y - 1) * (width + 1)..];
            let mut sum = (0, 0);
            for ((pixel, above), here) in row.iter().zip(&above[1..]).zip(&mut here[1..]) {
                let level = u64::from(*pixel);
                sum = (sum.0 + level, sum.1 + level * level);
                *here = (above.0 + sum.0, above.1 + sum.1);
            }
        }
        Self { width, height, mean, transform, sums: sums.into() }
    }

    /// As [`nearest_best`] on the whole screen.
    pub(super) fn nearest_best(
        &self,
        template: &Gray,
        origin: (usize, usize),
        limit: impl Fn(f32) -> f32,
    ) -> (usize, usize) {
        let size = (self.transform.rows(), self.transform.cols());
        let (across, down) = (self.width - template.width + 1, self.height - template.height + 1);
        let mean = template.mean();
        let mut product = Mat::default();
        let other = transform(template, mean, size);
        core::mul_spectrums(&self.transform, &other, &mut product, 0, true).expect(SIZES);
        let mut correlation = Mat::default();
        let flags = core::DFT_INVERSE | core::DFT_SCALE | core::DFT_REAL_OUTPUT;
        let wanted = i32::try_from(down).expect(SIZES);
        core::dft(&product, &mut correlation, flags, wanted).expect(SIZES);

        // With s and t less their means m and n, the correlation of S and T is that of s and t, m
        // times the sum of t, and n times the sum of S.
        let level = |pixel: &u8| i64::from(*pixel);
        let squares: i64 = template.pixels.iter().map(|pixel| level(pixel).pow(2)).sum();
        let sum: i64 = template.pixels.iter().map(|pixel| level(pixel) - i64::from(mean)).sum();
        let own = squares - 2 * i64::from(self.mean) * sum;
        let mut differences = Vec::with_capacity(across * down);
        for y in 0..down {
            let number = i32::try_from(y).expect(SIZES);
            let row = correlation.at_row::<f32>(number).expect("it is of floats");
            let line = |y: usize| &self.sums[y * (self.width + 1)..][..=self.width];
            let (top, bottom) = (line(y), line(y + template.height));
            let corners = top.iter().zip(&top[template.width..]);
            let corners = corners.zip(bottom.iter().zip(&bottom[template.width..]));
            differences.extend(row.iter().zip(corners).take(across).map(
                |(correlation, ((a, b), (c, d)))| {
                    let [sum, squares] = [d.0 + a.0 - b.0 - c.0, d.1 + a.1 - b.1 - c.1];
                    let known = squares.cast_signed() - 2 * i64::from(mean) * sum.cast_signed();
                    (known + own) as f32 - 2.0 * correlation
                },
            ));
        }
        nearest(&differences.chunks_exact(across).collect::<Vec<_>>(), origin, limit)
    }
}

/// The transform of a picture, less its mean, at the top left of so many rows and columns of zeros.
fn transform(picture: &Gray, mean: u8, (rows, columns): (i32, i32)) -> Mat {
    let zeros = Mat::new_rows_cols_with_default(rows, columns, CV_32F, Scalar::all(0.0));
    let mut padded = zeros.expect(SIZES);
    for (row, y) in picture.rows().zip(0..) {
        let place = padded.at_row_mut::<f32>(y).expect("it is of floats");
        for (place, pixel) in place.iter_mut().zip(row) {
            *place = f32::from(*pixel) - f32::from(mean);
        }
    }
    let mut transform = Mat::default();
    let filled = i32::try_from(picture.height).expect(SIZES);
    core::dft(&padded, &mut transform, 0, filled).expect(SIZES);
    transform
}

fn mat(gray: &Gray) -> BoxedRef<'_, Mat> {
    let side = |length: usize| i32::try_from(length).expect(SIZES);
    let (rows, columns) = (side(gray.height), side(gray.width));
    Mat::new_rows_cols_with_data(rows, columns, &gray.pixels[..]).expect(SIZES)
}

/// OpenCV's own threads would only get in the way of the guest.
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
    use super::{super::gray::EXCLUDED, *};

    #[test]
    fn grey_is_weighted_and_green_is_the_excluded_grey() {
        let mut picture = Picture::filled(5, 2, [0, 255, 0]);
        picture.row_mut(2, 1, 3).copy_from_slice(&[255, 0, 0, 0, 0, 255, 255, 255, 255]);
        let part = gray(&picture, Rect::new(1, 1, 4, 1));
        assert_eq!((part.width, part.height, &*part.pixels), (4, 1, &[EXCLUDED, 76, 29, 255][..]));
    }

    #[test]
    fn the_nearest_of_the_best_is_found() {
        let mut pixels = vec![10; 64 * 40];
        for start in [64 * 3 + 5, 64 * 30 + 50] {
            pixels[start..start + 4].fill(200);
        }
        let screen = Gray { width: 64, height: 40, pixels: pixels.into() };
        let template = screen.cut(3, 1, 9, 7);
        for (origin, want) in [((0, 0), (3, 1)), ((60, 38), (48, 28))] {
            let limit = |least| least + 10.0;
            assert_eq!(nearest_best(&screen, &template, origin, limit), want);
            assert_eq!(Spectrum::of(&screen).nearest_best(&template, origin, limit), want);
        }
    }

    #[test]
    fn of_two_as_near_the_upper_one_is_taken() {
        let mut sums = vec![[90.0_f32; 44]; 44];
        (sums[5][41], sums[40][6], sums[1][1]) = (3.0, 0.0, 13.0);
        let rows: Vec<&[f32]> = sums.iter().map(<[f32; 44]>::as_slice).collect();
        assert_eq!(nearest(&rows, (1, 0), |least| least + 10.0), (41, 5));
        assert_eq!(nearest(&rows, (1, 0), |_| 13.0), (1, 1));
        assert_eq!(nearest(&rows, (1, 0), |_| -1.0), (6, 40), "the least always counts");
    }
}
