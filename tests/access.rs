//! Every page, as axe-core sees it in a real browser: for people who read aloud, magnify, lack
//! colours or use the keyboard. And that no page is wider than the phone it is read on.
//!
//! axe-core is no part of Sutler: `packaging/test.sh` fetches it into `target/axe`.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use thirtyfour::WebDriver;

use crate::support::{
    appliance::{Appliance, wait_for},
    browser::with_browser,
    job::JobFolder,
    page::fill,
};

const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/axe.min.js");
/// Width, height, and whether a finger points.
const SIZES: [(u32, u32, bool); 2] = [(1440, 900, false), (390, 844, true)];
const SCHEMES: [&str; 2] = ["light", "dark"];

const PASSES: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                      - module: turn the page\n\
                      \x20 steps:\n\
                      \x20 - send_key: b\n\
                      \x20 - assert_screen: page-b\n";
const FAILS: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - send_key: c\n\
                     - assert_screen: { tags: page-b, timeout: 1s }\n\
                     - save_screenshot\n";
const GOES_ON: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                       - wait_serial: { regex: never, timeout: 500s }\n";

/// What axe finds: rule, help, and the elements, a line each; and whether the page is too wide.
/// Forms that are folded away are looked at, too.
const LOOK: &str = r"
    const done = arguments[0];
    document.querySelectorAll('main details:has(form)').forEach((one) => { one.open = true; });
    const wide = document.documentElement.scrollWidth - innerWidth;
    axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => {
        const found = violations.map((rule) => `${rule.id} (${rule.impact}): ${rule.help}\n` +
            rule.nodes.slice(0, 5).map((node) => `      ${node.html}\n      ${node.failureSummary}`)
                .join('\n'));
        if (wide > 0) found.push(`the page is ${wide} pixels too wide`);
        done(found);
    }, (error) => done([String(error)]));
";

#[tokio::test]
async fn every_page_is_clean_for_axe_core_on_desk_and_phone_by_day_and_night() {
    let axe = axe();
    let folder = tempfile::tempdir().unwrap();

    let data = folder.path().join("empty");
    fs::create_dir(&data).unwrap();
    let new = Appliance::start(&data);

    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let used = Appliance::start(&data);
    furnish(&used, folder.path());

    with_browser(async |browser| {
        let mut found = Vec::new();
        for path in ["/", "/history"] {
            found.extend(look(browser, &axe, &new.address, path).await);
        }
        let mut paths = BTreeSet::from(
            [
                "/",
                "/history",
                "/history?cursor=nonsense",
                "/history?verdict=failed&name=fa*&sort=name",
                "/api",
                "/no-such-page",
                "/jobs/1",
                "/jobs/2",
                "/jobs/2/steps/1-2",
                "/jobs/3",
                "/jobs/3/live",
                "/jobs/4",
                "/thresholds?job=passes",
                "/login",
            ]
            .map(str::to_owned),
        );
        paths.extend(places(&used));
        for path in &paths {
            found.extend(look(browser, &axe, &used.address, path).await);
        }
        assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
    })
    .await;
    used.command(&["cancel", "3"]);
    used.command(&["cancel", "4"]);
    used.wait_ended(3);
}

#[tokio::test]
async fn what_an_administrator_may_change_is_clean_for_axe_core_too() {
    let axe = axe();
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    assert!(appliance.command(&["user", "add", "ben", "--group", "lab"]).status.success());
    let added = appliance.command(&["user", "add", "ann", "--role", "administrator", "--json"]);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let invitation = added["invitation"]["path"].as_str().unwrap();
    with_browser(async |browser| {
        browser.goto(format!("http://{}{invitation}", appliance.address)).await.unwrap();
        let password = "correct horse battery";
        fill(browser, &[("password", password), ("again", password)]).await;
        let mut found = Vec::new();
        for path in ["/devices", "/devices/local", "/users", "/audit", "/account"] {
            found.extend(look(browser, &axe, &appliance.address, path).await);
        }
        assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
    })
    .await;
    appliance.stop();
}

fn axe() -> String {
    fs::read_to_string(AXE).unwrap_or_else(|error| {
        panic!(
            "this test needs axe-core at {AXE} ({error}): run packaging/test.sh, which fetches it"
        )
    })
}

/// A job that passed (1), one that failed (2), one that runs (3), one that waits (4).
fn furnish(appliance: &Appliance, folder: &Path) {
    for (number, name, steps) in [(1, "passes", PASSES), (2, "fails", FAILS)] {
        let job = JobFolder::new(folder, name, steps);
        appliance.drop_folder(&job.0, name);
        appliance.wait_ended(number);
    }
    // The failure of job 2 stays one that nobody knows.
    let rule =
        ["known", "add", "slow-mirror", "--log", "mirror", "--bug", "https://bugs.example/7"];
    assert!(appliance.command(&rule).status.success());
    let job = JobFolder::with_limits(folder, "goes-on", GOES_ON, 600, 600);
    appliance.drop_folder(&job.0, job.name());
    wait_for("job 3 to reach its second step", || {
        appliance.get("/jobs/3").contains("wait_serial").then_some(())
    });
    let job = JobFolder::new(folder, "waits", PASSES);
    assert!(appliance.command(&["device", "maintenance", "local", "a new disk"]).status.success());
    appliance.drop_folder(&job.0, job.name());
    wait_for("job 4 to be in the queue", || {
        appliance.get("/api/jobs?state=waiting").contains("waits").then_some(())
    });
}

/// The places of the bar, and the pages of the handbook below its first.
fn places(appliance: &Appliance) -> Vec<String> {
    let links = |page: &str| -> Vec<String> {
        page.split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split(['"', '#']).next())
            .map(str::to_owned)
            .collect()
    };
    let queue = appliance.get("/");
    let (bar, _) = queue.split_once("</nav>").unwrap();
    let (_, bar) = bar.split_once("<nav").unwrap();
    let mut places = links(bar);
    assert!(places.len() >= 5, "{places:?}");
    let handbook = links(&appliance.get("/handbook"));
    places.extend(handbook.into_iter().filter(|path| path.starts_with("/handbook/")));
    places
}

/// What is wrong with a page, in every size and scheme.
async fn look(browser: &WebDriver, axe: &str, address: &str, path: &str) -> Vec<String> {
    browser.goto(format!("http://{address}{path}")).await.unwrap();
    browser.execute(axe, Vec::new()).await.unwrap();
    let mut found = Vec::new();
    for (width, height, mobile) in SIZES {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
        });
        set(browser, "Emulation.setDeviceMetricsOverride", size).await;
        for scheme in SCHEMES {
            let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            set(browser, "Emulation.setEmulatedMedia", media).await;
            let told = browser.execute_async(LOOK, Vec::new()).await.unwrap();
            let told: Vec<String> = told.convert().unwrap();
            let place = format!("{path} at {width} px, {scheme}");
            found.extend(told.into_iter().map(|what| format!("  {place}: {what}")));
        }
    }
    found
}

async fn set(browser: &WebDriver, command: &str, what: Value) {
    browser.cdp().send_raw(command, what).await.unwrap();
}
