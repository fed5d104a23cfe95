//! The JSON API beside its own description, as schemathesis sees them: it makes requests from the
//! OpenAPI document, good and bad ones, and looks whether the answers are what the document says.
//!
//! schemathesis is no part of Sutler: `packaging/test.sh` puts it into `target/schemathesis`.

use std::{fs, path::Path, process::Command};

use crate::support::{appliance::Appliance, job::JobFolder};

const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schemathesis/bin/schemathesis");
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/schemathesis.toml");

const PASSES: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n";
const FAILS: &str = "- assert_screen: { tags: page-b, timeout: 1s }\n";

#[test]
fn schemathesis_finds_nothing() {
    assert!(Path::new(TOOL).exists(), "no {TOOL}: packaging/test.sh puts it there");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let appliance = Appliance::start(&data);
    for (id, name, steps) in [(1, "passes", PASSES), (2, "fails", FAILS)] {
        let job = JobFolder::new(folder.path(), name, steps);
        appliance.drop_folder(&job.0, name);
        appliance.wait_ended(id);
    }

    // Of somebody nobody knows it would only see refusals where something is changed.
    let added = appliance.command(&["user", "add", "keeper", "--role", "administrator"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let made = ["token", "new", "all", "--user", "keeper", "--scope", "administer"];
    let token = String::from_utf8(appliance.command(&made).stdout).unwrap();

    let told = Command::new(TOOL)
        .current_dir(folder.path())
        .args(["--config-file", SETTINGS, "run", "--max-examples", "15", "--seed", "7"])
        .args(["--no-color", "--request-timeout", "10"])
        // There are no links to follow, and it makes no archives.
        .args(["--phases", "examples,coverage,fuzzing", "--exclude-operation-id", "post_jobs"])
        .args(["--header", &format!("Authorization: Bearer {}", token.trim())])
        .arg(format!("http://{}/api/openapi.json", appliance.address))
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{words}{}", String::from_utf8_lossy(&told.stderr));
    assert!(words.contains(" passed") && !words.contains(" failed"), "{words}");
}
