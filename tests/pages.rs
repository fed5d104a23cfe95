//! The pages of a running appliance, seen through a real browser.

use std::fs;

use serde_json::Value;

use crate::support::{
    appliance::Appliance,
    browser::{VIDEO, with_browser},
    job::JobFolder,
    page::{follow, read_page},
};

/// Long enough for a video one can seek in.
const STEPS: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - module: turn the page\n\
                     \x20 steps:\n\
                     \x20 - send_key: b\n\
                     \x20 - assert_screen: page-b\n\
                     \x20 - wait_still_screen: { stilltime: 2s, timeout: 20s }\n\
                     - send_key: c\n\
                     - wait_still_screen: { stilltime: 2s, timeout: 20s }\n";

/// Plays the page's video for a moment, seeks to two seconds, and says where it was and whether
/// the decoded pictures differ from black.
const PLAY: &str = r"
    const done = arguments[arguments.length - 1];
    const video = document.querySelector('video');
    (async () => {
        video.muted = true;
        await video.play();
        while (video.currentTime < 0.3) await once(video, 'timeupdate');
        const played = video.currentTime;
        video.pause();
        const seeked = once(video, 'seeked');
        video.currentTime = 2;
        await seeked;
        return { played, sought: video.currentTime, light: await light(video), duration: video.duration };
    })().then(done, (error) => done({ error: String(error) }));
";

#[tokio::test]
async fn the_job_page_shows_its_steps_and_plays_its_video() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let appliance = Appliance::start(&data);
    let job = JobFolder::new(folder.path(), "three-pages", STEPS);
    appliance.drop_folder(&job.0, job.name());
    assert_eq!(appliance.wait_ended(1)["verdict"], "passed");

    with_browser(async |browser| {
        let at = |path: &str| format!("http://{}{path}", appliance.address);
        browser.goto(at("/jobs/1")).await.unwrap();
        let page = read_page(browser).await;
        for words in ["passed", "turn the page", "assert_screen", "page-b"] {
            assert!(page.contains(words), "{words} in {page}");
        }
        let told: Value =
            browser.execute_async(format!("{VIDEO}{PLAY}"), Vec::new()).await.unwrap().convert().unwrap();
        let number = |name: &str| told[name].as_f64().unwrap_or_else(|| panic!("{told}"));
        assert!(number("played") >= 0.3 && number("duration") > 4.0, "{told}");
        assert!((number("sought") - 2.0).abs() < 0.2 && number("light") > 1000.0, "{told}");

        let clear = "const [facts, video] = ['#facts', 'video'].map((one) =>
                         document.querySelector(one).getBoundingClientRect());
                     return facts.top >= video.bottom;";
        let clear = browser.execute(clear, Vec::new()).await.unwrap();
        assert_eq!(clear.json(), &Value::Bool(true), "the video lies over the facts");

        // The picture of a step, large, with what was searched on it.
        follow(browser, "a[href^='/jobs/1/steps/']").await;
        let loaded = "const done = arguments[0]; const image = document.querySelector('main img, main image');\
                      done(image !== null && document.querySelector('svg rect') !== null);";
        let loaded = browser.execute_async(loaded, Vec::new()).await.unwrap();
        assert_eq!(loaded.json(), &Value::Bool(true));

        browser.goto(at("/")).await.unwrap();
        assert!(read_page(browser).await.contains("three-pages"));
    })
    .await;
}
