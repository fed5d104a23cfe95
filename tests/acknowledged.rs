//! Sixteen senders submit, send again, cancel and change priorities while the appliance is killed under
//! them. Whatever was acknowledged is there, once, as it was said, and every count is what a recount
//! comes to.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    appliance::{Appliance, SUTLER, pause, wait_for},
    dice::{Dice, setting},
};

const SENDERS: u64 = 16;
const KILLS: u64 = 10;

/// What a sender was told of one of its jobs.
#[derive(Debug, Default)]
struct Told {
    number: u64,
    canceled: bool,
    priority: Option<u64>,
}

/// One job alone in a tar file.
fn bundle(name: &str) -> Vec<u8> {
    let text = format!(
        "job_name: {name}\n\
         device_type: qemu-x86_64\n\
         actions:\n\
         - boot: {{ guest: {{ memory: 32M }} }}\n"
    );
    let mut head = tar::Header::new_gnu();
    head.set_size(text.len() as u64);
    head.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut head, "job.yaml", text.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

/// Status and body; none when the appliance did not answer, whatever it may have done.
fn post(socket: &Path, path: &str, head: &str, body: &[u8]) -> Option<(u16, Value)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\
         Content-Length: {length}\r\n\r\n"
    )
    .ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

/// Asks until there is an answer.
fn insist(socket: &Path, path: &str, head: &str, body: &[u8]) -> (u16, Value) {
    wait_for("an answer", || post(socket, path, head, body))
}

/// Until `stop`; what it was told, by its own name for each job.
fn send(socket: &Path, sender: u64, stop: &AtomicBool) -> BTreeMap<String, Told> {
    let mut dice = Dice(sender);
    let mut told = BTreeMap::new();
    let json_head = "Content-Type: application/json\r\n";
    while !stop.load(Ordering::Relaxed) {
        let name = format!("{sender}-{}", told.len());
        let (tar, head) = (
            bundle(&name),
            format!("Content-Type: application/x-tar\r\nIdempotency-Key: {name}\r\n"),
        );
        let (status, taken) = insist(socket, "/api/jobs", &head, &tar);
        assert!([200, 201].contains(&status), "{status}: {taken}");
        let number = taken["number"].as_u64().unwrap();
        let mut job = Told { number, ..Told::default() };
        // Whoever did not hear the answer sends it again, and here also who did.
        if dice.roll(4) == 0 {
            let (status, again) = insist(socket, "/api/jobs", &head, &tar);
            assert_eq!((status, again["number"].as_u64()), (200, Some(number)), "{again}");
        }
        if dice.roll(3) == 0 {
            let points = dice.roll(101);
            let body = json!({ "priority": points }).to_string();
            let path = format!("/api/jobs/{number}/priority");
            let (status, answer) = insist(socket, &path, json_head, body.as_bytes());
            assert_eq!((status, &answer["priority"]), (200, &points.into()), "{answer}");
            job.priority = Some(points);
        }
        if dice.roll(3) == 0 {
            let (status, answer) = insist(socket, &format!("/api/jobs/{number}/cancel"), "", b"");
            // It was done before the answer was lost.
            assert!(status < 300 || status == 409, "{status}: {answer}");
            job.canceled = true;
        }
        told.insert(name, job);
    }
    told
}

