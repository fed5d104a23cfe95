//! What operators and administrators do with devices and users on their pages.

use hyper::Method;
use serde_json::{Value, json};

use super::{
    people::{Browser, deeds, logged_in},
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
        let [tags, cores, at_once, description] = ["small, uefi", "", "2", ""];
        [
            ("name", name),
            ("device_type", "board"),
            ("tags", tags),
            ("memory", memory),
            ("cores", cores),
            ("at_once", at_once),
            ("description", description),
        ]
    };
    for (name, memory, status) in [
        ("bench-2", "2G", 303),
        ("bench-2", "", 409),
        (".x", "", 422),
        ("bench-3", "2", 422),
        ("bench-3", "2M", 422),
    ] {
        let answer = olga.post(&site, "/devices", page.text(), &new(name, memory)).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    let again = olga.post(&site, "/devices", page.text(), &new("bench-2", "3G")).await;
    for part in [
        "<details open><summary>Add a device</summary>",
        "autofocus>There is a device bench-2 already.</p>",
        "name=\"name\" required maxlength=\"60\" value=\"bench-2\"",
        "<option value=\"board\" selected>",
        "value=\"small, uefi\"",
        "value=\"3G\"",
        "min=\"1\" value=\"2\"",
    ] {
        assert!(again.text().contains(part), "{part} in {}", again.text());
    }
    let wrong = olga.post(&site, "/devices", page.text(), &new("bench-3", "<2")).await;
    let words = "Memory: &quot;&lt;2&quot;: memory is a number with its unit";
    assert!(wrong.text().contains(words), "{}", wrong.text());
    let added = site.get("/api/devices/bench-2").await.json();
    assert_eq!(
        [&added["tags"], &added["memory_mib"], &added["cores"], &added["at_once"]],
        [&json!(["small", "uefi"]), &json!(2048), &Value::Null, &json!(2)]
    );
    let told = told(&site).await;
    assert_eq!(told[1], ["set device", "", "there is a device bench-2 already"]);
    assert_eq!(told[6], ["set device", "bench-2", "done"]);
    assert_eq!(told[10], ["set health of device", "bench-1: maintenance, a new disk", "done"]);
    site.close().await;
}

#[tokio::test]
async fn an_administrator_adds_users_and_changes_all_but_their_own_administration() {
    let site = Site::new();
    let mut ann = logged_in(&site, "ann", "administrator", &[]).await;
    let mut olga = logged_in(&site, "olga", "operator", &[]).await;
    let page = ann.get(&site, "/users").await;
    let account = olga.get(&site, "/account").await;
    let new = [("name", "ben "), ("role", "guest"), ("groups", "lab, kernel"), ("account", "")];
    assert_eq!(olga.post(&site, "/users", account.text(), &new).await.status, 403);
    let added = ann.post(&site, "/users", page.text(), &new).await;
    assert_eq!(added.status, 200, "{}", added.text());
    assert!(added.text().contains("/invite?code="), "{}", added.text());
    assert!(!ann.get(&site, "/users").await.text().contains("/invite?code="));
    let again = ann.post(&site, "/users", page.text(), &new).await;
    assert_eq!(again.status, 409);
    for part in [
        "<details open><summary>Add a user</summary>",
        "autofocus>There is a user ben already.</p>",
        "value=\"ben \"",
        "<option value=\"guest\" selected>",
        "value=\"lab, kernel\"",
    ] {
        assert!(again.text().contains(part), "{part} in {}", again.text());
    }

    let cases: [(_, &[_], _); 9] = [
        ("/users/ben", &[("role", "operator"), ("groups", "lab"), ("account", "4001")], 303),
        ("/users/ben", &[("account", "no-such-account")], 400),
        ("/users/ben", &[("disabled", "true")], 303),
        ("/users/ben", &[("disabled", "false")], 303),
        ("/users/ben/invite", &[], 200),
        ("/users/eve", &[("disabled", "true")], 404),
        ("/users/ann", &[("disabled", "true")], 409),
        ("/users/ann", &[("role", "operator")], 409),
        ("/users/ann", &[("role", "administrator"), ("groups", "lab")], 303),
    ];
    for (path, fields, status) in cases {
        let answer = ann.post(&site, path, page.text(), fields).await;
        assert_eq!(answer.status, status, "{path} {fields:?}: {}", answer.text());
    }
    let ben = site.on_socket(ROOT, Method::GET, "/api/users/ben", Value::Null).await.json();
    assert_eq!(
        [&ben["role"], &ben["groups"], &ben["uid"], &ben["disabled"]],
        [&json!("operator"), &json!(["lab"]), &json!(4001), &json!(false)]
    );
    let bad = [("name", "eve"), ("role", "guest"), ("groups", ""), ("account", "no-such-account")];
    let bad = bad.into_iter().chain([("again", "true")]).collect::<Vec<_>>();
    let bad = ann.post(&site, "/users", page.text(), &bad).await;
    assert_eq!(bad.status, 422);
    for part in ["this box has none named", "value=\"no-such-account\"", "value=\"true\" checked"] {
        assert!(bad.text().contains(part), "{part} in {}", bad.text());
    }
    let told = told(&site).await[1..].to_vec();
    let own = "nobody ends their own administration; another administrator can";
    for (at, want) in [
        (0, ["change user", "ann: into lab", "done"]),
        (1, ["change user", "ann", own]),
        (4, ["invite user", "ben", "done"]),
        (5, ["change user", "ben: enabled", "done"]),
        (6, ["change user", "ben: disabled", "done"]),
        (8, ["change user", "ben: role operator, out of kernel, account number 4001", "done"]),
        (10, ["add user", "ben (guest)", "done"]),
    ] {
        assert_eq!(told[at], want);
    }
    assert_eq!(Browser::default().get(&site, "/users").await.status, 303);
    // Where root is, an administrator can be made again.
    let off = json!({ "disabled": true });
    let answer = site.on_socket(ROOT, Method::POST, "/api/users/ann", off).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    site.store.check_consistent().unwrap();
    site.close().await;
}

