//! How far a template is from a screen at least, without comparing pixels.
//!
//! The squared differences of a block of n pixels add up to at least n times the square of the
//! difference of their means. The means of all blocks of a screen are summed up once; and as their
//! least and greatest over a tile of 8 x 8 places, so that one look at a tile mostly says that none
//! of its 64 places can be good enough. These are bounds, never estimates: what they rule out is out.
//!
//! Eight tiles or places lie side by side in every loop, for the compiler to take them at once.

use std::sync::OnceLock;

use super::gray::Gray;

/// Places in a tile, in either direction; and lanes of a loop.
pub(super) const TILE: usize = 8;
/// Sides of the blocks.
const COARSE: usize = 16;
const FINE: usize = 8;
/// Sums of squares below this have room for another [`TOGETHER`] blocks.
const ROOM: u32 = 1 << 31;
const TOGETHER: usize = 8;
/// Twice as bright as white, for tiles that are none.
const NOWHERE: i16 = 2 * 255 * 8;

type Lanes<T> = [T; TILE];

/// The means of a template's blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    coarse: Means,
    fine: Means,
}

/// Means of blocks side by side, in eighths of a grey level, rounded down, with the places of their
/// first pixels. Those that stand out most from the template's mean come first.
#[derive(Debug)]
struct Means {
    side: usize,
    all: Box<[(usize, usize, i16)]>,
}

impl Blocks {
    pub(super) fn of(template: &Gray) -> Self {
        Self { coarse: Means::of(template, COARSE), fine: Means::of(template, FINE) }
    }
}

impl Means {
    fn of(template: &Gray, side: usize) -> Self {
        let (across, down) = (template.width / side, template.height / side);
        let mean = |(x, y): (usize, usize)| {
            let rows = (y * side..).take(side).flat_map(|y| template.row(x * side, y, side));
            let sum: usize = rows.map(|pixel| usize::from(*pixel)).sum();
            i16::try_from(sum * 8 / (side * side)).unwrap_or(i16::MAX)
        };
        let places = (0..down).flat_map(|y| (0..across).map(move |x| (x, y)));
        let mut all: Vec<_> = places.map(|(x, y)| (x * side, y * side, mean((x, y)))).collect();
        let sum: i64 = all.iter().map(|(.., mean)| i64::from(*mean)).sum();
        let middle = sum / i64::try_from(all.len().max(1)).unwrap_or(1);
        all.sort_by_key(|(.., mean)| std::cmp::Reverse(middle.abs_diff((*mean).into())));
        Self { side, all: all.into() }
    }

    /// For eight tiles or places side by side, a sum of squares that is at most what the blocks
    /// differ, in 64ths of a squared level a block. `gaps` gives how far, in eighths of a level,
    /// the mean of the block at this offset is from there at least. Summing ends early when all
    /// are beyond `limit`; how many means were compared is told, too.
    #[inline]
    fn apart(
        &self,
        limit: u32,
        gaps: impl Fn(usize, usize, i16) -> Lanes<i16>,
    ) -> (Lanes<u32>, usize) {
        let mut sums = [0; TILE];
        let mut compared = 0;
        for some in self.all.chunks(TOGETHER) {
            compared += some.len() * TILE;
            for (x, y, mean) in some {
                for (sum, gap) in sums.iter_mut().zip(gaps(*x, *y, *mean)) {
                    *sum += (i32::from(gap) * i32::from(gap)).cast_unsigned();
                }
            }
            if sums.iter().all(|sum| *sum > limit) {
                break;
            }
            sums = sums.map(|sum| sum.min(ROOM));
        }
        (sums, compared)
    }

    /// A sum of squared differences as a sum of [`apart`](Self::apart). Of one too large to be
    /// reached nothing can be said.
    fn limit(&self, difference: u64) -> u32 {
        let limit = difference.saturating_mul(64) / (self.side * self.side) as u64;
        u32::try_from(limit).unwrap_or(u32::MAX)
    }

    const fn difference(&self, apart: u32) -> u64 {
        apart as u64 * (self.side * self.side) as u64 / 64
    }
}

/// Who compares pixels where bounds rule nothing out.
pub(super) trait Seeker {
    /// The largest sum of squared differences that matters.
    fn worst(&self) -> u64;

