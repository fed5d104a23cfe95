//! What operators do with devices on their pages.

use hyper::Method;
use serde_json::{Value, json};

use super::{
    people::{deeds, logged_in},
    site::Site,
};

const ROOT: (u32, &str) = (0, "root");

/// What and on what, the latest first.
async fn told(site: &Site) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let deeds = deeds(site).await;
    deeds.iter().map(|deed| [&deed["what"], &deed["on"], &deed["outcome"]].map(text)).collect()
}

#[tokio::test]
async fn an_operator_takes_a_device_out_of_service_and_puts_it_back() {
    let site = Site::new();
    let device = json!({ "name": "bench-1", "device_type": "board" });
    assert_eq!(site.on_socket(ROOT, Method::POST, "/api/devices", device).await.status, 201);
    let mut olga = logged_in(&site, "olga", "operator", &[]).await;
    let mut sam = logged_in(&site, "sam", "submitter", &[]).await;
    let page = olga.get(&site, "/devices").await;
    assert!(page.text().contains("Put into maintenance"), "{}", page.text());
    let others = sam.get(&site, "/devices").await;
    assert!(!others.text().contains("Put into maintenance"), "{}", others.text());

    let health = "/devices/bench-1/health";
    let asked = [("health", "maintenance"), ("why", "a new disk"), ("back", "/devices/bench-1")];
    let refused = sam.post(&site, health, others.text(), &asked).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        olga.raw(&site, health, "same-origin", "health=good&why=x&back=/").await.status,
        403
    );
    let answer = olga.post(&site, health, page.text(), &asked).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/devices/bench-1"));
    let shown = olga.get(&site, "/devices/bench-1").await;
    assert!(shown.text().contains("a new disk") && shown.text().contains("Return to service"));
    let away = [("health", "good"), ("why", "in"), ("back", "//evil.example")];
    let answer = olga.post(&site, health, page.text(), &away).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"));
    for (why, path, status) in [(" ", health, 400), ("x", "/devices/none/health", 404)] {
        let asked = [("health", "bad"), ("why", why), ("back", "/")];
        assert_eq!(olga.post(&site, path, page.text(), &asked).await.status, status, "{path}");
    }

    let new = |name: &'static str, memory: &'static str| {
        let [tags, cores, at_once, description] = ["small uefi", "", "2", ""];
        [
            ("name", name),
            ("device_type", "board"),
            ("tags", tags),
            ("memory_mib", memory),
            ("cores", cores),
            ("at_once", at_once),
            ("description", description),
        ]
    };
    for (name, memory, status) in
        [("bench-2", "2048", 303), ("bench-2", "", 409), (".x", "", 400), ("bench-3", "2G", 400)]
    {
        let answer = olga.post(&site, "/devices", page.text(), &new(name, memory)).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    let added = site.get("/api/devices/bench-2").await.json();
    assert_eq!(
        [&added["tags"], &added["memory_mib"], &added["cores"], &added["at_once"]],
        [&json!(["small", "uefi"]), &json!(2048), &Value::Null, &json!(2)]
    );
    let told = told(&site).await;
    assert_eq!(told[3], ["set device", "bench-2", "done"]);
    assert_eq!(told[7], ["set health of device", "bench-1", "done"]);
    site.close().await;
}
