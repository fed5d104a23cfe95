//! What the router answers, and what it does not.

use axum::body::Body;
use hyper::{Method, Request};

use super::site::Site;
use crate::{
    markup::samples,
    model::{Digest, DiskSample, Keepsake, Rule},
    store::Change,
    web::Access,
};

#[tokio::test]
async fn every_page_is_served_with_strict_headers() {
    let site = Site::furnished().await;
    for path in [
        "/",
        "/history",
        "/failures",
        "/jobs/1",
        "/jobs/2",
        "/jobs/3",
        "/jobs/4",
        "/jobs/2/steps/1-2-1",
        "/jobs/2/steps/1-2-1?screen=0&candidate=1",
        "/jobs/3/live",
        "/thresholds",
        "/thresholds?job=debian%20installer%20asks%20the%20right%20questions",
        "/statistics",
        "/statistics?since=7d",
    ] {
        let page = site.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-cache");
        for inline in [" style=", "<style", " onclick=", " onload="] {
            assert!(!page.text().contains(inline), "{path} has {inline}");
        }
        check_links(&site, page.text()).await;
    }
    site.close().await;
}

/// Every address a page names leads somewhere.
async fn check_links(site: &Site, page: &str) {
    let links = regex::Regex::new(r##"(?:href|src)="(/[^"#]*)"##).unwrap();
    for (_, [link]) in links.captures_iter(page).map(|found| found.extract()) {
        let link = link.replace("&amp;", "&");
        let answer = site.get(&link).await;
        // Nobody is sent to the door from what only somebody may do.
        let is_door = answer.status == 303 && answer.header("location").starts_with("/login");
        assert!(answer.status.is_success() || is_door, "{link}: {}", answer.status);
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_page_or_a_problem() {
    let site = Site::furnished().await;
    for path in [
        "/nothing",
        "/jobs/99",
        "/jobs/0x1",
        "/jobs/+1",
        "/jobs/1/steps/9-9",
        "/jobs/1/live.png",
        "/jobs/1/video.mp4?fragments=3",
        "/jobs/1/files/order.json",
        "/jobs/1/files/../../store.redb",
        "/jobs/1/files/%2e%2e/%2e%2e/store.redb",
        "/jobs/1/files/screens/..%2f..%2fstore.redb",
        "/jobs/%2e%2e/files/events.jsonl",
        "/assets/0/sutler.css",
        "/find?job=99",
        "/thresholds?job=nobody",
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    }
    for path in ["/api/nothing", "/api/jobs/99", "/api/jobs/x", "/api/jobs/99/events"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.json()["status"], 404, "{path}");
    }
    let nobody = "0193a5e0-0000-7000-8000-000000000000";
    for (job, told) in [("99", "99"), (nobody, nobody), ("%3Cb%3E", "&lt;b&gt;")] {
        let page = site.get(&format!("/jobs/{job}")).await;
        let words = format!("<p>There is no job {told}.</p>");
        assert!(page.text().contains(&words), "{}", page.text());
    }
    let long = format!("/api/jobs/{}", "9".repeat(2_000));
    let nines = "9".repeat(36);
    for (path, told) in [("/api/jobs/99", "99"), ("/api/jobs/99/events", "99"), (&long, &nines)] {
        let answer = site.get(path).await.json();
        assert_eq!(answer["detail"], format!("there is no job {told}"), "{path}");
    }
    for deed in ["cancel", "keep", "release", "resubmit"] {
        let answer = site.post(&format!("/api/jobs/99/{deed}"), "", Body::empty()).await;
        assert_eq!(answer.json()["detail"], "there is no job 99", "{deed}");
    }
    site.close().await;
}

#[tokio::test]
async fn unknown_parameters_are_refused_by_name() {
    let site = Site::furnished().await;
    for path in
        ["/?colour=red", "/history?colour=red", "/api/jobs?colour=red", "/api/status?colour"]
    {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        let text = answer.text().to_lowercase();
        // A list says what jobs are found by.
        let words = ["there is no parameter colour here", "jobs are not found by"];
        assert!(words.iter().any(|words| text.contains(words)), "{path}: {text}");
    }
    for path in ["/history?cursor=x", "/api/jobs?cursor=x", "/api/jobs?state=asleep"] {
        assert_eq!(site.get(path).await.status, 400, "{path}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_page_of_another_name_reads_nothing() {
    let site = Site::furnished().await;
    for (host, status) in
        [("evil.example", 421), ("localhost", 200), ("lab.example:8080", 200), ("[::1]:1", 200)]
    {
        for path in ["/", "/api/status", "/jobs/1/files/events.jsonl", "/jobs/1"] {
            let request = Request::get(path).header("host", host).body(Body::empty()).unwrap();
            let answer = site.ask(Access::Page, request).await.read().await;
            assert_eq!(answer.status, status, "{host} {path}");
        }
    }
    site.close().await;
}

#[tokio::test]
async fn who_is_nobody_changes_nothing() {
    let site = Site::furnished().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        for path in ["/api/jobs", "/api/jobs/3/cancel", "/jobs/1", "/api/thresholds?mode=off"] {
            let request = Request::builder()
                .method(&method)
                .uri(path)
                .header("host", "localhost")
                .header("sec-fetch-site", "same-origin")
                .header("content-type", "application/x-tar")
                .body(Body::from("tar"))
                .unwrap();
            let answer = site.ask(Access::Page, request).await.read().await;
            assert_eq!(answer.status, 401, "{method} {path}");
        }
    }
    assert!(site.asked.lock().unwrap().submit.is_empty());

    let canceled = site.post("/api/jobs/3/cancel", "", Body::empty()).await;
    assert_eq!(canceled.status, 202);
    assert_eq!(site.post("/api/jobs/1/cancel", "", Body::empty()).await.status, 409);
    assert_eq!(site.post("/api/jobs/77/cancel", "", Body::empty()).await.status, 404);
    let asked = site.asked.lock().unwrap().cancel.clone();
    assert_eq!(asked[0], (crate::model::JobId(3), "ada".into()));
    site.close().await;
}

#[tokio::test]
async fn a_bundle_is_handed_over_and_leaves_nothing() {
    let site = Site::new();
    let tar = "application/x-tar";
    let answer = site.post("/api/jobs?strict=true", tar, Body::from("good")).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), "/jobs/5");
    assert_eq!(answer.json()["number"], 5);
    let refused = site.post("/api/jobs", tar, Body::from("bad")).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["problems"][0]["line"], 3);
    assert_eq!(site.post("/api/jobs", "text/yaml", Body::from("x")).await.status, 415);
    {
        let asked = site.asked.lock().unwrap();
        assert_eq!(asked.submit.len(), 2);
        let (bytes, submitter, strict) = &asked.submit[0];
        assert_eq!(
            (bytes.as_slice(), submitter.name.as_str(), *strict),
            (&b"good"[..], "ada", true)
        );
    }
    let staging = site.folder.path().join("staging");
    assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0);
    site.close().await;
}

