//! Checked settings.
//!
//! What a person asks for ([`Asked`]) and what the host is like ([`Host`]) go in, and [`Settings`]
//! come out in which nothing is missing and nothing contradicts. Nobody else reads flags or looks
//! for defaults.

use std::{
    env, fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the appliance listens unless told otherwise.
pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8470);

/// Where root's appliance keeps its data.
pub const SYSTEM_DATA: &str = "/var/lib/sutler";

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

/// What was asked for, not yet checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub data: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub inbox: Option<PathBuf>,
}

/// What matters of the box and of the account we run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub is_root: bool,
    pub home: Option<PathBuf>,
    /// `$XDG_DATA_HOME`
    pub data_home: Option<PathBuf>,
    pub current_folder: PathBuf,
    pub memory_mib: u64,
    pub cores: usize,
}

impl Host {
    /// Looks.
    ///
    /// # Errors
    /// [`SettingsError::NoCurrentFolder`] when the folder we were started in is gone.
    pub fn look() -> Result<Self, SettingsError> {
        let info = rustix::system::sysinfo();
        let memory = info.totalram.saturating_mul(u64::from(info.mem_unit));
        let folder = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Ok(Self {
            is_root: rustix::process::geteuid().is_root(),
            home: folder("HOME"),
            data_home: folder("XDG_DATA_HOME"),
            current_folder: env::current_dir().map_err(SettingsError::NoCurrentFolder)?,
            memory_mib: memory >> 20,
            cores: std::thread::available_parallelism().map_or(1, Into::into),
        })
    }

    /// The data folder of an appliance this account would start.
    ///
    /// # Errors
    /// [`SettingsError::NoHome`] for an account that has no place for one.
    pub fn default_data(&self) -> Result<PathBuf, SettingsError> {
        if self.is_root {
            return Ok(SYSTEM_DATA.into());
        }
        let home = || self.home.as_ref().map(|home| home.join(".local/share"));
        let share = self.data_home.clone().or_else(home).ok_or(SettingsError::NoHome)?;
        Ok(share.join("sutler"))
    }

    /// Where an appliance that commands could mean keeps its data, best first: this account's, then
    /// the box's.
    pub fn likely_data(&self) -> Vec<PathBuf> {
        let mut folders: Vec<_> = self.default_data().into_iter().collect();
        if !self.is_root {
            folders.push(SYSTEM_DATA.into());
        }
        folders
    }
}

/// How much of the host guests may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lends {
    pub memory_mib: u32,
    pub cores: u32,
    /// Guests at a time, however small.
    pub machines: u32,
}

impl Lends {
    fn of(host: &Host) -> Self {
        let reserve = (host.memory_mib / 8).max(LEAST_RESERVE_MIB);
        let memory = host.memory_mib.saturating_sub(reserve);
        let cores = u32::try_from(host.cores).unwrap_or(u32::MAX);
        Self { memory_mib: u32::try_from(memory).unwrap_or(u32::MAX), cores, machines: cores }
    }
}

/// What of ended jobs is kept, and for how long; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Videos, the largest part.
    pub videos: Option<Duration>,
    /// The rest of a job's folder: screens, consoles, the log of events.
    pub results: Option<Duration>,
    /// The record in the store: verdict, cause, times. What history is made of.
    pub records: Option<Duration>,
    /// When the disk of the data folder has less free than this, the oldest go before their time.
    pub least_free_mib: u64,
    /// What the folders of all ended jobs may take together.
    pub most_mib: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            videos: Some(30 * DAY),
            results: Some(180 * DAY),
            records: None,
            least_free_mib: 4096,
            most_mib: None,
        }
    }
}

/// How the appliance runs. Every path is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub data: PathBuf,
    pub inbox: PathBuf,
    /// A loopback address: whoever can open the page can read every job, and is not asked for a
    /// name.
    pub listen: SocketAddr,
    /// Jobs may read below these. The data folder is below none of them.
    pub roots: Vec<PathBuf>,
    pub lends: Lends,
    pub retention: Retention,
}

