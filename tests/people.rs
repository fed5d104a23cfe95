//! Users, as the built program knows them: the first administrator, a browser at the door, a program
//! with a token on another machine.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::support::{
    appliance::{Appliance, SUTLER, wait_for},
    browser::with_browser,
    page::{fill, follow, press, read_page, read_part, unfold, write},
};

const PASSWORD: &str = "correct horse battery";

/// A job that is never started where [`start`] has taken the only device out of service.
const WAITS: &str = "job_name: waits for ever\n\
                     visibility: personal\n\
                     actions:\n\
                     - boot: { guest: { memory: 64M } }\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A `sutler` on another machine: no socket, its own home.
fn remote(home: &Path, appliance: &Appliance, token: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(SUTLER);
    command
        .env("SUTLER_CONFIG", "/dev/null")
        .env("HOME", home)
        .env("SUTLER_SERVER", format!("http://{}", appliance.address))
        .current_dir(home)
        .args(arguments);
    if let Some(token) = token {
        command.env("SUTLER_TOKEN", token);
    }
    command.output().unwrap()
}

fn start() -> (tempfile::TempDir, Appliance) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let appliance = Appliance::start(&data);
    let out = appliance.command(&["device", "maintenance", "local", "nothing runs in this test"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    (folder, appliance)
}

#[test]
fn a_program_on_another_machine_asks_with_a_token() {
    let (folder, appliance) = start();
    let home = folder.path();
    fs::write(home.join("job.yaml"), WAITS).unwrap();
    for user in ["ann", "ben"] {
        let added = appliance.command(&["user", "add", user, "--role", "submitter"]);
        assert!(text(&added.stdout).contains("/invite?code="), "{}", text(&added.stderr));
    }
    let token = |user: &str, scope: &str| {
        let arguments = ["token", "new", scope, "--user", user, "--scope", scope];
        let made = appliance.command(&arguments);
        assert!(made.status.success(), "{}", text(&made.stderr));
        text(&made.stdout).trim().to_owned()
    };
    let (ann, ben, read) = (token("ann", "submit"), token("ben", "submit"), token("ann", "read"));

    let nobody = remote(home, &appliance, None, &["submit", "job.yaml"]);
    assert_eq!(nobody.status.code(), Some(77), "{}", text(&nobody.stderr));
    assert!(text(&nobody.stderr).contains("does not know who you are"));
    let reader = remote(home, &appliance, Some(&read), &["submit", "job.yaml"]);
    assert_eq!(reader.status.code(), Some(77), "{}", text(&reader.stderr));
    let sent = remote(home, &appliance, Some(&ann), &["submit", "job.yaml", "--json"]);
    assert_eq!(json(&sent)["number"], 1);

    // It is personal: to others it is not there.
    for (token, code) in [(None, 66), (Some(&*ben), 66), (Some(&*ann), 0), (Some(&*read), 0)] {
        let shown = remote(home, &appliance, token, &["show", "1"]);
        assert_eq!(shown.status.code(), Some(code), "{}", text(&shown.stderr));
        let list = text(&remote(home, &appliance, token, &["jobs"]).stdout);
        assert_eq!(list.contains("waits for ever"), code == 0, "{list}");
    }
    assert!(!appliance.get("/").contains("waits for ever"));
    assert_eq!(remote(home, &appliance, Some(&ben), &["cancel", "1"]).status.code(), Some(66));

    // The token may lie in a file, if nobody else can read it.
    let file = home.join(".config/sutler/token");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("{ann}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = remote(home, &appliance, None, &["cancel", "1"]);
    assert_eq!(open.status.code(), Some(2));
    assert!(text(&open.stderr).contains("chmod 600"), "{}", text(&open.stderr));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let canceled = remote(home, &appliance, None, &["cancel", "1"]);
    assert!(canceled.status.success(), "{}", text(&canceled.stderr));

    let listed = json(&appliance.command(&["token", "list", "--user", "ann", "--json"]));
    let used = listed["tokens"].as_array().unwrap();
    let id = used.iter().find(|token| token["name"] == "submit").unwrap();
    assert!(!id["last_used"].is_null(), "{listed}");
    let id = id["id"].as_str().unwrap().to_owned();
    assert!(appliance.command(&["token", "revoke", &id]).status.success());
    let revoked = remote(home, &appliance, Some(&ann), &["show", "1"]);
    assert_eq!(revoked.status.code(), Some(77));

    let audit = json(&appliance.command(&["audit", "--who", "ann", "--json"]));
    let deeds = audit["deeds"].as_array().unwrap();
    let told: Vec<_> = deeds
        .iter()
        .map(|deed| (deed["what"].as_str().unwrap(), deed["on"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("cancel job", "1"), ("submit job", "1"), ("submit job", "")]);
    assert!(!audit.to_string().contains(&ann));
    appliance.stop();
}

#[test]
fn whoever_cancels_all_of_theirs_leaves_those_of_others() {
    let (folder, appliance) = start();
    let home = folder.path();
    let mut tokens = Vec::new();
    for user in ["ann", "ben"] {
        let role = if user == "ann" { "operator" } else { "submitter" };
        let added = appliance.command(&["user", "add", user, "--role", role]);
        assert!(added.status.success(), "{}", text(&added.stderr));
        let made = ["token", "new", "all", "--user", user, "--scope", "operate"];
        tokens.push(text(&appliance.command(&made).stdout).trim().to_owned());
    }
    for (number, token) in [&tokens[1], &tokens[0], &tokens[1]].into_iter().enumerate() {
        let job = WAITS.replace("for ever", &number.to_string()).replace("personal", "public");
        fs::write(home.join("job.yaml"), job).unwrap();
        let sent = remote(home, &appliance, Some(token), &["submit", "job.yaml"]);
        assert!(sent.status.success(), "{}", text(&sent.stderr));
    }
    let waiting = || {
        let list = appliance.json("/api/jobs?state=waiting");
        let jobs = list["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    for dry in [&["cancel", "--waiting", "--dry-run"][..], &["cancel", "--waiting"]] {
        assert_eq!(waiting(), [1, 2, 3]);
        let told = remote(home, &appliance, Some(&tokens[0]), dry);
        assert!(told.status.success(), "{}", text(&told.stderr));
        assert!(text(&told.stdout).contains('2') && !text(&told.stdout).contains('3'));
    }
    assert_eq!(waiting(), [1, 3]);
    appliance.stop();
}

#[test]
fn a_team_takes_jobs_from_its_members_by_command_and_by_inbox() {
    let (folder, appliance) = start();
    let home = folder.path();
    let job = "job_name: for the team\n\
               stream: /private/team/kernel/nightly/\n\
               actions:\n\
               - boot: { guest: { memory: 64M } }\n";
    fs::write(home.join("job.yaml"), job).unwrap();
    let refused = |output: &Output, words: &str| {
        assert_eq!(output.status.code(), Some(65), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    };
    let nobody_in = appliance.command(&["submit", home.join("job.yaml").to_str().unwrap()]);
    refused(&nobody_in, "nobody is in the group kernel");
    for (user, group) in [("ann", "kernel"), ("ben", "lab")] {
        let added = appliance.command(&["user", "add", user, "--group", group]);
        assert!(added.status.success(), "{}", text(&added.stderr));
    }
    let token = |user: &str| {
        let made = appliance.command(&["token", "new", "x", "--user", user, "--scope", "submit"]);
        text(&made.stdout).trim().to_owned()
    };
    let (ann, ben) = (token("ann"), token("ben"));
    refused(&remote(home, &appliance, Some(&ben), &["submit", "job.yaml"]), "ben is not in it");
    assert!(remote(home, &appliance, Some(&ann), &["submit", "job.yaml"]).status.success());
    assert_eq!(remote(home, &appliance, Some(&ben), &["show", "1"]).status.code(), Some(66));
    let inbox = appliance.data.join("inbox");
    fs::copy(home.join("job.yaml"), inbox.join(".job.yaml")).unwrap();
    fs::rename(inbox.join(".job.yaml"), inbox.join("job.yaml")).unwrap();
    let deed = wait_for("the inbox to take it, and to note it", || {
        let audit = json(&appliance.command(&["audit", "--json"]));
        let deeds = audit["deeds"].as_array().unwrap().iter();
        deeds.into_iter().find(|deed| deed["door"] == "inbox").cloned()
    });
    assert_eq!((&deed["what"], &deed["on"]), (&"submit job".into(), &"2".into()), "{deed}");
    appliance.stop();
}

#[tokio::test]
async fn the_first_administrator_comes_in_by_invitation() {
    let (_folder, appliance) = start();
    let arguments = ["user", "add", "ann", "--role", "administrator", "--json"];
    let added = json(&appliance.command(&arguments));
    let path = added["invitation"]["path"].as_str().unwrap().to_owned();
    with_browser(async |browser| {
        let at = |path: &str| format!("http://{}{path}", appliance.address);
        browser.goto(at("/audit")).await.unwrap();
        assert!(read_page(browser).await.contains("Log in"), "nobody is sent to the door");

        browser.goto(at(&path)).await.unwrap();
        assert!(read_page(browser).await.contains("Welcome, ann"));
        fill(browser, &[("password", PASSWORD), ("again", PASSWORD)]).await;
        let account = read_page(browser).await;
        assert!(
            account.contains("Role administrator") && account.contains("Sessions"),
            "{account}"
        );
        follow(browser, "form[action='/logout'] button").await;
        assert!(!read_page(browser).await.contains("Log out"));

        browser.goto(at("/login?to=/audit")).await.unwrap();
        fill(browser, &[("name", "ann"), ("password", "wrong horse battery")]).await;
        assert!(read_page(browser).await.contains("The name or the password is wrong."));
        fill(browser, &[("name", "ann"), ("password", PASSWORD)]).await;
        let audit = read_page(browser).await;
        for words in ["accept invitation", "log in", "wrong", "log out", "ann"] {
            assert!(audit.contains(words), "{words} in {audit}");
        }

        // A token is made on the page, and shown once.
        browser.goto(at("/account")).await.unwrap();
        write(browser, "#token-name", "nightly").await;
        follow(browser, "form[action='/account/tokens'] button").await;
        let made = read_part(browser, ".made pre").await;
        assert!(made.starts_with("sutler_"), "{made}");
        browser.goto(at("/account")).await.unwrap();
        let account = read_page(browser).await;
        assert!(account.contains("nightly") && !account.contains(&made), "{account}");
    })
    .await;
    appliance.stop();
}

#[tokio::test]
async fn an_administrator_keeps_devices_and_users_on_their_pages() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let arguments = ["user", "add", "ann", "--role", "administrator", "--json"];
    let added = json(&appliance.command(&arguments));
    let path = added["invitation"]["path"].as_str().unwrap().to_owned();
    with_browser(async |browser| {
        let at = |path: &str| format!("http://{}{path}", appliance.address);
        browser.goto(at("/devices")).await.unwrap();
        assert!(!read_page(browser).await.contains("Change local"), "nobody changes a device");
        browser.goto(at(&path)).await.unwrap();
        fill(browser, &[("password", PASSWORD), ("again", PASSWORD)]).await;

        browser.goto(at("/devices")).await.unwrap();
        unfold(browser, "Change local").await;
        write(browser, ".change input[name='why']", "a new disk").await;
        follow(browser, "button[value='maintenance']").await;
        let devices = read_page(browser).await;
        assert!(devices.contains("maintenance") && devices.contains("a new disk"), "{devices}");
        browser.goto(at("/devices/local")).await.unwrap();
        write(browser, ".change input[name='why']", "the disk is in").await;
        follow(browser, "button[value='good']").await;
        let device = read_page(browser).await;
        assert!(device.contains("the disk is in, said by ann"), "{device}");
        assert!(device.contains("a new disk"), "the log has both: {device}");

        browser.goto(at("/users")).await.unwrap();
        unfold(browser, "Add a user").await;
        write(browser, "#user-name", "ben").await;
        follow(browser, "form[action='/users'] button").await;
        let link = read_part(browser, ".made pre").await;
        assert!(link.contains("/invite?code="), "{link}");
        browser.goto(at("/users")).await.unwrap();
        assert!(!read_page(browser).await.contains("/invite?code="), "it is shown once");
        unfold(browser, "Change ben").await;
        press(browser, "form[action='/users/ben'] option[value='operator']").await;
        write(browser, "form[action='/users/ben'] input[name='groups']", "lab").await;
        follow(browser, "form[action='/users/ben'] button").await;
        let users = read_page(browser).await;
        assert!(users.contains("operator") && users.contains("lab"), "{users}");
    })
    .await;
    let audit = json(&appliance.command(&["audit", "--who", "ann", "--json"]));
    let deeds = audit["deeds"].as_array().unwrap().iter();
    let told: Vec<_> = deeds.map(|deed| [&deed["what"], &deed["on"], &deed["outcome"]]).collect();
    let want = [
        ["change user", "ben: role operator, into lab", "done"],
        ["add user", "ben (submitter)", "done"],
        ["set health of device", "local: good, the disk is in", "done"],
        ["set health of device", "local: maintenance, a new disk", "done"],
    ];
    assert_eq!(told[..4], want, "{audit}");
    appliance.stop();
}
