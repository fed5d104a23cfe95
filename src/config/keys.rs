//! The table of all there is to set.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::{Value, json};

use super::{
    LogForm, Settings, Timeouts,
    knob::{
        Age, Anonymous, Auto, Count, Factor, Floor, Granted, HostName, LogLevel, Mib, Most, Points,
        Quantile, Slot, Switch, Time, Wait, age, size,
    },
};
use crate::model::{LimitMode, Role};

/// What was asked for, not yet checked against each other.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub data: Option<PathBuf>,
    pub inbox: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub hosts: Option<Vec<HostName>>,
    pub roots: Option<Vec<PathBuf>>,
    pub devices: Option<PathBuf>,
    pub access_local: Option<Granted>,
    pub access_anonymous: Option<Anonymous>,
    pub access_audit: Option<Age>,
    pub memory: Option<Auto<Mib>>,
    pub cores: Option<Auto<u32>>,
    pub machines: Option<Auto<u32>>,
    pub videos: Option<Age>,
    pub results: Option<Age>,
    pub records: Option<Age>,
    pub least_free: Option<Mib>,
    pub most: Option<Most>,
    pub rejected: Option<Count>,
    pub retry_automatic: Option<Switch>,
    pub retry_most: Option<Count>,
    pub retry_backoff: Option<Wait>,
    pub retry_per_day: Option<Count>,
    pub queue_point: Option<Wait>,
    pub queue_share: Option<Points>,
    pub queue_half_life: Option<Wait>,
    pub mode: Option<LimitMode>,
    pub quantile: Option<Quantile>,
    pub factor: Option<Factor>,
    pub runs: Option<u32>,
    pub floor: Option<Floor>,
    pub job_time: Option<Time>,
    pub action_time: Option<Time>,
    pub step_time: Option<Auto<Time>>,
    pub queue_time: Option<Age>,
    pub most_time: Option<Time>,
    pub level: Option<LogLevel>,
    pub form: Option<LogForm>,
}

/// One thing to set.
pub struct Key {
    /// `retention.videos`: in the file, what is before the dot is a table.
    pub name: &'static str,
    /// Its default, as it is written in the file of the appliance of the box.
    pub default: &'static str,
    /// What it is for.
    pub words: &'static str,
    pub(super) slot: fn(&mut Asked) -> &mut dyn Slot,
    pub(super) show: fn(&Settings) -> Value,
}

