//! Speaks to the running appliance: HTTP over its Unix socket, or over TCP with a token; one
//! connection a request.

use std::{fs::File, io, path::PathBuf};

use futures_util::stream;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Frame, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::{
    answers::{Problem, Status},
    error::CliError,
    lines::Lines,
    server::{Server, Stream},
};
use crate::{config::SOCKET, sockets, tasks::Tasks};

/// Bytes of a file sent at a time.
const PIECE: usize = 64 << 10;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What goes with a request.
struct Sent<'a> {
    /// Its media type.
    kind: &'static str,
    /// By which the appliance knows it when it comes twice.
    key: Option<&'a str>,
    body: Body,
}

/// How the appliance is reached.
#[derive(Debug)]
enum Way {
    /// Best first; one of them answers.
    Sockets(Vec<PathBuf>),
    Server(Server),
}

pub(super) struct Client {
    way: Way,
    tasks: Tasks,
}

/// A document, as it came and as this command reads it.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub raw: Value,
    pub read: T,
}

impl Client {
    /// Speaks to the first appliance that answers among those with these data folders.
    pub(super) fn new(data: &[PathBuf]) -> Self {
        let sockets = data.iter().map(|folder| folder.join(SOCKET)).collect();
        Self { way: Way::Sockets(sockets), tasks: Tasks::new(CancellationToken::new()) }
    }

    /// Speaks to an appliance over TCP.
    pub(super) fn of(server: Server) -> Self {
        Self { way: Way::Server(server), tasks: Tasks::new(CancellationToken::new()) }
    }

    /// Whether it may be another machine, on which other files lie.
    pub(super) const fn is_remote(&self) -> bool {
        match self.way {
            Way::Server(_) => true,
            Way::Sockets(_) => false,
        }
    }

    /// The whole address of a page, as far as it is known from here.
    pub(super) fn page(&self, status: &Status, path: &str) -> String {
        match &self.way {
            Way::Server(server) => format!("{}{path}", server.address),
            Way::Sockets(_) => status.page(path).unwrap_or_else(|| path.to_owned()),
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, CliError> {
        answer(self.send(Method::GET, path, None).await?).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Answer<T>, CliError> {
        answer(self.send(Method::POST, path, None).await?).await
    }

    pub(super) async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Answer<T>, CliError> {
        answer(self.send(Method::DELETE, path, None).await?).await
    }

    /// Posts a document.
    pub(super) async fn send_json<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &Value,
    ) -> Result<Answer<T>, CliError> {
        let bytes = Bytes::from(document.to_string());
        let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        let sent = Some(Sent { kind: "application/json", key: None, body });
        answer(self.send(Method::POST, path, sent).await?).await
    }

    /// Sends a bundle. With the same key it is the same job, however often it is sent.
    pub(super) async fn send_tar<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        tar: File,
    ) -> Result<Answer<T>, CliError> {
        let file = tokio::fs::File::from_std(tar);
        let pieces = stream::try_unfold(file, |mut file| async move {
            let mut piece = Vec::with_capacity(PIECE);
            let length = (&mut file).take(PIECE as u64).read_to_end(&mut piece).await?;
            Ok((length > 0).then(|| (Frame::data(Bytes::from(piece)), file)))
        });
        let body = StreamBody::new(pieces).boxed_unsync();
        let sent = Some(Sent { kind: "application/x-tar", key: Some(key), body });
        answer(self.send(Method::POST, path, sent).await?).await
    }

    pub(super) async fn status(&self) -> Result<Status, CliError> {
        Ok(self.get("/api/status").await?.read)
    }

    /// A document that comes line by line, perhaps for a long time.
    pub(super) async fn lines(&self, path: &str) -> Result<LineStream, CliError> {
        let body = accepted(self.send(Method::GET, path, None).await?).await?.into_body();
        Ok(LineStream { body, lines: Lines::default() })
    }

    /// A document that is no JSON.
    pub(super) async fn text(&self, path: &str) -> Result<String, CliError> {
        let bytes = whole(accepted(self.send(Method::GET, path, None).await?).await?).await?;
        String::from_utf8(bytes.into()).map_err(|_| CliError::NotText)
    }

    /// Ends what is left of connections.
    pub(super) async fn close(self) {
        self.tasks.close().await;
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        sent: Option<Sent<'_>>,
    ) -> Result<Response<Incoming>, CliError> {
        let lost = |source| CliError::Lost { source };
        let io = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = http1::handshake(io).await.map_err(lost)?;
        let stop = self.tasks.stop.clone();
        // How a connection ends is told to whoever waits for its answer.
        self.tasks.spawn(async move { stop.run_until_cancelled(connection).await });
        let mut request = Request::builder().method(method).uri(path);
        request = match &self.way {
            Way::Sockets(_) => request.header(header::HOST, "localhost"),
            Way::Server(Server { address, token }) => {
                let request = request.header(header::HOST, &address.authority);
                match token {
                    Some(token) => request.header(header::AUTHORIZATION, token.header()),
                    None => request,
                }
            }
        };
        let nothing = || Empty::new().map_err(|never| match never {}).boxed_unsync();
        let body = match sent {
            Some(Sent { kind, key, body }) => {
                request = request.header(header::CONTENT_TYPE, kind);
                if let Some(key) = key {
                    request = request.header("idempotency-key", key);
                }
                body
            }
            None => nothing(),
        };
        let request =
            request.body(body).expect("paths are made of numbers and names that need no quoting");
        sender.send_request(request).await.map_err(lost)
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, CliError> {
        match &self.way {
            Way::Sockets(sockets) => {
                let mut tried = Vec::new();
                for socket in sockets {
                    match sockets::connect(socket).await {
                        Ok(stream) => return Ok(Box::new(stream)),
                        Err(error) => tried.push((socket.clone(), error)),
                    }
                }
                Err(CliError::Unreachable { tried })
            }
            Way::Server(Server { address, .. }) => {
                let failed = |source| CliError::NoServer { address: address.to_string(), source };
                address.connect().await.map_err(failed)
            }
        }
    }
}

/// Lines of an answer that may not have an end yet.
pub(super) struct LineStream {
    body: Incoming,
    lines: Lines,
}

impl LineStream {
    /// The next line; none when the appliance has said all.
    pub(super) async fn next(&mut self) -> Result<Option<String>, CliError> {
        loop {
            if let Some(line) = self.lines.poll() {
                return Ok(Some(line));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(source)) => return Err(CliError::Lost { source }),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.lines.feed(bytes);
                    }
                }
            }
        }
    }
}

async fn answer<T: DeserializeOwned>(response: Response<Incoming>) -> Result<Answer<T>, CliError> {
    let bytes = whole(accepted(response).await?).await?;
    let not_understood = |source| CliError::NotUnderstood { source };
    let raw: Value = serde_json::from_slice(&bytes).map_err(not_understood)?;
    let read = T::deserialize(&raw).map_err(not_understood)?;
    Ok(Answer { raw, read })
}

/// The same response, unless it says no.
async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, CliError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let bytes = whole(response).await?;
    Err(CliError::Refused(serde_json::from_slice(&bytes).unwrap_or_else(|_| Problem {
        status: status.as_u16(),
        detail: format!("the appliance answered {status}"),
        problems: Vec::new(),
    })))
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, CliError> {
    let body = response.into_body().collect().await;
    body.map(|body| body.to_bytes()).map_err(|source| CliError::Lost { source })
}
