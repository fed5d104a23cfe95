use std::os::unix::fs::symlink;

use super::*;
use crate::{model::Outcome, picture::Picture, vision::search};

const JSON: &str = r#"{"tags":["a","b"],"area":[{"xpos":4,"ypos":4,"width":16,"height":8}]}"#;

fn write(folder: &Path, name: &str, json: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path.with_extension("json"), json).unwrap();
    let mut picture = Picture::filled(40, 30, [9; 3]);
    picture.row_mut(6, 6, 9).fill(222);
    picture::write_image(&path.with_extension("png"), &picture).unwrap();
    path.with_extension("json")
}

fn load(folder: &Path) -> (NeedleSet, Vec<(String, String)>) {
    let (set, refused) = NeedleSet::load(folder).unwrap();
    let words = |refused: Refused| {
        let name = refused.path.file_name().unwrap().to_string_lossy().into_owned();
        (name, refused.reason.to_string())
    };
    let mut refused: Vec<_> = refused.into_iter().map(words).collect();
    refused.sort();
    (set, refused)
}

#[test]
fn needles_are_found_by_their_tags_in_all_folders() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "one", JSON);
    write(folder.path(), "deep/er/two", &JSON.replace(r#""b""#, r#""c""#));
    write(folder.path(), ".git/three", JSON);
    fs::write(folder.path().join("README.md"), "words").unwrap();
    let (set, refused) = load(folder.path());
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!((set.len(), set.tags()), (2, vec!["a", "b", "c"]));
    let names = |query: &str| {
        let found = set.find(&TagQuery::all_of(query));
        found.iter().map(|needle| needle.needle.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("a"), ["two", "one"]);
    assert_eq!(names("a b"), ["one"]);
    assert_eq!(names("b c"), [""; 0]);
    assert_eq!(names(""), [""; 0]);
    let error = NeedleSet::load(&folder.path().join("none")).unwrap_err();
    assert!(matches!(error, VisionError::Folder { .. }));
}

#[test]
fn what_cannot_be_used_is_handed_back_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name| folder.path().join(name);
    write(folder.path(), "good", JSON);
    write(folder.path(), "bare", JSON);
    fs::remove_file(at("bare.png")).unwrap();
    write(folder.path(), "empty", JSON);
    fs::write(at("empty.png"), "").unwrap();
    write(folder.path(), "jpeg", JSON);
    fs::write(at("jpeg.png"), b"\xff\xd8\xff and so on, long enough for a header").unwrap();
    write(folder.path(), "wide", &JSON.replace(r#""width":16"#, r#""width":37"#));
    write(folder.path(), "negative", &JSON.replace(r#""ypos":4"#, r#""ypos":-1"#));
    write(folder.path(), "long", &format!("{JSON}{}", " ".repeat(1 << 20)));
    fs::create_dir(at("folder.json")).unwrap();
    write(folder.path(), "broken", "{");
    let (set, refused) = load(folder.path());
    assert_eq!(set.len(), 1);
    for (name, words) in [
        ("bare.json", "no picture bare.png beside it"),
        ("broken.json", "not JSON"),
        ("empty.json", "no picture empty.png"),
        ("jpeg.json", "not a PNG file"),
        ("long.json", "more than the 1048576"),
        ("negative.json", "area 1 (16 x 8 at 4,-1) reaches outside its picture of 40 x 30"),
        ("wide.json", "reaches outside its picture"),
    ] {
        let found = refused.iter().find(|(refused, _)| refused == name);
        assert!(found.is_some_and(|(_, reason)| reason.contains(words)), "{name}: {found:?}");
    }
    assert_eq!(refused.len(), 7, "{refused:?}");
}

#[test]
fn links_neither_loop_nor_leave_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name| folder.path().join(name);
    let elsewhere = write(outside.path(), "other", JSON);
    let inside = write(folder.path(), "real/one", JSON);
    symlink(folder.path(), at("real/loop")).unwrap();
    symlink(outside.path(), at("out")).unwrap();
    symlink(&elsewhere, at("stolen.json")).unwrap();
    symlink("nowhere", at("dangling.json")).unwrap();
    symlink("nowhere", at("dangling.txt")).unwrap();
    symlink(&inside, at("linked.json")).unwrap();
    symlink(inside.with_extension("png"), at("linked.png")).unwrap();
    write(folder.path(), "outpic", JSON);
    fs::remove_file(at("outpic.png")).unwrap();
    symlink(elsewhere.with_extension("png"), at("outpic.png")).unwrap();
    let (set, refused) = load(folder.path());
    let names: Vec<_> = set.iter().map(|needle| needle.needle.name.as_str()).collect();
    assert_eq!(names, ["linked", "one"]);
    let refused: Vec<_> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(refused, ["dangling.json", "out", "outpic.json", "stolen.json"]);
}

#[test]
fn equal_names_and_double_tags_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a/same", JSON);
    write(folder.path(), "b/same", &JSON.replace(r#""b""#, r#""a""#));
    let (set, _) = load(folder.path());
    assert_eq!(set.len(), 2);
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].contains("b/same.json: tag a is given twice"), "{}", warnings[0]);
    assert!(warnings[1].contains("a/same.json has the same name"), "{}", warnings[1]);
}

#[test]
fn a_picture_that_breaks_after_loading_makes_no_candidate() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "one", JSON);
    let first = LoadedNeedle::load(&path).unwrap();
    let second = LoadedNeedle::load(&path).unwrap();
    let screen = picture::read_image(&path.with_extension("png")).unwrap();
    let found = search(&screen, &[Arc::new(first)], 1.0);
    assert!(found[0].ok && found[0].areas[0].result == Outcome::Ok);
    picture::write_image(&path.with_extension("png"), &Picture::filled(40, 30, [0; 3])).unwrap();
    assert!(matches!(second.prepare(), Err(NeedleFileError::Changed)));
    assert!(search(&screen, &[Arc::new(second)], 1.0).is_empty());
    let other = LoadedNeedle::load(&path).unwrap();
    assert_ne!(other.needle.hash, found[0].hash, "the hash covers the picture");
}
