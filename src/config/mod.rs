//! Checked settings.
//!
//! What a person asks for, in flags, in the environment and in a file, and what the host is like
//! ([`Host`]) go in; [`Settings`] come out in which nothing is missing and nothing contradicts, each
//! with where it comes from ([`Origin`]). Nobody else reads the environment or looks for defaults.
//!
//! ```text
//! flags        ─┐
//! environment  ─┼─ read by ─▶ KEYS ─▶ asked ─▶ settings
//! file         ─┘              └─▶ default file, help
//! ```
//!
//! [`KEYS`] is the one table of all there is to set. The readers, the names of environment
//! variables, the commented default file and the help are made of it.

mod access;
mod devices;
mod document;
mod environment;
mod file;
mod host;
mod keys;
mod knob;
mod load;
mod order;
mod retention;
mod retry;
mod sample;
mod settings;
mod thresholds;
mod timeouts;

pub use access::AccessSettings;
pub use devices::{
    DevicesFile, DevicesFileError, LONGEST_DEVICE_NAME, NotMemory, is_device_name, memory_mib,
    read_devices,
};
pub use document::{Document, Origin};
pub use host::{Host, SYSTEM_DATA, SYSTEM_FILE};
pub use keys::{KEYS, Key};
pub use knob::LogForm;
pub use load::{CONFIG_VARIABLE, ConfigError, Flags, Loaded, check_file, likely_data, load};
pub use order::Order;
pub use retention::Retention;
pub use retry::Retry;
pub use sample::sample;
pub use settings::{Lends, Log, SOCKET, Settings, SettingsError};
pub use thresholds::Thresholds;
pub use timeouts::Timeouts;
