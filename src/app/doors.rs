//! The two doors of the appliance: the page's address, and the socket commands come through.

use std::{fs, io, net::SocketAddr, os::unix::fs::PermissionsExt, time::Duration};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request, connect_info::Connected},
    middleware::{self, Next},
    serve::IncomingStream,
};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::{config::Settings, sockets, tasks::Tasks, web::Access};

/// Requests under way may take this long when the appliance closes.
const FINISH: Duration = Duration::from_secs(5);

/// Bound, and not yet answering.
pub(super) struct Listeners {
    pub(super) address: SocketAddr,
    page: TcpListener,
    socket: UnixListener,
}

impl Listeners {
    pub(super) async fn bind(settings: &Settings) -> Result<Self, AppError> {
        let at = settings.listen.to_string();
        let failed = |source| AppError::Listen { at, source };
        let page = TcpListener::bind(settings.listen).await;
        let bound = page.and_then(|page| page.local_addr().map(|address| (page, address)));
        let (page, address) = bound.map_err(failed)?;
        let at = settings.socket().display().to_string();
        let socket = bind_socket(settings).map_err(|source| AppError::Listen { at, source })?;
        Ok(Self { address, page, socket })
    }

    /// Answers at both until the tasks close; requests under way are finished.
    pub(super) fn serve(self, router: Router, tasks: &Tasks) {
        let page = router.clone().layer(Extension(Access::Page));
        let stop = tasks.stop.clone().cancelled_owned();
        let serve = axum::serve(self.page, page).with_graceful_shutdown(stop);
        tasks.spawn(bounded(serve.into_future(), tasks.stop.clone()));

        let local = router.layer(middleware::from_fn(name_the_peer));
        let local = local.into_make_service_with_connect_info::<Peer>();
        let stop = tasks.stop.clone().cancelled_owned();
        let serve = axum::serve(self.socket, local).with_graceful_shutdown(stop);
        tasks.spawn(bounded(serve.into_future(), tasks.stop.clone()));
    }
}

/// Serves to the end; after `stop` requests under way have a moment to finish, and no more: one
/// that never ends must not keep the appliance.
async fn bounded(serve: impl Future<Output = io::Result<()>>, stop: CancellationToken) {
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(FINISH).await;
    };
    tokio::select! {
        served = serve => {
            if let Err(error) = served {
                tracing::error!(%error, "stopped listening");
            }
        }
        () = overdue => tracing::warn!("a request under way was cut off"),
    }
}

/// Binds the socket, in place of one that an earlier appliance has left: the store is ours alone,
/// so nobody else listens there.
fn bind_socket(settings: &Settings) -> io::Result<UnixListener> {
    let path = settings.socket();
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = sockets::bind(&path)?;
    // Everybody on this box may ask; what they may do depends on who the kernel says they are.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Who is at the other end of the socket, as the kernel has it.
#[derive(Debug, Clone, Copy)]
struct Peer {
    uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|peer| peer.uid()) }
    }
}

async fn name_the_peer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> axum::response::Response {
    let access = match peer.uid {
        Some(uid) => {
            let name = uzers::get_user_by_uid(uid)
                .map_or_else(|| uid.to_string(), |user| user.name().to_string_lossy().into());
            Access::Socket { uid, name }
        }
        None => Access::Page,
    };
    request.extensions_mut().insert(access);
    next.run(request).await
}
