//! The one binary: reads what a person wrote and ends with the exit code for it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    sutler::cli::Cli::parse().run(|settings, ready| Ok(sutler::app::run(settings, ready)?))
}
