//! The one size a recording has, and pictures drawn on it in the encoder's colours.
//!
//! A guest changes its screen mode several times while it boots, a video has one size. A smaller
//! screen is put at the top left, pixel for pixel, so that a place on the screen is the same place
//! in the video in every mode that fits; a larger one is made smaller, keeping its shape.

use std::{fmt, str::FromStr, sync::Arc};

use crate::picture::Picture;

/// Size of a video in pixels: even, because two by two pixels share their colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    width: u32,
    height: u32,
}

impl Default for Canvas {
    /// What os-autoinst records, and most installers use.
    fn default() -> Self {
        Self::new(1024, 768)
    }
}

impl Canvas {
    #[cfg(test)]
    pub(super) const SMALLEST: Self = Self { width: Self::MIN, height: Self::MIN };
    const MIN: u32 = 16;
    const MAX: u32 = 4096;

    /// A canvas that holds screens of this size, as far as the encoder can.
    pub fn new(width: u32, height: u32) -> Self {
        let side = |wish: u32| wish.next_multiple_of(2).clamp(Self::MIN, Self::MAX);
        Self { width: side(width.min(Self::MAX)), height: side(height.min(Self::MAX)) }
    }

    pub const fn width(self) -> u32 {
        self.width
    }

    pub const fn height(self) -> u32 {
        self.height
    }

    /// Width and height at which a screen of this size is seen; its top left is the canvas's.
    pub fn shown(self, width: u32, height: u32) -> (u32, u32) {
        if width <= self.width && height <= self.height {
            return (width, height);
        }
        let [w, h, cw, ch] = [width, height, self.width, self.height].map(u64::from);
        let part = |a: u64, b: u64, c: u64| u32::try_from((a * b / c).max(1)).unwrap_or(u32::MAX);
        if w * ch > h * cw { (self.width, part(h, cw, w)) } else { (part(w, ch, h), self.height) }
    }
}

impl fmt::Display for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Canvas {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("want a size like 1024x768, not {text:?}");
        let (width, height) = text.split_once('x').ok_or_else(refused)?;
        let side = |text: &str| text.parse::<u32>().map_err(|_| refused());
        Ok(Self::new(side(width)?, side(height)?))
    }
}

/// The canvas as brightness and two quarter-size colour planes: BT.709, 16 to 235 ("limited"), the
/// one reading every player agrees on.
#[derive(Debug)]
pub(super) struct Planes {
    pub(super) canvas: Canvas,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    /// What the planes show now, to draw only the rows that changed.
    shown: Option<Arc<Picture>>,
}

impl Planes {
    pub(super) fn black(canvas: Canvas) -> Self {
        let pixels = canvas.width as usize * canvas.height as usize;
        Self {
            canvas,
            y: vec![16; pixels],
            u: vec![128; pixels / 4],
            v: vec![128; pixels / 4],
            shown: None,
        }
    }

    /// Brightness and the two colours, as an encoder wants them.
    pub(super) fn all(&self) -> [&[u8]; 3] {
        [&self.y, &self.u, &self.v]
    }

    pub(super) fn draw(&mut self, picture: &Arc<Picture>) {
        let (width, height) = self.canvas.shown(picture.width(), picture.height());
        let picture = if (width, height) == (picture.width(), picture.height()) {
            Arc::clone(picture)
        } else {
            Arc::new(shrink(picture, width, height))
        };
        let before = self.shown.take().filter(|old| (old.width(), old.height()) == (width, height));
        if before.is_none() {
            *self = Self::black(self.canvas);
        }
        for top in (0..height).step_by(2) {
            let bottom = (top + 1).min(height - 1);
            let rows = [top, bottom].map(|y| picture.row(0, y, width));
            let same = |old: &Arc<Picture>| {
                [top, bottom].map(|y| old.row(0, y, width)).iter().eq(rows.iter())
            };
            if !before.as_ref().is_some_and(same) {
                self.draw_rows(top, rows, (bottom - top + 1) as usize);
            }
        }
        self.shown = Some(picture);
    }

    /// Draws two rows, or one that is given twice where the height is odd.
    fn draw_rows(&mut self, top: u32, rows: [&[u8]; 2], count: usize) {
        let width = self.canvas.width as usize;
        let top = top as usize;
        for (row, below) in rows[..count].iter().zip(0..) {
            let y = &mut self.y[(top + below) * width..][..width];
            for (y, pixel) in y.iter_mut().zip(row.chunks_exact(3)) {
                let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
                *y = to_byte((11_966 * r + 40_254 * g + 4_064 * b + (16 << 16) + (1 << 15)) >> 16);
            }
        }
        let start = top / 2 * (width / 2);
        let colours = self.u[start..].iter_mut().zip(&mut self.v[start..]);
        for ((u, v), (a, b)) in colours.zip(rows[0].chunks(6).zip(rows[1].chunks(6))) {
            // At an odd right edge the last column counts twice.
            let last = a.len() - 3;
            let [r, g, b] = [0, 1, 2].map(|c| {
                [a[c], a[last + c], b[c], b[last + c]].into_iter().map(i32::from).sum::<i32>()
            });
            let middle = (128 << 18) + (1 << 17);
            *u = to_byte(((28_784 * b - 6_596 * r - 22_188 * g + middle) >> 18).cast_unsigned());
            *v = to_byte(((28_784 * r - 26_145 * g - 2_639 * b + middle) >> 18).cast_unsigned());
        }
    }
}

