//! Searching one screen for needles: what is compared with what, and who comes first.

use std::{
    cmp::Ordering,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    matcher::{self, Found, Gray, Template},
    needle_set::LoadedNeedle,
};
use crate::{
    model::{Area, AreaKind, AreaMatch, Candidate, Needle, Outcome},
    picture::{Picture, Rect},
};

/// How far a search with ratio 1 looks, in pixels around an area.
const FARTHEST: f64 = 1024.0;
/// Painted screens that are kept. Needles of one picture mostly share their excluded areas.
const KEPT: usize = 8;

/// A screen made ready for comparing. It may be searched from several threads at once.
#[derive(Debug)]
pub struct PreparedScreen {
    gray: Gray,
    /// Blurred, under the areas that were painted over before. The latest comes last.
    blurred: Mutex<Vec<(Vec<Rect>, Arc<Gray>)>>,
}

impl PreparedScreen {
    pub fn new(picture: &Picture) -> Self {
        Self { gray: Gray::of(picture), blurred: Mutex::default() }
    }

    /// All needles as candidates, the best first. A needle whose picture cannot be used is none.
    pub fn search(&self, needles: &[Arc<LoadedNeedle>], ratio: f64) -> Vec<Candidate> {
        let mut found: Vec<_> =
            needles.iter().filter_map(|needle| self.look_for(needle, ratio)).collect();
        found.sort_by(best_first);
        found
    }

    /// How one needle fares, or `None` when its picture cannot be used. A `ratio` of 0 searches as
    /// far around each area as the needle says, 1 the whole screen.
    pub fn look_for(&self, needle: &LoadedNeedle, ratio: f64) -> Option<Candidate> {
        let templates = needle.templates().ok()?;
        let screen = self.without(&excluded(&needle.needle));
        let areas: Vec<_> = needle
            .match_areas()
            .zip(templates)
            .map(|(area, template)| judged(area, place(&screen, needle, area, template, ratio)))
            .collect();
        let squares: f64 = areas.iter().map(|area| (1.0 - area.similarity).powi(2)).sum();
        let Needle { name, hash, tags, workaround, .. } = needle.needle.clone();
        Some(Candidate {
            needle: name,
            hash,
            ok: areas.iter().all(|area| area.result == Outcome::Ok),
            error: squares / areas.len() as f64,
            areas,
            tags,
            workaround,
            expected: None,
        })
    }

    fn without(&self, excluded: &[Rect]) -> Arc<Gray> {
        // A painted screen is whole once it is in the list, whatever panicked meanwhile.
        let lock = || self.blurred.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, screen)) = lock().iter().find(|(rects, _)| rects == excluded) {
            return Arc::clone(screen);
        }
        let made = Arc::new(self.gray.painted(excluded).blurred());
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((excluded.to_vec(), Arc::clone(&made)));
        made
    }
}

/// Searches a screen for all needles and returns them as candidates, the best first.
pub fn search(screen: &Picture, needles: &[Arc<LoadedNeedle>], ratio: f64) -> Vec<Candidate> {
    PreparedScreen::new(screen).search(needles, ratio)
}

/// What a needle's match areas look like on its own picture.
pub(super) fn templates(picture: &Picture, needle: &Needle) -> Box<[Template]> {
    let gray = Gray::of(picture).painted(&excluded(needle));
    let wanted = needle.areas.iter().filter(|area| area.kind == AreaKind::Match);
    wanted.map(|area| gray.cut_blurred(rect(area))).collect()
}

/// Where an area is looked for on a screen of this size, or `None` when it never fits.
pub(super) fn search_region(
    area: &Area,
    needle_size: (u32, u32),
    (width, height): (u32, u32),
    ratio: f64,
) -> Option<Rect> {
    if !matcher::lies_inside(rect(area), width, height) {
        return None;
    }
    let (x, y) = scaled(area, needle_size, (width, height));
    let place = Rect::new(x, y, area.w, area.h);
    Some(matcher::region(place, margin(area, ratio)).within(width, height))
}

fn place(
    screen: &Gray,
    needle: &LoadedNeedle,
    area: &Area,
    template: &Template,
    ratio: f64,
) -> Found {
    let size = (screen.width.unsigned_abs(), screen.height.unsigned_abs());
    if !matcher::lies_inside(rect(area), size.0, size.1) {
        return Found { x: 0, y: 0, similarity: 0.0 };
    }
    let origin = scaled(area, needle.size(), size);
    matcher::find(screen, template, origin, margin(area, ratio))
}

