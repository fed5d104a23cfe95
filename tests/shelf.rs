//! Result screens of a running appliance: made smaller, and kept once for all jobs.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use serde_json::Value;
use sutler::{
    model::{Digest, JobId},
    picture::read_image,
    supervise::JobFolder,
};

use crate::support::{
    appliance::{Appliance, wait_for},
    job::JobFolder as Job,
};

const STEPS: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - send_key: b\n\
                     - assert_screen: page-b\n";

/// Names of a job's screens, with the file each is.
fn screens(data: &Path, job: u64) -> Vec<(String, fs::Metadata)> {
    let folder = JobFolder::new(data, JobId(job)).file("screens");
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let named =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap());
    let mut found: Vec<_> = entries.map(named).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn saved(appliance: &Appliance) -> Value {
    appliance.json("/api/disk")["screens"].take()
}

#[test]
fn two_jobs_that_show_the_same_have_one_small_file_of_it_until_the_last_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let appliance = Appliance::start(&data);
    let mut before = Vec::new();
    for number in [1, 2] {
        let job = Job::new(folder.path(), &format!("pages-{number}"), STEPS);
        appliance.drop_folder(&job.0, job.name());
        assert_eq!(appliance.wait_ended(number)["verdict"], "passed");
        before.push(screens(&data, number));
        wait_for("its screens to be on the shelf", || {
            let all: usize = before.iter().map(Vec::len).sum();
            (saved(&appliance)["screens"] == all).then_some(())
        });
    }
    let after = [screens(&data, 1), screens(&data, 2)];
    let (first, second) = (&after[0], &after[1]);
    assert!(!first.is_empty());
    for ((name, own), (_, was)) in first.iter().zip(&before[0]) {
        let hash = name.trim_end_matches(".png");
        let shelf = data.join("screens").join(&name[..2]).join(name);
        assert_eq!(fs::metadata(&shelf).unwrap().ino(), own.ino(), "{name}");
        assert!(own.len() <= was.len(), "{name}: {} of {}", own.len(), was.len());
        let picture = read_image(&shelf).unwrap();
        let mut ppm = format!("P6\n{} {}\n255\n", picture.width(), picture.height()).into_bytes();
        ppm.extend_from_slice(picture.rgb());
        assert_eq!(Digest::of(&ppm).to_string(), hash, "it shows the same");
    }
    let names = |screens: &[(String, fs::Metadata)]| -> Vec<String> {
        screens.iter().map(|(name, _)| name.clone()).collect()
    };
    let shared: Vec<_> = second.iter().filter(|(name, _)| names(first).contains(name)).collect();
    assert!(!shared.is_empty(), "the page is the same in both: {:?}", names(second));
    assert!(shared.iter().all(|(_, file)| file.nlink() == 3));
    assert_eq!(saved(&appliance)["shared"], shared.len());
    assert!(saved(&appliance)["bytes"].as_u64().unwrap() > 0);
    let told = appliance.command(&["disk"]).stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("already for another job"), "{told}");
}
