//! Users, their sessions, tokens and invitations, and what anybody has done.

mod check;
mod directory;
mod read;
mod record;
mod tables;

pub(super) use check::{audience, consistent};
pub use directory::Directory;
pub(super) use directory::LastRead;
pub use read::{DeedKey, DeedPage, NotADeedKey, id_of_token};
#[cfg(test)]
pub(super) use tables::MOST_TOKENS;
pub(super) use tables::{
    BY_ACCOUNT, DEEDS, FORMER, INVITATIONS, People, PeopleWork, SESSIONS, TOKENS, USERS,
};
pub use tables::{PersonRefused, UserChange};
