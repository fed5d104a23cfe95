//! A result screen with what was searched on it drawn over it.
//!
//! Drawn as SVG attributes over the untouched picture. A found area is a solid green frame with a
//! tick, a missed one a dashed red frame with a cross: shape and sign say the same as the colour,
//! and what lies below stays to be seen.

use maud::{Markup, html};

use super::{badge::outcome_mark, links::Links, words};
use crate::model::{AreaKind, AreaMatch, Candidate, Expected, Outcome, ScreenRun};

/// How large a screen is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Frames without labels, which nobody could read.
    Thumbnail,
    Full,
}

/// What overlays fill with; a pattern must be in the page it is used in.
pub fn patterns() -> Markup {
    html! {
        svg.unseen width="0" height="0" aria-hidden="true" focusable="false" {
            defs { (pattern("stripe")) }
        }
    }
}

/// Slanted lines; the style sheet colours them by name.
fn pattern(name: &str) -> Markup {
    html! {
        pattern id=(name) width="12" height="12" patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)" {
            rect class=(format!("{name}-ground")) width="12" height="12" {}
            rect class=(format!("{name}-line")) width="5" height="12" {}
        }
    }
}

/// The screen with one candidate drawn on it. `click` is where a click went.
pub fn picture(
    screen: &ScreenRun,
    candidate: Option<&Candidate>,
    click: Option<(i32, i32)>,
    scale: Scale,
    links: &impl Links,
) -> Markup {
    let Some(src) = links.picture(screen) else {
        return html! { span.noscreen { "not kept" } };
    };
    let (width, height) = (screen.width, screen.height);
    let is_small = scale == Scale::Thumbnail;
    html! {
        span.screen {
            img src=(src) width=(width) height=(height)
                loading=[is_small.then_some("lazy")] decoding=[is_small.then_some("async")]
                alt=(alternative(screen, candidate));
            @if let Some(candidate) = candidate {
                svg viewBox=(format!("0 0 {width} {height}")) aria-hidden="true" focusable="false" {
                    @for area in &candidate.areas { (frame(area)) }
                    @if scale == Scale::Full {
                        @for (number, area) in (1..).zip(&candidate.areas) {
                            (label(number, area, width, height))
                        }
                    }
                    @if let Some((x, y)) = click { (cross(x, y, height)) }
                }
            }
        }
    }
}

/// The screen a missed needle was cut from, with what had to be found.
pub fn expected(needle: &Candidate, links: &impl Links) -> Option<Markup> {
    let wanted = needle.expected.as_ref()?;
    let Expected { width, height, .. } = *wanted;
    let src = links.picture(&ScreenRun {
        frame: 0,
        sha256: wanted.sha256,
        file: wanted.file.clone(),
        width,
        height,
        needle: None,
        candidates: Vec::new(),
    })?;
    let areas = words::count(wanted.areas.len() as u64, "area");
    Some(html! {
        span.screen {
            img src=(src) width=(width) height=(height)
                alt=(format!("Needle {} of {width} by {height} pixels, {areas}", needle.needle));
            svg viewBox=(format!("0 0 {width} {height}")) aria-hidden="true" focusable="false" {
                @for [x, y, w, h] in &wanted.areas { (outline("area wanted", *x, *y, *w, *h)) }
                @for (number, [x, y, ..]) in (1..).zip(&wanted.areas) {
                    (plate("area wanted", &format!("{number}"), *x, *y, width, height))
                }
            }
        }
    })
}

/// What the drawing says, for those who do not see it.
fn alternative(screen: &ScreenRun, candidate: Option<&Candidate>) -> String {
    let found = match candidate {
        None => String::new(),
        Some(best) => {
            let missed = best.areas.iter().filter(|area| area.result == Outcome::Fail).count();
            match missed {
                0 => format!(", needle {} found", best.needle),
                missed => {
                    let areas = words::count(missed as u64, "area");
                    format!(", {areas} of needle {} not found", best.needle)
                }
            }
        }
    };
    format!("Screen of {} by {} pixels{found}", screen.width, screen.height)
}

fn class(area: &AreaMatch) -> &'static str {
    match (area.kind, area.result) {
        (AreaKind::Exclude, _) => "area exclude",
        (AreaKind::Match | AreaKind::Ocr, Outcome::Fail) => "area fail",
        (AreaKind::Match | AreaKind::Ocr, Outcome::Softfail) => "area softfail",
        (AreaKind::Match | AreaKind::Ocr, Outcome::Ok | Outcome::Skip | Outcome::NotRun) => {
            "area ok"
        }
    }
}

fn frame(area: &AreaMatch) -> Markup {
    outline(class(area), area.x, area.y, area.w, area.h)
}

