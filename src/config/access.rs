//! Who may do what before anybody has said who the users are.

use std::time::Duration;

use crate::model::Role;

/// What those may do who are no users, and for how long it is known what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessSettings {
    /// An account of this box that is no user.
    pub local: Option<Role>,
    /// Whoever comes over TCP and does not say who it is.
    pub anonymous: Option<Role>,
    /// How long it is kept who did what; `None` is for ever.
    pub audit: Option<Duration>,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            local: Some(Role::Submitter),
            anonymous: Some(Role::Guest),
            audit: Some(Duration::from_secs(365 * 86_400)),
        }
    }
}
