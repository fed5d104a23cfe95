//! Anything may be killed at any moment: the appliance, an engine, QEMU, the encoder. Whatever was
//! accepted is one job with one end, and nothing is left.
//!
//! `SUTLER_KILL_ROUNDS` sets the number of rounds (200 by default), `SUTLER_KILL_SEED` repeats one.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{
    appliance::{Appliance, pause, processes_in, wait_for},
    dice::{Dice, setting},
    job::JobFolder,
};

const STEPS: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - send_key: b\n\
                     - assert_screen: { tags: page-b, timeout: 60s }\n\
                     - wait_serial: page B\n";

#[test]
fn nothing_is_lost_doubled_or_left_whatever_is_killed() {
    let rounds = setting("SUTLER_KILL_ROUNDS", 200);
    let seed = setting("SUTLER_KILL_SEED", u64::from(std::process::id()));
    println!("{rounds} rounds, SUTLER_KILL_SEED={seed}");
    let mut dice = Dice(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let job = JobFolder::new(folder.path(), "kill-me", STEPS);

    let mut appliance = Appliance::start(&data);
    let (mut dropped, mut kills) = (0_u64, [0_u64; 4]);
    for round in 0..rounds {
        // Two or three jobs are kept in flight, so every kill hits something.
        let open = unfinished(&appliance);
        if open < 3 {
            appliance.drop_folder(&job.0, &format!("job-{round}"));
            dropped += 1;
        }
        pause(Duration::from_millis(dice.roll(400)));
        let victim = dice.roll(4);
        match victim {
            0 => {
                appliance.kill();
                // Sometimes engines end while nobody looks.
                if dice.roll(2) == 0 {
                    kill_one(&data, " engine ", &mut dice);
                }
                appliance = Appliance::start(&data);
                kills[0] += 1;
            }
            1 => kills[1] += kill_one(&data, " engine ", &mut dice),
            2 => kills[2] += kill_one(&data, "qemu-system", &mut dice),
            _ => kills[3] += kill_one(&data, "encode-video", &mut dice),
        }
    }
    println!("dropped {dropped}; killed appliance, engine, QEMU, encoder: {kills:?}");

    let inbox = data.join("inbox");
    wait_for("every job to be accepted and ended", || {
        let empty = visible(&inbox) == 0;
        (empty && unfinished(&appliance) == 0).then_some(())
    });
    let jobs = all_jobs(&appliance);
    assert_eq!(jobs.len() as u64, dropped, "every drop is one job");
    for job in &jobs {
        let number = job["number"].as_u64().unwrap();
        let events = fs::read_to_string(data.join(format!("jobs/{number}/events.jsonl")));
        let events = events.unwrap_or_default();
        // A line that a kill has cut is none.
        let events: Vec<Value> =
            events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
        assert!(count("hello") <= 1, "job {number} ran twice");
        assert!(count("ended") <= 1, "job {number} ended twice");
        assert!(job["verdict"].is_string(), "{job:#}");
        if job["verdict"] == "passed" {
            assert_eq!((count("hello"), count("ended")), (1, 1), "job {number}");
        }
    }
    let uuids: BTreeSet<_> = jobs.iter().map(|job| job["uuid"].as_str().unwrap()).collect();
    assert_eq!(uuids.len(), jobs.len());
    appliance.stop();
    assert_eq!(processes_in(&data), Vec::<String>::new());
}

fn kill_one(data: &Path, what: &str, dice: &mut Dice) -> u64 {
    let all = processes_in(data);
    let found: Vec<_> = all.iter().filter(|process| process.contains(what)).collect();
    if found.is_empty() {
        return 0;
    }
    let victim = found[usize::try_from(dice.roll(found.len() as u64)).unwrap()];
    let pid = victim.split_once(' ').unwrap().0.parse().unwrap();
    // It may have ended meanwhile.
    u64::from(kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).is_ok())
}

fn unfinished(appliance: &Appliance) -> usize {
    ["waiting", "preparing", "running", "collecting"]
        .iter()
        .map(|state| {
            let jobs = appliance.json(&format!("/api/jobs?state={state}"));
            jobs["jobs"].as_array().map_or(0, Vec::len)
        })
        .sum::<usize>()
        + visible(&appliance.data.join("inbox"))
}

fn visible(inbox: &Path) -> usize {
    let entries = fs::read_dir(inbox).unwrap().flatten();
    let shown = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        !name.starts_with('.') && name != "rejected"
    });
    shown.count()
}

fn all_jobs(appliance: &Appliance) -> Vec<Value> {
    let mut jobs = Vec::new();
    let mut path = "/api/jobs?state=ended&limit=100".to_owned();
    loop {
        let page = appliance.json(&path);
        jobs.extend(page["jobs"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => path = format!("/api/jobs?state=ended&limit=100&cursor={next}"),
            None => return jobs,
        }
    }
}
