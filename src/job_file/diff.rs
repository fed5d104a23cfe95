//! What differs between two definitions, line by line.

use std::time::Duration;

use serde::Serialize;
use similar::{Change, ChangeTag, TextDiff};
use utoipa::ToSchema;

/// Lines beside a change that are shown with it.
const CONTEXT: usize = 3;
/// How long the shortest way from one to the other is looked for. After it some way is told.
const LONGEST: Duration = Duration::from_secs(1);

/// Lines that follow one another and differ, with a few around them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DiffHunk)]
pub struct Hunk {
    pub lines: Vec<Line>,
}

/// A line of one of the two, or of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DiffLine)]
pub struct Line {
    pub kind: Kind,
    /// Its number in the first definition, from 1; none for one that was added.
    #[schema(minimum = 1)]
    pub old: Option<usize>,
    /// Its number in the second definition, from 1; none for one that was removed.
    #[schema(minimum = 1)]
    pub new: Option<usize>,
    /// Without its line feed.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DiffKind)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// In both.
    Same,
    Removed,
    Added,
}

impl Kind {
    /// As a unified diff has it.
    pub const fn mark(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Removed => '-',
            Self::Added => '+',
        }
    }
}

impl Line {
    fn of(change: &Change<&str>) -> Self {
        let kind = match change.tag() {
            ChangeTag::Equal => Kind::Same,
            ChangeTag::Delete => Kind::Removed,
            ChangeTag::Insert => Kind::Added,
        };
        let number = |index: Option<usize>| index.map(|index| index + 1);
        let text = change.value().trim_end_matches(['\n', '\r']).to_owned();
        Self { kind, old: number(change.old_index()), new: number(change.new_index()), text }
    }
}

/// The places that differ, in their order; none when nothing differs.
pub fn diff(before: &str, after: &str) -> Vec<Hunk> {
    let diff = TextDiff::configure().timeout(LONGEST).diff_lines(before, after);
    let lines = |group: &Vec<_>| {
        group.iter().flat_map(|op| diff.iter_changes(op)).map(|change| Line::of(&change)).collect()
    };
    diff.grouped_ops(CONTEXT).iter().map(|group| Hunk { lines: lines(group) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_with_a_few_lines_around_it() {
        let before: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let after = before.replace("line 2\n", "line two\n").replace("line 19\n", "");
        let told = diff(&before, &after);
        let text = |hunk: &Hunk| -> Vec<_> {
            hunk.lines.iter().map(|line| format!("{}{}", line.kind.mark(), line.text)).collect()
        };
        assert_eq!(told.len(), 2);
        let first = [" line 1", "-line 2", "+line two", " line 3", " line 4", " line 5"];
        assert_eq!(text(&told[0]), first);
        assert_eq!(text(&told[1]), [" line 16", " line 17", " line 18", "-line 19", " line 20"]);
        let numbers = |line: &Line| (line.old, line.new);
        let last: Vec<_> = told[1].lines[2..].iter().map(numbers).collect();
        assert_eq!(last, [(Some(18), Some(18)), (Some(19), None), (Some(20), Some(19))]);
        assert_eq!(numbers(&told[0].lines[2]), (None, Some(2)));
        assert_eq!(diff(&before, &before), []);
    }
}
