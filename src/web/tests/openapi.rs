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

#[tokio::test]
async fn what_is_sent_and_answered_is_what_the_document_says() {
    let site = Site::furnished().await;
    let document = document(&site).await;
    let device = json!({ "name": "bench-1", "device_type": "board", "tags": ["uefi"], "cores": 2 });
    let every = json!({ "job": "/srv/check.yaml", "every_s": 3600 });
    let board = json!({ "name": "board", "architecture": "x86_64", "health_check": every });
    let many = |action: Value| json!({ "action": action, "jobs": [1, 4, 99], "preview": true });
    let (priority, bulk) = ("/jobs/{id}/priority", "/jobs/bulk");
    for (path, body, status) in [
        (priority, json!({ "priority": 70 }), 200),
        (priority, json!({ "priority": "high" }), 200),
        (priority, json!({ "priority": 101 }), 400),
        (priority, json!({ "priority": "huge" }), 400),
        (bulk, many(json!("cancel")), 200),
        (bulk, many(json!({ "priority": "low" })), 200),
        (bulk, many(json!("resubmit")), 200),
        (bulk, many(json!("keep")), 200),
        (bulk, many(json!("burn")), 400),
        (bulk, many(json!({ "priority": -1 })), 400),
        (bulk, json!({ "action": "cancel", "jobs": vec![1; 1_001] }), 400),
        (bulk, json!({ "action": "cancel", "jobs": [], "colour": "red" }), 400),
        ("/device-types", board, 201),
        ("/device-types", json!({ "name": "board", "health_check": { "job": "here" } }), 400),
        ("/devices", device, 201),
        ("/devices", json!({ "name": "bench-2", "device_type": "board", "cores": 0 }), 400),
        ("/devices", json!({ "name": "bench-2", "device_type": "board", "memory_mib": 3 }), 400),
        ("/devices", json!({ "name": "bench-2", "device_type": "board", "memory_mib": 4 }), 201),
        ("/devices", json!({ "name": ".x", "device_type": "board" }), 400),
        ("/devices", json!({ "name": "x".repeat(61), "device_type": "board" }), 400),
        ("/devices/{name}/health", json!({ "health": "maintenance", "why": "a new disk" }), 200),
        ("/devices/{name}/health", json!({ "health": "fine", "why": "a new disk" }), 400),
        ("/devices/{name}/health", json!({ "health": "good", "why": "" }), 400),
    ] {
        let of = format!("{path} {body}");
        let operation = &document["paths"][path]["post"];
        let sent = validator(
            &document,
            operation["requestBody"]["content"]["application/json"]["schema"].clone(),
        );
        assert_eq!(sent.is_valid(&body), status < 400, "{of}");
        let name = path.replace("{id}", "4").replace("{name}", "bench-1");
        let answer = site.on_socket((0, "root"), Method::POST, &format!("/api{name}"), body).await;
        assert_eq!(answer.status, status, "{of}: {}", answer.text());
        let said = &operation["responses"][answer.status.as_str()]["content"];
        let kind = answer.header("content-type");
        check(&document, &said[kind]["schema"], &answer.json(), &of);
    }
    for path in ["/devices", "/devices/{name}", "/devices/{name}/log", "/device-types"] {
        let name = format!("/api{}", path.replace("{name}", "bench-1"));
        let answer = site.get(&name).await;
        let said = &document["paths"][path]["get"]["responses"]["200"]["content"];
        check(&document, &said["application/json"]["schema"], &answer.json(), path);
    }
    // Its own definition is asked for with no body at all.
    let again = &document["paths"]["/jobs/{id}/resubmit"]["post"]["requestBody"];
    assert!(again["required"] != true, "{again}");
    site.close().await;
}
