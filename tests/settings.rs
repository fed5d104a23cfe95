//! Settings, the service manager and the log, seen from outside the binary.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;

use crate::support::appliance::{Appliance, PATIENCE, SUTLER};

/// A command with nothing set but what is said here.
fn sutler(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(SUTLER)
        .args(arguments)
        .env("SUTLER_CONFIG", "/dev/null")
        .env_remove("RUST_LOG")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_effective_settings_are_shown_with_where_they_come_from() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sutler.toml");
    fs::write(&file, "data = 'lab'\n[retention]\nvideos = '7d'\nresults = '8d'\n").unwrap();
    let named = file.to_str().unwrap();
    let environment = [("SUTLER_RETENTION_RESULTS", "9d"), ("SUTLER_GUESTS_CORES", "2")];
    let arguments = ["config", "show", "--config", named, "--set", "guests.cores=1"];
    let told = sutler(&[&arguments[..], &["--json"]].concat(), &environment);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let data = place.path().join("lab");
    for (key, value, origin) in [
        ("data", data.to_str().unwrap(), format!("{named}:1")),
        ("retention.videos", "7d", format!("{named}:3")),
        ("retention.results", "9d", "SUTLER_RETENTION_RESULTS".into()),
        ("retention.records", "forever", "default".into()),
    ] {
        let found = &told["settings"][key];
        assert_eq!((&found["value"], &found["origin"]), (&value.into(), &origin.into()), "{key}");
    }
    assert_eq!(told["settings"]["guests.cores"]["value"], 1);
    assert_eq!(told["settings"]["guests.cores"]["origin"], "--set guests.cores");

    // What a person is shown is a settings file that says the same.
    let said = sutler(&arguments, &environment);
    let again = place.path().join("again.toml");
    fs::write(&again, &said.stdout).unwrap();
    let again = sutler(&["config", "show", "--json", "--config", again.to_str().unwrap()], &[]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    for (key, found) in told["settings"].as_object().unwrap() {
        assert_eq!(again["settings"][key]["value"], found["value"], "{key}");
    }
}

#[test]
fn mistakes_end_every_command_that_needs_settings_and_the_check_with_2() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sutler.toml");
    fs::write(&file, "lisen = '127.0.0.1:0'\n[log]\nlevel = 'loud'\n").unwrap();
    let named = file.to_str().unwrap();
    for arguments in [
        ["config", "check", named].as_slice(),
        &["config", "check", "--config", named],
        &["config", "show", "--config", named],
        &["serve", "--config", named],
        &["jobs", "--config", named],
    ] {
        let said = sutler(arguments, &[]);
        assert_eq!(said.status.code(), Some(2), "{arguments:?}");
        let words = format!("{}{}", text(&said.stdout), text(&said.stderr));
        for part in ["sutler.toml:1:1", "`listen`", "sutler.toml:3:9", "loud"] {
            assert!(words.contains(part), "{arguments:?}: {part} in {words}");
        }
    }
    let told = sutler(&["config", "check", "--json", named], &[]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["valid"], false);
    assert_eq!(told["problems"][0]["problems"][1]["line"], 3);
    let gone = sutler(&["config", "check", "/nowhere/sutler.toml"], &[]);
    assert_eq!(gone.status.code(), Some(2), "{}", text(&gone.stderr));

    let fine = sutler(&["config", "check"], &[("SUTLER_DTA", "/lab")]);
    assert_eq!(fine.status.code(), Some(0));
    assert!(text(&fine.stdout).contains("`SUTLER_DATA`"), "{}", text(&fine.stdout));
}

#[test]
fn the_default_file_is_valid_and_the_help_names_every_key() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sutler.toml");
    let sample = sutler(&["config", "default"], &[]).stdout;
    fs::write(&file, &sample).unwrap();
    let checked = sutler(&["config", "check", file.to_str().unwrap()], &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    let help = sutler(&["config", "--help"], &[]).stdout;
    let keys = sutler(&["config", "default", "--json"], &[]).stdout;
    let keys: Vec<Value> = serde_json::from_slice(&keys).unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let (name, variable) = (key["name"].as_str().unwrap(), key["variable"].as_str().unwrap());
        assert!(text(&help).contains(name) && text(&help).contains(variable), "{name}");
        let last = name.rsplit('.').next().unwrap();
        assert!(text(&sample).contains(&format!("\n#{last} = ")), "{name}");
    }
}

/// What a service manager is told, message by message.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(at: &Path) -> Self {
        let socket = UnixDatagram::bind(at).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next message with `part` in it.
    fn hear(&self, part: &str) -> String {
        let mut bytes = [0; 4096];
        loop {
            let length = self.0.recv(&mut bytes).unwrap_or_else(|_| panic!("nobody said {part}"));
            let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if message.contains(part) {
                return message;
            }
        }
    }
}

#[test]
fn the_service_manager_is_told_when_the_page_answers_that_it_lives_and_that_it_ends() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let socket = place.path().join("notify");
    let manager = Manager::listen(&socket);
    let usec = Duration::from_millis(400).as_micros().to_string();
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", &usec)];
    let appliance = Appliance::start_with(&data, &environment);
    manager.hear("READY=1");
    assert!(appliance.get("/").contains("<html"));
    for _ in 0..3 {
        let message = manager.hear("WATCHDOG=1");
        assert!(message.contains("STATUS=0 running, 0 waiting"), "{message}");
    }
    appliance.stop();
    manager.hear("STOPPING=1");
}
