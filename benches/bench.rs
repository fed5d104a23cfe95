//! Measures what Sutler claims, each figure beside a peer or a limit of the same run.
//!
//! ```sh
//! cargo bench                   # every bench, then the README's table
//! cargo bench -- reaction       # one
//! cargo bench -- table          # the table of what was measured last
//! ```
//!
//! One binary, so that OpenCV and rav1e are linked once. Each bench is a module with `run`; what it
//! measured is printed and kept in `target/figures/`, from where [`table`] takes it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to a person")]

mod appliance;
mod crowd;
mod decide;
mod installer;
mod intake;
mod needles;
mod reaction;
mod rest;
mod store;
mod submit;
mod support;
mod table;
mod video;

use std::{env, process::ExitCode};

/// Name, and what measures it.
const BENCHES: [(&str, fn()); 12] = [
    ("reaction", reaction::run),
    ("rest", rest::run),
    ("submit", submit::run),
    ("intake", intake::run),
    ("installer", installer::run),
    ("decide", decide::run),
    ("store", store::run),
    ("appliance", appliance::run),
    ("crowd", crowd::run),
    ("needles", needles::run),
    ("video", video::run),
    ("table", table::run),
];

fn main() -> ExitCode {
    // Cargo adds `--bench`, and somebody may have meant a flag of another harness.
    let asked: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_known = |name: &String| BENCHES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = asked.iter().find(|name| !is_known(name)) {
        let known = BENCHES.map(|(name, _)| name).join(", ");
        eprintln!("no bench is called {unknown}; there are {known}");
        return ExitCode::from(2);
    }
    for (name, run) in BENCHES {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            run();
        }
    }
    ExitCode::SUCCESS
}
