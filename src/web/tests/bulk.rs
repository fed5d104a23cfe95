//! Many jobs at once, as somebody with a browser does it: pick, look, do.

use hyper::Method;
use serde_json::json;

use super::{
    people::{Browser, deeds, logged_in},
    site::{Answer, Asked, Site},
};
use crate::{
    markup::samples,
    model::{JobId, Verdict, Visibility},
    store::Change,
};

const PATH: &str = "/jobs/bulk";

/// What stands in the fields of this name of a page.
fn values(page: &Answer, name: &str) -> Vec<String> {
    let field = regex::Regex::new(&format!(r#"name="{name}" value="([^"]*)""#)).unwrap();
    field.captures_iter(page.text()).map(|found| found[1].to_owned()).collect()
}

/// Sends the form of a page that shows what would be done, as its button does.
async fn confirm(browser: &mut Browser, site: &Site, page: &Answer) -> Answer {
    let mut fields = vec![("sure".to_owned(), "yes".to_owned())];
    for name in ["do", "priority", "back", "key", "job", "asked"] {
        fields.extend(values(page, name).into_iter().map(|value| (name.to_owned(), value)));
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    browser.post(site, PATH, page.text(), &fields).await
}

async fn changes(site: &Site) -> Vec<String> {
    let deeds = deeds(site).await;
    let many = deeds.iter().filter(|deed| deed["what"] == "change jobs");
    many.map(|deed| deed["on"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_picked_is_shown_and_only_then_done() {
    let site = Site::furnished().await;
    let mut olga = logged_in(&site, "olga", "operator", &[]).await;
    let queue = olga.get(&site, "/").await;
    assert_eq!(values(&queue, "shown"), ["3", "4"], "{}", queue.text());
    let all = [("do", "cancel"), ("all", "yes"), ("shown", "3"), ("shown", "4"), ("back", "/")];
    let preview = olga.post(&site, PATH, queue.text(), &all).await;
    let text = preview.text();
    for words in ["Cancel 2 jobs?", "is stopped while it runs", "ends before it has started"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(site.asked.lock().unwrap().cancel.is_empty());
    assert_eq!(changes(&site).await, [""; 0], "who only looks does nothing");

    let result = confirm(&mut olga, &site, &preview).await;
    assert!(result.text().contains("<h1>Canceled 2 jobs</h1>"), "{}", result.text());
    let by_olga = |id| (JobId(id), "olga".to_owned());
    assert_eq!(site.asked.lock().unwrap().cancel, [by_olga(3), by_olga(4)]);
    assert_eq!(changes(&site).await, ["cancel: 3 4"]);
    site.close().await;
}

#[tokio::test]
async fn a_page_that_is_loaded_again_stops_no_job_at_once() {
    let site = Site::furnished().await;
    let mut olga = logged_in(&site, "olga", "operator", &[]).await;
    let queue = olga.get(&site, "/").await;
    let fields = [("do", "cancel"), ("job", "3")];
    let asked = || site.asked.lock().unwrap().cancel.len();
    let preview = olga.post(&site, PATH, queue.text(), &fields).await;
    let result = confirm(&mut olga, &site, &preview).await;
    assert!(result.text().contains("is stopped while it runs"), "{}", result.text());
    // As the queue's owner notes it.
    site.store.change(JobId(3), Change::CancelAsked).await.unwrap();
    let again = confirm(&mut olga, &site, &preview).await;
    assert!(again.text().contains("<h1>Nothing was done</h1>"), "{}", again.text());
    assert!(again.text().contains("job 3 is being stopped already"), "{}", again.text());
    assert_eq!(asked(), 1);

    let preview = olga.post(&site, PATH, queue.text(), &fields).await;
    assert_eq!(values(&preview, "asked"), ["3"]);
    let result = confirm(&mut olga, &site, &preview).await;
    assert!(result.text().contains("is stopped at once"), "{}", result.text());
    assert_eq!(asked(), 2, "who asks again means it");
    site.close().await;
}

#[tokio::test]
async fn a_button_that_is_pressed_twice_stops_no_job_at_once() {
    let site = Site::furnished().await;
    let mut olga = logged_in(&site, "olga", "operator", &[]).await;
    let page = olga.get(&site, "/jobs/3").await;
    assert_eq!(values(&page, "hurry"), [""; 0], "{}", page.text());
    for _ in 0..2 {
        assert_eq!(olga.post(&site, "/jobs/3/cancel", page.text(), &[]).await.status, 303);
    }
    let asked = || std::mem::take(&mut *site.asked.lock().unwrap());
    let Asked { cancel, hurried, .. } = asked();
    assert_eq!((cancel.len(), hurried.len()), (2, 0));

    site.store.change(JobId(3), Change::CancelAsked).await.unwrap();
    let page = olga.get(&site, "/jobs/3").await;
    assert!(page.text().contains("Stop at once"), "{}", page.text());
    assert_eq!(values(&page, "hurry"), ["true"]);
    olga.post(&site, "/jobs/3/cancel", page.text(), &[("hurry", "true")]).await;
    assert_eq!(asked().hurried, [JobId(3)]);
    site.close().await;
}

#[tokio::test]
async fn each_job_that_is_left_alone_says_why() {
    let site = Site::furnished().await;
    let mut secret = samples::waiting(5, "quetzal boots", 2);
    secret.visibility = Visibility::Group(vec!["lab".into()]);
    site.add(&secret).await;
    let mut olga = logged_in(&site, "olga", "operator", &[]).await;
    let queue = olga.get(&site, "/").await;
    assert_eq!(values(&queue, "shown"), ["3", "4"], "{}", queue.text());
    let back = ("back", "/history?state=waiting");
    let picked = ["1", "3", "4", "4", "5", "99"].map(|id| ("job", id));
    let fields = [&picked[..], &[("do", "priority"), ("priority", "70"), back]].concat();
    let preview = olga.post(&site, PATH, queue.text(), &fields).await;
    let text = preview.text();
    for (words, times) in [
        ("<h1>Change the priority of 1 job to 70?</h1>", 1),
        ("job 1 has ended already", 1),
        ("job 3 does not wait any more", 1),
        ("50 becomes 70", 1),
        ("there is no job 5", 1),
        ("there is no job 99", 1),
        (r#"href="/history?state=waiting""#, 1),
        ("quetzal", 0),
    ] {
        assert_eq!(text.matches(words).count(), times, "{words}: {text}");
    }
    assert_eq!(values(&preview, "job"), ["4"]);
    let result = confirm(&mut olga, &site, &preview).await;
    assert!(result.text().contains("Changed the priority of 1 job to 70"), "{}", result.text());
    let priority = async |id| site.store.job(JobId(id)).await.unwrap().unwrap().priority.0;
    assert_eq!((priority(4).await, priority(5).await), (70, 50));
    assert_eq!(changes(&site).await, ["priority 70: 4"]);
    let again = olga.post(&site, PATH, queue.text(), &fields).await;
    assert!(again.text().contains("has 70 already"), "{}", again.text());
    site.close().await;
}

#[tokio::test]
async fn jobs_that_have_ended_are_kept_released_and_sent_again() {
    let site = Site::furnished().await;
    let mut olga = logged_in(&site, "olga", "operator", &[]).await;
    let history = olga.get(&site, "/history?whose=all").await;
    assert_eq!(values(&history, "shown"), ["2", "1"], "{}", history.text());
    assert_eq!(values(&history, "back"), ["/history?whose=all"]);
    let is_kept = async || {
        let job = site.store.job(JobId(1)).await.unwrap().unwrap();
        job.holdings.kept.map(|kept| kept.by)
    };
    for (action, title, by) in
        [("keep", "Kept 2 jobs", Some("olga")), ("release", "Released 2 jobs", None)]
    {
        let fields = [("do", action), ("job", "2"), ("job", "1")];
        let preview = olga.post(&site, PATH, history.text(), &fields).await;
        let result = confirm(&mut olga, &site, &preview).await;
        assert!(result.text().contains(title), "{}", result.text());
        assert_eq!(is_kept().await.as_deref(), by);
    }
    let fields = [("do", "resubmit"), ("job", "1"), ("job", "2"), ("job", "4")];
    let preview = olga.post(&site, PATH, history.text(), &fields).await;
    for words in ["Resubmit 1 job?", "only what passed is taken in here", "job 4 has not ended"] {
        assert!(preview.text().contains(words), "{words}: {}", preview.text());
    }
    assert_eq!(values(&preview, "job"), ["1"]);
    // A page that is loaded again sends its form again.
    for _ in 0..2 {
        let result = confirm(&mut olga, &site, &preview).await;
        assert!(result.text().contains(r#", as <a href="/jobs/100">"#), "{}", result.text());
    }
    assert_eq!(site.asked.lock().unwrap().again.len(), 1);
    let later = olga.post(&site, PATH, history.text(), &fields).await;
    confirm(&mut olga, &site, &later).await;
    assert_eq!(site.asked.lock().unwrap().again.len(), 2, "who asks again means it");
    site.close().await;
}

#[tokio::test]
async fn only_who_may_decide_has_a_box_and_only_our_form_is_heard() {
    let site = Site::furnished().await;
    site.add(&samples::ended(5, "public", Verdict::Passed, 8)).await;
    let nobody = Browser::default();
    for path in ["/", "/history"] {
        let page = nobody.get(&site, path).await;
        assert!(!page.text().contains("name=\"shown\"") && !page.text().contains("id=\"many\""));
    }
    // A submitter sends again what another has, and does not end it.
    let mut sam = logged_in(&site, "sam", "submitter", &[]).await;
    assert!(values(&sam.get(&site, "/").await, "shown").is_empty());
    let history = sam.get(&site, "/history?whose=all").await;
    assert_eq!(values(&history, "shown"), ["5", "2", "1"]);
    let cancel = [("do", "cancel"), ("job", "4"), ("sure", "yes")];
    let refused = sam.post(&site, PATH, history.text(), &cancel).await;
    assert!(refused.text().contains("it is ada's; only they"), "{}", refused.text());
    assert_eq!(deeds(&site).await[0]["outcome"], "every job was left alone");
    let none = sam.post(&site, PATH, history.text(), &[("do", "cancel"), ("back", "//evil")]).await;
    assert_eq!(none.status, 422);
    assert!(none.text().contains(r#"<a href="/">Back to the list</a>"#), "{}", none.text());

    let body = "do=cancel&job=3&sure=yes";
    assert_eq!(sam.raw(&site, PATH, "same-origin", body).await.status, 403, "without the key");
    assert_eq!(nobody.raw(&site, PATH, "same-origin", body).await.status, 401);
    let many: Vec<_> = (1..=1_001).map(|id: u32| id.to_string()).collect();
    let many: Vec<_> = many.iter().map(|id| ("job", &**id)).chain([("do", "cancel")]).collect();
    assert_eq!(sam.post(&site, PATH, history.text(), &many).await.status, 400);
    assert!(site.asked.lock().unwrap().cancel.is_empty());
    site.close().await;
}

#[tokio::test]
async fn a_program_that_only_looks_does_nothing() {
    let site = Site::furnished().await;
    let ask = async |preview: bool| {
        let document = json!({ "action": "cancel", "jobs": [3, 2], "preview": preview });
        site.on_socket((1000, "ada"), Method::POST, "/api/jobs/bulk", document).await.json()
    };
    let result = |done| {
        json!([
            { "number": 3, "done": done, "words": "is stopped while it runs" },
            { "number": 2, "done": false, "words": "job 2 has ended already", "refused": true },
        ])
    };
    assert_eq!(ask(true).await, json!({ "preview": true, "results": result(false) }));
    assert_eq!(changes(&site).await, [""; 0]);
    assert_eq!(ask(false).await, json!({ "preview": false, "results": result(true) }));
    assert_eq!(changes(&site).await, ["cancel: 3"]);
    site.close().await;
}
