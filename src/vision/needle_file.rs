//! What a needle's JSON file says, as os-autoinst reads it.
//!
//! Needles in the wild were written by many editors and by hand, and Perl takes what it gets:
//! numbers come as text or fractions, and 0 means "not given". The same is accepted here and
//! nothing else: what could never match, or would match everything, is refused in words that say
//! what to change. Whether the picture exists and fits is for `needle_set` to see.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::{Area, AreaKind, ClickPoint};

const DEFAULT_MATCH: f64 = 96.0;
const DEFAULT_MARGIN: i32 = 50;
/// The largest number a coordinate may be. Far from overflowing sums, far beyond any screen.
const LARGEST: f64 = 1e9;
/// Most areas and tags a needle may have. Real ones have a handful.
const MOST: usize = 1000;

/// Why a needle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NeedleFileError {
    #[error("could not read it")]
    Read(#[source] std::io::Error),
    #[error("it is {bytes} bytes long, more than the {limit} a needle may be")]
    TooLong { bytes: u64, limit: u64 },
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it leads out of the needles' folder; copy the file into the folder instead")]
    Outside,
    #[error("its name is not plain text (UTF-8); rename it")]
    Name,
    #[error("it is not JSON a needle can be read from")]
    Json(#[source] serde_json::Error),
    #[error("{key} of area {area} is {found}, want a number")]
    NotANumber { area: usize, key: &'static str, found: String },
    #[error("it has more than {limit} {what}; leave some out")]
    TooMany { what: &'static str, limit: usize },
    #[error("tag {0} is not text")]
    Tag(String),
    #[error(
        "area {area} has an invalid click point {found}; want \"center\", or xpos and ypos of 1 or more"
    )]
    ClickPoint { area: usize, found: String },
    #[error(
        "more than one area has a click point, and not each of them an id; give each an id or keep one"
    )]
    ClickPoints,
    #[error("it has no area of type match, so it could never be found; add one")]
    NoMatchArea,
    #[error("area {area} is {w} x {h} pixels, want both to be 1 or more")]
    NoSize { area: usize, w: i32, h: i32 },
    #[error("there is no picture {picture} beside it; add the screenshot it was cut from")]
    NoPicture { picture: String },
    #[error("its picture {picture} is not a PNG file; save the screenshot as PNG")]
    NotPng { picture: String },
    #[error(
        "area {area} ({w} x {h} at {x},{y}) reaches outside its picture of {width} x {height} pixels; \
         correct the area or take the picture again"
    )]
    OutsidePicture { area: usize, x: i32, y: i32, w: i32, h: i32, width: u32, height: u32 },
    #[error("its picture changed after the needle was read; load the needles again")]
    Changed,
    #[error("could not read its picture")]
    Picture(#[from] crate::picture::PictureError),
}

/// Something about a usable needle that its author may want to know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NeedleNote {
    #[error("tag {0} is given twice; remove one")]
    TagTwice(String),
    #[error("area {area} is of the unknown type {kind:?} and is ignored")]
    UnknownArea { area: usize, kind: String },
    #[error("{other} has the same name; both are searched, but results cannot tell them apart")]
    NameTwice { other: String },
}

/// A needle file's content before its picture has been looked at.
#[derive(Debug, PartialEq)]
pub(super) struct NeedleFile {
    pub(super) tags: Vec<String>,
    pub(super) areas: Vec<Area>,
    pub(super) workaround: Option<String>,
    pub(super) notes: Vec<NeedleNote>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    tags: Option<Vec<Value>>,
    #[serde(default)]
    properties: Option<Vec<Value>>,
    #[serde(default)]
    area: Option<Vec<Map<String, Value>>>,
}

#[derive(Deserialize)]
struct RawArea {
    #[serde(default)]
    xpos: Value,
    #[serde(default)]
    ypos: Value,
    #[serde(default)]
    width: Value,
    #[serde(default)]
    height: Value,
    #[serde(default, rename = "type")]
    kind: Value,
    #[serde(default, rename = "match")]
    match_percent: Value,
    #[serde(default)]
    margin: Value,
    #[serde(default)]
    click_point: Value,
}

