//! What the benches share: figures and where they go, guests, processes and what they cost, the peer.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) mod browser;
pub(crate) mod disk;
pub(crate) mod figures;
pub(crate) mod frames;
pub(crate) mod guests;
pub(crate) mod isotovideo;
pub(crate) mod marks;
pub(crate) mod million;
pub(crate) mod processes;
pub(crate) mod sutler;

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started or does not end well: a bench cannot go on then.
pub(crate) fn must(command: &mut std::process::Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, told) = (&output.stdout, &output.stderr);
    let words = [said, told].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {words}");
}

/// Copies a folder and all in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a bench can write to its folder");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a bench can write to its folder");
        }
    }
}

/// An empty folder for a bench. It stays, so that somebody can look at what went wrong.
pub(crate) fn work_folder(bench: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench").join(bench);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}
