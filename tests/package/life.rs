//! A life with the package in a Debian system without systemd running: what systemd would start is
//! started by hand, as the unit says.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    appliance::{pause, wait_for},
    debian::{Package, Room, succeed, tree},
    job::JobFolder,
};

/// Sees a page, answers, sees the next: with screens, video and needles.
const QUICK: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - send_key: b\n\
                     - assert_screen: { tags: page-b, timeout: 60s }\n";
/// Long enough that the package is upgraded under it, and longer.
const SLOW: &str = "- wait_serial: { regex: page A, timeout: 60s }\n\
                    - wait_still_screen: { stilltime: 60s, timeout: 300s }\n\
                    - send_key: b\n\
                    - wait_serial: { regex: page B, timeout: 60s }\n";
const UNIT: &str = "/lib/systemd/system/sutler.service";

/// The room, and what the unit says of how the appliance is started.
struct Lab {
    room: Room,
    unit: String,
    work: TempDir,
}

impl Lab {
    fn setting(&self, name: &str) -> &str {
        let line = self.unit.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("the unit does not say {name}="))
    }

    /// As systemd would start it.
    fn start(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.work.path().join("log"));
        let (user, group) = (self.setting("User"), self.setting("Group"));
        let line =
            format!("umask {}; cd /; exec {}", self.setting("UMask"), self.setting("ExecStart"));
        let mut command = self.room.command("setpriv");
        command.args(["--reuid", user, "--regid", group, "--init-groups", "--no-new-privs"]);
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--", "sh", "-c", &line]);
        let child = command.stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap();
        wait_for("the page", || {
            let answer = self.room.try_sh("curl -fsS http://127.0.0.1:8470/");
            answer.status.success().then_some(())
        });
        child
    }

    /// As systemd would end it: its main process, and no other (`KillMode=process`).
    fn stop(&self, mut appliance: Child) {
        self.room.sh("pkill -TERM -x -f '/usr/bin/sutler serve'");
        appliance.wait().unwrap();
    }

    /// Drops a job into the inbox as a careful user of the group would.
    fn drop_job(&self, name: &str, steps: &str) {
        let job = JobFolder::with_limits(self.work.path(), name, steps, 600, 600);
        let tar = self.work.path().join("job.tar");
        succeed(Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(&job.0).arg("."));
        self.room.bring(&tar, "/tmp/job.tar");
        self.as_ada(&format!(
            "cp /tmp/job.tar /var/lib/sutler/inbox/.{name}; \
             mv /var/lib/sutler/inbox/.{name} /var/lib/sutler/inbox/{name}.tar"
        ));
    }

    fn as_ada(&self, lines: &str) -> String {
        succeed(&mut self.account("ada", lines))
    }

    fn account(&self, name: &str, lines: &str) -> Command {
        let mut command = self.room.command("setpriv");
        command.args(["--reuid", name, "--regid", name, "--init-groups", "--"]);
        command.args(["bash", "-ec", lines]);
        command
    }

    fn job(&self, id: u64) -> Option<Value> {
        let shown = self.room.try_sh(&format!("sutler show --json {id}"));
        serde_json::from_slice(&shown.stdout).ok()
    }

    /// Waits until the job runs. Looks seldom: what looks takes its time from what is looked at.
    fn runs(&self, id: u64) {
        wait_for(&format!("job {id} to run"), || {
            pause(Duration::from_millis(300));
            let job = self.job(id)?;
            assert_ne!(job["state"], "ended", "{job:#}");
            (job["state"] == "running").then_some(())
        });
    }

    fn passes(&self, id: u64) -> Value {
        wait_for(&format!("job {id}"), || {
            pause(Duration::from_millis(300));
            self.job(id)
        });
        self.room.try_sh(&format!("timeout 300 sutler wait {id}"));
        let job = self.job(id).unwrap();
        assert_eq!(job["verdict"], "passed", "{job:#}");
        job
    }

    /// Every file of the box, but what a package manager remembers.
    fn files(&self) -> Vec<String> {
        let found = self.room.sh(
            "find / -xdev \\( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o \
             -path /var/lib/apt -o -path /var/lib/systemd/deb-systemd-helper-enabled \\) -prune -o \
             -print | sort; find /run -name '*sutler*'",
        );
        found.lines().map(str::to_owned).collect()
    }

    fn processes(&self) -> String {
        self.room.try_sh("ps -o args= -u sutler").stdout.iter().map(|byte| *byte as char).collect()
    }
}

