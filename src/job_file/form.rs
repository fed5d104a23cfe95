//! What may stand in a job file, told once.
//!
//! A [`Form`] says which keys a block has, a [`Kind`] what may be written as a value. The reader
//! asks them which keys are known, the JSON Schema and the handbook's reference are written from
//! them, and so the three cannot tell different stories: a key that is read and not in its form, or
//! in its form and never read, stops every test that comes by.

/// Whose block a map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// An unknown key is a warning, as LAVA has more keys than we.
    Lava,
    Ours,
}

/// A map with known keys.
#[derive(Debug)]
pub(super) struct Form {
    /// Its name in the schema, and its heading and anchor in the handbook.
    pub(super) name: &'static str,
    pub(super) block: Block,
    /// What is expected where it stands: `a map: …`.
    pub(super) looks: &'static str,
    /// Markdown.
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
    /// What several forms have.
    pub(super) common: Option<&'static Self>,
    /// Keys that mean something we do not do, and why.
    pub(super) refused: &'static [NotDone],
    /// The same, where it does not change what the job comes to.
    pub(super) ignored: &'static [NotDone],
}

/// A key and why it does nothing here.
pub(super) type NotDone = (&'static str, &'static str);

impl Form {
    /// A form without keys, for others to be made from.
    pub(super) const fn new(name: &'static str, block: Block, looks: &'static str) -> Self {
        Self { name, block, looks, doc: "", keys: &[], common: None, refused: &[], ignored: &[] }
    }

    /// This one, then what it has in common with others.
    fn parts(&self) -> impl Iterator<Item = &Self> {
        [Some(self), self.common].into_iter().flatten()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.parts().flat_map(|form| form.keys)
    }

    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    pub(super) fn refused(&self) -> impl Iterator<Item = NotDone> {
        self.parts().flat_map(|form| form.refused).copied()
    }

    pub(super) fn ignored(&self) -> impl Iterator<Item = NotDone> {
        self.parts().flat_map(|form| form.ignored).copied()
    }
}

/// One key of a form.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Markdown, one sentence or a few.
    pub(super) doc: &'static str,
    /// For a key that must be there: what it is expected with.
    pub(super) needed: Option<&'static str>,
    /// What it is when it is not there, as one would write it.
    pub(super) usual: Option<&'static str>,
    /// A value, where the kind's own example would not do.
    pub(super) example: Option<&'static str>,
    /// Ours, in a block of LAVA's.
    pub(super) is_ours: bool,
}

impl Key {
    pub(super) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, doc, needed: None, usual: None, example: None, is_ours: false }
    }

    pub(super) const fn needed(self, expected: &'static str) -> Self {
        Self { needed: Some(expected), ..self }
    }

    pub(super) const fn usual(self, usual: &'static str) -> Self {
        Self { usual: Some(usual), ..self }
    }

    pub(super) const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    pub(super) const fn ours(self) -> Self {
        Self { is_ours: true, ..self }
    }
}

/// What a value may be. Lengths are bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Any scalar, as it was written.
    Text {
        longest: usize,
    },
    /// Text in one line, not empty.
    Line {
        longest: usize,
    },
    /// Letters, digits and `_-.`.
    Name {
        longest: usize,
    },
    /// One of a few words, in any case.
    Words(&'static [Word]),
    /// The same; `false` and its like are one of them, which YAML makes of `off` and `no`.
    WordsOrFalse(&'static [Word]),
    Switch,
    /// A switch, or os-autoinst's 1 and 0.
    Flag,
    Number {
        least: u64,
        most: u64,
    },
    Real {
        least: f64,
        most: f64,
    },
    Duration {
        bare: Bare,
        is_zero_fine: bool,
    },
    Memory,
    /// A path or `file:///` URL on this box.
    Path,
    Sum,
    /// `/public/team/`.
    Stream,
    /// What `send_key` presses.
    Keys,
    /// What `type_string` types.
    Typed {
        longest: usize,
    },
    Regex {
        longest: usize,
    },
    List {
        of: &'static Self,
        least: usize,
        most: usize,
    },
    /// One, or a list of them.
    OneOrMore {
        of: &'static Self,
        most: usize,
    },
    Form(&'static Form),
    /// A file: its path, or a form that names it.
    PathOr(&'static Form),
    /// A map whose keys are its author's: names as this pattern has it.
    Map {
        names: &'static str,
        of: &'static Self,
        least: usize,
        most: usize,
    },
    /// Either is fine.
    Either(&'static Self, &'static Self),
    /// A step by its verb, or several under a `module`.
    Item,
    /// A step by its verb.
    Step,
    Nothing,
    Anything,
}

/// What a number without a unit means where a duration is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    Seconds,
    /// In LAVA's blocks it could be minutes as well.
    Refused,
}

/// One of a few words a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) name: &'static str,
    /// May be empty where the word says it all.
    pub(super) doc: &'static str,
}

/// A word, what it stands for, and what that is.
pub(super) type Choice<T> = (&'static str, T, &'static str);

/// The words of a table of choices.
pub(super) const fn words<T: Copy, const N: usize>(choices: &[Choice<T>; N]) -> [Word; N] {
    let mut words = [Word { name: "", doc: "" }; N];
    let mut index = 0;
    while index < N {
        words[index] = Word { name: choices[index].0, doc: choices[index].2 };
        index += 1;
    }
    words
}
