//! What several tests need.

pub(crate) mod appliance;
pub(crate) mod browser;
pub(crate) mod cached;
pub(crate) mod debian;
pub(crate) mod dice;
pub(crate) mod job;
pub(crate) mod page;
pub(crate) mod tiny_guest;
