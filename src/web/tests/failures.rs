//! Known failures: their page, and who may do what to them.

use axum::body::Body;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use super::site::{Answer, Site};
use crate::{
    config::Retry,
    markup::samples::{self, moment},
    model::{
        Code, FailedStep, Failure, FailureGroup, JobId, KnownRule, Part, Pattern, PendingRetry,
        RuleRetry, Signature, Touch, Verdict, Who,
    },
    store::RuleDays,
    web::{
        Access,
        failures::{FailuresView, GroupView, render},
    },
};

fn rule(name: &str, words: &str) -> KnownRule {
    let touch = Touch { at: moment().now, by: "ada".into() };
    KnownRule {
        name: name.into(),
        owner: "ada".into(),
        notes: words.into(),
        bug: Some("https://bugs.example/7".into()),
        created: touch.clone(),
        changed: touch,
        enabled: true,
        pattern: Pattern {
            codes: vec![Code::NoMatch],
            log: Some(words.into()),
            ..Pattern::default()
        },
        retry: RuleRetry { automatic: Some(true), most: Some(2), backoff_s: Some(300) },
    }
}

fn group(words: &str) -> GroupView {
    let at = |hours| moment().now - jiff::SignedDuration::from_hours(hours);
    GroupView {
        group: FailureGroup {
            signature: Signature(0xabcd),
            count: 12,
            first: at(200),
            last: at(2),
            sample: JobId(2),
        },
        jobs: vec![JobId(2)],
        failure: Failure {
            verdict: Verdict::Failed,
            who: Who::Guest,
            code: Code::NoMatch,
            words: words.into(),
            part: Some(Part::Test),
            step: Some(FailedStep {
                path: "1/2".into(),
                verb: "assert_screen".into(),
                subject: words.into(),
                needles: vec![words.into()],
                tags: vec![words.into()],
            }),
            screen: Some("screens/ab.png".into()),
            evidence: vec![],
            log: vec![],
            serial: vec![],
            job: words.into(),
            device_type: "qemu".into(),
        },
        has_files: true,
    }
}

fn view(words: &str) -> FailuresView {
    let mut days = vec![0; 30];
    (days[3], days[28], days[29]) = (1, 4, 2);
    let off = KnownRule {
        enabled: false,
        bug: None,
        notes: String::new(),
        retry: RuleRetry::default(),
        ..rule("off", words)
    };
    FailuresView {
        moment: moment(),
        rules: vec![
            (rule("slow-mirror", words), RuleDays { days, jobs: vec![JobId(2), JobId(1)] }),
            (off, RuleDays { days: vec![0; 30], jobs: vec![] }),
        ],
        groups: vec![group(words)],
        all_groups: Some(3),
        settings: Retry::default(),
        today: 3,
        pending: vec![PendingRetry {
            job: JobId(2),
            due: moment().now + jiff::SignedDuration::from_secs(120),
            rule: "slow-mirror".into(),
        }],
    }
}

/// The content of a page, a tag a line.
fn lines(page: maud::Markup) -> String {
    let text = page.into_string();
    let (_, after) = text.split_once("<main").unwrap();
    let (content, _) = after.split_once("</main>").unwrap();
    content.replace("><", ">\n<")
}

#[test]
fn the_page_shows_what_is_known_and_what_is_not() {
    insta::assert_snapshot!(lines(render(&view("desktop"))));
}

#[test]
fn hostile_words_stay_words() {
    for words in ["<script>alert(1)</script>", "\"onload='x' </main>", "'; reboot; '", "$(reboot)"]
    {
        let page = render(&view(words)).into_string();
        assert_eq!(page.matches("<script").count(), 1, "only ours: {words}");
        assert_eq!(page.matches("</main>").count(), 1, "{words}");
        assert!(!page.contains("\"onload"), "{words}");
    }
}

impl Site {
    async fn send(
        &self,
        who: Option<(u32, &str)>,
        method: Method,
        path: &str,
        body: &str,
    ) -> Answer {
        let access = match who {
            Some((uid, name)) => Access::Socket { uid, name: name.into() },
            None => Access::Page,
        };
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        self.ask(access, request).await.read().await
    }
}

const ROOT: Option<(u32, &str)> = Some((0, "root"));
const ADA: Option<(u32, &str)> = Some((u32::MAX - 7, "ada"));
const EVE: Option<(u32, &str)> = Some((u32::MAX - 8, "eve"));

#[tokio::test]
async fn a_rule_belongs_to_who_made_it_and_only_the_keeper_lets_it_retry() {
    let site = Site::furnished().await;
    let plain = json!({"name": "r", "pattern": {"words": "no needle"}}).to_string();
    let auto =
        json!({"name": "r", "pattern": {"words": "no needle"}, "retry": {"automatic": true}});
    let auto = auto.to_string();
    let (post, delete) = (Method::POST, Method::DELETE);
    let replace = "/api/known?replace=true";
    for (case, who, method, path, body, want) in [
        ("nobody adds none", None, &post, "/api/known", &plain, StatusCode::UNAUTHORIZED),
        ("retries are the keeper's", ADA, &post, "/api/known", &auto, StatusCode::FORBIDDEN),
        ("anybody may add", ADA, &post, "/api/known", &plain, StatusCode::CREATED),
        ("once", ADA, &post, "/api/known", &plain, StatusCode::CONFLICT),
        ("another's rule", EVE, &post, replace, &plain, StatusCode::FORBIDDEN),
        ("one's own", ADA, &post, replace, &plain, StatusCode::CREATED),
        ("the keeper's", ROOT, &post, replace, &auto, StatusCode::CREATED),
        ("then it stays the keeper's to let it", ADA, &post, replace, &auto, StatusCode::FORBIDDEN),
        ("another's past", EVE, &post, "/api/known/r/apply", &String::new(), StatusCode::FORBIDDEN),
        ("its past", ADA, &post, "/api/known/r/apply", &String::new(), StatusCode::OK),
        (
            "another's to remove",
            EVE,
            &delete,
            "/api/known/r",
            &String::new(),
            StatusCode::FORBIDDEN,
        ),
        ("none", ADA, &delete, "/api/known/none", &String::new(), StatusCode::NOT_FOUND),
        ("gone", ADA, &delete, "/api/known/r", &String::new(), StatusCode::OK),
    ] {
        let answer = site.send(who, method.clone(), path, body).await;
        assert_eq!(answer.status, want, "{case}: {}", answer.text());
    }
    site.store.check_consistent().unwrap();
    site.close().await;
}

