//! The connection to an engine's socket: wake-ups come in, commands go out.

use std::{fs::File, io, os::fd::AsRawFd};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::JobFolder;
use crate::model::Command;

/// A connection to a running engine.
#[derive(Debug)]
pub(super) struct Wire {
    wakes: Lines<BufReader<OwnedReadHalf>>,
    out: OwnedWriteHalf,
}

impl Wire {
    /// Connects through the folder's descriptor, because a socket's path holds 107 bytes and a data
    /// folder may lie deeper.
    pub(super) async fn connect(folder: &JobFolder) -> io::Result<Self> {
        let opened = File::open(folder.path())?;
        let path = format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), JobFolder::SOCKET);
        let (reader, out) = UnixStream::connect(path).await?.into_split();
        Ok(Self { wakes: BufReader::new(reader).lines(), out })
    }

    /// Waits until there is something new; `None` when the engine has closed the connection.
    pub(super) async fn woken(&mut self) -> Option<u64> {
        self.wakes.next_line().await.ok()??.parse().ok()
    }

    pub(super) async fn send(&mut self, command: &Command) -> io::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.out.write_all(&line).await
    }
}
