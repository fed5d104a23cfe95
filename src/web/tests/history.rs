//! Lists of jobs: the page, the API and the table, filtered and turned.

use axum::body::Body;
use hyper::Request;

use super::site::Site;
use crate::{markup::samples, model::Verdict, web::Access};

async fn numbers(site: &Site, path: &str) -> Vec<u64> {
    let answer = site.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let jobs = answer.json()["jobs"].as_array().unwrap().clone();
    jobs.iter().map(|job| job["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn jobs_are_found_by_what_they_have() {
    let site = Site::furnished().await;
    for (asked, found) in [
        ("verdict=failed", vec![2]),
        ("verdict=failed&verdict=passed&sort=verdict", vec![2, 1]),
        ("who=author&verdict=passed", vec![]),
        ("name=debian*&sort=ended", vec![1, 2]),
        ("name=debian*&sort=number", vec![1, 2]),
        ("sort=-number&limit=1", vec![2]),
        ("sort=-duration", vec![2, 1]),
        ("name=*menu", vec![3]),
        ("state=running&state=waiting", vec![4, 3]),
        ("tag=no-such-tag", vec![]),
        ("submitted_since=30d&state=ended", vec![2, 1]),
        ("until=2000-01-01", vec![]),
    ] {
        let asked = format!("/api/jobs?{asked}");
        let mut all = numbers(&site, &asked).await;
        if !asked.contains("sort") {
            all.sort_unstable_by(|a, b| b.cmp(a));
        }
        assert_eq!(all, found, "{asked}");
    }
    site.close().await;
}

#[tokio::test]
async fn the_page_of_a_filter_leads_on_and_back() {
    let site = Site::furnished().await;
    let page = site.get("/history?verdict=failed&name=debian*").await;
    for link in [
        r#"href="/history?name=debian*""#,
        r#"href="/history?verdict=failed""#,
        r#"href="/history?verdict=failed&amp;name=debian*&amp;sort=name""#,
        r#"href="/history?verdict=failed&amp;name=debian*&amp;sort=-number""#,
        r#"href="/history?verdict=failed&amp;name=debian*&amp;sort=-duration""#,
        r#"href="/api/jobs?verdict=failed&amp;name=debian*&amp;state=ended""#,
        r#"href="/api/jobs.csv?verdict=failed&amp;name=debian*&amp;state=ended""#,
        r#"<input type="hidden" name="verdict" value="failed">"#,
    ] {
        assert!(page.text().contains(link), "{link}: {}", page.text());
    }
    assert!(
        page.text().contains(r#"href="/jobs/2""#) && !page.text().contains(r#"href="/jobs/1""#)
    );
    // What a form has left blank is not in the address one sends to somebody.
    let blank = site.get("/history?verdict=failed&name=&since=").await;
    assert_eq!((blank.status.as_u16(), blank.header("location")), (303, "/history?verdict=failed"));
    let none = site.get("/history?verdict=too_slow").await;
    assert!(none.text().contains("No job is like that."), "{}", none.text());
    site.close().await;
}

#[tokio::test]
async fn whoever_is_known_sees_their_own_first() {
    let site = Site::furnished().await;
    let ask = async |name: &str, path: &str| {
        let access = Access::Socket { uid: 1000, name: name.into() };
        let request = Request::get(path).body(Body::empty()).unwrap();
        site.ask(access, request).await.read().await
    };
    let submitter = samples::ended(1, "x", Verdict::Passed, 1).submitter.name;
    let theirs = ask(&submitter, "/history").await;
    assert!(theirs.text().contains(r#"href="/jobs/1""#), "{}", theirs.text());
    let none = ask("nobody-else", "/history").await;
    assert!(!none.text().contains(r#"href="/jobs/1""#), "{}", none.text());
    assert!(none.text().contains(r#"<a href="/history?whose=all">All</a>"#), "{}", none.text());
    assert!(none.text().contains("No job of yours has ended yet."), "{}", none.text());
    let all = ask("nobody-else", "/history?whose=all").await;
    assert!(all.text().contains(r#"href="/jobs/1""#));
    // What is downloaded is what is shown.
    for table in ["/api/jobs?", "/api/jobs.csv?"] {
        let link = format!(r#"href="{table}whose=mine&amp;state=ended""#);
        assert!(none.text().contains(&link), "{}", none.text());
    }
    // A link with a filter shows everybody the same.
    let link = format!("/history?submitter={submitter}&verdict=passed");
    let filtered = ask("nobody-else", &link).await;
    assert!(filtered.text().contains(r#"href="/jobs/1""#), "{}", filtered.text());
    for link in [
        r#"<input type="hidden" name="whose" value="all">"#,
        r#"<a class="hint" href="/history?whose=all">Take all away</a>"#,
    ] {
        assert!(filtered.text().contains(link), "{link}: {}", filtered.text());
    }
    assert_eq!(
        ask("nobody-else", "/api/jobs?whose=mine").await.json()["jobs"],
        serde_json::json!([])
    );
    // Whoever is not known is asked who they are.
    assert_eq!(site.get("/history?whose=mine").await.status, 303);
    assert_eq!(site.get("/api/jobs?whose=mine").await.status, 401);
    site.close().await;
}

#[tokio::test]
async fn a_table_goes_on_where_it_ends() {
    let site = Site::furnished().await;
    let whole = site.get("/api/jobs.csv?state=ended").await;
    assert_eq!(whole.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(whole.header("link"), "");
    let lines: Vec<_> = whole.text().lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("number,uuid,name,state,verdict") && lines[1].starts_with("2,"));
    let first = site.get("/api/jobs.csv?state=ended&limit=1").await;
    let link = first.header("link").to_owned();
    let next = link.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap().0;
    assert!(next.starts_with("/api/jobs.csv?state=ended&limit=1&cursor="), "{link}");
    let next = site.get(next).await;
    assert_eq!(next.text().lines().nth(1), Some(lines[2]));
    site.close().await;
}