#[tokio::test]
async fn files_are_served_as_what_they_are() {
    let site = Site::furnished().await;
    let serial = site.get("/jobs/1/files/serial0.txt").await;
    assert_eq!(serial.header("content-type"), "text/plain; charset=utf-8");
    assert!(serial.header("content-security-policy").starts_with("sandbox"));
    assert_eq!(serial.header("content-disposition"), "inline; filename=\"job-1-serial0.txt\"");
    assert!(serial.text().starts_with("SeaBIOS"));

    let screen = format!("/jobs/1/files/screens/{}.png", Digest::of(b"country"));
    let screen = site.get(&screen).await;
    assert_eq!(screen.header("content-type"), "image/png");
    assert!(screen.header("cache-control").contains("immutable"));

    let definition = site.get("/jobs/1/files/job.yaml").await;
    assert!(definition.text().starts_with("job_name:"));

    for (range, status, told, text) in [
        ("bytes=0-6", 206, "bytes 0-6/67", "SeaBIOS"),
        ("bytes=-3", 206, "bytes 64-66/67", "6.1"),
        ("bytes=99-", 416, "bytes */67", ""),
    ] {
        let request = Request::get("/jobs/1/files/serial0.txt")
            .header("host", "localhost")
            .header("range", range)
            .body(Body::empty())
            .unwrap();
        let part = site.ask(Access::Page, request).await.read().await;
        assert_eq!(part.status, status, "{range}");
        assert_eq!(part.header("content-range"), told, "{range}");
        assert!(status == 416 || part.text() == text, "{range}: {}", part.text());
    }
    site.close().await;
}

