//! What OpenCV does for the matcher. No other file names it.
//!
//! It turns colours into grey, blurs templates as os-autoinst does, and it searches where [`super::place`] finds no shorter way: by a
//! Fourier transform, which costs the same whatever the pixels are. That gives 32-bit floats, which
//! are slightly noisy, so the place found is measured again in whole numbers by the caller.

use std::sync::Once;

use opencv::{
    boxed_ref::BoxedRef,
    core::{self, CV_8U, Mat, Size, Vec3b},
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

/// The place nearest to `origin` among those in `screen` that are about as good as the best, which
/// are at most `as_good` worse in the sum of squared differences.
pub(super) fn nearest_best(
    screen: &Gray,
    template: &Gray,
    origin: (usize, usize),
    as_good: u64,
) -> (usize, usize) {
    let mut sums = Mat::default();
    imgproc::match_template_def(&mat(screen), &mat(template), &mut sums, imgproc::TM_SQDIFF)
        .expect(SIZES);
    let rows = || (0..sums.rows()).map(|y| sums.at_row::<f32>(y).expect("the sums are floats"));
    let least = rows().flatten().copied().fold(f32::INFINITY, f32::min);
    let mut best = (usize::MAX, origin);
    for (row, y) in rows().zip(0..) {
        for (sum, x) in row.iter().zip(0_usize..) {
            if *sum <= least + as_good as f32 {
                let distance = x.abs_diff(origin.0).pow(2) + usize::abs_diff(y, origin.1).pow(2);
                if distance < best.0 {
                    best = (distance, (x, y));
                }
            }
        }
    }
    best.1
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
            assert_eq!(nearest_best(&screen, &template, origin, 10), want);
        }
    }
}
