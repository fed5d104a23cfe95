//! The folders of the appliance, and who may look into them.
//!
//! What a job brings and leaves is for those who may see the job, and the store has everybody's
//! secrets: nobody but the appliance's account comes to them other than through its doors. The inbox
//! and the socket are for others, so the data folder itself is not closed.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use super::AppError;
use crate::{job_file::bundle, store};

/// Folders that nobody else looks into: what jobs leave, what came with them, and what is just
/// arriving or being copied.
const PRIVATE: [&str; 4] = ["jobs", "bundles", "screens", "staging"];

/// Makes the folders there are to be, and closes them where an older appliance left them open.
pub(super) fn prepare(data: &Path) -> Result<(), AppError> {
    fs::create_dir_all(data).map_err(failed(data))?;
    for folder in PRIVATE.map(|name| data.join(name)) {
        if folder.is_dir() {
            close(&folder, 0o700);
        } else {
            DirBuilder::new().mode(0o700).create(&folder).map_err(failed(&folder))?;
        }
    }
    Ok(())
}

/// Closes the store, which has keys and hashes of passwords.
pub(super) fn close_store(data: &Path) {
    close(&data.join(store::FILE), 0o600);
}

/// Where the folder belongs to somebody else, who shares it on purpose, all works as before.
fn close(path: &Path, mode: u32) {
    if let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode)) {
        let path = path.display();
        tracing::warn!(%path, %error, "other accounts of this box may be able to read it");
    }
}

/// Removes what a crash has left half written.
pub(super) fn clear_half_written(data: &Path) -> Result<(), AppError> {
    let bundles = data.join("bundles");
    bundle::clean(&bundles).map_err(failed(&bundles))?;
    let staging = data.join("staging");
    let left = fs::read_dir(&staging).map_err(failed(&staging))?;
    left.flatten().for_each(|entry| drop(fs::remove_file(entry.path())));
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> AppError {
    let path = path.to_path_buf();
    move |source| AppError::Folder { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_looks_into_what_jobs_leave() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let rights =
            |name: &str| fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o7777;
        fs::create_dir_all(data.join("jobs")).unwrap();
        fs::set_permissions(data.join("jobs"), Permissions::from_mode(0o755)).unwrap();
        fs::write(data.join(store::FILE), "").unwrap();
        for _ in 0..2 {
            prepare(&data).unwrap();
            close_store(&data);
            assert_eq!(PRIVATE.map(rights), [0o700; 4], "also one that was open before");
            assert_eq!(rights(store::FILE), 0o600);
        }
        fs::remove_dir(data.join("staging")).unwrap();
        fs::write(data.join("staging"), "").unwrap();
        assert!(matches!(prepare(&data), Err(AppError::Folder { .. })));
    }
}
