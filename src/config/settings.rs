//! Settings in which nothing is missing and nothing contradicts.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::{
    AccessSettings, Host, LogForm, Order, Retention, Retry, Thresholds, Timeouts,
    keys::Asked,
    knob::{
        Age, Anonymous, Auto, Count, Factor, Floor, Granted, HostName, LogLevel, Mib, Most, Points,
        Quantile, Switch, Time, Wait,
    },
};

/// Where the appliance listens unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8470);

/// Name of the socket commands are sent through, in the data folder.
pub const SOCKET: &str = "sutler.sock";

/// Folders jobs may read from by absolute path: our package's own, the administrator's images, and
/// those of Debian's packages of installers and memory testers.
const ROOTS: [&str; 4] = [
    "/usr/share/sutler",
    "/var/lib/sutler/images",
    "/usr/lib/debian-installer",
    "/usr/lib/memtest86+",
];

/// Memory the host keeps for itself: an eighth, but at least this much.
const LEAST_RESERVE_MIB: u64 = 1024;

/// Refused files that are kept.
const KEEP_REJECTED: u32 = 1000;

/// What is logged.
const LOG_LEVEL: &str = "info";

/// How much of the host guests may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lends {
    pub memory_mib: u32,
    pub cores: u32,
    /// Guests at a time, however small.
    pub machines: u32,
}

impl Lends {
    fn of(host: &Host, asked: &Asked) -> Self {
        let reserve = (host.memory_mib / 8).max(LEAST_RESERVE_MIB);
        let named = asked.memory.and_then(|Auto(memory)| memory).map(|Mib(mib)| mib);
        let memory = named.unwrap_or_else(|| host.memory_mib.saturating_sub(reserve));
        let cores = asked.cores.and_then(|Auto(cores)| cores);
        let cores = cores.unwrap_or_else(|| u32::try_from(host.cores).unwrap_or(u32::MAX));
        let machines = asked.machines.and_then(|Auto(machines)| machines).unwrap_or(cores);
        Self { memory_mib: u32::try_from(memory).unwrap_or(u32::MAX), cores, machines }
    }
}

/// What of the log is written, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level, or several by part: `info,sutler::vm=debug`.
    pub level: String,
    pub form: LogForm,
}

/// How the appliance runs. Every path is absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub data: PathBuf,
    pub inbox: PathBuf,
    /// Plain HTTP: beyond loopback a proxy with TLS belongs in front of it.
    pub listen: SocketAddr,
    /// Names this box answers to, beside `localhost` and the loopback addresses. Without port.
    pub hosts: Vec<String>,
    /// Jobs may read below these. The data folder is below none of them.
    pub roots: Vec<PathBuf>,
    /// The file that names this box's devices, if it exists.
    pub devices: PathBuf,
    pub access: AccessSettings,
    pub lends: Lends,
    pub retention: Retention,
    pub thresholds: Thresholds,
    pub timeouts: Timeouts,
    /// Refused files that are kept with their explanation.
    pub keep_rejected: u32,
    pub retry: Retry,
    pub order: Order,
    pub log: Log,
}

