//! Things that take long to make, made once for all tests, also where each runs in a process of its
//! own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use sutler::model::Digest;

/// Where `name` is, made by `make` at the path it is given when it is not there yet. `key` is all
/// that it is made of: another key, another thing.
pub(crate) fn cached(name: &str, key: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = folder.join(format!("{name}-{}", Digest::of(key.as_bytes())));
    let turn = File::create(made.with_extension("lock")).unwrap();
    turn.lock().unwrap();
    if !made.exists() {
        let work = tempfile::tempdir_in(folder).unwrap();
        let new = work.path().join("new");
        make(&new);
        fs::rename(new, &made).unwrap();
    }
    made
}