fn outline(class: &str, x: i32, y: i32, w: i32, h: i32) -> Markup {
    let (w, h) = (w.max(0), h.max(0));
    html! {
        // A light frame below the coloured one keeps it visible on any screen.
        rect.area-edge x=(x) y=(y) width=(w) height=(h) {}
        rect class=(class) x=(x) y=(y) width=(w) height=(h) {}
    }
}

/// The area's number, sign and similarity.
fn label(number: usize, area: &AreaMatch, width: u32, height: u32) -> Markup {
    let sign = if area.result == Outcome::Fail { "✗" } else { "✓" };
    let text = match area.kind {
        AreaKind::Exclude => format!("{number} left out"),
        AreaKind::Match | AreaKind::Ocr => {
            format!("{number} {sign} {} %", percent(area.similarity))
        }
    };
    plate(class(area), &text, area.x, area.y, width, height)
}

/// Words on a plate above an area's corner, or inside when there is no room.
fn plate(class: &str, text: &str, x: i32, y: i32, width: u32, height: u32) -> Markup {
    let size = f64::from(height) / 42.0;
    let plate_width = size * 0.62 * (text.chars().count() as f64 + 1.0);
    let plate_height = size * 1.5;
    let room = (f64::from(width) - plate_width).max(0.0);
    let x = f64::from(x).clamp(0.0, room);
    let above = f64::from(y) - plate_height;
    let y = if above >= 0.0 { above } else { f64::from(y).max(0.0) };
    let plain = |number: f64| format!("{number:.1}");
    html! {
        rect class=(format!("{class} plate")) x=(plain(x)) y=(plain(y))
            width=(plain(plate_width)) height=(plain(plate_height)) {}
        text.area-label x=(plain(x + size * 0.45)) y=(plain(y + size * 1.1))
            font-size=(plain(size)) { (text) }
    }
}

fn cross(x: i32, y: i32, height: u32) -> Markup {
    let radius = (height / 48).cast_signed();
    let path = format!(
        "M{} {y}h{} M{x} {}v{}",
        x.saturating_sub(radius * 2),
        radius * 4,
        y.saturating_sub(radius * 2),
        radius * 4
    );
    html! {
        circle.click-edge cx=(x) cy=(y) r=(radius) {}
        path.click-edge d=(path) {}
        circle.click cx=(x) cy=(y) r=(radius) {}
        path.click d=(path) {}
    }
}

/// What was searched, best first, each with its areas. Choosing one draws it on the screen.
pub fn candidates(
    screen: &ScreenRun,
    chosen: usize,
    link: impl Fn(usize) -> Option<String>,
) -> Markup {
    html! {
        table.candidates {
            caption.unseen { "Needles searched on this screen, best first" }
            thead { tr { th scope="col" { "Needle" } th scope="col" { "Areas" } } }
            tbody {
                @for (index, candidate) in screen.candidates.iter().enumerate() {
                    tr.chosen[index == chosen] {
                        th scope="row" { (needle_cell(index, candidate, link(index))) }
                        td { ol.areas {
                            @for area in &candidate.areas {
                                li class=(area.result.name()) { (area_cell(area)) }
                            }
                        } }
                    }
                }
            }
        }
    }
}

fn needle_cell(index: usize, candidate: &Candidate, link: Option<String>) -> Markup {
    let result = if candidate.ok { Outcome::Ok } else { Outcome::Fail };
    let name = html! { bdi { (candidate.needle) } };
    html! {
        (outcome_mark(Some(result))) " "
        @match link {
            Some(href) => a href=(href) title=(format!("Draw candidate {}", index + 1)) { (name) },
            None => (name),
        }
        @if let Some(workaround) = &candidate.workaround {
            span.hint { "workaround " bdi { (workaround) } }
        }
        @if !candidate.tags.is_empty() {
            span.hint { "tags " bdi { (candidate.tags.join(" ")) } }
        }
    }
}

fn area_cell(area: &AreaMatch) -> Markup {
    html! {
        span.similarity { (percent(area.similarity)) " %" }
        @if area.kind == AreaKind::Exclude { span.hint { "left out" } }
        span.hint { (area.w) "×" (area.h) " at " (area.x) "," (area.y) }
    }
}

/// Rounded down, so that only a perfect match reads 100.
fn percent(similarity: f64) -> String {
    format!("{:.1}", (similarity * 1000.0).floor() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_perfect_match_reads_a_hundred() {
        for (similarity, text) in [(1.0, "100.0"), (0.9999, "99.9"), (0.6234, "62.3"), (0.0, "0.0")]
        {
            assert_eq!(percent(similarity), text);
        }
    }
}
