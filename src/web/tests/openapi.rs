//! What the API says of itself, beside what it does.

use axum::body::Body;
use hyper::{Method, Request};
use serde_json::{Value, json};

use super::site::{Answer, Site};
use crate::web::Access;

async fn document(site: &Site) -> Value {
    site.get("/api/openapi.json").await.json()
}

/// What an answer must look like, with all it refers to.
fn validator(document: &Value, mut schema: Value) -> jsonschema::Validator {
    schema["components"] = document["components"].clone();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn check(document: &Value, schema: &Value, body: &Value, of: &str) {
    let faults: Vec<_> = validator(document, schema.clone())
        .iter_errors(body)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{of}: {faults:#?}");
}

/// All operations there are: path below `/api`, method, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((path.clone(), method.to_uppercase(), operation.clone()));
        }
    }
    found
}

#[tokio::test]
async fn every_answer_is_what_the_document_says() {
    let site = Site::furnished().await;
    let document = document(&site).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut seen = 0;
    for (path, method, operation) in operations(&document) {
        if method != "GET" {
            continue;
        }
        let asked = match path.as_str() {
            "/thresholds/explain" => {
                "?measure=job_time&job=debian%20installer%20asks%20the%20right%20questions"
            }
            "/jobs/{id}/report" => "?format=tap",
            "/estimates" => "?job=x",
            _ => "",
        };
        for id in ["1", "2", "3", "4"] {
            let name = path.replace("{id}", id).replace("{name}", "no-such-rule");
            let path = format!("/api{name}{asked}");
            let answer = site.on_socket((0, "root"), Method::GET, &path, Value::Null).await;
            let said = &operation["responses"][answer.status.as_str()]["content"];
            let kind = answer.header("content-type").split(';').next().unwrap().to_owned();
            let schema = &said[&kind]["schema"];
            assert!(!schema.is_null(), "{name}: {} {kind}", answer.status);
            if kind != "application/x-ndjson" && kind.ends_with("json") {
                check(&document, schema, &answer.json(), &name);
            }
            seen += 1;
            if !path.contains("{id}") {
                break;
            }
        }
    }
    assert!(seen > 25, "{seen}");
    site.close().await;
}

#[tokio::test]
async fn every_operation_says_what_it_is() {
    let site = Site::furnished().await;
    let document = document(&site).await;
    let page = site.get("/api").await;
    let mut ids = std::collections::BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let of = format!("{method} {path}");
        assert!(page.text().contains(&format!("{method} /api{path}")), "{of} is on no page");
        assert!(ids.insert(operation["operationId"].to_string()), "{of}: its id is another's");
        let default = &operation["responses"]["default"]["content"]["application/problem+json"];
        assert!(!default.is_null(), "{of}");
        let ways = operation["security"].as_array().unwrap();
        assert_eq!(method == "GET", ways.contains(&json!({})), "{of}: who may ask");
        for status in ["401", "403"] {
            assert!(operation["responses"][status].is_object(), "{of}: {status}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let is_required = parameter["in"] == "path";
            assert!(!is_required || parameter["required"] == true, "{of}: {parameter}");
            assert!(!parameter["schema"].is_null(), "{of}: {parameter}");
        }
    }
    site.close().await;
}

#[tokio::test]
async fn nothing_is_changed_for_somebody_nobody_knows() {
    let site = Site::furnished().await;
    let document = document(&site).await;
    let mut seen = 0;
    for (path, method, _) in operations(&document) {
        if method == "GET" {
            continue;
        }
        let name = path.replace("{id}", "3").replace("{name}", "slow-mirror");
        let asked = match path.as_str() {
            "/thresholds" => "?measure=job_time&mode=off",
            "/thresholds/learned" => "?job=x",
            _ => "",
        };
        let request = Request::builder().method(method.as_str()).uri(format!("/api{name}{asked}"));
        let request = request.header("host", "localhost").body(Body::from("{}")).unwrap();
        let answer = site.ask(Access::Page, request).await.read().await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
        assert!(answer.json()["type"].as_str().unwrap().ends_with("unnamed"), "{path}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
    site.close().await;
}

#[tokio::test]
async fn whatever_goes_wrong_is_a_problem() {
    let site = Site::furnished().await;
    let document = document(&site).await;
    let long = "x".repeat(70 << 10);
    let ask = async |method: Method, path: &str, kind: &str, body: &str| -> Answer {
        let access = Access::Socket { uid: 0, name: "root".into() };
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        site.ask(access, request.body(Body::from(body.to_owned())).unwrap()).await.read().await
    };
    let (get, post) = (Method::GET, Method::POST);
    for (method, path, kind, body, status) in [
        (&get, "/api/nowhere", "", "", 404),
        (&get, "/api/jobs/99", "", "", 404),
        (&get, "/api/jobs/%FF", "", "", 400),
        (&get, "/api/jobs?colour=red", "", "", 400),
        (&get, "/api/jobs?limit=501", "", "", 400),
        (&get, "/api/jobs/1/cancel", "", "", 405),
        (&Method::PUT, "/api/jobs", "", "", 405),
        (&post, "/api/jobs", "text/plain", "tar", 415),
        (&post, "/api/jobs", "application/x-tar", "bad", 422),
        (&post, "/api/known", "application/json", "{", 400),
        (&post, "/api/known", "application/json", long.as_str(), 413),
        (&post, "/api/jobs/1/cancel?now", "", "", 400),
    ] {
        let answer = ask(method.clone(), path, kind, body).await;
        let of = format!("{method} {path}");
        assert_eq!(answer.status, status, "{of}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json", "{of}");
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        check(&document, &schema, &answer.json(), &of);
        assert_eq!(answer.json()["status"], status, "{of}");
    }
    let other = ask(get, "/api/jobs/1/cancel", "", "").await;
    assert_eq!(other.header("allow"), "POST");
    site.close().await;
}
