//! Reports of real jobs, as somebody meets them who has no appliance: a file.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use thirtyfour::By;

use crate::support::{
    appliance::SUTLER,
    browser::{VIDEO, with_browser},
    job::JobFolder,
    page::read_page,
};

const STEPS: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - module: turn ]]> the </script> page\n\
                     \x20 steps:\n\
                     \x20 - send_key: b\n\
                     \x20 - assert_screen: page-b\n\
                     \x20 - wait_still_screen: { stilltime: 2s, timeout: 20s }\n\
                     - assert_screen: { tags: page-a, timeout: 2s }\n";

/// Waits until all is decoded, seeks by a click on a step, and says how that went.
const LOOK: &str = r"
    const done = arguments[arguments.length - 1];
    (async () => {
        const images = [...document.querySelectorAll('img')];
        await Promise.all(images.map((image) => image.decode()));
        const video = document.querySelector('video');
        if (!video) throw document.querySelector('.recording').textContent;
        if (video.readyState < 1) await once(video, 'loadedmetadata');
        const links = [...document.querySelectorAll('a[data-seek]')];
        // An encoder that came to an end too late, as on a busy machine, leaves out the end.
        const link = links.filter((link) => Number(link.dataset.seek) < video.duration).at(-1);
        const seeked = once(video, 'seeked');
        link.click();
        await seeked;
        return {
            images: images.length,
            wide: images.every((image) => image.naturalWidth > 100),
            asked: Number(link.dataset.seek),
            sought: video.currentTime,
            light: await light(video),
            fetched: performance.getEntriesByType('resource')
                .map((entry) => entry.name).filter((name) => !name.startsWith('data:')),
            painted: getComputedStyle(document.querySelector('.bar')).display,
        };
    })().then(done, (error) => done({ error: String(error) }));
";

fn sutler(at: &Path, arguments: &[&str]) -> Output {
    Command::new(SUTLER).args(arguments).current_dir(at).output().unwrap()
}

#[tokio::test]
async fn a_mailed_report_opens_plays_and_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let job = JobFolder::new(folder.path(), "three-pages", STEPS);
    let out = folder.path().join("results");
    let run = sutler(
        folder.path(),
        &[
            "run",
            job.file().to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
            "--report",
            "html,junit,tap",
        ],
    );
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("report.html") && said.contains("report.tap"), "{said}");
    let tap = fs::read_to_string(out.join("report.tap")).unwrap();
    assert!(tap.contains("\nnot ok"), "{tap}");
    let xml = fs::read_to_string(out.join("report.xml")).unwrap();
    assert!(xml.contains("failures=\"1\" errors=\"0\""), "{xml}");

    // Again, by hand, from the folder.
    let again = sutler(folder.path(), &["report", "results", "--format", "tap"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), tap);
    let nowhere = sutler(folder.path(), &["report", "three-pages"]);
    assert_eq!(nowhere.status.code(), Some(66));

    // Mailed: the file alone.
    let mailed = folder.path().join("mailed");
    fs::create_dir(&mailed).unwrap();
    let file = mailed.join("report.html");
    fs::copy(out.join("report.html"), &file).unwrap();
    with_browser(async |browser| {
        browser.goto(format!("file://{}", file.display())).await.unwrap();
        let look = format!("{VIDEO}{LOOK}");
        let told: Value = browser.execute_async(look, Vec::new()).await.unwrap().convert().unwrap();
        let number = |name: &str| told[name].as_f64().unwrap_or_else(|| panic!("{told}"));
        assert!(number("images") >= 2.0 && told["wide"] == true, "{told}");
        assert!((number("sought") - number("asked")).abs() < 0.2, "{told}");
        assert!(number("asked") > 0.0 && number("light") > 1000.0, "{told}");
        assert_eq!(told["fetched"], serde_json::json!([]), "{told}");
        assert_eq!(told["painted"], "flex", "our style works: {told}");
        let page = read_page(browser).await;
        for words in ["failed", "turn ]]> the </script> page", "page-b", "has to act"] {
            assert!(page.contains(words), "{words} in {page}");
        }
        // The last step failed, so its screen is drawn with areas.
        assert!(browser.find(By::Css(".evidence svg rect.fail")).await.is_ok());
    })
    .await;
}