#[tokio::test]
async fn the_api_tells_lists_and_records() {
    let site = Site::furnished().await;
    let numbers = async |path: &str| {
        let answer = site.get(path).await.json();
        let jobs = answer["jobs"].as_array().unwrap().clone();
        let numbers: Vec<_> = jobs.iter().map(|job| job["number"].as_u64().unwrap()).collect();
        (numbers, answer)
    };
    assert_eq!(numbers("/api/jobs").await.0, [4, 3, 2, 1]);
    let (waiting, answer) = numbers("/api/jobs?state=waiting").await;
    assert_eq!(waiting, [4]);
    assert_eq!(answer["jobs"][0]["reason"], "needs 4096 MiB, 2100 are free");
    let (first, answer) = numbers("/api/jobs?state=ended&limit=1").await;
    assert_eq!(first, [2]);
    assert_eq!((&answer["partial"], &answer["total"]), (&false.into(), &2.into()));
    let next = format!("/api/jobs?limit=1&cursor={}", answer["next"].as_str().unwrap());
    assert_eq!(numbers(&next).await.0, [1]);

    let job = site.get("/api/jobs/2").await.json();
    assert_eq!(job["verdict"], "failed");
    assert_eq!(job["cause"]["code"], "no_match");
    assert_eq!(job["run"]["items"][2]["module"]["name"], "country");
    let step = &job["run"]["items"][2]["steps"][1];
    assert_eq!(step["screens"][0]["candidates"][0]["needle"], "country-list");
    let by_uuid = format!("/api/jobs/{}", samples::waiting(2, "", 0).uuid);
    assert_eq!(site.get(&by_uuid).await.json()["number"], 2);

    let status = site.get("/api/status").await.json();
    assert_eq!((&status["states"]["waiting"], &status["acceleration"]), (&1.into(), &"tcg".into()));
    // What has ended is not all to be seen by everybody, so it is counted for who sees all.
    assert_eq!((status["states"].get("ended"), status.get("verdicts")), (None, None));
    let root = Access::Socket { uid: 0, name: "root".into() };
    let request = Request::get("/api/status").body(Body::empty()).unwrap();
    let status = site.ask(root, request).await.read().await.json();
    assert_eq!((&status["states"]["ended"], &status["verdicts"]["failed"]), (&2.into(), &1.into()));
    site.close().await;
}

#[tokio::test]
async fn looking_at_a_screen_makes_the_engine_write_it() {
    let site = Site::furnished().await;
    let picture = site.get("/jobs/3/live.png").await;
    assert_eq!(picture.header("content-type"), "image/png");
    assert_eq!(site.asked.lock().unwrap().watch, [(crate::model::JobId(3), true)]);
    let asked = site.asked.clone();
    site.close().await;
    assert_eq!(asked.lock().unwrap().watch.last(), Some(&(crate::model::JobId(3), false)));
}

#[tokio::test]
async fn a_job_is_kept_and_released_and_its_page_says_what_was_removed() {
    let site = Site::furnished().await;
    let kept = site.post("/api/jobs/1/keep", "", Body::empty()).await;
    assert_eq!((kept.status.as_u16(), kept.json()["kept"]["by"].as_str()), (200, Some("ada")));
    assert_eq!(site.get("/api/jobs/1").await.json()["kept"]["by"], "ada");
    assert!(site.get("/jobs/1").await.text().contains("Kept"));
    let released = site.post("/api/jobs/1/release", "", Body::empty()).await;
    assert!(released.json()["kept"].is_null());
    assert_eq!(site.post("/api/jobs/77/keep", "", Body::empty()).await.status, 404);
    assert_eq!(site.post("/api/store/snapshot", "", Body::empty()).await.status, 403);

    let id = crate::model::JobId(1);
    let measured = Change::Measured { video_bytes: 3 << 20, results_bytes: 9 };
    site.store.change(id, measured).await.unwrap();
    let rule = Rule::Age { limit_s: 30 * 86_400 };
    let at = samples::moment().now;
    let removed = Change::Removed { what: Keepsake::Video, at, rule };
    site.store.change(id, removed).await.unwrap();
    let page = site.get("/jobs/1").await;
    assert!(page.text().contains("The video (3.0 MiB) went on"), "{}", page.text());
    assert!(page.text().contains("it was older than 30 days"), "{}", page.text());
    let told = site.get("/api/jobs/1").await.json();
    assert_eq!(told["removed"][0]["rule"]["name"], "age");
    site.close().await;
}

