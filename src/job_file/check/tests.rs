use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::job_file::{Options, read};

/// A job that boots `disk` and looks for `tag`.
fn job(disk: &str, tag: &str) -> Read {
    let text = format!(
        "job_name: x\nactions:\n- boot:\n    guest: {{disk: {disk}}}\n- test:\n    screen:\n      \
         needles: needles\n      steps:\n      - assert_screen: {tag}\n"
    );
    read(&text, "x.yaml", Options::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A folder with a disk and one needle with the tags `login` and `user`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("disk.img"), "disk").unwrap();
    fs::create_dir_all(folder.path().join("needles/sub")).unwrap();
    let needle = r#"{"tags": ["login", "user"], "area": []}"#;
    fs::write(folder.path().join("needles/sub/a.json"), needle).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn told(read: &Read, scope: &Scope<'_>) -> String {
    match check(read, scope) {
        Ok(warnings) => warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn what_is_there_passes_and_what_is_not_is_told() {
    let folder = folder();
    let bundle = folder.path();
    symlink("/etc/hostname", bundle.join("link")).unwrap();
    let scope = Scope { bundle, alone: false, roots: Some(&[]), data: None, submitter: None };
    let alone = Scope { alone: true, ..scope };
    let elsewhere = Scope { roots: None, ..scope };
    let sum = Digest::of(b"disk").to_string();
    let good = format!("{{url: disk.img, sha256sum: {sum}}}");
    let bad = format!("{{url: disk.img, sha256sum: {}}}", Digest::of(b"other"));
    for (disk, tag, scope, phrase) in [
        ("disk.img", "login", &scope, ""),
        ("disk.img", "user login", &scope, ""),
        ("disk.img", "[nothing, login]", &scope, ""),
        (&good, "login", &scope, ""),
        (
            &bad,
            "login",
            &scope,
            "line 4, column 19, actions[0].boot.guest.disk: found disk.img: a file with the sum",
        ),
        ("disk.iso", "login", &scope, "disk.iso: no such file"),
        ("disk.img/x", "login", &scope, "no such file"),
        ("needles", "login", &scope, "something else, expected a file"),
        ("link", "login", &scope, "a link that leads outside"),
        ("/etc/hostname", "login", &scope, "outside of what jobs may read"),
        ("/of/another/machine", "login", &elsewhere, ""),
        ("disk.iso", "login", &elsewhere, "disk.iso: no such file"),
        (
            "disk.img",
            "logim",
            &scope,
            "line 9, column 24, actions[1].test.screen.steps[0].assert_screen: found the tag `logim`, expected what one of the 1 needles has; did you mean `login`?",
        ),
        ("disk.img", "login other", &scope, "the tag `other`"),
        ("disk.iso", "login", &alone, "disk.iso travels in a folder or a tar; use `sutler submit`"),
    ] {
        let told = told(&job(disk, tag), scope);
        assert!(
            told.contains(phrase) && (phrase.is_empty() == told.is_empty()),
            "{disk} {tag}: {told}"
        );
    }
}

#[test]
fn a_broken_needle_is_a_warning() {
    let folder = folder();
    fs::write(folder.path().join("needles/b.json"), "{").unwrap();
    let scope = Scope {
        bundle: folder.path(),
        alone: false,
        roots: Some(&[]),
        data: None,
        submitter: None,
    };
    let warnings = check(&job("disk.img", "login"), &scope).unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].found.contains("b.json"), "{}", warnings[0]);
}

#[test]
fn absolute_paths_are_read_below_the_roots_as_the_submitter_could() {
    let folder = folder();
    let root = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(root.path(), 0o755);
    let data = root.path().join("data");
    fs::create_dir_all(data.join("jobs")).unwrap();
    for (name, bits) in [("open", 0o644), ("closed", 0o600), ("data/jobs/x", 0o644)] {
        fs::write(root.path().join(name), "x").unwrap();
        mode(&root.path().join(name), bits);
    }
    symlink("/etc/hostname", root.path().join("out")).unwrap();
    symlink(root.path().join("open"), root.path().join("in")).unwrap();
    let owner = fs::metadata(root.path()).unwrap().uid();
    let stranger = Identity::account(owner + 4_242);
    let roots = [root.path().to_owned()];
    let scope = Scope {
        bundle: folder.path(),
        alone: false,
        roots: Some(&roots),
        data: Some(&data),
        submitter: Some(&stranger),
    };
    for (name, phrase) in [
        ("open", ""),
        ("in", ""),
        ("closed", "it may not be read"),
        ("out", "outside of what jobs may read"),
        ("data/jobs/x", "outside of what jobs may read"),
        ("missing", "no such file"),
    ] {
        let told = told(&job(&root.path().join(name).display().to_string(), "login"), &scope);
        assert!(told.contains(phrase) && (phrase.is_empty() == told.is_empty()), "{name}: {told}");
    }
    let deeper = [data.join("jobs")];
    let scope = Scope { roots: Some(&deeper), ..scope };
    let path = data.join("jobs/x").display().to_string();
    assert_eq!(told(&job(&path, "login"), &scope), "", "a root of its own in the data folder");
    let scope = Scope { roots: Some(&roots), ..scope };
    mode(root.path(), 0o700);
    let path = root.path().join("open").display().to_string();
    assert!(told(&job(&path, "login"), &scope).contains("it may not be read"));
}