/// An area's place on a screen that has another size than the needle's picture. The area itself
/// keeps its size.
fn scaled(area: &Area, needle: (u32, u32), screen: (u32, u32)) -> (i32, i32) {
    let scale = |at: i32, from: u32, to: u32| {
        let scaled = i64::from(at) * i64::from(to) / i64::from(from.max(1));
        i32::try_from(scaled).unwrap_or(i32::MAX)
    };
    (scale(area.x, needle.0, screen.0), scale(area.y, needle.1, screen.1))
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest whole number")]
fn margin(area: &Area, ratio: f64) -> i32 {
    let margin = f64::from(area.margin);
    (margin + ratio * (FARTHEST - margin)) as i32
}

fn judged(area: &Area, found: Found) -> AreaMatch {
    let enough = found.similarity >= area.match_percent / 100.0;
    AreaMatch {
        kind: area.kind,
        x: found.x,
        y: found.y,
        w: area.w,
        h: area.h,
        similarity: found.similarity,
        result: if enough { Outcome::Ok } else { Outcome::Fail },
        click_point: area.click_point.clone(),
    }
}

/// Matches first, then the closest, then workarounds, then by name.
fn best_first(a: &Candidate, b: &Candidate) -> Ordering {
    let workaround = || b.workaround.is_some().cmp(&a.workaround.is_some());
    b.ok.cmp(&a.ok)
        .then_with(|| a.error.total_cmp(&b.error))
        .then_with(workaround)
        .then_with(|| a.needle.cmp(&b.needle))
}

fn excluded(needle: &Needle) -> Vec<Rect> {
    needle.areas.iter().filter(|area| area.kind == AreaKind::Exclude).map(rect).collect()
}

const fn rect(area: &Area) -> Rect {
    Rect::new(area.x, area.y, area.w, area.h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn area(x: i32, y: i32, w: i32, h: i32, margin: u32) -> Area {
        let kind = AreaKind::Match;
        Area { kind, x, y, w, h, match_percent: 96.0, margin, click_point: None }
    }

    #[test]
    fn the_ratio_widens_the_margin_towards_the_whole_screen() {
        for (own, ratio, want) in [
            (50, 0.0, 50),
            (50, 0.02, 69),
            (50, 1.0, 1024),
            (0, 0.02, 20),
            (1_000_000, 0.02, 980_020),
            (1_000_000, 1.0, 1024),
        ] {
            assert_eq!(margin(&area(0, 0, 1, 1, own), ratio), want, "{own} {ratio}");
        }
    }

    #[test]
    fn places_follow_the_screens_size_and_what_does_not_fit_is_not_searched() {
        let a = area(100, 50, 40, 30, 10);
        let region = |screen| search_region(&a, (1024, 768), screen, 0.0);
        assert_eq!(region((1024, 768)), Some(Rect::new(90, 40, 60, 50)));
        assert_eq!(region((2048, 768)), Some(Rect::new(190, 40, 60, 50)));
        assert_eq!(region((140, 80)), Some(Rect::new(3, 0, 60, 45)));
        assert_eq!(region((139, 80)), None);
        assert_eq!(region((0, 0)), None);
    }

    #[test]
    fn candidates_come_in_os_autoinsts_order() {
        let candidate = |needle: &str, ok, error, workaround: bool| Candidate {
            needle: needle.to_owned(),
            hash: Digest::of(b""),
            ok,
            error,
            areas: vec![],
            tags: vec![],
            workaround: workaround.then(String::new),
            expected: None,
        };
        let mut all = [
            candidate("near", false, 0.1, true),
            candidate("b", true, 0.0, false),
            candidate("worse", true, 0.2, true),
            candidate("far", false, 0.9, false),
            candidate("a", true, 0.0, false),
            candidate("known", true, 0.0, true),
        ];
        all.sort_by(best_first);
        let names: Vec<_> = all.iter().map(|candidate| candidate.needle.as_str()).collect();
        assert_eq!(names, ["known", "a", "b", "worse", "near", "far"]);
    }
}