impl Settings {
    /// # Errors
    /// When what is asked for cannot be had.
    pub(super) fn check(asked: Asked, host: &Host) -> Result<Self, SettingsError> {
        let lends = Lends::of(host, &asked);
        let data = asked.data.map_or_else(|| host.default_data(), Ok)?;
        let inbox = asked.inbox.unwrap_or_else(|| data.join("inbox"));
        if inbox == data || data.starts_with(&inbox) {
            return Err(SettingsError::InboxHoldsData { inbox, data });
        }
        let listen = asked.listen.unwrap_or(LISTEN);
        let roots = asked.roots.unwrap_or_else(|| ROOTS.map(PathBuf::from).into());
        if let Some(root) = roots.iter().find(|root| data.starts_with(root)) {
            return Err(SettingsError::DataBelowRoot { data, root: root.clone() });
        }
        let hosts = asked.hosts.unwrap_or_default();
        let (kept, slow) = (Retention::default(), Thresholds::default());
        let (retried, usual) = (Retry::default(), Order::default());
        let granted = AccessSettings::default();
        let time = |asked: Option<Time>| asked.map(|Time(time)| time);
        let age = |asked: Option<Age>, usual| asked.map_or(usual, |Age(age)| age);
        Ok(Self {
            data,
            inbox,
            listen,
            hosts: hosts.into_iter().map(|HostName(name)| name).collect(),
            roots,
            devices: asked.devices.map_or_else(|| host.default_devices(), Ok)?,
            access: AccessSettings {
                local: asked.access_local.map_or(granted.local, |Granted(role)| role),
                anonymous: asked.access_anonymous.map_or(granted.anonymous, |Anonymous(role)| role),
                audit: age(asked.access_audit, granted.audit),
            },
            lends,
            retention: Retention {
                videos: age(asked.videos, kept.videos),
                results: age(asked.results, kept.results),
                records: age(asked.records, kept.records),
                least_free_mib: asked.least_free.map_or(kept.least_free_mib, |Mib(mib)| mib),
                most_mib: asked.most.map_or(kept.most_mib, |Most(most)| most),
            },
            thresholds: Thresholds {
                mode: asked.mode.unwrap_or(slow.mode),
                quantile: asked.quantile.map_or(slow.quantile, |Quantile(share)| share),
                factor: asked.factor.map_or(slow.factor, |Factor(factor)| factor),
                runs: asked.runs.unwrap_or(slow.runs),
                floor: asked.floor.map_or(slow.floor, |Floor(floor)| floor),
            },
            timeouts: Timeouts {
                // Said as it is anyway, it is not said.
                job: time(asked.job_time).filter(|time| *time != Timeouts::JOB),
                action: time(asked.action_time).filter(|time| *time != Timeouts::ACTION),
                step: asked.step_time.and_then(|Auto(step)| time(step)),
                queue: age(asked.queue_time, None),
                most: time(asked.most_time).unwrap_or(Timeouts::MOST),
            },
            keep_rejected: asked.rejected.map_or(KEEP_REJECTED, |Count(count)| count),
            retry: Retry {
                automatic: asked.retry_automatic.map_or(retried.automatic, |Switch(on)| on),
                most: asked.retry_most.map_or(retried.most, |Count(count)| count),
                backoff: asked.retry_backoff.map_or(retried.backoff, |Wait(wait)| wait),
                per_day: asked.retry_per_day.map_or(retried.per_day, |Count(count)| count),
            },
            order: Order {
                point: asked.queue_point.map_or(usual.point, |Wait(point)| point),
                share: asked.queue_share.map_or(usual.share, |Points(share)| share),
                half_life: asked.queue_half_life.map_or(usual.half_life, |Wait(time)| time),
            },
            log: Log {
                level: asked.level.map_or_else(|| LOG_LEVEL.into(), |LogLevel(level)| level),
                form: asked.form.unwrap_or(LogForm::Auto),
            },
        })
    }

    /// The socket commands are sent through.
    pub fn socket(&self) -> PathBuf {
        self.data.join(SOCKET)
    }
}

impl fmt::Display for Lends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_mib, cores, machines } = self;
        write!(f, "{memory_mib} MiB, {cores} cores, {machines} machines at a time")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("this account has no home folder; name a data folder with --data")]
    NoHome,
    #[error("the folder this was started in does not exist any more")]
    NoCurrentFolder(#[source] std::io::Error),
    #[error("the data folder {data} would lie in the inbox {inbox}")]
    InboxHoldsData { inbox: PathBuf, data: PathBuf },
    #[error("the data folder {data} lies below {root}, from which jobs may read")]
    DataBelowRoot { data: PathBuf, root: PathBuf },
}

impl SettingsError {
    /// The keys it is about.
    pub(super) const fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::NoHome | Self::NoCurrentFolder(_) => &[],
            Self::InboxHoldsData { .. } => &["data", "inbox"],
            Self::DataBelowRoot { .. } => &["data", "roots"],
        }
    }
}
