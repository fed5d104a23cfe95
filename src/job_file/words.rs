//! Splits a line into words as a shell would, without anything a shell would do with them.

/// Words of one line, at most.
const MOST_WORDS: usize = 200;

/// Why a line has no words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsplit {
    Quote,
    Backslash,
    TooMany,
}

/// Blanks part words; `'…'` is verbatim; in `"…"` a backslash protects `"` and `\`; outside of
/// quotes it protects anything. That is Python's `shlex`, which LAVA uses.
pub(super) fn split(line: &str) -> Result<Vec<String>, Unsplit> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or(Unsplit::Quote)? {
                        '\'' => break,
                        char => word.push(char),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or(Unsplit::Quote)? {
                        '"' => break,
                        '\\' => match chars.next().ok_or(Unsplit::Quote)? {
                            char @ ('"' | '\\') => word.push(char),
                            char => word.extend(['\\', char]),
                        },
                        char => word.push(char),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next().ok_or(Unsplit::Backslash)?),
            char => word.get_or_insert_default().push(char),
        }
        if words.len() > MOST_WORDS {
            return Err(Unsplit::TooMany);
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        for (line, want) in [
            ("", vec![]),
            ("  -kernel  {k} ", vec!["-kernel", "{k}"]),
            ("-append \"a=1 b\"", vec!["-append", "a=1 b"]),
            ("'a \"b\" \\'c\"d 'e\"", vec!["a \"b\" \\cd 'e"]),
            (r#""a\"b\\c\n" d\ e"#, vec![r#"a"b\c\n"#, "d e"]),
            ("''", vec![""]),
            ("$HOME `id` ; rm", vec!["$HOME", "`id`", ";", "rm"]),
        ] {
            assert_eq!(split(line), Ok(want.into_iter().map(str::to_owned).collect()), "{line}");
        }
        assert_eq!(split("\"abc"), Err(Unsplit::Quote));
        assert_eq!(split("abc\\"), Err(Unsplit::Backslash));
        assert_eq!(split(&"a ".repeat(1_000)), Err(Unsplit::TooMany));
    }
}