    /// The same for a tile whose places are this far away or more, as the square of the distance;
    /// nothing ends the search.
    fn enter(&mut self, distance: u64) -> Option<u64>;

    /// So many means were compared to find out where to look.
    fn spend(&mut self, compared: usize);

    fn look(&mut self, x: usize, y: usize);
}

/// The means of all blocks of a screen.
#[derive(Debug)]
pub(super) struct Bounds {
    size: (usize, usize),
    /// Of blocks of 8 x 8.
    sums: Vec<u16>,
    coarse: Field,
    /// Made when the first place is left that the coarse blocks do not rule out.
    fine: OnceLock<Field>,
}

/// The means of all blocks of one size, by the place of their first pixel.
#[derive(Debug)]
struct Field {
    width: usize,
    means: Box<[i16]>,
    tiles: usize,
    /// The least and the greatest mean in each tile.
    least: Box<[i16]>,
    greatest: Box<[i16]>,
}

impl Bounds {
    pub(super) fn of(screen: &Gray) -> Self {
        let sums = sums_of_eight(screen);
        let Gray { width, height, .. } = *screen;
        // Four blocks of 8 x 8 make one of 16 x 16.
        let rows = width * FINE;
        let four = (sums.iter().zip(sums.get(FINE..).unwrap_or_default()))
            .zip(sums.get(rows..).unwrap_or_default())
            .zip(sums.get(rows + FINE..).unwrap_or_default());
        let sixteen = four.map(|(((a, b), c), d)| (((a + b) + (c + d)) >> 5).cast_signed());
        let coarse = Field::of(sixteen.collect(), width, height, COARSE);
        Self { size: (width, height), sums, coarse, fine: OnceLock::new() }
    }

    fn fine(&self) -> &Field {
        self.fine.get_or_init(|| {
            let eight = self.sums.iter().map(|sum| (sum >> 3).cast_signed());
            Field::of(eight.collect(), self.size.0, self.size.1, FINE)
        })
    }

    /// Shows `seeker` every place in the ranges where `template` may differ by no more than it
    /// wants at that time, tiles near `origin` first.
    pub(super) fn places(
        &self,
        template: &Blocks,
        [(x0, x1), (y0, y1)]: [(usize, usize); 2],
        origin: (usize, usize),
        seeker: &mut impl Seeker,
    ) {
        let (field, blocks) = self.coarsest(template);
        let first = blocks.limit(seeker.worst());
        let mut open = Vec::new();
        for y in y0 / TILE..=y1 / TILE {
            for x in (x0 / TILE..=x1 / TILE).step_by(TILE) {
                let (apart, compared) = field.tiles_apart(blocks, x, y, first);
                seeker.spend(2 * compared);
                let apart = apart.into_iter().zip(x..=x1 / TILE);
                for (apart, x) in apart.filter(|(apart, _)| *apart <= first) {
                    let distance = away(x, origin.0).pow(2) + away(y, origin.1).pow(2);
                    open.push((distance as u64, apart, x * TILE, y * TILE));
                }
            }
        }
        open.sort_unstable();
        for (distance, apart, left, top) in open {
            let Some(worst) = seeker.enter(distance) else { return };
            if apart > blocks.limit(worst) {
                continue;
            }
            for y in top.max(y0)..=(top + TILE - 1).min(y1) {
                let (may, compared) = self.may_be(template, left, y, worst);
                seeker.spend(compared);
                let may = may.into_iter().zip(left..=x1);
                for (_, x) in may.filter(|(may, x)| *may && *x >= x0) {
                    seeker.look(x, y);
                }
            }
        }
    }

    /// A template's difference to any place in the ranges, at least.
    pub(super) fn least(
        &self,
        template: &Blocks,
        [(x0, x1), (y0, y1)]: [(usize, usize); 2],
    ) -> u64 {
        let (field, blocks) = self.coarsest(template);
        let rows = (y0 / TILE)..=(y1 / TILE);
        let tiles = rows.flat_map(|y| (x0 / TILE..=x1 / TILE).step_by(TILE).map(move |x| (x, y)));
        let mut least = u32::MAX;
        for (x, y) in tiles {
            let (apart, _) = field.tiles_apart(blocks, x, y, least);
            let inside = apart.into_iter().zip(x..=x1 / TILE).map(|(apart, _)| apart);
            least = inside.fold(least, u32::min);
        }
        blocks.difference(least)
    }

