//! Where a needle's area is on a screen: os-autoinst's answer, with as little comparing as it takes.
//!
//! That answer is the place with the least sum of squared differences, the nearest to where the
//! area was cut among those about as good; and from the mean squared difference there the
//! similarity. On most screens most areas are nowhere, or where they were, so three ways are tried
//! in turn: the area is unchanged where it was; [`Bounds`] rule out all places but a few, which are
//! compared; and when too many are left, OpenCV's transform takes them all at once.

use std::sync::OnceLock;

use super::{
    bounds::{Blocks, Bounds, Seeker},
    gray::Gray,
    matcher::{self, Spectrum},
};
use crate::picture::{Picture, Rect};

/// How much worse than the best a place may be to count as equally good, as a sum of squared
/// differences. os-autoinst forgets the places before the best one in reading order, however
/// little worse they are, and so lets noise choose between equals; here all of them count.
pub(super) const AS_GOOD: u64 = 10;
/// So many pixels are compared for each of the region before the transform is asked, which costs
/// some four times as much.
const TRANSFORM: usize = 48;
/// What comparing a mean of a block costs, in pixels compared.
const MEAN: usize = 2;
/// What a place costs to begin with.
const PLACE: usize = 64;

/// What an area looks like: grey and blurred.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) gray: Gray,
    blocks: Blocks,
    /// Its rows in the order in which they are compared.
    order: Box<[usize]>,
}

impl Template {
    /// Cut from a picture by a rectangle that lies inside.
    pub(super) fn cut(picture: &Picture, rect: Rect, excluded: &[Rect]) -> Self {
        let (around, gray) = painted(picture, rect, excluded);
        let (x, y) = (rect.x - around.x, rect.y - around.y);
        let gray = matcher::cut_blurred(&gray, [x, y, rect.w, rect.h].map(length));
        Self { blocks: Blocks::of(&gray), order: gray.striking_rows(), gray }
    }
}

/// The best place for a template.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) similarity: f64,
}

/// The part of a screen that is searched, ready for comparing.
#[derive(Debug)]
pub(super) struct Part {
    /// Of its first pixel on the screen.
    at: (i32, i32),
    pub(super) gray: Gray,
    /// Made when first needed: an area that is where it was needs none.
    bounds: OnceLock<Bounds>,
    /// The same for templates that are searched everywhere and not found by bounds.
    spectrum: OnceLock<Spectrum>,
}

impl Part {
    /// What of `rect` is inside the picture. Areas that are wholly inside it are painted over.
    pub(super) fn of(picture: &Picture, rect: Rect, excluded: &[Rect]) -> Self {
        let (rect, gray) = painted(picture, rect, excluded);
        Self {
            at: (rect.x, rect.y),
            gray: gray.blurred(),
            bounds: OnceLock::new(),
            spectrum: OnceLock::new(),
        }
    }

    /// The nearest of the best places for `template` in `region`, when the similarity there is more
    /// than zero and at least `needed`. The part has the region, and that both the template and the
    /// template at `origin`.
    pub(super) fn find(
        &self,
        template: &Template,
        origin: (i32, i32),
        region: Rect,
        needed: f64,
    ) -> Option<Found> {
        let [x, y, ..] = self.local(Rect::new(origin.0, origin.1, 0, 0));
        if self.gray.shows(&template.gray, x, y) {
            return Some(Found { x: origin.0, y: origin.1, similarity: 1.0 });
        }
        let region = self.local(region);
        let pixels = template.gray.pixels.len();
        let mut hunt = Hunt {
            part: self,
            template,
            origin: (x, y),
            worst: worst_difference(needed, pixels),
            least: None,
            kept: Vec::new(),
            settled: u64::MAX,
            left: TRANSFORM.saturating_mul(region[2] * region[3]),
        };
        let (difference, (x, y)) = hunt.run(region)?;
        let similarity = similarity(difference, pixels);
        let place = |at: usize, start: i32| i32::try_from(at).unwrap_or(i32::MAX) + start;
        let found = Found { x: place(x, self.at.0), y: place(y, self.at.1), similarity };
        enough(similarity, needed).then_some(found)
    }

    /// What the similarity of `template` to any place in `region` cannot exceed.
    pub(super) fn most_similar(&self, template: &Template, region: Rect) -> f64 {
        let ranges = ranges(self.local(region), template);
        let least = self.bounds().least(&template.blocks, ranges);
        similarity(least, template.gray.pixels.len())
    }

    fn bounds(&self) -> &Bounds {
        self.bounds.get_or_init(|| Bounds::of(&self.gray))
    }

    /// Place and size on the screen to those here.
    fn local(&self, rect: Rect) -> [usize; 4] {
        [rect.x - self.at.0, rect.y - self.at.1, rect.w, rect.h].map(length)
    }
}

