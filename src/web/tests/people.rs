//! Who may see and do what, through every door.

use std::collections::BTreeSet;

use axum::body::Body;
use hyper::{Method, Request};
use serde_json::{Value, json};

use super::site::{Answer, Site, ada};
use crate::{
    config::AccessSettings,
    markup::samples,
    model::{JobId, Outcome, Submitter, Verdict, Visibility},
    web::Access,
};

const ROOT: (u32, &str) = (0, "root");
const PASSWORD: &str = "correct horse battery";
const SECRET: &str = "quetzal boots from a private disk";

/// A browser: it keeps a cookie, and says where its requests come from.
#[derive(Default)]
pub(super) struct Browser {
    cookie: Option<String>,
}

impl Browser {
    pub(super) async fn get(&self, site: &Site, path: &str) -> Answer {
        let mut request = Request::get(path).header("host", "localhost");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        site.ask(Access::Page, request.body(Body::empty()).unwrap()).await.read().await
    }

    /// Sends the form with this action that is on `page`, filled with `fields`.
    async fn send(&mut self, site: &Site, page: &str, fields: &[(&str, &str)]) -> Answer {
        let action = regex(page, r#"action="([^"]*)" method="post""#);
        self.post(site, &action, page, fields).await
    }

    pub(super) async fn post(
        &mut self,
        site: &Site,
        path: &str,
        page: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let key = regex(page, r#"name="form" value="([^"]*)""#);
        let fields = fields.iter().map(|(name, value)| (*name, Some(*value)));
        let fields: Vec<_> = fields.chain([("form", Some(&*key))]).collect();
        let body = crate::proto::query::address("", &fields);
        let answer = self.raw(site, path, "same-origin", body.trim_start_matches('?')).await;
        let set = answer.header("set-cookie");
        if let Some((cookie, _)) = set.split_once(';') {
            self.cookie = (!cookie.ends_with('=')).then(|| cookie.to_owned());
        }
        answer
    }

    pub(super) async fn raw(&self, site: &Site, path: &str, from: &str, body: &str) -> Answer {
        let mut request = Request::post(path)
            .header("host", "localhost")
            .header("sec-fetch-site", from)
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        site.ask(Access::Page, request).await.read().await
    }
}

/// What the first match of a pattern with one group has in it; nothing without a match.
fn regex(text: &str, pattern: &str) -> String {
    let found = regex::Regex::new(pattern).unwrap().captures(text);
    found.map_or_else(String::new, |found| found[1].to_owned())
}

/// Enters a user on the socket and returns the path of the invitation.
async fn invited(site: &Site, name: &str, role: &str, groups: &[&str]) -> String {
    let user = json!({ "name": name, "role": role, "groups": groups });
    let added = site.on_socket(ROOT, Method::POST, "/api/users", user).await;
    assert_eq!(added.status, 201, "{}", added.text());
    added.json()["invitation"]["path"].as_str().unwrap().to_owned()
}

/// A browser in which a new user is logged in.
pub(super) async fn logged_in(site: &Site, name: &str, role: &str, groups: &[&str]) -> Browser {
    let path = invited(site, name, role, groups).await;
    let mut browser = Browser::default();
    let page = browser.get(site, &path).await;
    assert_eq!(page.status, 200);
    let code = path.split_once("code=").unwrap().1;
    let chosen = [("code", code), ("password", PASSWORD), ("again", PASSWORD)];
    let answer = browser.post(site, "/invite", page.text(), &chosen).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/account"));
    assert!(browser.cookie.is_some());
    browser
}

/// A token of a user, made on the socket.
async fn token(site: &Site, user: &str, scope: &str) -> String {
    let wanted = json!({ "user": user, "name": scope, "scope": scope });
    let made = site.on_socket(ROOT, Method::POST, "/api/tokens", wanted).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["token"].as_str().unwrap().to_owned()
}

async fn with_token(site: &Site, token: &str, method: Method, path: &str, body: Body) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/x-tar");
    site.ask(Access::Page, request.body(body).unwrap()).await.read().await
}

pub(super) async fn deeds(site: &Site) -> Vec<Value> {
    let answer = site.on_socket(ROOT, Method::GET, "/api/audit", Value::Null).await;
    answer.json()["deeds"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_invitation_makes_a_password_once_and_the_password_a_session() {
    let site = Site::furnished().await;
    let path = invited(&site, "ann", "administrator", &[]).await;
    let mut browser = Browser::default();
    let page = browser.get(&site, &path).await;
    assert!(page.text().contains("Welcome, <bdi>ann</bdi>"), "{}", page.text());
    let code = path.split_once("code=").unwrap().1;
    for (password, again, words) in
        [("short", "short", "10 to 1024"), (PASSWORD, "another one", "not the same")]
    {
        let chosen = [("code", code), ("password", password), ("again", again)];
        let answer = browser.post(&site, "/invite", page.text(), &chosen).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    let chosen = [("code", code), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(browser.post(&site, "/invite", page.text(), &chosen).await.status, 303);
    let account = browser.get(&site, "/account").await;
    assert!(account.text().contains("Role administrator"), "{}", account.text());
    assert_eq!(browser.get(&site, "/users").await.status, 200);
    assert_eq!(Browser::default().get(&site, &path).await.status, 409, "used");

    // Logging out ends the session, not only the cookie.
    let stolen = Browser { cookie: browser.cookie.clone() };
    let answer = browser.post(&site, "/logout", account.text(), &[]).await;
    assert_eq!((answer.status.as_u16(), browser.cookie.is_none()), (303, true));
    assert_eq!(stolen.get(&site, "/account").await.status, 303);

    let page = browser.get(&site, "/login?to=/jobs/1").await;
    let wrong = [("name", "ann"), ("password", "wrong horse"), ("to", "/jobs/1")];
    let answer = browser.send(&site, page.text(), &wrong).await;
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("The name or the password is wrong."), "{}", answer.text());
    let unknown = [("name", "eve"), ("password", "wrong horse"), ("to", "/")];
    let same = browser.send(&site, page.text(), &unknown).await;
    assert_eq!(same.status, 401);
    assert!(same.text().contains("The name or the password is wrong."));
    let right = [("name", "ann"), ("password", PASSWORD), ("to", "/jobs/1")];
    let answer = browser.send(&site, page.text(), &right).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/jobs/1"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(browser.get(&site, "/").await.text().contains("Log out"));

    let told = deeds(&site).await;
    let told: Vec<_> = told
        .iter()
        .map(|deed| [&deed["who"], &deed["door"], &deed["what"], &deed["on"], &deed["outcome"]])
        .map(|deed| deed.map(|text| text.as_str().unwrap()).join(" | "))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    let everything = serde_json::to_string(&deeds(&site).await).unwrap();
    assert!(!everything.contains("horse") && !everything.contains(code), "{everything}");
    site.store.check_consistent().unwrap();
    site.close().await;
}

#[tokio::test]
async fn a_stream_ends_when_whoever_follows_it_may_no_longer() {
    let site = Site::new();
    let ann = logged_in(&site, "ann", "guest", &[]).await;
    let token = token(&site, "ann", "read").await;
    let get = || Request::get("/events").header("host", "localhost");
    let mut streams = Vec::new();
    for request in [
        get().header("cookie", ann.cookie.unwrap()),
        get().header("authorization", format!("Bearer {token}")),
    ] {
        let answer = site.ask(Access::Page, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.0.status(), 200);
        streams.push(answer);
    }
    tokio::time::pause();
    let disabled = json!({ "disabled": true });
    let answer = site.on_socket(ROOT, Method::POST, "/api/users/ann", disabled).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for mut stream in streams {
        while stream.piece().await.is_some() {}
    }
    site.close().await;
}

#[tokio::test]
async fn wrong_passwords_make_a_name_wait() {
    let site = Site::new();
    logged_in(&site, "ann", "guest", &[]).await;
    let mut browser = Browser::default();
    let page = browser.get(&site, "/login").await;
    let mut last = None;
    for _ in 0..6 {
        let wrong = [("name", "ann"), ("password", "wrong horse"), ("to", "/")];
        last = Some(browser.send(&site, page.text(), &wrong).await);
    }
    let last = last.unwrap();
    assert_eq!(last.status, 429);
    assert!(last.text().contains("Too many passwords were tried"), "{}", last.text());
    site.close().await;
}

#[tokio::test]
async fn what_a_session_changes_comes_from_a_page_of_ours() {
    let site = Site::furnished().await;
    let mut browser = logged_in(&site, "ann", "operator", &[]).await;
    let page = browser.get(&site, "/account").await;
    let key = regex(page.text(), r#"name="form" value="([^"]*)""#);
    let with_key = format!("form={key}");
    for (case, from, body, status) in [
        ("another site", "cross-site", &*with_key, 403),
        ("another port", "same-site", &with_key, 403),
        ("without the key", "same-origin", "", 403),
        ("with another key", "same-origin", "form=AAAA", 403),
        ("our own page", "same-origin", &with_key, 303),
    ] {
        let answer = browser.raw(&site, "/account/sessions", from, body).await;
        assert_eq!(answer.status, status, "{case}");
    }
    let ask = async |cookie: &str, headers: &[(&str, &str)]| {
        let mut request = Request::post("/api/jobs/3/cancel")
            .header("host", "localhost")
            .header("cookie", cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        site.ask(Access::Page, request.body(Body::empty()).unwrap()).await.read().await.status
    };
    let cookie = browser.cookie.clone().unwrap();
    let ours = ("sec-fetch-site", "same-origin");
    assert_eq!(ask(&cookie, &[]).await, 403);
    assert_eq!(ask(&cookie, &[ours]).await, 403);
    assert_eq!(
        ask(&cookie, &[("sec-fetch-site", "cross-site"), ("x-sutler-form", &key)]).await,
        403
    );
    assert_eq!(ask("sutler_session=nonsense", &[ours, ("x-sutler-form", &key)]).await, 401);
    assert!(site.asked.lock().unwrap().cancel.is_empty());
    assert_eq!(ask(&cookie, &[ours, ("x-sutler-form", &key)]).await, 202);
    assert_eq!(site.asked.lock().unwrap().cancel, [(JobId(3), "ann".to_owned())]);

    // A password that is changed ends every other session.
    let other = Browser { cookie: browser.cookie.clone() };
    let mut second = Browser::default();
    let login = second.get(&site, "/login").await;
    let right = [("name", "ann"), ("password", PASSWORD), ("to", "/")];
    assert_eq!(second.send(&site, login.text(), &right).await.status, 303);
    let fields =
        [("current", PASSWORD), ("password", "another long one"), ("again", "another long one")];
    let answer = browser.post(&site, "/account/password", page.text(), &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(other.get(&site, "/account").await.status, 200, "this very session goes on");
    assert_eq!(second.get(&site, "/account").await.status, 303);
    site.close().await;
}

#[tokio::test]
async fn a_token_does_what_its_scope_says_and_no_more_than_its_user_may() {
    let site = Site::furnished().await;
    invited(&site, "ann", "operator", &[]).await;
    let [read, submit, operate, administer] = [
        token(&site, "ann", "read").await,
        token(&site, "ann", "submit").await,
        token(&site, "ann", "operate").await,
        token(&site, "ann", "administer").await,
    ];
    for (token, path, want) in [
        (&read, "/api/jobs/3/cancel", 403),
        (&submit, "/api/jobs/3/cancel", 403),
        (&operate, "/api/jobs/3/cancel", 202),
        (&read, "/api/jobs", 403),
        (&submit, "/api/jobs", 201),
        (&administer, "/api/store/snapshot", 403),
    ] {
        let answer = with_token(&site, token, Method::POST, path, Body::from("tar")).await;
        assert_eq!(answer.status, want, "{path} {}", answer.text());
    }
    assert_eq!(site.asked.lock().unwrap().submit[0].1.name, "ann");
    let more = json!({ "name": "more", "scope": "read" }).to_string();
    let more = with_token(&site, &administer, Method::POST, "/api/tokens", more.into()).await;
    assert_eq!(more.status, 400, "a token makes no tokens");

    let list = with_token(&site, &read, Method::GET, "/api/tokens", Body::empty()).await.json();
    assert_eq!(list["tokens"].as_array().unwrap().len(), 4);
    assert!(!list.to_string().contains(&read), "{list}");
    let id = list["tokens"].as_array().unwrap().iter().find(|token| token["name"] == "read");
    let id = id.unwrap()["id"].as_str().unwrap().to_owned();
    assert!(id.len() == 12);
    let revoke = format!("/api/tokens/{id}");
    let revoked = site.on_socket(ROOT, Method::DELETE, &revoke, Value::Null).await;
    assert_eq!(revoked.status, 200);
    for bad in [&*read, "sutler_x", "nonsense"] {
        let answer = with_token(&site, bad, Method::GET, "/api/jobs", Body::empty()).await;
        assert_eq!(answer.status, 401, "{bad}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    site.close().await;
}

#[tokio::test]
async fn roles_say_who_may_do_what_and_it_is_noted() {
    let site = Site::furnished().await;
    invited(&site, "olga", "operator", &[]).await;
    let operator = token(&site, "olga", "operate").await;
    let post = Method::POST;
    let eve = site.on_socket((2000, "eve"), post.clone(), "/api/jobs/3/cancel", Value::Null).await;
    assert_eq!(eve.status, 403);
    assert!(eve.text().contains("it is ada's; only they and an operator"), "{}", eve.text());
    let users = json!({ "name": "eve", "role": "administrator" });
    let refused = site.on_socket((2000, "eve"), post.clone(), "/api/users", users.clone()).await;
    assert_eq!(refused.status, 403);
    let refused =
        with_token(&site, &operator, post.clone(), "/api/users", users.to_string().into());
    assert_eq!(refused.await.status, 403);
    let limits = "/api/thresholds?measure=job_time&value=1000";
    let own = site.on_socket((1000, "ada"), post.clone(), limits, Value::Null).await;
    assert_eq!(own.status, 403);
    assert_eq!(with_token(&site, &operator, post.clone(), limits, Body::empty()).await.status, 200);
    assert_eq!(
        site.on_socket((1000, "ada"), post, "/api/jobs/3/cancel", Value::Null).await.status,
        202
    );
    let told = deeds(&site).await;
    let told = |n: usize| {
        let deed = &told[n];
        (
            deed["who"].as_str().unwrap(),
            deed["what"].as_str().unwrap(),
            deed["on"].as_str().unwrap(),
        )
    };
    assert_eq!(told(0), ("ada", "cancel job", "3"));
    assert_eq!(told(1), ("olga", "set threshold", ""));
    assert_eq!(told(5), ("eve", "cancel job", "3"));
    let page = site.get("/audit").await;
    assert_eq!(page.status, 303, "nobody is sent to the door");
    site.close().await;
}

#[tokio::test]
async fn a_box_may_show_nothing_to_those_who_do_not_say_who_they_are() {
    let settings = AccessSettings { anonymous: None, ..AccessSettings::default() };
    let site = Site::with(settings);
    site.add(&samples::waiting(1, SECRET, 2)).await;
    let nobody = Browser::default();
    for path in ["/", "/jobs/1", "/history", "/metrics", "/handbook"] {
        let answer = nobody.get(&site, path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/login"), "{path}");
    }
    assert_eq!(nobody.get(&site, "/api/jobs").await.status, 401);
    let login = nobody.get(&site, "/login").await;
    assert_eq!(login.status, 200);
    let style = regex(login.text(), r#"rel="stylesheet" href="([^"]*)""#);
    assert_eq!(nobody.get(&site, &style).await.status, 200);
    let guest = logged_in(&site, "gus", "guest", &[]).await;
    assert!(guest.get(&site, "/jobs/1").await.text().contains(SECRET));
    site.close().await;
}

/// Addresses that the router and the API's document have for looking, with what the private job could
/// be asked for by.
fn addresses(source: &str, document: &Value, job: u64) -> BTreeSet<String> {
    let name = crate::proto::query::quoted(SECRET);
    let route = regex::Regex::new(r#"\.route\(\s*("[^"]+"|SCHEMA_PATH),\s*get\("#).unwrap();
    assert_eq!(
        route.captures_iter(source).count(),
        source.matches("get(").count(),
        "all are found"
    );
    let mut found = BTreeSet::new();
    let pages = route.captures_iter(source).map(|found| found[1].trim_matches('"').to_owned());
    let api = document["paths"].as_object().unwrap().iter();
    let api = api.filter(|(_, item)| item["get"].is_object());
    for path in pages.chain(api.map(|(path, _)| format!("/api{path}"))) {
        let path = path
            .replace("SCHEMA_PATH", crate::job_file::SCHEMA_PATH)
            .replace("{id}", &job.to_string())
            .replace("{*path}", "serial0.txt")
            .replace("{path}", "1-1");
        for query in [
            String::new(),
            "?format=tap".into(),
            "?format=csv".into(),
            "?fragments=1".into(),
            format!("?job={name}"),
            format!("?job={job}"),
            format!("?job={name}&measure=job_time"),
            format!("?of=measures&job={name}"),
            "?of=measures&format=csv".into(),
            "?state=ended".into(),
            "?state=waiting".into(),
            "?whose=all".into(),
            "?whose=all&sort=-metadata.note".into(),
        ] {
            found.insert(format!("{path}{query}"));
        }
    }
    assert!(found.len() > 400, "{}", found.len());
    found
}

#[tokio::test]
async fn no_address_tells_a_stranger_of_a_private_job() {
    let site = Site::new();
    // The same three times: ended and failed, running, waiting.
    let private = |mut job: crate::model::Job| {
        job.visibility = Visibility::Group(vec!["lab".into()]);
        job.metadata = [("note".into(), "quetzal".into())].into();
        if let Some(cause) = &mut job.cause {
            cause.words = "quetzal did not answer".into();
        }
        job
    };
    site.add(&private(samples::ended(1, SECRET, Verdict::Failed, 9))).await;
    site.add(&private(samples::running(2, SECRET))).await;
    site.add(&private(samples::waiting(3, SECRET, 2))).await;
    for (id, end) in [(1, Some(Outcome::Fail)), (2, None)] {
        samples::write_folder(site.folder.path(), JobId(id), &samples::story(end));
        let told = site.folder.path().join(format!("jobs/{id}/serial0.txt"));
        std::fs::write(told, "quetzal login:").unwrap();
    }
    let source = include_str!("../router.rs");
    let document = site.get("/api/openapi.json").await.json();
    let member = logged_in(&site, "mia", "submitter", &["lab"]).await;
    let stranger = logged_in(&site, "sam", "operator", &["other"]).await;
    let nobody = Browser::default();
    let (mut seen, mut looked) = (0, 0);
    for path in (1..=3).flat_map(|job| addresses(source, &document, job)) {
        // What never ends is not read to its end; that it is not begun is asked below.
        if path.contains("events") {
            continue;
        }
        for who in [&nobody, &stranger] {
            let answer = who.get(&site, &path).await;
            let text = String::from_utf8_lossy(&answer.bytes).to_lowercase();
            // The address itself may be told back.
            let echoed = path.contains("job=");
            let secret = if echoed { "did not answer" } else { "quetzal" };
            assert!(!text.contains(secret), "{path}: {text}");
            assert!(
                !answer.headers.iter().any(|(_, value)| {
                    value.to_str().is_ok_and(|value| value.contains("quetzal"))
                })
            );
            looked += 1;
        }
        let answer = member.get(&site, &path).await;
        seen += u32::from(String::from_utf8_lossy(&answer.bytes).contains("quetzal"));
    }
    assert!(seen > 20 && looked > 1_000, "a member sees it: {seen} of {looked}");
    for (path, there) in [
        ("/jobs/1", true),
        ("/jobs/1/events", true),
        ("/jobs/2/live", true),
        ("/jobs/2/live.png", true),
        ("/jobs/2/live/events", true),
        ("/jobs/1/files/serial0.txt", true),
        ("/jobs/1/files/job.yaml", true),
        ("/jobs/1/report.html", true),
        ("/api/jobs/1", true),
        ("/api/jobs/1/events", true),
        ("/find?job=1", true),
        ("/jobs/99", false),
    ] {
        for who in [&nobody, &stranger] {
            assert_eq!(who.get(&site, path).await.status, 404, "{path}");
        }
        let request = Request::get(path).header("host", "localhost");
        let request = request.header("cookie", member.cookie.as_deref().unwrap());
        let open = site.ask(Access::Page, request.body(Body::empty()).unwrap()).await;
        assert_eq!(open.0.status() != 404, there, "{path}");
    }
    site.add(&private(samples::ended(4, SECRET, Verdict::Passed, 9))).await;
    // What is known of its name is told like that of a name that no job ever had.
    let name = crate::proto::query::quoted(SECRET);
    let foretold = format!("/api/estimates?job={name}");
    let (own, other) = (member.get(&site, &foretold).await, stranger.get(&site, &foretold).await);
    assert_eq!(own.json()["expected"]["from"], "job");
    assert_ne!(own.json()["series"], serde_json::json!([]));
    let (other, never) =
        (other.json(), stranger.get(&site, "/api/estimates?job=never").await.json());
    for key in ["takes", "from", "runs", "words"] {
        assert_eq!(other["expected"][key], never["expected"][key], "{key}");
    }
    for key in ["parts", "series", "queue"] {
        assert_eq!(other[key], never[key], "{key}");
    }
    let plan = member.get(&site, "/api/plan").await.json();
    let own = plan["jobs"].as_array().unwrap();
    assert!(own.iter().all(|job| job["expected"]["takes"].is_object()), "{plan}");
    let plan = stranger.get(&site, "/api/plan").await.json();
    let hidden = plan["jobs"].as_array().unwrap();
    assert_eq!(hidden.len(), own.len());
    assert!(hidden.iter().all(|job| job["hidden"] == true && job["expected"].is_null()), "{plan}");
    // It takes its place in the queue all the same.
    let queue = nobody.get(&site, "/").await;
    assert_eq!(queue.text().matches("not shown to you").count(), 2, "{}", queue.text());
    let plan = nobody.get(&site, "/api/plan").await.json();
    assert_eq!(plan["jobs"].as_array().unwrap().len(), 2);
    assert_eq!((&plan["jobs"][0]["hidden"], &plan["jobs"][0]["name"]), (&json!(true), &json!("")));
    // A stranger may not decide about what is not there, operator or not.
    let token = token(&site, "sam", "operate").await;
    for what in ["cancel", "keep", "release", "retry"] {
        let path = format!("/api/jobs/1/{what}");
        let answer = with_token(&site, &token, Method::POST, &path, Body::empty()).await;
        assert_eq!(answer.status, 404, "{what}");
    }
    let none = json!({ "words": "quetzal" }).to_string();
    let tried = with_token(&site, &token, Method::POST, "/api/failures/try", none.into()).await;
    assert_eq!((tried.status.as_u16(), &tried.json()["matched"]), (200, &json!(0)));
    // Nor does a rule of theirs count what is in it.
    let rule = json!({ "name": "guess", "pattern": { "words": "quetzal" } }).to_string();
    let put = with_token(&site, &token, Method::POST, "/api/known", rule.into()).await;
    assert_eq!(put.status, 201, "{}", put.text());
    let apply = "/api/known/guess/apply";
    let applied = with_token(&site, &token, Method::POST, apply, Body::empty()).await;
    assert_eq!(applied.json()["marked"], 0);
    let told = stranger.get(&site, "/api/known").await.json();
    let days = told["rules"][0]["days"].as_array().unwrap();
    assert!(days.iter().all(|day| *day == 0), "{told}");
    let told = stranger.get(&site, "/api/statistics?since=3650d").await.json();
    assert_eq!(told["by_subject"], json!([]));
    let told = member.get(&site, "/api/statistics?since=3650d").await.json();
    assert_eq!(told["by_subject"][0]["name"], "guess", "{told}");
    site.store.check_consistent().unwrap();
    site.close().await;
}

#[tokio::test]
async fn an_owner_sees_what_is_personal_on_the_socket_and_nobody_else_does() {
    let site = Site::new();
    let mut job = samples::ended(1, SECRET, Verdict::Passed, 9);
    job.visibility = Visibility::Personal;
    job.submitter = Submitter { uid: Some(1000), name: "ada".into() };
    site.add(&job).await;
    let ask = async |access: Access| {
        let request = Request::get("/api/jobs/1").body(Body::empty()).unwrap();
        site.ask(access, request).await.read().await.status.as_u16()
    };
    assert_eq!(ask(ada()).await, 200);
    assert_eq!(ask(Access::Socket { uid: 1001, name: "ada".into() }).await, 404);
    assert_eq!(ask(Access::Socket { uid: 0, name: "root".into() }).await, 200);
    site.close().await;
}

#[tokio::test]
async fn what_is_counted_is_what_whoever_asks_may_see() {
    let site = Site::new();
    let failed = |id, of: &str, visibility| {
        let mut job = samples::ended(id, "desktop", Verdict::Failed, 9);
        job.cause.as_mut().unwrap().words = format!("no {of}");
        job.visibility = visibility;
        job
    };
    let lab = || Visibility::Group(vec!["lab".into()]);
    site.add(&failed(1, "mouse", Visibility::Public)).await;
    site.add(&failed(2, "mouse", lab())).await;
    site.add(&failed(3, "quetzal", lab())).await;
    let member = logged_in(&site, "mia", "submitter", &["lab"]).await;
    let stranger = logged_in(&site, "sam", "operator", &["other"]).await;
    let nobody = Browser::default();
    let counts = |told: &Value| -> Vec<u64> {
        let groups = told["groups"].as_array().unwrap().iter();
        groups.map(|group| group["count"].as_u64().unwrap()).collect()
    };
    for (who, kinds, all) in
        [(&member, vec![2, 1], 2), (&stranger, vec![1], 1), (&nobody, vec![1], 1)]
    {
        let told = who.get(&site, "/api/failures").await.json();
        assert_eq!((counts(&told), &told["all"]), (kinds, &json!(all)), "{told}");
        let job = who.get(&site, "/api/jobs/1").await.json();
        assert_eq!(job["standing"]["group"]["count"], told["groups"][0]["count"], "{job}");
    }
    let root = site.on_socket(ROOT, Method::GET, "/api/failures", Value::Null).await.json();
    assert_eq!((counts(&root), &root["all"]), (vec![2, 1], &json!(2)));
    let page = stranger.get(&site, "/failures").await;
    assert!(page.text().contains("Not known yet<span class=\"tally\">1</span>"), "{}", page.text());
    assert!(!page.text().contains("not shown;"), "{}", page.text());

    let pattern = json!({ "words": "no" });
    let token = token(&site, "sam", "operate").await;
    let body = pattern.to_string().into();
    let tried = with_token(&site, &token, Method::POST, "/api/failures/try", body).await.json();
    assert_eq!((&tried["looked"], &tried["matched"]), (&json!(1), &json!(1)), "{tried}");
    let tried = site.on_socket(ROOT, Method::POST, "/api/failures/try", pattern).await.json();
    assert_eq!((&tried["looked"], &tried["matched"]), (&json!(3), &json!(3)), "{tried}");

    let list = "/history?whose=all";
    assert!(stranger.get(&site, list).await.text().contains("1 ended job<"));
    assert!(nobody.get(&site, list).await.text().contains("1 ended job<"));
    assert!(!member.get(&site, list).await.text().contains("ended job"), "it may not be exact");
    let root = site.on_socket(ROOT, Method::GET, list, Value::Null).await;
    assert!(root.text().contains("3 ended jobs<"), "{}", root.text());
    site.close().await;
}

#[tokio::test]
async fn no_list_tells_a_stranger_of_a_private_job() {
    let site = Site::new();
    let mut private = samples::ended(1, SECRET, Verdict::Failed, 9);
    private.visibility = Visibility::Group(vec!["lab".into()]);
    private.metadata = [("note".into(), "quetzal".into())].into();
    private.settings = [("DISK".into(), "quetzal.img".into())].into();
    private.tags = vec!["quetzal".into()];
    private.device_type = "quetzal-board".into();
    site.add(&private).await;
    site.add(&samples::ended(2, "public", Verdict::Passed, 8)).await;
    let mut waiting = samples::waiting(3, SECRET, 2);
    waiting.visibility = Visibility::Group(vec!["lab".into()]);
    waiting.metadata = private.metadata.clone();
    site.add(&waiting).await;
    let member = logged_in(&site, "mia", "submitter", &["lab"]).await;
    let stranger = logged_in(&site, "sam", "operator", &["other"]).await;
    let nobody = Browser::default();
    let name = crate::proto::query::quoted(SECRET);
    for (filter, finds) in [
        (format!("name={name}"), 2),
        ("name=quetzal*".into(), 2),
        ("name=quetzal*&state=waiting".into(), 1),
        ("setting=DISK%3Dquetzal.img".into(), 1),
        ("metadata=note%3Dquetzal".into(), 2),
        ("metadata=note%3Dquetzal&sort=name".into(), 1),
        ("tag=quetzal".into(), 1),
        ("device_type=quetzal-board".into(), 1),
        ("team=lab".into(), 2),
        ("verdict=failed".into(), 1),
        ("who=guest&cause=no_match".into(), 1),
        ("sort=-metadata.note".into(), 1),
        ("sort=setting.DISK".into(), 1),
        ("submitter=ada&verdict=failed".into(), 1),
        ("state=ended&name=quetzal*&since=30d".into(), 1),
    ] {
        let list = format!("/api/jobs?{filter}");
        let found = member.get(&site, &list).await.json();
        assert_eq!(found["jobs"].as_array().unwrap().len(), finds, "{filter}: {found}");
        for who in [&nobody, &stranger] {
            let told = who.get(&site, &list).await.json();
            let nothing = json!({ "jobs": [], "next": null, "partial": false, "total": null });
            assert_eq!(told, nothing, "{filter}");
            let table = who.get(&site, &format!("/api/jobs.csv?{filter}")).await;
            assert_eq!(table.text().lines().count(), 1, "{filter}: {}", table.text());
            let page = who.get(&site, &format!("/history?whose=all&{filter}")).await;
            let text = page.text();
            let none = ["No job is like that.", "No job here has that to be sorted by."];
            assert!(none.iter().any(|none| text.contains(none)), "{filter}: {text}");
            assert!(!text.contains("ended job") && !text.contains("/jobs/1\""), "{filter}: {text}");
        }
    }
    // What a form offers is no more than that.
    let form = stranger.get(&site, "/history?whose=all").await;
    assert!(!form.text().contains("quetzal") && form.text().contains("/jobs/2\""));
    let root = site.on_socket(ROOT, Method::GET, "/history?whose=all", Value::Null).await;
    assert!(root.text().contains("quetzal-board"));
    let count = "/api/jobs?state=ended&tag=quetzal";
    let counted = site.on_socket(ROOT, Method::GET, count, Value::Null).await.json();
    assert_eq!(counted["total"], 1, "{counted}");
    // It takes its place in the queue, while nothing else is asked.
    let queue = nobody.get(&site, "/api/jobs?state=waiting").await.json();
    assert_eq!(
        (&queue["jobs"][0]["hidden"], &queue["jobs"][0]["name"]),
        (&json!(true), &json!(""))
    );
    // By group: what is for somebody's groups, and nothing else.
    let theirs = member.get(&site, "/api/jobs?whose=groups&state=ended").await.json();
    assert_eq!(theirs["jobs"].as_array().unwrap().len(), 1, "{theirs}");
    let none = stranger.get(&site, "/api/jobs?whose=groups").await.json();
    assert_eq!(none["jobs"], json!([]));
    assert_eq!(nobody.get(&site, "/api/jobs?whose=groups").await.status, 401);
    site.store.check_consistent().unwrap();
    site.close().await;
}
