//! Needles as os-autoinst defines them, and what a search found.

use serde::{Deserialize, Serialize};

use super::Digest;

/// What an area of a needle asks of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AreaKind {
    Match,
    Exclude,
    Ocr,
}

/// Where to click in an area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum ClickPoint {
    Center,
    /// Pixels from the area's top left corner.
    At {
        x: u32,
        y: u32,
        id: Option<String>,
    },
}

/// One rectangle of a needle, in pixels of its picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Area {
    pub kind: AreaKind,
    pub x: i32,
    pub y: i32,
    pub w: i32,
    pub h: i32,
    /// Similarity asked for, percent.
    pub match_percent: f64,
    /// Pixels around the area that are searched.
    pub margin: u32,
    pub click_point: Option<ClickPoint>,
}

/// What a needle file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Needle {
    /// File name without folder and ending.
    pub name: String,
    pub tags: Vec<String>,
    pub areas: Vec<Area>,
    /// The reference when this needle stands for a known workaround (`bsc#1234567: text`).
    pub workaround: Option<String>,
    /// Over the JSON and the picture.
    pub hash: Digest,
}

/// Which needles a step asks for: any of the groups, in which every tag must be present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagQuery(pub Vec<Vec<String>>);

impl TagQuery {
    /// os-autoinst's rule: a string's words must all be there.
    pub fn all_of(words: &str) -> Self {
        Self(vec![words.split_whitespace().map(str::to_owned).collect()])
    }

    pub fn accepts(&self, tags: &[String]) -> bool {
        self.0.iter().any(|group| !group.is_empty() && group.iter().all(|tag| tags.contains(tag)))
    }
}

impl std::fmt::Display for TagQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let groups: Vec<_> = self.0.iter().map(|group| group.join(" ")).collect();
        f.write_str(&groups.join(", "))
    }
}

/// How one area fared on a screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AreaMatch {
    #[serde(rename = "type")]
    pub kind: AreaKind,
    /// Where it was found (its best place), pixels of the screen.
    pub x: i32,
    pub y: i32,
    pub w: i32,
    pub h: i32,
    /// 0 to 1.
    pub similarity: f64,
    pub result: super::Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_point: Option<ClickPoint>,
}

/// How one needle fared on a screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    pub needle: String,
    pub hash: Digest,
    pub ok: bool,
    /// Mean of the squared dissimilarities of its areas, 0 to 1.
    pub error: f64,
    pub areas: Vec<AreaMatch>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workaround: Option<String>,
    /// Kept of the needles that came nearest where none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
}

/// The screen a needle was cut from, kept with the job that did not see it: the needle itself may
/// be another one tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Expected {
    pub sha256: Digest,
    /// Relative to the job's folder.
    pub file: String,
    pub width: u32,
    pub height: u32,
    /// What had to be found: x, y, width and height.
    #[schema(value_type = Vec<Vec<i32>>)]
    pub areas: Vec<[i32; 4]>,
}

impl Candidate {
    /// Where a click on this match goes: the click point of the last area that has one, else the
    /// centre of the last area. `id` picks among named points.
    pub fn click_target(&self, id: Option<&str>) -> Option<(i32, i32)> {
        let named = |area: &&AreaMatch| match (&area.click_point, id) {
            (Some(ClickPoint::At { id: Some(found), .. }), Some(wanted)) => found == wanted,
            (Some(_), None) => true,
            _ => false,
        };
        let area = self.areas.iter().rev().find(named);
        if id.is_some() && area.is_none() {
            return None;
        }
        let area = area.or_else(|| self.areas.last())?;
        Some(match area.click_point {
            Some(ClickPoint::At { x, y, .. }) => {
                (area.x.saturating_add_unsigned(x), area.y.saturating_add_unsigned(y))
            }
            Some(ClickPoint::Center) | None => (area.x + area.w / 2, area.y + area.h / 2),
        })
    }
}