    /// The largest blocks a template has.
    fn coarsest<'a>(&'a self, template: &'a Blocks) -> (&'a Field, &'a Means) {
        if template.coarse.all.is_empty() {
            (self.fine(), &template.fine)
        } else {
            (&self.coarse, &template.coarse)
        }
    }

    /// Of eight places side by side, where `template` may differ by no more than `limit`; and how
    /// many means were compared.
    fn may_be(&self, template: &Blocks, x: usize, y: usize, limit: u64) -> (Lanes<bool>, usize) {
        let mut may = [true; TILE];
        let mut all = 0;
        for blocks in [&template.coarse, &template.fine] {
            let field = if blocks.side == COARSE { &self.coarse } else { self.fine() };
            let limit = blocks.limit(limit);
            let (apart, compared) = field.places_apart(blocks, x, y, limit);
            all += compared;
            may = std::array::from_fn(|lane| may[lane] && apart[lane] <= limit);
            if may == [false; TILE] {
                break;
            }
        }
        (may, all)
    }
}

impl Field {
    /// `means` may be shorter than the picture; what is missing belongs to no block inside.
    fn of(mut means: Vec<i16>, width: usize, height: usize, side: usize) -> Self {
        // Lanes of the last places reach beyond.
        means.resize(width * height + TILE, 0);
        let (across, down) = ((width + 1).saturating_sub(side), (height + 1).saturating_sub(side));
        let tiles = across.div_ceil(TILE) + TILE;
        let mut least = Vec::with_capacity(tiles * down.div_ceil(TILE));
        let mut greatest = Vec::with_capacity(least.capacity());
        let mut low = vec![0; across];
        let mut high = vec![0; across];
        for top in (0..down).step_by(TILE) {
            low.fill(i16::MAX);
            high.fill(0);
            for y in top..(top + TILE).min(down) {
                let row = &means[y * width..][..across];
                low.iter_mut().zip(row).for_each(|(low, mean)| *low = (*low).min(*mean));
                high.iter_mut().zip(row).for_each(|(high, mean)| *high = (*high).max(*mean));
            }
            least.extend(low.chunks(TILE).map(|tile| tile.iter().fold(i16::MAX, |a, b| a.min(*b))));
            greatest
                .extend(high.chunks(TILE).map(|tile| tile.iter().fold(0, |a: i16, b| a.max(*b))));
            least.resize(least.len() + TILE, NOWHERE);
            greatest.resize(greatest.len() + TILE, NOWHERE);
        }
        Self { width, means: means.into(), tiles, least: least.into(), greatest: greatest.into() }
    }

    fn tiles_apart(&self, blocks: &Means, x: usize, y: usize, limit: u32) -> (Lanes<u32>, usize) {
        blocks.apart(limit, |dx, dy, mean| {
            let at = (y + dy / TILE) * self.tiles + x + dx / TILE;
            let (least, greatest) = (eight(&self.least, at), eight(&self.greatest, at));
            // Both are rounded down, so one eighth may be missing.
            std::array::from_fn(|lane| {
                (mean - 1 - greatest[lane]).max(least[lane] - mean - 1).max(0)
            })
        })
    }

    fn places_apart(&self, blocks: &Means, x: usize, y: usize, limit: u32) -> (Lanes<u32>, usize) {
        blocks.apart(limit, |dx, dy, mean| {
            let there = eight(&self.means, (y + dy) * self.width + x + dx);
            std::array::from_fn(|lane| ((mean - there[lane]).abs() - 1).max(0))
        })
    }
}

/// How far the nearest place of a tile is from this one, in one direction.
fn away(tile: usize, at: usize) -> usize {
    let first = tile * TILE;
    first.saturating_sub(at).max(at.saturating_sub(first + TILE - 1))
}

fn eight(all: &[i16], at: usize) -> &Lanes<i16> {
    all[at..].first_chunk().expect("rows end with a tile or eight places more than they need")
}