/// What of `rect` is inside the picture, in grey, and one pixel more on each side: the blur reads
/// it, and what it makes of the outermost is not used. Areas wholly inside the picture are painted.
fn painted(picture: &Picture, rect: Rect, excluded: &[Rect]) -> (Rect, Gray) {
    let size = (picture.width(), picture.height());
    let rect = region(rect, 1).within(size.0, size.1);
    if rect.is_empty() {
        return (rect, Gray { width: 0, height: 0, pixels: Box::default() });
    }
    let mut gray = matcher::gray(picture, rect);
    for area in excluded.iter().filter(|area| lies_inside(**area, size.0, size.1)) {
        gray.paint(Rect { x: area.x - rect.x, y: area.y - rect.y, ..*area });
    }
    (rect, gray)
}

const fn length(n: i32) -> usize {
    n.unsigned_abs() as usize
}

/// One search for a template that is not simply where it was.
struct Hunt<'a> {
    part: &'a Part,
    template: &'a Template,
    origin: (usize, usize),
    /// A larger sum of squared differences is no place.
    worst: u64,
    /// The least there is so far.
    least: Option<u64>,
    /// Places that may be chosen: square of the distance, place from top to bottom, difference.
    kept: Vec<(u64, (usize, usize), u64)>,
    /// Nothing further away than this is chosen.
    settled: u64,
    /// How much may still be compared.
    left: usize,
}

impl Hunt<'_> {
    /// The place to choose in the region and the sum of squared differences there.
    fn run(&mut self, region: [usize; 4]) -> Option<(u64, (usize, usize))> {
        let Self { part, template, origin, .. } = *self;
        part.bounds().places(&template.blocks, ranges(region, template), origin, self);
        if self.left == 0 {
            return Some(self.by_transform(region));
        }
        let as_good = self.least? + AS_GOOD;
        let good = self.kept.iter().filter(|(.., difference)| *difference <= as_good);
        good.min().map(|(_, (y, x), difference)| (*difference, (*x, *y)))
    }

    fn by_transform(&self, [x, y, w, h]: [usize; 4]) -> (u64, (usize, usize)) {
        let (screen, template) = (&self.part.gray, &self.template.gray);
        let limit = |least: f32| (least + AS_GOOD as f32).min(self.worst as f32);
        if (w, h) == (screen.width, screen.height) {
            let spectrum = self.part.spectrum.get_or_init(|| Spectrum::of(screen));
            let place = spectrum.nearest_best(template, self.origin, limit);
            return (screen.whole_difference(template, place), place);
        }
        let origin = (self.origin.0 - x, self.origin.1 - y);
        let (dx, dy) = matcher::nearest_best(&screen.cut(x, y, w, h), template, origin, limit);
        let place = (x + dx, y + dy);
        (screen.whole_difference(template, place), place)
    }
}

impl Seeker for Hunt<'_> {
    fn worst(&self) -> u64 {
        self.least.map_or(self.worst, |least| (least + AS_GOOD).min(self.worst))
    }

    fn enter(&mut self, distance: u64) -> Option<u64> {
        (self.left > 0 && distance <= self.settled).then(|| self.worst())
    }

    fn spend(&mut self, compared: usize) {
        self.left = self.left.saturating_sub(MEAN * compared);
    }

    fn look(&mut self, x: usize, y: usize) {
        let distance = x.abs_diff(self.origin.0).pow(2) + y.abs_diff(self.origin.1).pow(2);
        let distance = distance as u64;
        if self.left == 0 || distance > self.settled {
            return;
        }
        let Template { gray, order, .. } = self.template;
        let (difference, compared) = self.part.gray.difference(gray, order, (x, y), self.worst());
        self.left = self.left.saturating_sub(PLACE + compared);
        let Some(difference) = difference else { return };
        if self.least.is_none_or(|least| difference < least) {
            self.least = Some(difference);
            let worst = self.worst();
            self.kept.retain(|(.., kept)| *kept <= worst);
        }
        // None is better than this, so what is good is known.
        if difference == 0 {
            self.settled = self.settled.min(distance);
        }
        self.kept.push((distance, (y, x), difference));
    }
}

