//! What was measured of a job, and its video in step with everything beside it, as a browser shows
//! it. Pictures of the page are left in `target/tmp` to be looked at.

use std::{fs, path::Path};

use serde_json::{Value, json};
use thirtyfour::WebDriver;

use crate::support::{
    appliance::Appliance,
    browser::{VIDEO, with_browser},
    job::JobFolder,
};

const STEPS: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - module: turn the page\n\
                     \x20 steps:\n\
                     \x20 - send_key: b\n\
                     \x20 - assert_screen: page-b\n\
                     \x20 - wait_still_screen: { stilltime: 2s, timeout: 20s }\n\
                     - send_key: c\n\
                     - wait_still_screen: { stilltime: 2s, timeout: 20s }\n";

/// Puts the video to two seconds by a click on a step, and says what moved with it; then by a click
/// into a plot.
const FOLLOW: &str = r"
    const done = arguments[arguments.length - 1];
    (async () => {
        const video = document.querySelector('video');
        if (video.readyState < 1) await once(video, 'loadedmetadata');
        const track = (kind) => [...video.textTracks].find((track) => track.kind === kind);
        const cues = async (kind) => {
            track(kind).mode = 'hidden';
            while (!track(kind).cues?.length) await new Promise((ok) => setTimeout(ok, 50));
            return [...track(kind).cues].map((cue) => cue.text);
        };
        const captionsAtFirst = track('captions').mode;
        const links = [...document.querySelectorAll('.steps a[data-seek]')]
            .filter((link) => Number(link.dataset.seek) < video.duration);
        // One that lasts: a step of no length is over before its place is shown.
        const begins = (index) => Number(links[index]?.dataset.seek ?? Infinity);
        const link = links.find((_, index) => index > 0 && begins(index + 1) - begins(index) > 0.5);
        const sought = async (act) => {
            const seeked = once(video, 'seeked');
            act();
            await seeked;
            await new Promise(requestAnimationFrame);
        };
        await sought(() => link.click());
        const heads = [...document.querySelectorAll('.playhead')].map((head) =>
            Number(head.getAttribute('x1')));
        const clicked = {
            asked: Number(link.dataset.seek), at: video.currentTime, heads,
            step: document.querySelector('.steps > .playing')?.id,
            wanted: link.closest('li').id,
            line: document.querySelectorAll('.log > .playing').length,
            words: document.querySelector('.recording .hint').textContent,
        };
        const plot = document.querySelector('.chart svg');
        const box = plot.getBoundingClientRect();
        const until = Number(plot.closest('[data-until]').dataset.until);
        await sought(() => plot.dispatchEvent(new MouseEvent('click', {
            bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + 5,
        })));
        const line = document.querySelector('.timeline svg').getBoundingClientRect();
        return {
            clicked, captionsAtFirst,
            chapters: await cues('chapters'), captions: await cues('captions'),
            plotted: { at: video.currentTime, half: until / 2 - Number(video.dataset.epoch) },
            sameAxis: Math.abs(line.left - box.left) < 1 && Math.abs(line.width - box.width) < 1,
            plots: document.querySelectorAll('.chart svg').length,
            lines: document.querySelectorAll('.chart path.line').length,
            rows: document.querySelectorAll('table.numbers tbody tr').length,
        };
    })().then(done, (error) => done({ error: String(error) }));
";

