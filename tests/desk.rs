//! A day at the desk, in a browser: log in, write a job with a mistake and without, watch it run, cancel
//! it, send it again changed, and find it in the history.

use std::time::Duration;

use serde_json::Value;
use thirtyfour::{By, Key, WebDriver, WebElement, error::WebDriverResult, prelude::*};

use crate::support::{
    appliance::{Appliance, wait_for},
    browser::with_browser,
    page::{fill, follow, read_page, read_part},
};

const PASSWORD: &str = "correct horse battery";

/// A machine with nothing to boot from, and nobody who speaks on its console.
const WAITS: &str = "job_name: nobody speaks\n\
                     actions:\n\
                     - boot: { guest: { memory: 32M } }\n\
                     - test:\n\
                     \x20   screen:\n\
                     \x20     steps:\n\
                     \x20     - wait_serial: { regex: never, timeout: 5m }\n";

/// Generous: the machine may be busy with other tests.
async fn look_for(browser: &WebDriver, path: &str) -> WebDriverResult<WebElement> {
    let (limit, often) = (Duration::from_secs(60), Duration::from_millis(100));
    browser.query(By::XPath(path)).wait(limit, often).first().await
}

/// Waits until the page says so; its script may have to ask first.
async fn says(browser: &WebDriver, words: &str) {
    let found = look_for(browser, &format!("//*[contains(text(), '{words}')]")).await;
    assert!(found.is_ok(), "{words:?} is not in {}", read_page(browser).await);
}

/// Waits for the page of a job that was sent.
async fn arrives(browser: &WebDriver, at: &str) {
    let found = look_for(browser, "//h1[contains(., 'nobody speaks')]").await;
    assert!(found.is_ok(), "{}", read_page(browser).await);
    let address = browser.current_url().await.unwrap();
    assert!(address.path().ends_with(at), "{address}: {}", read_page(browser).await);
}

async fn write(browser: &WebDriver, definition: &str) {
    let set = "arguments[0].value = arguments[1];
               arguments[0].dispatchEvent(new Event('input', { bubbles: true }))";
    let editor = browser.find(By::Id("definition")).await.unwrap();
    let arguments = vec![editor.to_json().unwrap(), definition.into()];
    browser.execute(set, arguments).await.unwrap();
}

#[tokio::test]
async fn a_job_is_written_watched_canceled_changed_and_found() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let added = appliance.command(&["user", "add", "ann", "--role", "submitter", "--json"]);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let invitation = added["invitation"]["path"].as_str().unwrap().to_owned();
    with_browser(async |browser| {
        let at = |path: &str| format!("http://{}{path}", appliance.address);
        browser.goto(at("/submit")).await.unwrap();
        assert!(read_page(browser).await.contains("Log in"), "nobody submits");
        browser.goto(at(&invitation)).await.unwrap();
        fill(browser, &[("password", PASSWORD), ("again", PASSWORD)]).await;

        // The mistake is shown while one writes, and again when one sends.
        browser.goto(at("/submit")).await.unwrap();
        write(browser, &WAITS.replace("memory: 32M", "memroy: 32M")).await;
        says(browser, "memroy").await;
        says(browser, "line 3").await;
        follow(browser, ".compose button").await;
        says(browser, "1 problem").await;
        write(browser, WAITS).await;
        says(browser, "Nothing is wrong with").await;
        follow(browser, ".compose button").await;
        arrives(browser, "/jobs/1").await;

        says(browser, "Running").await;
        follow(browser, ".controls form[action$='/cancel'] button").await;
        appliance.wait_ended(1);
        browser.refresh().await.unwrap();
        says(browser, "Stopped because somebody asked").await;

        // Sent again with other steps, it passes, and what was changed can be seen.
        follow(browser, ".controls a[href='/submit?from=1']").await;
        let steps = "wait_serial: { regex: never, timeout: 5m }";
        write(browser, &WAITS.replace(steps, "wait_still_screen: { stilltime: 1s, timeout: 3s }"))
            .await;
        says(browser, "Nothing is wrong with").await;
        follow(browser, ".compose button").await;
        arrives(browser, "/jobs/2").await;
        let job = appliance.wait_ended(2);
        assert_eq!(job["verdict"], "passed", "{job}");
        browser.goto(at("/jobs/2/diff")).await.unwrap();
        let changed = read_part(browser, "pre.diff ins").await;
        assert!(changed.contains("wait_still_screen"), "{changed}");

        browser.goto(at("/history")).await.unwrap();
        let history = read_page(browser).await;
        assert!(history.matches("nobody speaks").count() == 2, "{history}");
        browser.goto(at("/history?verdict=canceled&name=nobody*")).await.unwrap();
        let jobs = browser.find_all(By::Css("table.jobs a.job")).await.unwrap();
        assert_eq!(jobs.len(), 1, "{}", read_page(browser).await);
        assert!(jobs[0].attr("href").await.unwrap().unwrap().ends_with("/jobs/1"));

        // The editor offers what may stand where the cursor is.
        browser.goto(at("/submit")).await.unwrap();
        write(browser, "job_name: x\ntim").await;
        let editor = browser.find(By::Id("definition")).await.unwrap();
        editor.send_keys(Key::Control + "\u{e010}").await.unwrap();
        editor.send_keys(Key::Control + " ").await.unwrap();
        let offer = look_for(browser, "//*[contains(@class, 'offers')]//button").await.unwrap();
        assert_eq!(offer.text().await.unwrap(), "timeouts");
    })
    .await;
    let job = wait_for("job 2", || Some(appliance.json("/api/jobs/2")));
    assert_eq!((&job["submitter"]["name"], &job["way_in"]), (&"ann".into(), &"page".into()));
    assert_eq!(job["resubmitted_from"], 1);
    // What was only looked at while it was written is no deed.
    let audit = appliance.command(&["audit", "--who", "ann", "--json"]);
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    let deeds = audit["deeds"].as_array().unwrap().iter();
    let sent: Vec<_> = deeds.filter(|deed| deed["what"] == "submit job").collect();
    let on: Vec<_> = sent.iter().map(|deed| deed["on"].as_str().unwrap()).collect();
    assert_eq!(on, ["2", "1", ""], "the latest first, and one with a mistake: {audit}");
    appliance.stop();
}
