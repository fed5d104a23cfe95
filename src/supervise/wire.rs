//! The connection to an engine's socket: wake-ups come in, commands go out.

use std::io;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
};

use super::JobFolder;
use crate::{model::Command, sockets};

/// A connection to a running engine.
#[derive(Debug)]
pub(super) struct Wire {
    wakes: Lines<BufReader<OwnedReadHalf>>,
    out: OwnedWriteHalf,
}

impl Wire {
    pub(super) async fn connect(folder: &JobFolder) -> io::Result<Self> {
        let stream = sockets::connect(&folder.path().join(JobFolder::SOCKET)).await?;
        let (reader, out) = stream.into_split();
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