#[tokio::test]
async fn measures_are_plotted_over_the_time_of_the_steps_and_move_with_the_video() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let appliance = Appliance::start(&data);
    let job = JobFolder::new(folder.path(), "three-pages", STEPS);
    appliance.drop_folder(&job.0, job.name());
    assert_eq!(appliance.wait_ended(1)["verdict"], "passed");
    let samples = measure(&data.join("jobs/1/events.jsonl"));

    let told = appliance.json("/api/jobs/1/series");
    assert_eq!(told["from_ms"].as_array().unwrap().len(), samples);
    assert_eq!(told["measures"]["guest_cpu"]["high"][0], 60.0);
    let table = appliance.get("/api/jobs/1/series?format=csv");
    assert_eq!(table.lines().count(), samples + 1, "{table}");

    with_browser(async |browser| {
        browser.goto(format!("http://{}/jobs/1", appliance.address)).await.unwrap();
        let told: Value = browser
            .execute_async(format!("{VIDEO}{FOLLOW}"), Vec::new())
            .await
            .unwrap()
            .convert()
            .unwrap();
        let clicked = &told["clicked"];
        let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 0.3;
        assert!(near(&clicked["at"], &clicked["asked"]), "{told}");
        assert_eq!(clicked["step"], clicked["wanted"], "{told}");
        assert_eq!(clicked["line"], 1, "{told}");
        let words = clicked["words"].as_str().unwrap();
        assert!(words.contains(" · ") && words.matches(':').count() >= 2, "{words}");
        let heads = clicked["heads"].as_array().unwrap();
        assert!(heads.len() >= 4 && heads.iter().all(|head| *head == heads[0]), "{told}");
        assert!(heads[0].as_f64().unwrap() > 0.0, "{told}");
        assert!(near(&told["plotted"]["at"], &told["plotted"]["half"]), "{told}");
        assert_eq!(told["sameAxis"], true, "{told}");
        assert_eq!((told["plots"].clone(), told["lines"].clone()), (json!(4), json!(5)), "{told}");
        assert_eq!(told["rows"], 5);
        assert_eq!(told["captionsAtFirst"], "disabled");
        let chapters = told["chapters"].to_string();
        assert!(chapters.contains("turn the page (ok)") && chapters.contains("send_key b (ok)"));
        assert!(!told["captions"].as_array().unwrap().is_empty());
        shoot(browser).await;
    })
    .await;
}

/// Tells of two measures each second and of three more now and then, in the log of a job that has
/// ended, instead of what its engine has measured; and says how often.
fn measure(log: &Path) -> usize {
    let text = fs::read_to_string(log).unwrap();
    let mut events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.retain(|event| event["event"] != "measure");
    let end = events.last().unwrap()["mono_us"].as_u64().unwrap();
    let wall = events[0]["wall"].clone();
    let seconds = end / 1_000_000;
    for second in 0..seconds {
        let mut values = json!({
            "guest_cpu": 60 + second % 5 * 9, "guest_memory": 30 + second,
        });
        if second % 2 == 0 {
            values["match_time"] = json!(4 + second % 3);
            values["guest_wait"] = json!(second % 7);
            values["encoder_cpu"] = json!(12);
        }
        events.push(json!({
            "seq": 0, "mono_us": second * 1_000_000 + 1, "wall": wall, "event": "measure",
            "values": values,
        }));
    }
    // The engine has nothing to say of a run that goes well.
    events.push(json!({
        "seq": 0, "mono_us": 1, "wall": wall, "event": "log", "level": "info", "text": "a word",
    }));
    events.sort_by_key(|event| event["mono_us"].as_u64());
    let lines = events.iter_mut().zip(1..).map(|(event, seq)| {
        event["seq"] = json!(seq);
        format!("{event}\n")
    });
    let anew = log.with_extension("anew");
    fs::write(&anew, lines.collect::<String>()).unwrap();
    fs::rename(anew, log).unwrap();
    usize::try_from(seconds).unwrap()
}

/// Leaves pictures of the page, by day, by night and on a phone.
async fn shoot(browser: &WebDriver) {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, width, scheme) in
        [("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light")]
    {
        let size = json!({
            "width": width, "height": 1600, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        browser.cdp().send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.cdp().send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
        let file = place.join(format!("job-page-{name}.png"));
        browser.screenshot(&file).await.unwrap();
        assert!(fs::metadata(&file).unwrap().len() > 20_000, "{}", file.display());
    }
}