/// The sums of all blocks of 8 x 8 pixels, by the place of their first pixel. What reaches over the
/// right edge is no block, and its sum means nothing.
fn sums_of_eight(screen: &Gray) -> Vec<u16> {
    let Gray { width, height, .. } = *screen;
    let mut sums = Vec::with_capacity(width * height);
    let mut columns = vec![0_u16; width + FINE];
    let (mut twos, mut fours) = (columns.clone(), columns.clone());
    for y in 0..height {
        for (sum, pixel) in columns.iter_mut().zip(screen.row(0, y, width)) {
            *sum += u16::from(*pixel);
        }
        if y + 1 < FINE {
            continue;
        }
        let add = |out: &mut [u16], from: &[u16], step: usize| {
            for (out, (a, b)) in out.iter_mut().zip(from.iter().zip(&from[step..])) {
                *out = a + b;
            }
        };
        add(&mut twos, &columns, 1);
        add(&mut fours, &twos, 2);
        sums.extend(fours.iter().zip(&fours[4..]).map(|(a, b)| a + b).take(width));
        for (sum, pixel) in columns.iter_mut().zip(screen.row(0, y + 1 - FINE, width)) {
            *sum -= u16::from(*pixel);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(width: usize, height: usize, seed: u64, strength: u64) -> Gray {
        let mut state = seed | 1;
        let mut pixel = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            u8::try_from((state >> 56) * strength / 256 + 40).unwrap()
        };
        Gray { width, height, pixels: (0..width * height).map(|_| pixel()).collect() }
    }

    /// Remembers what it is shown.
    struct Witness(u64, Vec<(usize, usize)>);

    impl Seeker for Witness {
        fn worst(&self) -> u64 {
            self.0
        }

        fn enter(&mut self, _: u64) -> Option<u64> {
            Some(self.0)
        }

        fn spend(&mut self, _: usize) {}

        fn look(&mut self, x: usize, y: usize) {
            self.1.push((x, y));
        }
    }

    type Ranges = [(usize, usize); 2];

    fn seen(bounds: &Bounds, blocks: &Blocks, ranges: Ranges, worst: u64) -> Vec<(usize, usize)> {
        let mut witness = Witness(worst, Vec::new());
        bounds.places(blocks, ranges, (9, 30), &mut witness);
        witness.1
    }

    #[test]
    fn what_is_ruled_out_is_too_far_away() {
        for (width, height, tw, th) in
            [(70, 50, 33, 20), (64, 64, 16, 16), (41, 90, 9, 30), (40, 40, 8, 8), (24, 19, 24, 19)]
        {
            for strength in [4, 40, 200] {
                let (screen, other) =
                    (noise(width, height, 3, strength), noise(tw, th, 5, strength));
                let mut template = screen.cut((width - tw) / 2, (height - th) / 3, tw, th);
                for (pixel, noise) in template.pixels.iter_mut().zip(&other.pixels) {
                    *pixel = pixel.saturating_add(noise / 16);
                }
                let (bounds, blocks) = (Bounds::of(&screen), Blocks::of(&template));
                let ranges = [(0, width - tw), (0, height - th)];
                let all: Vec<_> = (0..=height - th)
                    .flat_map(|y| (0..=width - tw).map(move |x| (x, y)))
                    .map(|at| ((at), screen.whole_difference(&template, at)))
                    .collect();
                let least = all.iter().map(|(_, difference)| *difference).min().unwrap();
                assert!(bounds.least(&blocks, ranges) <= least);
                for limit in [0, least, least * 3 / 2, u64::MAX] {
                    let mut seen = seen(&bounds, &blocks, ranges, limit);
                    let count = seen.len();
                    seen.sort_unstable();
                    seen.dedup();
                    assert_eq!(seen.len(), count, "each place once");
                    for (at, difference) in &all {
                        assert!(*difference > limit || seen.contains(at), "{at:?} {difference}");
                    }
                }
            }
        }
    }

    #[test]
    fn most_of_an_unlike_screen_is_ruled_out() {
        let mut screen = noise(200, 200, 1, 10);
        screen.pixels[..200 * 100].iter_mut().for_each(|pixel| *pixel += 90);
        let template = screen.cut(20, 120, 40, 40);
        let (bounds, blocks) = (Bounds::of(&screen), Blocks::of(&template));
        let count = seen(&bounds, &blocks, [(0, 160), (0, 160)], 17 * 1600).len();
        assert!((1..13_000).contains(&count), "{count} of 25,921");
    }
}
