//! The icons of `icons.svg`, drawn where they are used, so that they need no file beside the page.

use std::{collections::HashMap, sync::LazyLock};

use maud::{Markup, PreEscaped, html};

/// What each symbol draws.
static SYMBOLS: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let sheet = include_str!("../../assets/web/icons.svg");
    sheet.split("<symbol id=\"").skip(1).filter_map(symbol).collect()
});

/// Name and content, of what follows `<symbol id="`.
fn symbol(text: &'static str) -> Option<(&'static str, String)> {
    let (name, rest) = text.split_once('"')?;
    let (_, rest) = rest.split_once('>')?;
    let (drawing, _) = rest.split_once("</symbol>")?;
    Some((name, drawing.lines().map(str::trim).collect()))
}

/// A symbol of `icons.svg`. Always beside a word, so readers aloud skip it.
pub fn icon(name: &str) -> Markup {
    let drawing = SYMBOLS.get(name);
    html! {
        svg.icon aria-hidden="true" focusable="false" viewBox="0 0 16 16" {
            (PreEscaped(drawing.map_or("", String::as_str)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobState, Outcome, Verdict};

    #[test]
    fn everything_that_has_a_badge_has_an_icon() {
        let outcomes =
            [Outcome::Ok, Outcome::Softfail, Outcome::Fail, Outcome::Skip, Outcome::NotRun];
        let names = (Verdict::ALL.map(Verdict::name).into_iter())
            .chain(JobState::ALL.map(JobState::name).into_iter().filter(|name| *name != "ended"))
            .chain(outcomes.map(Outcome::name))
            .chain(["brand"]);
        for name in names {
            let drawn = icon(name).into_string();
            assert!(drawn.contains("<path") || drawn.contains("<circle"), "{name}: {drawn}");
        }
    }
}