/// Reads the content of a needle file. `name` is the needle's name, which may tell of a workaround.
pub(super) fn parse(name: &str, json: &[u8]) -> Result<NeedleFile, NeedleFileError> {
    // By way of a map, because serde takes a list for a struct.
    let object: Map<String, Value> = serde_json::from_slice(json).map_err(NeedleFileError::Json)?;
    let raw: Raw = serde_json::from_value(object.into()).map_err(NeedleFileError::Json)?;
    let mut notes = Vec::new();
    let tags = tags(raw.tags.unwrap_or_default(), &mut notes)?;
    let raw_areas = raw.area.unwrap_or_default();
    if raw_areas.len() > MOST {
        return Err(NeedleFileError::TooMany { what: "areas", limit: MOST });
    }
    let mut areas = Vec::with_capacity(raw_areas.len());
    let mut points = Vec::new();
    for (number, raw) in (1..).zip(raw_areas) {
        let raw: RawArea = serde_json::from_value(raw.into()).map_err(NeedleFileError::Json)?;
        let click_point = click_point(number, &raw.click_point)?;
        points.extend(click_point.clone());
        let kind = match word(&raw.kind).as_deref() {
            None | Some("match") => AreaKind::Match,
            Some("exclude") => AreaKind::Exclude,
            Some("ocr") => AreaKind::Ocr,
            Some(kind) => {
                notes.push(NeedleNote::UnknownArea { area: number, kind: kind.to_owned() });
                continue;
            }
        };
        let area = area(number, kind, &raw, click_point)?;
        if kind == AreaKind::Match && (area.w < 1 || area.h < 1) {
            return Err(NeedleFileError::NoSize { area: number, w: area.w, h: area.h });
        }
        areas.push(area);
    }
    let has_id = |point: &ClickPoint| matches!(point, ClickPoint::At { id: Some(_), .. });
    if points.len() > 1 && !points.iter().all(has_id) {
        return Err(NeedleFileError::ClickPoints);
    }
    if !areas.iter().any(|area| area.kind == AreaKind::Match) {
        return Err(NeedleFileError::NoMatchArea);
    }
    let workaround = workaround(name, &raw.properties.unwrap_or_default());
    Ok(NeedleFile { tags, areas, workaround, notes })
}

fn area(
    number: usize,
    kind: AreaKind,
    raw: &RawArea,
    click_point: Option<ClickPoint>,
) -> Result<Area, NeedleFileError> {
    let of = |key, value| number_or_none(number, key, value);
    let whole = |key, value| of(key, value).map(|number| number.map_or(0, to_int));
    Ok(Area {
        kind,
        x: whole("xpos", &raw.xpos)?,
        y: whole("ypos", &raw.ypos)?,
        w: whole("width", &raw.width)?,
        h: whole("height", &raw.height)?,
        match_percent: of("match", &raw.match_percent)?.unwrap_or(DEFAULT_MATCH),
        margin: of("margin", &raw.margin)?.map_or(DEFAULT_MARGIN, to_int).max(0).cast_unsigned(),
        click_point,
    })
}

fn tags(raw: Vec<Value>, notes: &mut Vec<NeedleNote>) -> Result<Vec<String>, NeedleFileError> {
    if raw.len() > MOST {
        return Err(NeedleFileError::TooMany { what: "tags", limit: MOST });
    }
    let mut tags = Vec::with_capacity(raw.len());
    for value in raw {
        let tag = match value {
            Value::String(tag) => tag,
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(NeedleFileError::Tag(shown(&value)));
            }
        };
        if tags.contains(&tag) {
            notes.push(NeedleNote::TagTwice(tag));
        } else {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// Perl's `value || default`: nothing, "", 0, "0" and false all mean "not given".
fn number_or_none(
    area: usize,
    key: &'static str,
    value: &Value,
) -> Result<Option<f64>, NeedleFileError> {
    let number = match value {
        Value::Null | Value::Bool(false) => return Ok(None),
        Value::Bool(true) => 1.0,
        Value::Number(number) => number.as_f64().unwrap_or(0.0),
        Value::String(text) if text.is_empty() || text == "0" => return Ok(None),
        // "0.0" is a number that was given: true, and zero.
        Value::String(text) => return Ok(Some(leading_number(text))),
        Value::Array(_) | Value::Object(_) => {
            return Err(NeedleFileError::NotANumber { area, key, found: shown(value) });
        }
    };
    Ok((number != 0.0).then_some(number))
}

/// The number a text begins with, 0 when it begins with none.
fn leading_number(text: &str) -> f64 {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
            .expect("a constant expression")
    });
    let found = NUMBER.captures(text).and_then(|captures| captures.get(1));
    found.and_then(|number| number.as_str().parse().ok()).unwrap_or(0.0)
}

