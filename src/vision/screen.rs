//! Searching one screen for needles: what is compared with what, and who comes first.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use super::{
    crew,
    needle_set::LoadedNeedle,
    place::{self, Found, Part, Template},
};
use crate::{
    model::{Area, AreaKind, AreaMatch, Candidate, Needle, Outcome},
    picture::{Picture, Rect},
};

/// How far a search with ratio 1 looks, in pixels around an area.
const FARTHEST: f64 = 1024.0;

/// The needles that match, the best first. A `ratio` of 0 searches as far around each area as the
/// needle says, 1 the whole screen. A needle whose picture cannot be used is left out.
///
/// This is what a waiting step asks, and much cheaper than [`search`]: a needle is given up at its
/// first area that cannot match.
pub fn find(screen: &Picture, needles: &[Arc<LoadedNeedle>], ratio: f64) -> Vec<Candidate> {
    candidates(screen, needles, ratio, Wanted::Match)
}

/// All needles as candidates, the best first, each with its similarity however little that is.
pub fn search(screen: &Picture, needles: &[Arc<LoadedNeedle>], ratio: f64) -> Vec<Candidate> {
    candidates(screen, needles, ratio, Wanted::All)
}

/// The same for the `most` needles that may be nearest, for somebody to look at: similarity where
/// there is no match is what takes time.
pub fn nearest(
    screen: &Picture,
    needles: &[Arc<LoadedNeedle>],
    ratio: f64,
    most: usize,
) -> Vec<Candidate> {
    if needles.len() <= most {
        return search(screen, needles, ratio);
    }
    let mut least: Vec<_> = each(screen, needles, ratio, |part, needle, templates| {
        let similar = |(area, template)| {
            region_on(screen, needle, area, ratio)
                .map_or(0.0, |region| part.most_similar(template, region))
        };
        let similarities: Vec<_> = needle.match_areas().zip(templates).map(similar).collect();
        Some((error(similarities.iter().copied()), Arc::clone(needle)))
    });
    least.sort_by(|(a, one), (b, other)| {
        a.total_cmp(b).then_with(|| one.needle.name.cmp(&other.needle.name))
    });
    least.truncate(most);
    let needles: Vec<_> = least.into_iter().map(|(_, needle)| needle).collect();
    search(screen, &needles, ratio)
}

/// Which needles become candidates.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Match,
    All,
}

fn candidates(
    screen: &Picture,
    needles: &[Arc<LoadedNeedle>],
    ratio: f64,
    wanted: Wanted,
) -> Vec<Candidate> {
    let mut found = each(screen, needles, ratio, |part, needle, templates| {
        let mut areas = Vec::with_capacity(templates.len());
        for (area, template) in needle.match_areas().zip(templates) {
            let needed = match wanted {
                Wanted::Match => area.match_percent / 100.0,
                Wanted::All => 0.0,
            };
            let area = judged(area, place(screen, part, needle, (area, template), (ratio, needed)));
            if wanted == Wanted::Match && area.result != Outcome::Ok {
                return None;
            }
            areas.push(area);
        }
        Some(candidate(&needle.needle, areas))
    });
    found.sort_by(best_first);
    found
}

/// Calls `look` for every needle with the part of the screen it is searched in. That part is made
/// ready once for all needles with the same excluded areas, and there is one at a time. In no order.
fn each<T>(
    screen: &Picture,
    needles: &[Arc<LoadedNeedle>],
    ratio: f64,
    look: impl Fn(&Part, &Arc<LoadedNeedle>, &[Template]) -> Option<T> + Sync,
) -> Vec<T>
where
    T: Send,
{
    let mut groups: HashMap<Vec<Rect>, Vec<_>> = HashMap::new();
    for needle in needles {
        if let Ok(templates) = needle.templates() {
            groups.entry(excluded(&needle.needle)).or_default().push((needle, templates));
        }
    }
    let mut all = Vec::new();
    for (excluded, needles) in groups {
        let regions = needles.iter().flat_map(|(needle, _)| {
            needle.match_areas().filter_map(|area| region_on(screen, needle, area, ratio))
        });
        let rect = regions.reduce(|a, b| a.around(&b)).unwrap_or(Rect::new(0, 0, 0, 0));
        let part = Part::of(screen, rect, &excluded);
        all.extend(crew::share(&needles, |(needle, templates)| look(&part, needle, templates)));
    }
    all
}

fn candidate(needle: &Needle, areas: Vec<AreaMatch>) -> Candidate {
    let Needle { name, hash, tags, workaround, .. } = needle.clone();
    Candidate {
        needle: name,
        hash,
        ok: areas.iter().all(|area| area.result == Outcome::Ok),
        error: error(areas.iter().map(|area| area.similarity)),
        areas,
        tags,
        workaround,
        expected: None,
    }
}

fn error(similarities: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = similarities.len() as f64;
    similarities.map(|similarity| (1.0 - similarity).powi(2)).sum::<f64>() / count
}

/// What a needle's match areas look like on its own picture.
pub(super) fn templates(picture: &Picture, needle: &Needle) -> Box<[Template]> {
    let excluded = excluded(needle);
    let wanted = needle.areas.iter().filter(|area| area.kind == AreaKind::Match);
    wanted.map(|area| Template::cut(picture, rect(area), &excluded)).collect()
}

/// Where an area is looked for on a screen of this size, or `None` when it never fits.
pub(super) fn search_region(
    area: &Area,
    needle_size: (u32, u32),
    (width, height): (u32, u32),
    ratio: f64,
) -> Option<Rect> {
    if !place::lies_inside(rect(area), width, height) {
        return None;
    }
    let (x, y) = scaled(area, needle_size, (width, height));
    let place = Rect::new(x, y, area.w, area.h);
    Some(place::region(place, margin(area, ratio)).within(width, height))
}

fn region_on(screen: &Picture, needle: &LoadedNeedle, area: &Area, ratio: f64) -> Option<Rect> {
    search_region(area, needle.size(), (screen.width(), screen.height()), ratio)
}

fn place(
    screen: &Picture,
    part: &Part,
    needle: &LoadedNeedle,
    (area, template): (&Area, &Template),
    (ratio, needed): (f64, f64),
) -> Found {
    let Some(region) = region_on(screen, needle, area, ratio) else {
        return Found { x: 0, y: 0, similarity: 0.0 };
    };
    let (x, y) = scaled(area, needle.size(), (screen.width(), screen.height()));
    let found = part.find(template, (x, y), region, needed);
    found.unwrap_or(Found { x, y, similarity: 0.0 })
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