/// Sets a flag when it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_was_acknowledged_is_there_once_however_often_it_is_killed() {
    let kills = setting("SUTLER_LOAD_KILLS", KILLS);
    let seed = setting("SUTLER_KILL_SEED", u64::from(std::process::id()));
    println!("{kills} kills, SUTLER_KILL_SEED={seed}");
    let mut dice = Dice(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let appliance = Appliance::start(&data);
    // Nothing starts: all there is to do is to take in what comes.
    let closed = appliance.command(&["device", "maintenance", "local", "under load"]);
    assert!(closed.status.success(), "{closed:?}");
    let mut appliance = Some(appliance);
    let socket = data.join("sutler.sock");
    let stop = AtomicBool::new(false);
    let told: Vec<_> = thread::scope(|scope| {
        let (socket, stop) = (&socket, &stop);
        // The senders end with us, whatever becomes of us.
        let ends = Ends(stop);
        let senders: Vec<_> =
            (0..SENDERS).map(|sender| scope.spawn(move || send(socket, sender, stop))).collect();
        for _ in 0..kills {
            pause(Duration::from_millis(100 + dice.roll(500)));
            let killed = appliance.take().unwrap();
            killed.kill();
            appliance = Some(Appliance::start(&data));
        }
        drop(ends);
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    let appliance = appliance.unwrap();
    println!("{} jobs acknowledged", told.len());
    let mut jobs = BTreeMap::new();
    let mut next = Some("/api/jobs?limit=500".to_owned());
    while let Some(path) = next {
        let page = appliance.json(&path);
        for job in page["jobs"].as_array().unwrap() {
            let name = job["name"].as_str().unwrap().to_owned();
            assert!(jobs.insert(name, job.clone()).is_none(), "twice: {job}");
        }
        next = page["next"].as_str().map(|next| format!("/api/jobs?limit=500&cursor={next}"));
    }
    assert_eq!(jobs.len(), told.len(), "nothing that nobody sent");
    for (name, told) in told {
        let job = &jobs[&name];
        assert_eq!(job["number"], told.number, "{job}");
        let (state, verdict) = match told.canceled {
            true => ("ended", json!("canceled")),
            false => ("waiting", Value::Null),
        };
        assert_eq!((&job["state"], &job["verdict"]), (&state.into(), &verdict), "{job}");
        if let Some(points) = told.priority {
            assert_eq!(job["priority"], points, "{job}");
        }
    }
    let count = jobs.len();
    appliance.stop();
    let check = std::process::Command::new(SUTLER)
        .env("SUTLER_CONFIG", "/dev/null")
        .args(["store", "check", "--json", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert!(check.status.success(), "{found}");
    assert_eq!(found["jobs"], count, "{found}");
}

#[test]
fn a_definition_by_itself_is_looked_at_or_taken() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let appliance = Appliance::start(&data);
    let closed = appliance.command(&["device", "maintenance", "local", "nothing runs here"]);
    assert!(closed.status.success(), "{closed:?}");
    let socket = data.join("sutler.sock");
    let yaml = "job_name: alone\nactions:\n- boot: { guest: { memory: 32M } }\n";
    let json = r#"{"job_name": "alone", "actions": [{"boot": {"guest": {"memroy": "32M"}}}]}"#;
    let ask = |path: &str, kind: &str, key: &str, body: &str| {
        let head = format!("Content-Type: application/{kind}\r\nIdempotency-Key: {key}\r\n");
        insist(&socket, path, &head, body.as_bytes())
    };
    // At first it is not known how guests run here.
    let checked = wait_for("the reason that lasts", || {
        let (status, checked) = ask("/api/jobs?check=true", "yaml", "a", yaml);
        assert_eq!((status, &checked["name"]), (200, &"alone".into()), "{checked}");
        checked["waits"].as_str().is_some_and(|why| why.contains("maintenance")).then_some(checked)
    });
    assert!(checked["expected"]["words"].is_string(), "{checked}");
    let (status, wrong) = ask("/api/jobs", "json", "a", json);
    assert_eq!(status, 422, "{wrong}");
    assert!(wrong.to_string().contains("memroy"), "{wrong}");
    let (status, missing) = ask("/api/jobs?after=9", "yaml", "a", yaml);
    assert_eq!(status, 422, "{missing}");
    let (status, taken) = ask("/api/jobs?priority=high", "yaml", "a", yaml);
    assert_eq!((status, &taken["number"]), (201, &1.into()), "{taken}");
    assert_eq!(appliance.json("/api/jobs/1")["priority"], 100);
    let (status, again) = ask("/api/jobs?priority=high", "yaml", "a", yaml);
    assert_eq!((status, &again["number"], &again["repeated"]), (200, &1.into(), &true.into()));
    let (status, less) = ask("/api/jobs", "yaml", "a", yaml);
    assert_eq!(status, 409, "it asks for something else: {less}");
    let (status, other) = ask("/api/jobs", "yaml", "a", &yaml.replace("alone", "another"));
    assert_eq!(status, 409, "{other}");
    let (status, after) = ask("/api/jobs?after=1", "yaml", "b", yaml);
    assert_eq!((status, &after["number"]), (201, &2.into()), "{after}");
    appliance.stop();
}