#[tokio::test]
async fn what_is_sent_is_checked() {
    let site = Site::new();
    for (body, want) in [
        ("", StatusCode::BAD_REQUEST),
        (r#"{"name": "r"}"#, StatusCode::BAD_REQUEST),
        (r#"{"name": "r", "pattern": {}, "more": 1}"#, StatusCode::BAD_REQUEST),
        (r#"{"name": "r", "pattern": {"codes": ["none"]}}"#, StatusCode::BAD_REQUEST),
        (r#"{"name": "r", "pattern": {}}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"name": "../r", "pattern": {"log": "x"}}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"name": "r", "pattern": {"log": "("}}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (
            r#"{"name": "r", "pattern": {"log": "x"}, "bug": "javascript:alert(1)"}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let answer = site.send(ADA, Method::POST, "/api/known", body).await;
        assert_eq!(answer.status, want, "{body}: {}", answer.text());
    }
    let long = format!(r#"{{"name": "r", "pattern": {{"log": "{}"}}}}"#, "x".repeat(70_000));
    let answer = site.send(ADA, Method::POST, "/api/known", &long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    for since in ["30", "x", "-1d", "1e9d"] {
        let path = format!("/api/failures/try?since={since}");
        let answer = site.send(ADA, Method::POST, &path, r#"{"log": "x"}"#).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{since}");
    }
    assert_eq!(site.store.rules().await.unwrap(), []);
    site.close().await;
}

#[tokio::test]
async fn a_failure_is_grouped_made_known_and_retried() {
    let site = Site::furnished().await;
    let groups = site.get("/api/failures").await.json();
    assert_eq!(groups["groups"][0]["count"], 1, "{groups}");
    assert_eq!(groups["groups"][0]["jobs"], json!([2]));
    let group = groups["groups"][0]["signature"].as_str().unwrap();
    let page = site.get("/jobs/2").await;
    assert!(
        page.text().contains(&format!("/failures?group={group}#group-{group}")),
        "{}",
        page.text()
    );

    let body = json!({"name": "country", "bug": "https://bugs.example/7",
                      "pattern": {"words": "installer-country"}});
    let tried =
        site.send(EVE, Method::POST, "/api/failures/try", &body["pattern"].to_string()).await;
    assert_eq!((&tried.json()["matched"], &tried.json()["looked"]), (&1.into(), &1.into()));
    site.send(ADA, Method::POST, "/api/known", &body.to_string()).await;
    let applied = site.send(ADA, Method::POST, "/api/known/country/apply", "").await;
    assert_eq!(applied.json()["marked"], 1);
    assert_eq!(site.get("/api/failures").await.json()["groups"], json!([]));
    for (path, mark) in [
        ("/", "/failures#rule-country"),
        ("/history", "/failures#rule-country"),
        ("/jobs/2", "https://bugs.example/7"),
        ("/failures", "id=\"rule-country\""),
        ("/jobs/2/report.html", "country"),
        ("/api/jobs", r#""known_failure":"country""#),
        ("/api/jobs/2", r#""known_failure":"country""#),
    ] {
        let page = site.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text().contains(mark), "{path} has no {mark}");
    }

    // Job 2 is somebody else's.
    let denied = site.send(EVE, Method::POST, "/api/jobs/2/retry", "").await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    let retry = site.send(ROOT, Method::POST, "/api/jobs/2/retry", "").await;
    assert_eq!(retry.status, StatusCode::CREATED, "{}", retry.text());
    assert_eq!(retry.json()["retried_from"], 2);
    let new = retry.json()["number"].as_u64().unwrap();
    let running = site.send(ROOT, Method::POST, "/api/jobs/3/retry", "").await;
    assert_eq!(running.status, StatusCode::CONFLICT);
    assert!(site.get("/jobs/2").await.text().contains(&format!("/jobs/{new}\"")));
    assert!(site.get(&format!("/jobs/{new}")).await.text().contains("href=\"/jobs/2\""));
    let known = site.get("/api/known/country").await.json();
    assert_eq!(known["jobs"][0]["retried_as"], json!([new]));
    assert_eq!(site.get("/api/known/none").await.status, 404);
    site.store.check_consistent().unwrap();
    site.close().await;
}

#[tokio::test]
async fn a_box_without_failures_says_so() {
    let site = Site::new();
    site.add(&samples::ended(1, "passes", Verdict::Passed, 9)).await;
    let page = site.get("/failures").await;
    assert!(page.text().contains("No failure is known yet"), "{}", page.text());
    assert!(page.text().contains("No job is retried by itself"), "{}", page.text());
    site.close().await;
}