#[expect(clippy::cast_possible_truncation, reason = "cut to a range that fits just before")]
fn to_int(number: f64) -> i32 {
    number.clamp(-LARGEST, LARGEST) as i32
}

fn click_point(area: usize, value: &Value) -> Result<Option<ClickPoint>, NeedleFileError> {
    let refused = || NeedleFileError::ClickPoint { area, found: shown(value) };
    match value {
        Value::Object(map) => {
            let at = |key| {
                let number = number_or_none(area, "click point", map.get(key)?).ok()??;
                u32::try_from(to_int(number)).ok()
            };
            let (Some(x), Some(y)) = (at("xpos"), at("ypos")) else { return Err(refused()) };
            Ok(Some(ClickPoint::At { x, y, id: map.get("id").and_then(word) }))
        }
        Value::String(text) if text == "center" => Ok(Some(ClickPoint::Center)),
        value if word(value).is_none() && !value.is_array() => Ok(None),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(refused())
        }
    }
}

/// A text that counts as given, or `None`.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_empty() && text != "0").then(|| text.clone()),
        Value::Number(number) => (number.as_f64() != Some(0.0)).then(|| number.to_string()),
        Value::Bool(true) => Some("1".to_owned()),
        Value::Null | Value::Bool(false) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The reference of a needle with the property `workaround`: its value, or what the needle's name
/// says. A name alone makes no workaround.
fn workaround(name: &str, properties: &[Value]) -> Option<String> {
    static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\S+-(bsc|poo|bnc|boo)([0-9]+)-\S+").expect("a constant expression")
    });
    let mut found = None;
    for property in properties {
        let (key, value) = match property {
            Value::String(key) => (key.as_str(), None),
            Value::Object(map) => {
                (map.get("name").and_then(Value::as_str).unwrap_or_default(), map.get("value"))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => continue,
        };
        if key == "workaround" {
            found = found.or_else(|| Some(value.and_then(word)));
        }
    }
    let by_name = || Some(REFERENCE.captures(name)?).map(|c| format!("{}#{}", &c[1], &c[2]));
    Some(found?.or_else(by_name).unwrap_or_else(|| "no reference given".to_owned()))
}