impl Settings {
    /// # Errors
    /// When what is asked for cannot be had.
    pub fn check(asked: Asked, host: &Host) -> Result<Self, SettingsError> {
        let absolute = |path: PathBuf| plain(&host.current_folder.join(path));
        let data = absolute(asked.data.map_or_else(|| host.default_data(), Ok)?);
        let inbox = asked.inbox.map_or_else(|| data.join("inbox"), absolute);
        if inbox == data || data.starts_with(&inbox) {
            return Err(SettingsError::InboxHoldsData { inbox, data });
        }
        let listen = asked.listen.unwrap_or(LISTEN);
        if !listen.ip().is_loopback() {
            return Err(SettingsError::NotLoopback { listen });
        }
        let roots: Vec<_> = ROOTS.map(PathBuf::from).into();
        if let Some(root) = roots.iter().find(|root| data.starts_with(root)) {
            return Err(SettingsError::DataBelowRoot { data, root: root.clone() });
        }
        Ok(Self {
            data,
            inbox,
            listen,
            roots,
            lends: Lends::of(host),
            retention: Retention::default(),
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

/// Without `.` and `..`. Links are not followed: the folder may not exist yet.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    plain
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("this account has no home folder; name a data folder with --data")]
    NoHome,
    #[error("the folder this was started in does not exist any more")]
    NoCurrentFolder(#[source] std::io::Error),
    #[error(
        "{listen} can be reached from other machines, and this version asks nobody who they are; \
         listen on a loopback address such as {LISTEN}, and reach it through ssh -L"
    )]
    NotLoopback { listen: SocketAddr },
    #[error("the data folder {data} would lie in the inbox {inbox}")]
    InboxHoldsData { inbox: PathBuf, data: PathBuf },
    #[error("the data folder {data} lies below {root}, from which jobs may read")]
    DataBelowRoot { data: PathBuf, root: PathBuf },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            is_root: false,
            home: Some("/home/ada".into()),
            data_home: None,
            current_folder: "/home/ada/work".into(),
            memory_mib: 16_000,
            cores: 4,
        }
    }

    fn check(asked: Asked) -> Result<Settings, String> {
        Settings::check(asked, &host()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_data_folder_belongs_to_the_account_that_starts_the_appliance() {
        let root = Host { is_root: true, ..host() };
        let moved = Host { data_home: Some("/data/ada".into()), ..host() };
        for (host, data) in [
            (root, "/var/lib/sutler"),
            (host(), "/home/ada/.local/share/sutler"),
            (moved, "/data/ada/sutler"),
        ] {
            assert_eq!(Settings::check(Asked::default(), &host).unwrap().data, Path::new(data));
        }
        let nobody = Host { home: None, ..host() };
        assert!(Settings::check(Asked::default(), &nobody).is_err());
    }

    #[test]
    fn paths_become_absolute_and_plain() {
        let asked = Asked {
            data: Some("../lab/./data".into()),
            inbox: Some("/srv/x/../inbox".into()),
            listen: None,
        };
        let settings = check(asked).unwrap();
        assert_eq!(settings.data, Path::new("/home/ada/lab/data"));
        assert_eq!(settings.inbox, Path::new("/srv/inbox"));
        assert_eq!(settings.socket(), Path::new("/home/ada/lab/data/sutler.sock"));
    }

    #[test]
    fn what_cannot_be_had_is_refused_by_name() {
        let data = |path: &str| Asked { data: Some(path.into()), ..Asked::default() };
        let inbox = |path: &str| Asked { inbox: Some(path.into()), ..data("/lab/data") };
        let listen = |at: &str| Asked { listen: Some(at.parse().unwrap()), ..Asked::default() };
        for (asked, words) in [
            (listen("0.0.0.0:80"), "0.0.0.0:80 can be reached"),
            (listen("192.0.2.1:8470"), "192.0.2.1:8470 can be reached"),
            (inbox("/lab"), "would lie in the inbox /lab"),
            (inbox("/lab/data"), "would lie in the inbox /lab/data"),
            (data("/usr/share/sutler/data"), "below /usr/share/sutler"),
        ] {
            let found = check(asked.clone()).unwrap_err();
            assert!(found.contains(words), "{asked:?}: {found}");
        }
        for fine in [listen("127.0.0.1:0"), listen("[::1]:8470"), inbox("/lab/inbox")] {
            assert!(check(fine.clone()).is_ok(), "{fine:?}");
        }
    }

    #[test]
    fn the_host_keeps_an_eighth_and_at_least_a_gibibyte() {
        for (memory_mib, lent) in [(16_000, 14_000), (4_096, 3_072), (2_048, 1_024), (512, 0)] {
            assert_eq!(Lends::of(&Host { memory_mib, ..host() }).memory_mib, lent);
        }
    }
}
