//! How many jobs, no two alike, are taken in for good over the API while senders send one after the
//! other, each over a connection of its own: read, checked, kept on the disk, put in the queue, noted,
//! and answered with what is expected of them.

use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use sutler::clock::Stopwatch;
use tokio::net::UnixStream;

use crate::support::{
    disk::{flushes, per_second},
    figures::{Aim, Figure, Figures, Spread},
    sutler::Appliance,
    work_folder,
};

/// How long each number of senders sends.
const LONG: Duration = Duration::from_secs(5);

pub(crate) fn run() {
    let mut figures = Figures::new("intake");
    let data = &work_folder("intake").join("data");
    let appliance = Appliance::start(data, "");
    // Nothing starts, so that only taking in is measured.
    appliance.device(&["maintenance", "local", "a bench"]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    for senders in [1, 16, 256] {
        let flushes = Spread::once(flushes(data));
        let since = &Stopwatch::start();
        let sent = (0..senders).map(|sender| send(&appliance, senders, sender, since));
        let (sent, times): (Vec<_>, Vec<_>) = runtime.block_on(join_all(sent)).into_iter().unzip();
        let rate = Spread::once(per_second(sent.into_iter().sum(), since.elapsed()));
        let what = format!("jobs taken in for good over the API, {senders} at a time");
        let figure = Figure::new(what, "/s", rate).beside("fsync of this disk", flushes);
        figures.push(if senders == 16 { figure.aim(Aim::AtLeast(5_000.0)) } else { figure });
        let what = format!("the same, until one has its answer, {senders} at a time, p99");
        figures.push(Figure::new(what, "ms", Spread::p99(&times.concat())));
    }
    figures.finish();
}

/// Sends until the time is up. Returns how many, and how long each took, in milliseconds.
async fn send(
    appliance: &Appliance,
    of: usize,
    sender: usize,
    since: &Stopwatch,
) -> (u64, Vec<f64>) {
    let stream = UnixStream::connect(appliance.socket()).await.expect("the appliance listens");
    let (mut connection, driver) =
        http1::handshake(TokioIo::new(stream)).await.expect("it speaks HTTP");
    let mut times = Vec::new();
    let sends = async {
        while since.elapsed() < LONG {
            let number = times.len();
            let job = format!(
                "job_name: sent by {sender} as {number} of {of}\n\
                 timeouts: {{ job: {{ minutes: 10 }} }}\n\
                 actions:\n\
                 - boot:\n    method: qemu\n    guest: {{ memory: 256M }}\n\
                 - test:\n    screen:\n      steps:\n      - save_screenshot\n",
            );
            let request = Request::post("/api/jobs")
                .header("host", "localhost")
                .header("content-type", "application/yaml")
                .body(Full::new(Bytes::from(job)))
                .expect("it is a request");
            connection.ready().await.expect("the appliance keeps the connection");
            let sent = Stopwatch::start();
            let response = connection.send_request(request).await.expect("it answers");
            let status = response.status();
            let said = response.into_body().collect().await.expect("it answers whole").to_bytes();
            assert_eq!(status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&said));
            times.push(sent.elapsed().as_secs_f64() * 1000.0);
        }
    };
    tokio::select! {
        closed = driver => panic!("the appliance has closed the connection: {closed:?}"),
        () = sends => {}
    }
    (times.len() as u64, times)
}
