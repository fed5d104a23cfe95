//! Decides which frames a waiting step searches, and how wide.
//!
//! os-autoinst searches once a second, near the needles' own places mostly and all over the screen
//! every fifth second and at the end. Nothing ticks here: a frame is searched when it shows
//! something new where the needles may be, all over the screen at most every five seconds while
//! it changes anywhere, and once more at the end. A screen that stands still costs nothing, and
//! what appears is found as soon as it does. A needle that was not found is searched for again only
//! when something changed where it is looked for. `engine` does the waiting and the searching.

use std::{sync::Arc, time::Duration};

use super::{needle_set::LoadedNeedle, place, screen};
use crate::{
    model::Area,
    picture::{Picture, Rect},
};

/// The ratio of most searches: around the places the needles were cut from.
pub const NARROW: f64 = 0.02;
/// The ratio that searches the whole screen.
const WHOLE: f64 = 1.0;
const BETWEEN_WHOLE: Duration = Duration::from_secs(5);

/// What to do about a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Look {
    /// Search this frame now for the needles [`Lookout::wanted`]; when nothing matches ask again,
    /// with the newest frame.
    Search { ratio: f64 },
    /// Ask again when a frame arrives, and at this time after the start of waiting at the latest.
    Wait { until: Duration },
    /// The last search was the last.
    GiveUp,
}

/// One step's wait for one of its needles. Time is given as the time since it began to wait.
#[derive(Debug)]
pub struct Lookout {
    timeout: Duration,
    /// The match areas of each needle, and the size of the picture they belong to.
    areas: Vec<(Vec<Area>, (u32, u32))>,
    /// What a narrow search for each needle depends on, on a screen of this size.
    regions: ((u32, u32), Vec<Vec<Rect>>),
    wanted: Vec<usize>,
    /// The frame searched last, narrow or wide.
    searched: Option<Arc<Picture>>,
    /// The frame the whole of which was searched last.
    whole: Option<Arc<Picture>>,
    whole_due: Duration,
    /// Whether the newest frame differs from `whole`.
    changed: bool,
    over: bool,
}

impl Lookout {
    /// With a `timeout` of zero there is one search of the whole first frame.
    pub fn new(needles: &[Arc<LoadedNeedle>], timeout: Duration) -> Self {
        let areas =
            |needle: &Arc<LoadedNeedle>| (needle.match_areas().cloned().collect(), needle.size());
        Self {
            timeout,
            areas: needles.iter().map(areas).collect(),
            regions: ((0, 0), Vec::new()),
            wanted: Vec::new(),
            searched: None,
            whole: None,
            whole_due: BETWEEN_WHOLE,
            changed: true,
            over: false,
        }
    }

    /// To be asked with the newest frame: when it arrives, when a search found nothing, and at
    /// [`Self::next_wake`].
    pub fn on(&mut self, now: Duration, picture: &Arc<Picture>) -> Look {
        if self.over {
            return Look::GiveUp;
        }
        self.changed = !self.whole.as_ref().is_some_and(|whole| same(whole, picture));
        if now >= self.timeout {
            self.over = true;
            return if self.changed { self.search(now, picture, WHOLE) } else { Look::GiveUp };
        }
        if self.changed && now >= self.whole_due {
            return self.search(now, picture, WHOLE);
        }
        if self.is_news(picture) {
            return self.search(now, picture, NARROW);
        }
        Look::Wait { until: self.next_wake() }
    }

    /// When to ask again though no frame arrives.
    pub fn next_wake(&self) -> Duration {
        if self.changed { self.whole_due.min(self.timeout) } else { self.timeout }
    }

    /// Which needles the search is for, of those given to [`new`](Self::new): the others cannot
    /// have come to where it looks since the last one.
    pub fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    fn search(&mut self, now: Duration, picture: &Arc<Picture>, ratio: f64) -> Look {
        self.searched = Some(Arc::clone(picture));
        if ratio == WHOLE {
            self.whole = Some(Arc::clone(picture));
            self.whole_due = now + BETWEEN_WHOLE;
            self.changed = false;
            self.wanted = (0..self.areas.len()).collect();
        }
        Look::Search { ratio }
    }

    /// Whether a narrow search may come to another result than the last one, and for which needles.
    fn is_news(&mut self, picture: &Arc<Picture>) -> bool {
        let size = (picture.width(), picture.height());
        if self.regions.0 != size {
            self.regions = (size, self.regions_on(size));
        }
        let searched = self.searched.as_ref();
        let alike = searched.filter(|searched| (searched.width(), searched.height()) == size);
        let changes = match alike {
            Some(searched) if same(searched, picture) => Vec::new(),
            Some(searched) => searched.changes(picture),
            None => vec![Rect::new(0, 0, i32::MAX, i32::MAX)],
        };
        let is_touched = |regions: &Vec<Rect>| {
            regions.iter().any(|region| changes.iter().any(|change| change.touches(region)))
        };
        let touched = (0..).zip(&self.regions.1).filter(|(_, regions)| is_touched(regions));
        self.wanted = touched.map(|(number, _)| number).collect();
        searched.is_none() || !self.wanted.is_empty()
    }

