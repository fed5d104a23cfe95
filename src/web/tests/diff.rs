//! What differs between two jobs, for whoever may see both.

use hyper::Method;
use serde_json::{Value, json};

use super::site::{Answer, Site};
use crate::{
    markup::samples,
    model::{Digest, Job, JobId, Lineage, Submitter, Verdict, Visibility},
};

const ROOT: (u32, &str) = (0, "root");
const ADA: (u32, &str) = (1000, "ada");
const EVE: (u32, &str) = (1001, "eve");

fn job(id: u64, definition: &str, from: Option<u64>) -> Job {
    let mut job = samples::ended(id, "quetzal", Verdict::Passed, 30 - id.cast_signed());
    job.submitter = Submitter { uid: Some(1000), name: "ada".into() };
    (job.definition, job.definition_hash) = (definition.into(), Digest::of(definition.as_bytes()));
    job.lineage = Lineage { resubmitted_from: from.map(JobId), ..Lineage::default() };
    job
}

async fn ask(site: &Site, who: (u32, &str), path: &str) -> Answer {
    site.on_socket(who, Method::GET, path, Value::Null).await
}

#[tokio::test]
async fn what_differs_is_told_line_by_line() {
    let site = Site::new();
    let first = job(1, "job_name: quetzal\npriority: low\ntags: []\n", None);
    site.add(&first).await;
    let second = job(2, "job_name: quetzal\npriority: high\ntags: []\n", Some(1));
    site.add(&second).await;
    site.add(&job(3, &first.definition, None)).await;

    let told = ask(&site, ROOT, "/api/jobs/2/diff").await.json();
    let line = |kind: &str, old: Value, new: Value, text: &str| json!({ "kind": kind, "old": old, "new": new, "text": text });
    let lines = json!([
        line("same", json!(1), json!(1), "job_name: quetzal"),
        line("removed", json!(2), Value::Null, "priority: low"),
        line("added", Value::Null, json!(2), "priority: high"),
        line("same", json!(3), json!(3), "tags: []"),
    ]);
    let with = json!({ "number": 1, "uuid": first.uuid });
    let whole = json!({
        "number": 2, "uuid": second.uuid, "with": with, "hunks": [{ "lines": lines }],
    });
    assert_eq!(told, whole);
    let by_uuid = format!("/api/jobs/{}/diff?with={}", second.uuid, first.uuid);
    assert_eq!(ask(&site, ROOT, &by_uuid).await.json(), whole);
    let same = ask(&site, ROOT, "/api/jobs/3/diff?with=1").await.json();
    assert_eq!(same["hunks"], json!([]));
    let page = ask(&site, ROOT, "/jobs/2/diff").await;
    assert!(page.text().contains("<del>- priority: low</del>"), "{}", page.text());

    let none = ask(&site, ROOT, "/api/jobs/1/diff").await;
    assert_eq!(none.status, 400);
    assert!(none.json()["detail"].as_str().unwrap().contains("add ?with=NUMBER"));
    assert_eq!(ask(&site, ROOT, "/api/jobs/2/diff?beside=1").await.status, 400);
    assert_eq!(ask(&site, ROOT, "/api/jobs/2/diff?with=9").await.status, 404);
    site.close().await;
}

#[tokio::test]
async fn a_hidden_job_is_compared_with_nothing() {
    let site = Site::new();
    let mut hidden = job(1, "job_name: quetzal\nsettings: { KEY: secret }\n", None);
    hidden.visibility = Visibility::Personal;
    site.add(&hidden).await;
    site.add(&job(2, "job_name: quetzal\n", Some(1))).await;

    for (who, status) in [(ADA, 200), (ROOT, 200), (EVE, 404)] {
        let uuid = hidden.uuid;
        for path in [
            "/jobs/2/diff".to_owned(),
            "/jobs/2/diff?with=1".to_owned(),
            format!("/jobs/2/diff?with={uuid}"),
            "/jobs/1/diff?with=2".to_owned(),
        ] {
            for path in [format!("/api{path}"), path] {
                let answer = ask(&site, who, &path).await;
                assert_eq!(answer.status, status, "{who:?} {path}: {}", answer.text());
                assert_eq!(answer.text().contains("secret"), status == 200, "{who:?} {path}");
            }
        }
        // One that is hidden is answered for as one that never was.
        let never = ask(&site, EVE, "/api/jobs/2/diff?with=99").await;
        let never = never.text().replace("there is no job 99", "there is no job 1");
        assert_eq!(ask(&site, EVE, "/api/jobs/2/diff?with=1").await.text(), never);
    }
    site.close().await;
}
