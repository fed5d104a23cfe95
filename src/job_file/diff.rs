//! What differs between two definitions, line by line.

use similar::{ChangeTag, TextDiff};

/// Lines beside a change that are shown with it.
const CONTEXT: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// In both.
    Same,
    Removed,
    Added,
    /// Lines that are in both are left out here.
    Gap,
}

impl Line {
    /// As a unified diff has it.
    pub const fn mark(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Removed => '-',
            Self::Added => '+',
            Self::Gap => '@',
        }
    }
}

/// The lines that differ, with a few around them; none when nothing differs.
pub fn diff(before: &str, after: &str) -> Vec<(Line, String)> {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            lines.push((Line::Gap, String::new()));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = match change.tag() {
                ChangeTag::Equal => Line::Same,
                ChangeTag::Delete => Line::Removed,
                ChangeTag::Insert => Line::Added,
            };
            lines.push((line, change.value().trim_end_matches(['\n', '\r']).to_owned()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_with_a_few_lines_around_it() {
        let before: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let after = before.replace("line 2\n", "line two\n").replace("line 19\n", "");
        let told = diff(&before, &after);
        let text: Vec<_> =
            told.iter().map(|(line, text)| format!("{}{text}", line.mark())).collect();
        let text = text.join("\n");
        assert!(text.starts_with(" line 1\n-line 2\n+line two\n line 3"), "{text}");
        assert!(text.contains("\n@\n line 16"), "{text}");
        assert!(text.contains("-line 19\n line 20"), "{text}");
        assert_eq!(diff(&before, &before), []);
    }
}
