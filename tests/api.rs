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

    let address = format!("http://{}/api/openapi.json", appliance.address);
    let token = |name: &str, role: &str, scope: &str| {
        let added = appliance.command(&["user", "add", name, "--role", role]);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let made = appliance.command(&["token", "new", "all", "--user", name, "--scope", scope]);
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let submitter = token("sam", "submitter", "submit");
    let administrator = token("keeper", "administrator", "administer");
    // Who may do little sees many refusals, and less of the box behind them.
    look(folder.path(), &address, None, "examples,fuzzing", 4);
    look(folder.path(), &address, Some(&submitter), "examples,fuzzing", 6);
    look(folder.path(), &address, Some(&administrator), "examples,coverage,fuzzing", 15);
}

/// Has it look as whoever has this token, or as nobody.
fn look(folder: &Path, address: &str, token: Option<&str>, phases: &str, examples: u32) {
    let header = |token| ["--header".to_owned(), format!("Authorization: Bearer {token}")];
    let told = Command::new(TOOL)
        .current_dir(folder)
        .args(["--config-file", SETTINGS, "run", "--max-examples", &examples.to_string()])
        .args(["--seed", "7", "--no-color", "--request-timeout", "10"])
        // That nobody is let in is what is looked for, too.
        .args(["--warnings", "off"])
        // There are no links to follow.
        .args(["--phases", phases])
        .args(token.map(header).into_iter().flatten())
        .arg(address)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{words}{}", String::from_utf8_lossy(&told.stderr));
    assert!(words.contains(" passed") && !words.contains(" failed"), "{words}");
}
