//! Unix sockets in folders of any depth.
//!
//! A socket's path holds 107 bytes (unix(7)), and a folder may lie deeper. Below the descriptor of
//! its folder every socket has a short path.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// A short path to what is called `name` in an opened folder. Good while the folder is open.
pub fn below(folder: &impl AsFd, name: impl AsRef<OsStr>) -> PathBuf {
    let folder = folder.as_fd().as_raw_fd().to_string();
    Path::new("/proc/self/fd").join(folder).join(name.as_ref())
}

/// Listens at `path`, where nothing may be yet.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    let (folder, name) = opened(path)?;
    UnixListener::bind(below(&folder, name))
}

/// Connects to the socket at `path`.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let (folder, name) = opened(path)?;
    UnixStream::connect(below(&folder, name)).await
}

fn opened(path: &Path) -> io::Result<(File, &OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok((File::open(folder)?, name)),
        (None, _) | (_, None) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_in_a_deep_folder_is_reached() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("x".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let socket = deep.join("a.sock");
        let listener = bind(&socket).unwrap();
        let (accepted, connected) = tokio::join!(listener.accept(), connect(&socket));
        assert!(accepted.is_ok() && connected.is_ok());
    }
}