fn to_byte(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// Every pixel becomes the mean of the area it covers, so that thin strokes grow faint and do not
/// vanish.
fn shrink(picture: &Picture, width: u32, height: u32) -> Picture {
    let columns = spans(picture.width(), width);
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for down in spans(picture.height(), height) {
        for across in &columns {
            let (mut sum, mut area) = ([0_u64; 3], 0);
            for (y, h) in &down {
                for (x, w) in across {
                    let weight = w * h;
                    area += weight;
                    for (sum, value) in sum.iter_mut().zip(picture.row(*x, *y, 1)) {
                        *sum += u64::from(*value) * weight;
                    }
                }
            }
            rgb.extend(sum.map(|sum| u8::try_from((sum + area / 2) / area).unwrap_or(u8::MAX)));
        }
    }
    Picture::new(width, height, rgb)
}

/// For each of `to` places, which of `from` places it covers and how much of each.
fn spans(from: u32, to: u32) -> Vec<Vec<(u32, u64)>> {
    let (from, to) = (u64::from(from), u64::from(to));
    let span = |place: u64| {
        let (start, end) = (place * from, (place + 1) * from);
        (start / to..end.div_ceil(to))
            .map(|at| (at, end.min((at + 1) * to) - start.max(at * to)))
            .map(|(at, share)| (u32::try_from(at).unwrap_or(u32::MAX), share))
            .collect()
    };
    (0..to).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_of_a_boot_has_its_place() {
        let canvas = Canvas::default();
        for (screen, want) in [
            ((720, 400), (720, 400)),
            ((640, 480), (640, 480)),
            ((1024, 768), (1024, 768)),
            ((1280, 800), (1024, 640)),
            ((800, 1536), (400, 768)),
            ((4096, 16), (1024, 4)),
        ] {
            assert_eq!(canvas.shown(screen.0, screen.1), want, "{screen:?}");
        }
        assert_eq!("801x1".parse(), Ok(Canvas::new(802, 16)));
        assert!("wide".parse::<Canvas>().is_err());
    }

    #[test]
    fn colours_are_those_of_bt_709() {
        let mut planes = Planes::black(Canvas::new(16, 16));
        for (rgb, want) in [
            ([0, 0, 0], [16, 128, 128]),
            ([255, 255, 255], [235, 128, 128]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 255, 0], [173, 42, 26]),
            ([0, 0, 255], [32, 240, 118]),
        ] {
            planes.draw(&Arc::new(Picture::filled(16, 16, rgb)));
            assert_eq!([planes.y[0], planes.u[0], planes.v[63]], want, "{rgb:?}");
        }
    }

    #[test]
    fn a_change_of_mode_leaves_nothing_of_the_mode_before() {
        let mut planes = Planes::black(Canvas::new(64, 64));
        planes.draw(&Arc::new(Picture::filled(64, 64, [255; 3])));
        planes.draw(&Arc::new(Picture::filled(31, 33, [255; 3])));
        let mut fresh = Planes::black(Canvas::new(64, 64));
        fresh.draw(&Arc::new(Picture::filled(31, 33, [255; 3])));
        assert_eq!((&planes.y, &planes.u, &planes.v), (&fresh.y, &fresh.u, &fresh.v));
        assert_eq!(planes.y.iter().filter(|y| **y == 235).count(), 31 * 33);
        assert_eq!(planes.u.iter().filter(|u| **u != 128).count(), 0);
    }

    #[test]
    fn only_the_rows_that_changed_need_to_be_drawn() {
        let mut planes = Planes::black(Canvas::new(32, 32));
        let mut picture = Picture::filled(32, 32, [9, 99, 200]);
        planes.draw(&Arc::new(picture.clone()));
        picture.row_mut(3, 7, 5).fill(77);
        planes.draw(&Arc::new(picture.clone()));
        let mut fresh = Planes::black(Canvas::new(32, 32));
        fresh.draw(&Arc::new(picture));
        assert_eq!((&planes.y, &planes.u, &planes.v), (&fresh.y, &fresh.u, &fresh.v));
    }

    #[test]
    fn a_large_screen_keeps_its_mean_colour_when_made_smaller() {
        let mut stripes = Picture::filled(300, 90, [0; 3]);
        for y in (0..90).step_by(2) {
            stripes.row_mut(0, y, 300).fill(200);
        }
        let small = shrink(&stripes, 200, 60);
        let mean = small.rgb().iter().map(|v| u64::from(*v)).sum::<u64>() / (200 * 60 * 3);
        assert!((99..=101).contains(&mean), "{mean}");
        assert_eq!(shrink(&Picture::filled(50, 50, [1, 2, 3]), 7, 9).rgb()[..3], [1, 2, 3]);
    }
}