/// The first and the last place of a template in a region that holds it.
fn ranges([x, y, w, h]: [usize; 4], template: &Template) -> [(usize, usize); 2] {
    let Gray { width, height, .. } = template.gray;
    [(x, x + w - width), (y, y + h - height)]
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

/// From 1 for a mean squared difference up to 2, over 0.9 at 40, to 0 at 382. Takes the sum of so
/// many pixels.
pub(super) fn similarity(difference: u64, pixels: usize) -> f64 {
    (0.9 + (40.0 - difference as f64 / pixels as f64) / 380.0).clamp(0.0, 1.0)
}

/// The largest sum of squared differences of so many pixels that gives a similarity, or any at all
/// where none is needed.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to what fits")]
fn worst_difference(needed: f64, pixels: usize) -> u64 {
    let mean = 40.0 - 380.0 * (needed.clamp(0.0, 1.0) - 0.9);
    let about = (mean * pixels as f64) as u64;
    // The floats of `similarity` round in their own way.
    let enough = |sum: &u64| enough(similarity(*sum, pixels), needed);
    (about.saturating_sub(1)..=about + 1).rev().find(enough).unwrap_or_default()
}

/// Whether a similarity is one that is looked for.
pub(super) fn enough(similarity: f64, needed: f64) -> bool {
    similarity > 0.0 && similarity >= needed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(
        screen: &Picture,
        template: &Template,
        origin: (i32, i32),
        margin: i32,
    ) -> Option<Found> {
        let Gray { width, height, .. } = template.gray;
        let [w, h] = [width, height].map(|side| i32::try_from(side).unwrap());
        let region = region(Rect::new(origin.0, origin.1, w, h), margin);
        let region = region.within(screen.width(), screen.height());
        Part::of(screen, region, &[]).find(template, origin, region, 0.0)
    }

    #[test]
    fn similarity_falls_with_the_mean_squared_difference() {
        for (difference, want) in [
            (0, 1.0),
            (20_000, 1.0),
            (172_000, 0.96),
            (400_000, 0.9),
            (780_000, 0.8),
            (3_820_000, 0.0),
            (90_000_000_000, 0.0),
        ] {
            assert!((similarity(difference, 10_000) - want).abs() < 1e-9, "{difference}");
            let worst = worst_difference(want, 10_000);
            assert!(
                worst.abs_diff(difference.clamp(20_000, 3_820_000)) <= 1,
                "{difference}: {worst}"
            );
            assert!(enough(similarity(worst, 10_000), want), "{want}");
            assert!(!enough(similarity(worst + 1, 10_000), want), "{want}");
        }
    }

    #[test]
    fn the_nearest_of_equals_wins_and_the_original_place_before_all() {
        let flat = Picture::filled(40, 40, [90; 3]);
        let template = Template::cut(&flat, Rect::new(0, 0, 8, 8), &[]);
        let want = Some(Found { x: 10, y: 10, similarity: 1.0 });
        assert_eq!(find(&flat, &template, (10, 10), 50), want);

        let mut two = Picture::filled(64, 64, [10; 3]);
        for (x, y) in [(2, 2), (40, 44)] {
            for row in y..y + 6 {
                two.row_mut(x, row, 6).fill(200);
            }
        }
        let template = Template::cut(&two, Rect::new(0, 0, 10, 10), &[]);
        let at = |origin, margin| {
            let found = find(&two, &template, origin, margin).unwrap();
            ((found.x, found.y), found.similarity)
        };
        assert_eq!(at((30, 30), 50), ((38, 42), 1.0));
        assert_eq!(at((10, 10), 50), ((0, 0), 1.0));
        assert!(find(&two, &template, (20, 20), 5).is_none_or(|found| found.similarity < 0.9));
    }

    #[test]
    fn a_part_is_what_the_whole_is_there() {
        let mut picture = Picture::filled(60, 40, [0; 3]);
        for y in 0..40 {
            for (at, byte) in picture.row_mut(0, y, 60).iter_mut().enumerate() {
                *byte = u8::try_from((at * at + y as usize * 37) % 251).unwrap();
            }
        }
        let excluded = [Rect::new(20, 12, 9, 9), Rect::new(55, 35, 20, 20)];
        let whole = Part::of(&picture, Rect::new(0, 0, 60, 40), &excluded);
        for rect in [Rect::new(0, 0, 7, 5), Rect::new(16, 10, 20, 12), Rect::new(40, 30, 20, 10)] {
            let [part, whole] = [&Part::of(&picture, rect, &excluded), &whole].map(|part| {
                let [x, y, w, h] = part.local(rect);
                part.gray.cut(x, y, w, h)
            });
            assert_eq!(part, whole, "{rect:?}");
        }
        assert!(Part::of(&picture, Rect::new(70, 0, 5, 5), &excluded).gray.pixels.is_empty());
    }

    #[test]
    fn a_region_never_overflows() {
        assert_eq!(region(Rect::new(5, 6, 7, 8), 2), Rect::new(3, 4, 11, 12));
        let huge = region(Rect::new(5, 6, 7, 8), i32::MAX).within(100, 50);
        assert!(huge.w <= 100 && huge.h <= 50);
    }
}
