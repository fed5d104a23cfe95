//! What matters of the box and of the account we run as.

use std::{env, path::PathBuf};

use super::SettingsError;

/// Where the appliance of the box keeps its data.
pub const SYSTEM_DATA: &str = "/var/lib/sutler";

/// The settings of the appliance of the box.
pub const SYSTEM_FILE: &str = "/etc/sutler/sutler.toml";

/// The account the package makes for the appliance of the box.
const SERVICE_ACCOUNT: &str = "sutler";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Root or the service account: whoever runs the appliance of the box, not one of their own.
    pub is_system: bool,
    pub home: Option<PathBuf>,
    /// `$XDG_DATA_HOME`
    pub data_home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`
    pub config_home: Option<PathBuf>,
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
        let account = rustix::process::geteuid();
        let is_service = || {
            uzers::get_user_by_uid(account.as_raw())
                .is_some_and(|user| user.name() == SERVICE_ACCOUNT)
        };
        Ok(Self {
            is_system: account.is_root() || is_service(),
            home: folder("HOME"),
            data_home: folder("XDG_DATA_HOME"),
            config_home: folder("XDG_CONFIG_HOME"),
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
        if self.is_system {
            return Ok(SYSTEM_DATA.into());
        }
        let home = || self.home.as_ref().map(|home| home.join(".local/share"));
        let share = self.data_home.clone().or_else(home).ok_or(SettingsError::NoHome)?;
        Ok(share.join("sutler"))
    }

    /// The file this account's devices are named in, when it exists and no other is named.
    ///
    /// # Errors
    /// [`SettingsError::NoHome`] for an account that has no place for one.
    pub fn default_devices(&self) -> Result<PathBuf, SettingsError> {
        let file = self.default_file().ok_or(SettingsError::NoHome)?;
        Ok(file.with_file_name("devices.toml"))
    }

    /// The file this account's settings are read from, when it exists and no other is named.
    pub fn default_file(&self) -> Option<PathBuf> {
        if self.is_system {
            return Some(SYSTEM_FILE.into());
        }
        let home = || self.home.as_ref().map(|home| home.join(".config"));
        Some(self.config_home.clone().or_else(home)?.join("sutler/sutler.toml"))
    }
}
