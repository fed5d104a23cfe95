//! A site to look at with a browser, while its pages are being designed.

use super::site::Site;
use crate::markup::samples::*;
use crate::model::{JobId, JobState, Outcome, Verdict};

const NAME: &str = "debian installer asks the right questions";

/// `DEMO=127.0.0.1:8377 cargo test --lib web::tests::demo -- --ignored` serves until it is stopped.
#[tokio::test]
#[ignore = "serves for ever, for people"]
async fn a_site_to_look_at() {
    let site = Site::new();
    let verdicts = [
        Verdict::Passed,
        Verdict::Failed,
        Verdict::Passed,
        Verdict::Softfailed,
        Verdict::Incomplete,
        Verdict::Passed,
        Verdict::TimedOut,
        Verdict::Canceled,
    ];
    for (id, verdict) in (1..=60).zip(verdicts.into_iter().cycle()) {
        site.add(&ended(id, NAME, verdict, (61 - id.cast_signed()) * 47)).await;
        let end = if verdict == Verdict::Failed { Outcome::Fail } else { Outcome::Ok };
        write_folder(site.folder.path(), JobId(id), &measured(story(Some(end))));
    }
    site.add(&running(61, NAME)).await;
    write_folder(site.folder.path(), JobId(61), &measured(story(None)));
    site.add(&waiting(62, "memtest86+ finds no fault in an hour", 3)).await;
    site.add(&waiting(63, "grub shows its menu", 2)).await;
    assert_eq!(site.store.counts().await.unwrap().state(JobState::Waiting), 2);
    let address = std::env::var("DEMO").unwrap();
    let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
    println!("http://{address}/");
    axum::serve(listener, site.router()).await.unwrap();
}