impl Drop for Lab {
    #[expect(clippy::print_stdout, reason = "the test has failed, and this says why")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", fs::read_to_string(self.work.path().join("log")).unwrap_or_default());
        }
    }
}

#[test]
#[ignore = "needs the package: packaging/test.sh"]
fn it_is_installed_used_upgraded_under_jobs_and_purged_without_a_trace() {
    let package = Package::built();
    let work = tempfile::tempdir().unwrap();
    let newer = package.newer(work.path());
    let room = Room::open(&tree(&package));
    let mut lab = Lab { room, unit: String::new(), work };
    lab.room.sh("useradd --no-create-home ada; useradd --no-create-home eve");
    let before = lab.files();

    install(&lab, &package.0);
    lab.unit = lab.room.sh(&format!("cat {UNIT}"));
    lab.room.sh("usermod --append --groups sutler ada");
    lab.room.sh(&format!("systemd-analyze verify --man=no {UNIT}"));
    let account = lab.room.sh("id -nG sutler; stat -c '%a %U:%G' /var/lib/sutler/inbox");
    assert_eq!(account, "sutler kvm\n3770 sutler:sutler\n");

    let appliance = lab.start();
    lab.drop_job("quick", QUICK);
    assert_eq!(lab.passes(1)["submitter"]["name"], "ada");
    what_others_may_do(&lab);

    // The file of the running program is replaced under it, and under an engine.
    lab.drop_job("slow", SLOW);
    lab.runs(2);
    install(&lab, &newer.0);
    assert!(lab.room.sh("dpkg-query -W sutler").contains("+next"));
    assert_eq!(
        lab.room.sh("readlink /proc/$(pgrep -x -f '/usr/bin/sutler serve')/exe | grep -c deleted"),
        "1\n"
    );
    // It still starts engines, and they their encoders.
    lab.drop_job("in-between", QUICK);
    lab.passes(3);
    lab.stop(appliance);
    assert!(lab.processes().contains("sutler engine"), "{}", lab.processes());
    let appliance = lab.start();
    assert_eq!(lab.job(2).unwrap()["state"], "running", "the new one has found its engine");
    lab.passes(2);

    // Removing ends what runs, and keeps what was found out.
    lab.drop_job("cut-off", SLOW);
    lab.runs(4);
    lab.stop(appliance);
    lab.room.sh("apt-get remove --yes sutler");
    assert_eq!(lab.processes(), "");
    let last = lab.room.sh("tail -n 1 /var/lib/sutler/jobs/4/events.jsonl");
    assert!(last.contains("canceled"), "{last}");
    lab.room.sh("apt-get purge --yes sutler; groupmems --group sutler --list > /dev/null");
    lab.room.sh("rm -f /tmp/job.tar /tmp/sutler.deb");
    let after = lab.files();
    let left: Vec<_> = after.iter().filter(|file| !before.contains(file)).collect();
    // What useradd and the account leave: the account stays, locked.
    let left: Vec<_> =
        left.iter().filter(|file| !file.starts_with("/etc/") || !file.ends_with('-')).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(lab.room.sh("getent passwd sutler").contains("nologin"));
}

fn install(lab: &Lab, package: &Path) {
    lab.room.bring(package, "/tmp/sutler.deb");
    lab.room.sh("apt-get install --yes --no-install-recommends /tmp/sutler.deb");
}

fn what_others_may_do(lab: &Lab) {
    let dropped = lab.account("eve", "echo > /var/lib/sutler/inbox/eve.yaml").output().unwrap();
    assert!(!dropped.status.success(), "she is not in the group");
    // Nor for the group: a job may be for one of its members only.
    for name in ["eve", "ada"] {
        for file in ["jobs/1/events.jsonl", "sutler.redb"] {
            let read = format!("cat /var/lib/sutler/{file} > /dev/null");
            let read = lab.account(name, &read).output().unwrap();
            assert!(!read.status.success(), "{name}: what is in the folder is the appliance's");
        }
    }
    // She may look, as everybody.
    assert!(lab.account("eve", "sutler show 1").output().unwrap().status.success());

    lab.as_ada(
        "umask 077; cd /var/lib/sutler/inbox; echo 'job_name: mine' > .mine; mv .mine mine.yaml",
    );
    let why = wait_for("the reason", || {
        let why =
            lab.account("ada", "cat /var/lib/sutler/inbox/rejected/mine.yaml.why.txt").output();
        why.ok().filter(|why| why.status.success())
    });
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.contains("may not read this"), "{why}");
}
