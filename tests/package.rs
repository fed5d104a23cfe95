//! The Debian package: what is in it, and a life with it, from `apt install` to `apt purge`.
//!
//! `packaging/test.sh` builds it and runs these; without it they are left out by name, because they
//! would test another one.

mod booted;
mod contents;
mod life;