#[tokio::test]
async fn the_disk_has_a_page_with_a_plot() {
    let site = Site::furnished().await;
    let told = site.get("/api/disk").await.json();
    assert_eq!(told["forecast"]["outcome"], "unknown");
    let now = told["now"]["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    for days in 1..=10_i64 {
        let added = u64::try_from(11 - days).unwrap() << 30;
        let sample = DiskSample {
            at: now - jiff::SignedDuration::from_hours(24 * days),
            videos: added,
            results: 0,
            bundles: 0,
            store: 0,
            free: 0,
            added_videos: added,
            added_results: 0,
        };
        site.store.sample(sample, &[]).await.unwrap();
    }
    let page = site.get("/disk").await;
    assert!(page.text().contains("<polyline class=\"forecast\""), "{}", page.text());
    assert!(page.text().contains("older than 30 days"));
    site.close().await;
}

#[tokio::test]
async fn metrics_tell_what_the_store_holds() {
    let site = Site::furnished().await;
    let page = site.get("/metrics").await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(page.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "sutler_jobs{state=\"waiting\"} 1",
        "sutler_jobs{state=\"ended\"} 2",
        "sutler_engines_running 1",
        "sutler_jobs_ended_total{verdict=\"passed\"} 1",
        "sutler_jobs_ended_total{verdict=\"failed\"} 1",
        "sutler_queue_held 0",
        "sutler_acceleration{kind=\"tcg\"} 1",
    ] {
        assert!(page.text().lines().any(|told| told == line), "{line} in {}", page.text());
    }
    assert_eq!(site.get("/metrics?x=1").await.status, 400);
    site.close().await;
}

#[tokio::test]
async fn reports_are_served_as_what_they_are() {
    let site = Site::furnished().await;
    for (path, kind, name, words) in [
        ("/jobs/2/report.html", "text/html; charset=utf-8", "sutler-job-2.html", "has to act"),
        (
            "/jobs/2/report.html?video=none",
            "text/html; charset=utf-8",
            "sutler-job-2.html",
            "without",
        ),
        ("/jobs/2/report.xml", "application/xml; charset=utf-8", "sutler-job-2.xml", "<failure"),
        ("/jobs/2/report.tap", "text/plain; charset=utf-8", "sutler-job-2.tap", "TAP version 14"),
        (
            "/api/jobs/2/report?format=tap",
            "text/plain; charset=utf-8",
            "sutler-job-2.tap",
            "not ok",
        ),
        ("/jobs/4/report.html", "text/html; charset=utf-8", "sutler-job-4.html", "before the job"),
    ] {
        let report = site.get(path).await;
        assert_eq!((report.status.as_u16(), report.header("content-type")), (200, kind), "{path}");
        assert_eq!(report.header("content-disposition"), format!("inline; filename=\"{name}\""));
        assert!(report.text().contains(words), "{path}");
        let policy = report.header("content-security-policy");
        let own = kind.starts_with("text/html");
        assert_eq!(policy.starts_with("default-src 'none'; img-src data:"), own, "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
    for (path, status) in [
        ("/jobs/99/report.html", 404),
        ("/jobs/2/report.pdf", 404),
        ("/jobs/2/report.html?video=loud", 400),
        ("/api/jobs/2/report?format=doc", 400),
    ] {
        assert_eq!(site.get(path).await.status, status, "{path}");
    }
    site.close().await;
}
