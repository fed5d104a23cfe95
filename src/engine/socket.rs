//! The engine's ear: commands come in as lines of JSON on `engine.sock`, and every connection is
//! woken with the number of the newest event.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, watch},
};

use crate::{model::Command, tasks::Tasks};

/// A command longer than this is not one of ours. The longest has all the limits an engine is given,
/// each for a place with names as long as they may be.
const MAX_LINE: u64 = 1 << 20;
/// Nothing says when a connection can be accepted again.
const AFTER_AN_ERROR: Duration = Duration::from_millis(200);

/// Listens at `path` (relative to the job's folder: an absolute one may be too long for a socket)
/// until the tasks are closed. A full channel makes the sender of commands wait.
pub(super) fn listen(
    path: &Path,
    newest: watch::Receiver<u64>,
    commands: mpsc::Sender<Command>,
    tasks: &Tasks,
) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    let inner = tasks.clone();
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = inner.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let serve = serve(stream, newest.clone(), commands.clone());
                    let stop = inner.stop.clone();
                    inner.spawn(async move { stop.run_until_cancelled(serve).await });
                }
                // Out of descriptors, most likely: what is connected goes on, and when it has
                // closed, others can be heard again.
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(AFTER_AN_ERROR).await;
                }
            }
        }
    });
    Ok(())
}

/// Serves one connection until it closes or says something that is no command.
async fn serve(
    stream: UnixStream,
    mut newest: watch::Receiver<u64>,
    commands: mpsc::Sender<Command>,
) {
    let (reader, mut writer) = stream.into_split();
    let listen = async {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await;
            if !matches!(read, Ok(1..)) || line.last() != Some(&b'\n') {
                if line.len() as u64 >= MAX_LINE {
                    tracing::warn!("a command is longer than {MAX_LINE} bytes: not heard");
                }
                return;
            }
            match serde_json::from_slice(&line) {
                Ok(command) => {
                    if commands.send(command).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(%error, "not a command"),
            }
        }
    };
    let wake = async {
        newest.mark_changed();
        while newest.changed().await.is_ok() {
            let seq = *newest.borrow_and_update();
            if writer.write_all(format!("{seq}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = listen => {}, () = wake => {} }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limit, LimitMode, LimitOrigin, Measure, Spot};
    use tokio_util::sync::CancellationToken;

    #[test]
    fn all_the_limits_there_may_be_are_one_command() {
        let name = || "\u{7f}".repeat(crate::model::LONGEST_SPOT);
        let limit = Limit {
            measure: Measure::ModuleTime,
            spot: Spot { module: name(), step: name() },
            value: 123_456.789,
            mode: LimitMode::Watch,
            origin: LimitOrigin::Set { by: "x".repeat(64) },
        };
        let limits = vec![limit; crate::insight::MOST_LIMITS];
        let line = serde_json::to_string(&Command::Limits { limits }).unwrap();
        assert!((line.len() as u64) < MAX_LINE, "{}", line.len());
    }

    #[tokio::test]
    async fn a_connection_is_woken_and_heard_and_nonsense_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let tasks = Tasks::new(CancellationToken::new());
        let (newest, newest_seen) = watch::channel(3);
        let (commands, mut heard) = mpsc::channel(4);
        listen(&path, newest_seen, commands, &tasks).unwrap();

        let (reader, mut writer) = UnixStream::connect(&path).await.unwrap().into_split();
        let mut lines = BufReader::new(reader).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "3");
        newest.send_replace(4);
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "4");
        let said = b"nonsense\n{\"command\":\"watch\",\"on\":true}\n{\"command\":\"dance\"}\n";
        writer.write_all(said).await.unwrap();
        assert_eq!(heard.recv().await, Some(Command::Watch { on: true }));
        assert_eq!(heard.recv().await, Some(Command::Unknown));
        tasks.close().await;
        assert_eq!(lines.next_line().await.unwrap(), None);
    }
}
