//! The commented default file.

use super::{KEYS, Key};

/// Columns of a line.
const WIDTH: usize = 90;

const HEAD: &str = "\
# Settings of the appliance. Every key stands here, commented out, at its default: take the `#`
# away and change what you want. `sutler config check` tells what is wrong with this file, and
# `sutler config show` what is in force and where it comes from. Each key can also be set in the
# environment (SUTLER_DATA, SUTLER_RETENTION_VIDEOS) and by a flag (--set retention.videos=7d);
# the flag wins over the environment, and that over this file. A change takes effect when the
# appliance is started again; running jobs go on.
";

/// The default file: every key at its default, commented out, with what it is for.
pub fn sample() -> String {
    let mut text = HEAD.to_owned();
    let mut table = None;
    for key in &KEYS {
        let (its_table, name) = key.place();
        if its_table != table {
            table = its_table;
            text += &format!("\n[{}]\n", its_table.unwrap_or_default());
        }
        text += &format!("\n{}#{name} = {}\n", comment(key), key.default);
    }
    text
}

fn comment(key: &Key) -> String {
    let words = format!("{} Takes {}.", key.words, key.expected());
    let mut text = String::new();
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text += &line;
            text.push('\n');
            line = "#".into();
        }
        line.push(' ');
        line += word;
    }
    text + &line + "\n"
}

/// The same with every key taken into force.
#[cfg(test)]
pub(in crate::config) fn uncommented() -> String {
    let is_key = |line: &str| line.strip_prefix('#').is_some_and(|key| !key.starts_with(' '));
    let line = |line: &str| if is_key(line) { line[1..].to_owned() } else { line.to_owned() };
    sample().lines().map(|text| line(text) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_in_the_default_file_with_a_sentence() {
        insta::assert_snapshot!(sample());
    }
}
