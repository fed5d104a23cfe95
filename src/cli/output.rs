//! The one place that writes to standard output and standard error.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::error::CliError;

/// Writes a result, which ends with a line feed of its own.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|source| CliError::Output { source })
}

/// Writes a result for programs.
pub(super) fn print_json(value: &Value) -> Result<(), CliError> {
    print(&format!("{value:#}\n"))
}

/// Says something beside the result. That nobody can read it is no failure.
pub(super) fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether results go to a terminal that wants colours (no-color.org).
pub(super) fn is_colourful() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether a person watches what is said.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}