#[tokio::test]
async fn a_token_that_cannot_be_made_is_still_in_its_form() {
    let site = Site::new();
    let mut ann = logged_in(&site, "ann", "administrator", &[]).await;
    let page = ann.get(&site, "/account").await;
    let new = |days| [("name", "nightly"), ("scope", "submit"), ("days", days)];
    let made = ann.post(&site, "/account/tokens", page.text(), &new("7")).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert!(made.text().contains("value=\"90\""), "an empty form again: {}", made.text());
    for (days, status, words) in [
        ("8", 409, "There is a token"),
        ("0", 422, "Days: from 1 to"),
        ("soon", 422, "Days: from 1 to"),
    ] {
        let answer = ann.post(&site, "/account/tokens", page.text(), &new(days)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        let days = format!("value=\"{days}\"");
        for part in [words, "value=\"nightly\"", "<option value=\"submit\" selected>", &days] {
            assert!(answer.text().contains(part), "{part} in {}", answer.text());
        }
    }
    site.close().await;
}

#[tokio::test]
async fn a_device_type_is_checked_by_a_job_that_is_there_and_taken_away_again() {
    let site = Site::new();
    let post = async |path, document| site.on_socket(ROOT, Method::POST, path, document).await;
    let delete = async |name: &str| {
        let path = format!("/api/device-types/{name}");
        site.on_socket(ROOT, Method::DELETE, &path, Value::Null).await
    };
    for (file, status) in [("gone", 422), ("boots", 201)] {
        let check = json!({ "job": format!("/srv/{file}.yaml") });
        let kind = json!({ "name": "board", "health_check": check });
        let answer = post("/api/device-types", kind).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 422 {
            let detail = answer.json()["detail"].to_string();
            let words = "no device of the type board can be checked with gone.yaml: no such file";
            assert!(detail.contains(words), "{detail}");
            let types = site.get("/api/device-types").await.json();
            assert_eq!(types["device_types"], json!([]), "nothing is set");
        }
    }
    let bench = json!({ "name": "bench-1", "device_type": "board" });
    assert_eq!(post("/api/devices", bench).await.status, 201);
    let used = delete("board").await;
    assert_eq!(used.status, 409);
    assert!(used.text().contains("bench-1 is of the device type board"), "{}", used.text());
    assert_eq!(delete("none").await.status, 404);
    let path = "/api/devices/bench-1";
    assert_eq!(site.on_socket(ROOT, Method::DELETE, path, Value::Null).await.status, 200);
    let gone = delete("board").await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, json!({ "removed": "board" })));
    let told = told(&site).await;
    assert_eq!(told[0], ["remove device type", "board", "done"]);
    assert_eq!(told[3][..2], ["remove device type", "board"], "{told:?}");
    site.store.check_consistent().unwrap();
    site.close().await;
}