    fn regions_on(&self, size: (u32, u32)) -> Vec<Vec<Rect>> {
        let regions = |(areas, of): &(Vec<Area>, _)| {
            let searched = areas.iter().filter_map(|area| {
                let region = screen::search_region(area, *of, size, NARROW)?;
                // The blur brings in one pixel more on each side.
                Some(place::region(region, 1).within(size.0, size.1))
            });
            searched.collect()
        };
        self.areas.iter().map(regions).collect()
    }
}

fn same(a: &Arc<Picture>, b: &Arc<Picture>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AreaKind;

    const SECOND: Duration = Duration::from_secs(1);

    /// A lookout for an area of 20 x 20 at 100,100 with no more margin than the ratio brings: the
    /// pixels from 79,79 to 141,141 matter.
    fn lookout(timeout: Duration) -> Lookout {
        let mut lookout = Lookout::new(&[], timeout);
        let kind = AreaKind::Match;
        let (x, y, w, h) = (100, 100, 20, 20);
        let area = Area { kind, x, y, w, h, match_percent: 96.0, margin: 0, click_point: None };
        lookout.areas.push((vec![area], (320, 200)));
        lookout
    }

    fn screen(dot: Option<(u32, u32)>) -> Arc<Picture> {
        let mut picture = Picture::filled(320, 200, [0; 3]);
        if let Some((x, y)) = dot {
            picture.row_mut(x, y, 1).fill(255);
        }
        Arc::new(picture)
    }

    const fn wait(seconds: u64) -> Look {
        Look::Wait { until: Duration::from_secs(seconds) }
    }

    const NEAR: Look = Look::Search { ratio: NARROW };
    const FULL: Look = Look::Search { ratio: WHOLE };

    #[test]
    fn frames_are_searched_when_they_are_news() {
        let empty = screen(None);
        let (near, edge, far) =
            (screen(Some((110, 110))), screen(Some((140, 140))), screen(Some((141, 80))));
        let other_size = Arc::new(Picture::filled(640, 480, [0; 3]));
        let small = Arc::new(Picture::filled(60, 60, [0; 3]));
        for (case, timeout, script) in [
            (
                "nothing changes",
                30,
                vec![
                    (0, &empty, NEAR),
                    (0, &empty, wait(5)),
                    (4, &empty, wait(5)),
                    (5, &empty, FULL),
                    (5, &empty, wait(30)),
                    (29, &empty, wait(30)),
                    (30, &empty, Look::GiveUp),
                ],
            ),
            (
                "changes near are searched at once, far ones with the whole screen",
                30,
                vec![
                    (0, &empty, NEAR),
                    (1, &near, NEAR),
                    (2, &edge, NEAR),
                    (3, &empty, NEAR),
                    (4, &far, wait(5)),
                    (6, &far, FULL),
                    (7, &far, wait(30)),
                    (8, &empty, wait(11)),
                    (9, &far, wait(30)),
                    (20, &empty, FULL),
                    (29, &near, FULL),
                    (29, &near, wait(30)),
                    (31, &far, FULL),
                    (31, &far, Look::GiveUp),
                    (32, &near, Look::GiveUp),
                ],
            ),
            (
                "another size is another screen, and on one too small there is nothing to find",
                30,
                vec![
                    (0, &empty, NEAR),
                    (1, &other_size, NEAR),
                    (2, &other_size, wait(5)),
                    (3, &small, wait(5)),
                ],
            ),
            ("no time at all", 0, vec![(0, &empty, FULL), (0, &near, Look::GiveUp)]),
            (
                "a short time",
                2,
                vec![
                    (0, &empty, NEAR),
                    (1, &far, wait(2)),
                    (2, &far, FULL),
                    (2, &far, Look::GiveUp),
                ],
            ),
        ] {
            let mut lookout = lookout(SECOND * timeout);
            for (number, (seconds, picture, want)) in script.into_iter().enumerate() {
                let got = lookout.on(SECOND * seconds, picture);
                assert_eq!(got, want, "{case}, {number}");
                if let Look::Wait { until } = got {
                    assert_eq!(until, lookout.next_wake(), "{case}, {number}");
                    assert!(until > SECOND * seconds, "{case}, {number}: no busy waiting");
                }
            }
        }
    }

    #[test]
    fn only_needles_whose_places_changed_are_searched_for_again() {
        let mut lookout = lookout(SECOND * 30);
        let (mut areas, size) = lookout.areas[0].clone();
        areas[0].x = 200;
        lookout.areas.push((areas, size));
        assert_eq!(lookout.regions_on((50, 50)), [[], []], "neither fits");
        for (seconds, dot, want) in [
            (0, None, (NEAR, &[0, 1][..])),
            (1, Some((110, 110)), (NEAR, &[0])),
            (2, Some((210, 110)), (NEAR, &[0, 1])),
            (3, Some((240, 90)), (NEAR, &[1])),
            (3, Some((20, 20)), (NEAR, &[1])),
            (4, Some((20, 30)), (wait(5), &[])),
            (5, Some((20, 31)), (FULL, &[0, 1])),
        ] {
            let look = lookout.on(SECOND * seconds, &screen(dot));
            assert_eq!((look, lookout.wanted()), want, "{seconds}, {dot:?}");
        }
    }
}