impl Key {
    /// The key with this full name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// `SUTLER_RETENTION_VIDEOS`
    pub fn variable(&self) -> String {
        format!("SUTLER_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// The table it stands in, and its name there.
    pub fn place(&self) -> (Option<&'static str>, &'static str) {
        match self.name.split_once('.') {
            Some((table, name)) => (Some(table), name),
            None => (None, self.name),
        }
    }

    /// What may be written for it.
    pub fn expected(&self) -> String {
        (self.slot)(&mut Asked::default()).expected()
    }

    /// Its value in `settings`; what JSON calls it, TOML calls it too.
    pub fn shown(&self, settings: &Settings) -> Value {
        (self.show)(settings)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All there is to set, in the order of the file.
pub static KEYS: [Key; 37] = [
    Key {
        name: "data",
        default: r#""/var/lib/sutler""#,
        words: "The folder of the store, the jobs' results and the socket that commands are sent \
                through. It must be on a local disk.",
        slot: |asked| &mut asked.data,
        show: |settings| json!(settings.data),
    },
    Key {
        name: "inbox",
        default: r#""/var/lib/sutler/inbox""#,
        words: "The folder that job files are dropped into. Where the data folder is another, this \
                is the `inbox` in it.",
        slot: |asked| &mut asked.inbox,
        show: |settings| json!(settings.inbox),
    },
    Key {
        name: "listen",
        default: r#""127.0.0.1:8470""#,
        words: "Address and port of the page. Port 0 takes any free one. It speaks plain HTTP: on an \
                address that other machines reach, passwords and tokens travel in the clear, so \
                leave it on loopback and put a proxy with TLS in front of it, whose name is in \
                `hosts`.",
        slot: |asked| &mut asked.listen,
        show: |settings| json!(settings.listen),
    },
    Key {
        name: "hosts",
        default: "[]",
        words: "Names that browsers may use for the page, beside localhost and the loopback \
                addresses; for a proxy in front of it, say. Any other name is refused.",
        slot: |asked| &mut asked.hosts,
        show: |settings| json!(settings.hosts),
    },
    Key {
        name: "roots",
        default: r#"["/usr/share/sutler", "/var/lib/sutler/images", "/usr/lib/debian-installer", "/usr/lib/memtest86+"]"#,
        words: "Jobs may read files by absolute path below these folders and nowhere else. The \
                data folder must not lie below one of them.",
        slot: |asked| &mut asked.roots,
        show: |settings| json!(settings.roots),
    },
    Key {
        name: "devices",
        default: r#""/etc/sutler/devices.toml""#,
        words: "The file that names what jobs run on; it is read when the appliance starts and when \
                `sutler device reload` says so. Where it does not exist and no device was added with \
                a command, the box itself is one.",
        slot: |asked| &mut asked.devices,
        show: |settings| json!(settings.devices),
    },
    Key {
        name: "access.local",
        default: r#""submitter""#,
        words: "What accounts of this box may do who are no users, through the socket and the \
                inbox. Root and the account of the appliance are administrators, whatever stands \
                here.",
        slot: |asked| &mut asked.access_local,
        show: |settings| json!(role(settings.access.local)),
    },
    Key {
        name: "access.anonymous",
        default: r#""guest""#,
        words: "What is shown over TCP to those who do not say who they are: `guest` sees what is \
                public, `none` nothing but the page to log in. Coming from this box proves nothing: \
                guests do, too.",
        slot: |asked| &mut asked.access_anonymous,
        show: |settings| json!(role(settings.access.anonymous)),
    },
    Key {
        name: "access.audit",
        default: r#""365d""#,
        words: "For how long it is kept who did what: sutler audit.",
        slot: |asked| &mut asked.access_audit,
        show: |settings| json!(age(settings.access.audit)),
    },
    Key {
        name: "guests.memory",
        default: r#""auto""#,
        words: "Memory that guests may have together. `auto` leaves the host an eighth of its own, \
                and at least 1 GiB.",
        slot: |asked| &mut asked.memory,
        show: |settings| json!(size(settings.lends.memory_mib.into())),
    },
    Key {
        name: "guests.cores",
        default: r#""auto""#,
        words: "Processors that guests may have together. `auto` is as many as the host has.",
        slot: |asked| &mut asked.cores,
        show: |settings| json!(settings.lends.cores),
    },
    Key {
        name: "guests.machines",
        default: r#""auto""#,
        words: "Guests that run at a time, however small. `auto` is as many as there are cores for \
                them.",
        slot: |asked| &mut asked.machines,
        show: |settings| json!(settings.lends.machines),
    },
    Key {
        name: "queue.point",
        default: r#""15m""#,
        words: "Who is next is told in points: a job's priority is 0 to 100 of them, and one that waits \
                gains a point in this time on all that come after it. A shorter time brings the \
                order closer to first come, first served.",
        slot: |asked| &mut asked.queue_point,
        show: |settings| json!(age(Some(settings.order.point))),
    },
    Key {
        name: "queue.share",
        default: "20",
        words: "Points that the jobs of somebody who has had all of the box lately are behind those \
                of somebody who has had nothing of it. 0 looks at priority and time only.",
        slot: |asked| &mut asked.queue_share,
        show: |settings| json!(settings.order.share),
    },
    Key {
        name: "queue.half_life",
        default: r#""1d""#,
        words: "What somebody has had of the box (cores times time) counts half after this time.",
        slot: |asked| &mut asked.queue_half_life,
        show: |settings| json!(age(Some(settings.order.half_life))),
    },
    Key {
        name: "retention.videos",
        default: r#""30d""#,
        words: "For how long the videos of ended jobs are kept, the largest part of a job.",
        slot: |asked| &mut asked.videos,
        show: |settings| json!(age(settings.retention.videos)),
    },
    Key {
        name: "retention.results",
        default: r#""180d""#,
        words: "For how long the rest of a job's folder is kept: screens, consoles, logs.",
        slot: |asked| &mut asked.results,
        show: |settings| json!(age(settings.retention.results)),
    },
    Key {
        name: "retention.records",
        default: r#""forever""#,
        words: "For how long a job's record is kept: verdict, cause, times. History is made of it.",
        slot: |asked| &mut asked.records,
        show: |settings| json!(age(settings.retention.records)),
    },
    Key {
        name: "retention.least_free",
        default: r#""4G""#,
        words: "When the disk of the data folder has less free than this, the oldest videos and \
                results go before their time.",
        slot: |asked| &mut asked.least_free,
        show: |settings| json!(size(settings.retention.least_free_mib)),
    },
    Key {
        name: "retention.most",
        default: r#""unlimited""#,
        words: "What the folders of all ended jobs may take together; above it the oldest go \
                before their time.",
        slot: |asked| &mut asked.most,
        show: |settings| {
            json!(settings.retention.most_mib.map_or_else(|| "unlimited".into(), size))
        },
    },
    Key {
        name: "retention.rejected",
        default: "1000",
        words: "How many files that the inbox refused are kept with their explanations.",
        slot: |asked| &mut asked.rejected,
        show: |settings| json!(settings.keep_rejected),
    },
    Key {
        name: "retry.automatic",
        default: "false",
        words: "Whether jobs that failed for a known reason are retried by themselves. A rule can \
                say otherwise for its own jobs: sutler known add --auto, or --no-auto.",
        slot: |asked| &mut asked.retry_automatic,
        show: |settings| json!(settings.retry.automatic),
    },
    Key {
        name: "retry.most",
        default: "1",
        words: "How often a job is retried by itself, the retries of its retries included; a rule \
                can name another number.",
        slot: |asked| &mut asked.retry_most,
        show: |settings| json!(settings.retry.most),
    },
    Key {
        name: "retry.backoff",
        default: r#""1m""#,
        words: "How long the first retry of a job waits; each further one waits twice as long. A \
                rule can name another time.",
        slot: |asked| &mut asked.retry_backoff,
        show: |settings| json!(age(Some(settings.retry.backoff))),
    },
    Key {
        name: "retry.per_day",
        default: "20",
        words: "How many retries the box makes by itself in a day (UTC), of all jobs together. \
                What people ask for does not count.",
        slot: |asked| &mut asked.retry_per_day,
        show: |settings| json!(settings.retry.per_day),
    },
    Key {
        name: "thresholds.mode",
        default: r#""watch""#,
        words: "What happens to a job that is slower than its limits: `off` is nothing, `watch` \
                says so and lets it go on, `stop` ends it as too slow. `sutler threshold` says \
                otherwise for single jobs and measures.",
        slot: |asked| &mut asked.mode,
        show: |settings| json!(settings.thresholds.mode),
    },
    Key {
        name: "thresholds.quantile",
        default: "0.99",
        words: "Limits are learned from this place among the good runs of a job: 0.99 is the time \
                that 99 of 100 runs stay below, 0.5 the middle one, 1 the slowest.",
        slot: |asked| &mut asked.quantile,
        show: |settings| number(settings.thresholds.quantile),
    },
    Key {
        name: "thresholds.factor",
        default: "3",
        words: "A learned limit is this many times what the good runs took.",
        slot: |asked| &mut asked.factor,
        show: |settings| number(settings.thresholds.factor),
    },
    Key {
        name: "thresholds.runs",
        default: "10",
        words: "Good runs of a job before limits are learned from them.",
        slot: |asked| &mut asked.runs,
        show: |settings| json!(settings.thresholds.runs),
    },
    Key {
        name: "thresholds.floor",
        default: r#""10s""#,
        words: "No learned limit for the time of a step, a module, a part or a job is below this: \
                what usually takes a few milliseconds is not slow at twenty.",
        slot: |asked| &mut asked.floor,
        show: |settings| json!(age(Some(settings.thresholds.floor))),
    },
    Key {
        name: "timeouts.job",
        default: r#""1h""#,
        words: "How long a job may take whose file does not say (`timeouts: {job: …}`).",
        slot: |asked| &mut asked.job_time,
        show: |settings| json!(age(Some(settings.timeouts.job.unwrap_or(Timeouts::JOB)))),
    },
    Key {
        name: "timeouts.action",
        default: r#""10m""#,
        words: "How long an action may take where the job file does not say, and never longer \
                than the job.",
        slot: |asked| &mut asked.action_time,
        show: |settings| json!(age(Some(settings.timeouts.action.unwrap_or(Timeouts::ACTION)))),
    },
    Key {
        name: "timeouts.step",
        default: r#""auto""#,
        words: "How long a step waits for a screen or the console where the job file does not say. \
                `auto` is what the handbook has for each verb. `check_screen` is not asked: it \
                looks once.",
        slot: |asked| &mut asked.step_time,
        show: |settings| {
            json!(settings.timeouts.step.map_or_else(|| "auto".into(), |time| age(Some(time))))
        },
    },
    Key {
        name: "timeouts.queue",
        default: r#""forever""#,
        words: "How long a job may wait for its turn where its file does not say; then it \
                ends as timed out.",
        slot: |asked| &mut asked.queue_time,
        show: |settings| json!(age(settings.timeouts.queue)),
    },
    Key {
        name: "timeouts.most",
        default: r#""7d""#,
        words: "No job may take longer; a file that asks for more is refused.",
        slot: |asked| &mut asked.most_time,
        show: |settings| json!(age(Some(settings.timeouts.most))),
    },
    Key {
        name: "log.level",
        default: r#""info""#,
        words: "What is logged, for all parts or by part, as \"info,sutler::vm=debug\". The \
                variable RUST_LOG says the same where SUTLER_LOG_LEVEL is not set.",
        slot: |asked| &mut asked.level,
        show: |settings| json!(settings.log.level),
    },
    Key {
        name: "log.form",
        default: r#""auto""#,
        words: "How the log is written: `text` or `json` to standard error, or `journald` with \
                its fields. `auto` is the journal when systemd has started the appliance, else \
                text.",
        slot: |asked| &mut asked.form,
        show: |settings| json!(settings.log.form.name()),
    },
];

fn role(role: Option<Role>) -> &'static str {
    role.map_or("none", Role::name)
}

/// Without a point where it needs none.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "knobs allow no number so large")]
    let whole = value as i64;
    if whole as f64 == value { json!(whole) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_each_table_stands_together() {
        let tables: Vec<_> = KEYS.iter().map(|key| key.place().0).collect();
        let mut runs = tables.clone();
        runs.dedup();
        let mut unique = runs.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(runs.len(), unique.len(), "{tables:?}");
        assert_eq!(tables[0], None, "keys without a table stand before all tables");
        let variables: std::collections::BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
        assert_eq!(variables.len(), KEYS.len());
    }
}
