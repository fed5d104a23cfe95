//! The screen at one moment, and the rectangles that changed since the moment before.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

/// A rectangle in pixels. May reach outside a picture; [`Rect::within`] cuts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    pub x: i32,
    pub y: i32,
    pub w: i32,
    pub h: i32,
}

impl Rect {
    pub const fn new(x: i32, y: i32, w: i32, h: i32) -> Self {
        Self { x, y, w, h }
    }

    pub const fn is_empty(&self) -> bool {
        self.w <= 0 || self.h <= 0
    }

    pub fn intersection(&self, other: &Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let right = self.x.saturating_add(self.w).min(other.x.saturating_add(other.w));
        let bottom = self.y.saturating_add(self.h).min(other.y.saturating_add(other.h));
        Self { x, y, w: right.saturating_sub(x), h: bottom.saturating_sub(y) }
    }

    /// The smallest that holds both.
    #[must_use]
    pub fn around(&self, other: &Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = self.x.saturating_add(self.w).max(other.x.saturating_add(other.w));
        let bottom = self.y.saturating_add(self.h).max(other.y.saturating_add(other.h));
        Self { x, y, w: right.saturating_sub(x), h: bottom.saturating_sub(y) }
    }

    pub fn touches(&self, other: &Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// The part of it that lies inside a picture of this size.
    pub fn within(&self, width: u32, height: u32) -> Self {
        let whole = Self::new(0, 0, width.cast_signed(), height.cast_signed());
        self.intersection(&whole)
    }
}

/// Pixels: `height` rows of `width` times red, green, blue, one byte each, without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

impl Picture {
    /// # Panics
    /// When `rgb` is not `width * height * 3` bytes.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        assert_eq!(rgb.len(), width as usize * height as usize * 3, "{width}x{height} pixels");
        Self { width, height, rgb }
    }

    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        Self::new(width, height, colour.repeat(width as usize * height as usize))
    }

    pub const fn width(&self) -> u32 {
        self.width
    }

    pub const fn height(&self) -> u32 {
        self.height
    }

    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// One row of a rectangle that lies inside the picture.
    pub fn row(&self, x: u32, y: u32, w: u32) -> &[u8] {
        let start = (y as usize * self.width as usize + x as usize) * 3;
        &self.rgb[start..start + w as usize * 3]
    }

    pub fn row_mut(&mut self, x: u32, y: u32, w: u32) -> &mut [u8] {
        let start = (y as usize * self.width as usize + x as usize) * 3;
        &mut self.rgb[start..start + w as usize * 3]
    }

    /// Whether both show the same inside `rect` (cut to the pictures). Pictures of different size
    /// never do.
    pub fn same_within(&self, other: &Self, rect: Rect) -> bool {
        if (self.width, self.height) != (other.width, other.height) {
            return false;
        }
        let rect = rect.within(self.width, self.height);
        if rect.is_empty() {
            return true;
        }
        let [x, y, w, h] = [rect.x, rect.y, rect.w, rect.h].map(i32::cast_unsigned);
        (y..y + h).all(|y| self.row(x, y, w) == other.row(x, y, w))
    }

    /// Where the other picture, which has the same size, differs: rectangles around all that does.
    pub fn changes(&self, other: &Self) -> Vec<Rect> {
        /// Rows of a rectangle.
        const BAND: usize = 8;
        let row = (self.width as usize * 3).max(1);
        let bands = self.rgb.chunks(row * BAND).zip(other.rgb.chunks(row * BAND));
        let int = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let changed = bands.zip((0..).step_by(BAND)).filter(|((a, b), _)| a != b);
        let around = changed.map(|((a, b), y)| {
            let (mut first, mut last) = (row, 0);
            for (a, b) in a.chunks(row).zip(b.chunks(row)) {
                let mut differ = a.iter().zip(b).map(|(a, b)| a != b);
                first =
                    differ.clone().position(|differs| differs).map_or(first, |at| at.min(first));
                last = differ.rposition(|differs| differs).map_or(last, |at| at.max(last));
            }
            let (left, right) = (first / 3, last / 3);
            Rect::new(int(left), int(y), int(right + 1 - left), int(a.len() / row))
        });
        around.collect()
    }
}

/// A numbered, immutable picture of the guest's screen.
#[derive(Debug, Clone)]
pub struct Frame {
    /// From 1, one more for each update of the screen.
    pub number: u64,
    /// On the engine's own clock.
    pub at: Duration,
    pub wall: Timestamp,
    pub picture: Arc<Picture>,
    /// What changed since the frame before. A resize damages everything.
    pub damage: Vec<Rect>,
}

/// How alike two pictures are, as os-autoinst measures it: peak signal to noise ratio over all
/// channels in decibels, 1,000,000 for equal pictures, 0 for pictures of different size.
pub fn psnr(a: &Picture, b: &Picture) -> f64 {
    if (a.width, a.height) != (b.width, b.height) {
        return 0.0;
    }
    let squares: u64 = a
        .rgb
        .chunks(4096)
        .zip(b.rgb.chunks(4096))
        .filter(|(a, b)| a != b)
        .flat_map(|(a, b)| a.iter().zip(b))
        .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
        .sum();
    if squares == 0 {
        return 1e6;
    }
    let samples = a.rgb.len() as f64;
    10.0 * (255.0 * 255.0 * samples / squares as f64).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_are_cut_to_the_picture_without_overflow() {
        for (rect, want) in [
            (Rect::new(-5, -5, 10, 10), Rect::new(0, 0, 5, 5)),
            (Rect::new(90, 90, 20, 20), Rect::new(90, 90, 10, 10)),
            (Rect::new(0, 0, i32::MAX, i32::MAX), Rect::new(0, 0, 100, 100)),
        ] {
            assert_eq!(rect.within(100, 100), want);
        }
        let both = Rect::new(-1, 5, 3, 3).around(&Rect::new(7, 2, 2, 4));
        assert_eq!(both, Rect::new(-1, 2, 10, 6));
        assert!(Rect::new(i32::MAX, 0, i32::MAX, 5).within(100, 100).is_empty());
    }

    #[test]
    fn changes_are_found_band_by_band() {
        let black = Picture::filled(64, 30, [0; 3]);
        let mut dots = black.clone();
        for (x, y) in [(9, 0), (5, 7), (63, 29), (40, 28)] {
            dots.row_mut(x, y, 1)[2] = 1;
        }
        assert_eq!(black.changes(&dots), [Rect::new(5, 0, 5, 8), Rect::new(40, 24, 24, 6)]);
        assert!(dots.changes(&dots).is_empty());
    }

    #[test]
    fn psnr_is_high_for_small_changes_and_special_for_none_and_for_sizes() {
        let black = Picture::filled(64, 64, [0; 3]);
        let mut dot = black.clone();
        dot.row_mut(3, 3, 1).copy_from_slice(&[255; 3]);
        let white = Picture::filled(64, 64, [255; 3]);
        assert_eq!(psnr(&black, &black), 1e6);
        assert_eq!(psnr(&black, &Picture::filled(32, 64, [0; 3])), 0.0);
        assert_eq!(psnr(&black, &white), 0.0);
        assert!((psnr(&black, &dot) - 36.12).abs() < 0.01);
        assert!(!black.same_within(&dot, Rect::new(0, 0, 4, 4)));
        assert!(black.same_within(&dot, Rect::new(4, 4, 400, 400)));
    }
}
