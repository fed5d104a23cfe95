//! Streams: what a reader hears while a job goes on.

use std::io::Write;

use axum::body::Body;
use hyper::Request;

use super::site::{Open, Site};
use crate::{
    markup::samples::{running, story},
    model::{Event, JobId, Outcome, Verdict},
    store::Change,
    supervise::JobFolder,
    web::Access,
};

async fn open(site: &Site, path: &str) -> Open {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let answer = site.ask(Access::Page, request).await;
    assert_eq!(answer.0.status(), 200, "{path}");
    answer
}

/// Adds to the log of job 1, as an engine would, and says so.
fn write(site: &Site, events: &[Event]) {
    let folder = JobFolder::new(site.folder.path(), JobId(1));
    std::fs::create_dir_all(folder.path()).unwrap();
    let path = folder.file(JobFolder::EVENTS);
    let mut log = std::fs::File::options().create(true).append(true).open(path).unwrap();
    for event in events {
        writeln!(log, "{}", serde_json::to_string(event).unwrap()).unwrap();
    }
    site.grown.send_modify(|count| *count += 1);
}

async fn end(site: &Site) {
    let end = Change::Ended {
        at: "2026-11-21T12:01:00Z".parse().unwrap(),
        verdict: Verdict::Incomplete,
        cause: None,
        backend: serde_json::Map::new(),
        load: None,
        parts: Vec::new(),
        samples: Vec::new(),
    };
    site.store.change(JobId(1), end).await.unwrap();
}

async fn with_running_job() -> Site {
    let site = Site::new();
    site.add(&running(1, "grub shows its menu")).await;
    site
}

#[tokio::test]
async fn a_follower_gets_every_line_once_and_is_let_go_at_the_end() {
    let site = with_running_job().await;
    let events = story(Some(Outcome::Ok));
    write(&site, &events[..3]);
    let mut stream = open(&site, "/api/jobs/1/events?from=2&follow=true").await;
    let mut heard = stream.piece().await.unwrap();
    for few in events[3..].chunks(4) {
        write(&site, few);
        heard.push_str(&stream.piece().await.unwrap());
    }
    assert_eq!(stream.piece().await, None, "the last event ends the stream");
    let want: String =
        events[1..].iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
    assert_eq!(heard, want);
    site.close().await;
}

#[tokio::test]
async fn a_job_whose_engine_died_ends_its_followers_too() {
    let site = with_running_job().await;
    let mut stream = open(&site, "/api/jobs/1/events?follow=true").await;
    write(&site, &story(None)[..2]);
    assert_eq!(stream.piece().await.unwrap().lines().count(), 2);
    end(&site).await;
    assert_eq!(stream.piece().await, None);
    let once = open(&site, "/api/jobs/1/events").await.read().await;
    assert_eq!(once.text().lines().count(), 2);
    site.close().await;
}

#[tokio::test]
async fn a_page_hears_that_its_job_has_changed_and_that_it_is_over() {
    let site = with_running_job().await;
    let mut stream = open(&site, "/jobs/1/events").await;
    write(&site, &story(None)[..2]);
    assert_eq!(stream.piece().await.unwrap(), "event: changed\ndata: 2\n\n");
    end(&site).await;
    assert_eq!(stream.piece().await.unwrap(), "event: changed\ndata: record\n\n");
    assert_eq!(stream.piece().await.unwrap(), "event: over\ndata: over\n\n");
    assert_eq!(stream.piece().await, None);
    site.close().await;
}

#[tokio::test]
async fn an_open_live_view_watches_until_it_is_closed() {
    let site = with_running_job().await;
    let mut stream = open(&site, "/jobs/1/live/events").await;
    assert_eq!(site.asked.lock().unwrap().watch, [(JobId(1), true)]);
    write(&site, &story(None)[..1]);
    let folder = JobFolder::new(site.folder.path(), JobId(1));
    std::fs::write(folder.file("last.png"), "png").unwrap();
    let heard = [stream.piece().await.unwrap(), stream.piece().await.unwrap()].concat();
    assert!(heard.contains("event: changed") && heard.contains("event: picture"), "{heard}");
    drop(stream);
    assert_eq!(site.asked.lock().unwrap().watch, [(JobId(1), true), (JobId(1), false)]);
    site.close().await;
}

#[tokio::test]
async fn closing_the_appliance_ends_every_stream() {
    let site = with_running_job().await;
    let mut streams = Vec::new();
    for path in
        ["/events", "/jobs/1/events", "/jobs/1/live/events", "/api/jobs/1/events?follow=true"]
    {
        streams.push(open(&site, path).await);
    }
    site.tasks.stop.cancel();
    for mut stream in streams {
        assert_eq!(stream.piece().await, None);
    }
    site.close().await;
}

#[tokio::test]
async fn the_queue_page_hears_of_every_change() {
    let site = with_running_job().await;
    let mut stream = open(&site, "/events").await;
    end(&site).await;
    assert_eq!(stream.piece().await.unwrap(), "event: changed\ndata: queue\n\n");
    site.close().await;
}
