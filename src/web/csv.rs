//! Rows of comma-separated values (RFC 4180).
//!
//! Names are their authors'. A program that opens the file as a table would take one that begins
//! like a formula for one and carry it out, so such a name gets an apostrophe before it.

use std::fmt::Write as _;

/// What stands in a cell.
pub(super) enum Cell<'a> {
    /// Somebody's words.
    Text(&'a str),
    Whole(u64),
    Number(f64),
    Empty,
}

impl From<Option<f64>> for Cell<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Number)
    }
}

/// One line.
pub(super) fn row(cells: &[Cell<'_>]) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        match cell {
            Cell::Text(words) => text(&mut line, words),
            Cell::Whole(number) => {
                let _ = write!(line, "{number}");
            }
            Cell::Number(number) => {
                let _ = write!(line, "{number}");
            }
            Cell::Empty => {}
        }
    }
    line + "\r\n"
}

fn text(line: &mut String, words: &str) {
    let guard = if words.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if words.contains([',', '"', '\n', '\r']) {
        let _ = write!(line, "\"{guard}{}\"", words.replace('"', "\"\""));
    } else {
        let _ = write!(line, "{guard}{words}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_holds_it_stays_one_harmless_cell() {
        for (words, cell) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(row(&[Cell::Text(words)]), format!("{cell}\r\n"));
        }
        let cells = [Cell::Whole(7), Cell::Number(0.5), Cell::from(None), Cell::from(Some(2.0))];
        assert_eq!(row(&cells), "7,0.5,,2\r\n");
    }
}