/// The start of a value, for a message.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_area(area: &str) -> Result<NeedleFile, NeedleFileError> {
        parse("n", format!(r#"{{"area":[{area}],"tags":["t"]}}"#).as_bytes())
    }

    #[test]
    fn numbers_are_read_as_perl_reads_them() {
        for (area, want) in [
            (r#"{"width":10,"height":20}"#, (0, 0, 10, 20, 96.0, 50)),
            (
                r#"{"xpos":"7","ypos":7.9,"width":"10px","height":"2e1","match":"100","margin":0}"#,
                (7, 7, 10, 20, 100.0, 50),
            ),
            (
                r#"{"xpos":null,"ypos":false,"width":1,"height":true,"match":0,"margin":1000000}"#,
                (0, 0, 1, 1, 96.0, 1_000_000),
            ),
            (r#"{"width":1e300,"height":1,"margin":-5}"#, (0, 0, 1_000_000_000, 1, 96.0, 0)),
            (r#"{"width":3,"height":1,"match":12.5,"type":""}"#, (0, 0, 3, 1, 12.5, 50)),
        ] {
            let a = &with_area(area).unwrap().areas[0];
            assert_eq!((a.x, a.y, a.w, a.h, a.match_percent, a.margin), want, "{area}");
        }
    }

    #[test]
    fn what_could_not_work_is_refused_with_words() {
        let size = r#""width":9,"height":9"#;
        for (areas, want) in [
            (String::new(), "no area of type match"),
            (format!(r#"{{"type":"ocr",{size}}}"#), "no area of type match"),
            (format!(r#"{{"type":"exclude",{size}}}"#), "no area of type match"),
            (r#"{"width":9}"#.to_owned(), "area 1 is 9 x 0 pixels"),
            (format!(r#"{{{size},"xpos":[1]}}"#), "xpos of area 1 is [1]"),
            (format!(r#"{{{size},"click_point":{{"xpos":0,"ypos":1}}}}"#), "invalid click point"),
            (format!(r#"{{{size},"click_point":"middle"}}"#), "invalid click point"),
            (format!(r#"{{{size},"click_point":[]}}"#), "invalid click point"),
            (format!(r#"{{{size},"click_point":{{"xpos":-3,"ypos":1}}}}"#), "invalid click point"),
            (
                format!(
                    r#"{{{size},"click_point":"center"}},{{{size},"click_point":{{"xpos":1,"ypos":1,"id":"a"}}}}"#
                ),
                "more than one area has a click point",
            ),
            ("7".to_owned(), "not JSON a needle can be read from"),
        ] {
            let message = with_area(&areas).unwrap_err().to_string();
            assert!(message.contains(want), "{areas}: {message}");
        }
        for json in ["", "[]", "{", r#"{"tags":"a"}"#, &"[".repeat(100_000)] {
            assert!(matches!(parse("n", json.as_bytes()), Err(NeedleFileError::Json(_))));
        }
        assert!(matches!(parse("n", br#"{"tags":[[]]}"#), Err(NeedleFileError::Tag(_))));
    }

    #[test]
    fn click_points_are_kept_and_several_need_ids() {
        let file = with_area(
            r#"{"width":9,"height":9,"click_point":{"xpos":"2","ypos":4.5,"id":"first"}},
               {"width":9,"height":9,"click_point":{"xpos":1,"ypos":1,"id":2}},
               {"width":9,"height":9,"click_point":0}"#,
        );
        let points: Vec<_> = file.unwrap().areas.into_iter().map(|a| a.click_point).collect();
        let at = |x, y, id: &str| Some(ClickPoint::At { x, y, id: Some(id.to_owned()) });
        assert_eq!(points, [at(2, 4, "first"), at(1, 1, "2"), None]);
    }

    #[test]
    fn unknown_types_and_double_tags_are_noted() {
        let json = br#"{"tags":["a","b","a",7],
            "area":[{"type":"face"},{"width":1,"height":1}],"max_offset":3}"#;
        let file = parse("n", json).unwrap();
        assert_eq!(file.tags, ["a", "b", "7"]);
        assert_eq!(file.areas.len(), 1);
        let unknown = NeedleNote::UnknownArea { area: 1, kind: "face".to_owned() };
        assert_eq!(file.notes, [NeedleNote::TagTwice("a".to_owned()), unknown]);
    }

    #[test]
    fn a_workaround_is_a_property_and_its_reference_may_be_in_the_name() {
        for (name, properties, want) in [
            ("n", r"[]", None),
            ("a-bsc12-b", r"[]", None),
            ("a-bsc12-b", r#"["workaround"]"#, Some("bsc#12")),
            ("a-bsc12-b-poo3-c", r#"[{"name":"workaround"}]"#, Some("poo#3")),
            ("n", r#"["glossy",{"name":"workaround","value":"bsc#7: x"}]"#, Some("bsc#7: x")),
            ("n", r#"["workaround"]"#, Some("no reference given")),
            ("n", r#"[["workaround"],{"value":1},null]"#, None),
        ] {
            let json =
                format!(r#"{{"area":[{{"width":1,"height":1}}],"properties":{properties}}}"#);
            let file = parse(name, json.as_bytes()).unwrap();
            assert_eq!(file.workaround.as_deref(), want, "{name} {properties}");
        }
    }
}
