use std::ffi::OsStr;

use super::*;

/// One thing that happens to the name `a`, and the moment it does.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Complete,
    Created,
    Written,
    Listed(u64),
    Gone,
    Looked(Option<u64>),
    LookedAt(Kind),
    Taken(Taken),
}
use Happens::{Complete, Created, Gone, Listed, Looked, LookedAt, Written};

fn looks(size: u64) -> Looks {
    Looks { kind: Kind::File, inode: 1, size, changed_ns: 0 }
}

fn apply(settle: &mut Settle, now: Duration, happens: Happens) {
    let name = OsStr::new("a");
    match happens {
        Complete => settle.complete(now, name),
        Created => settle.created(now, name),
        Written => settle.written(now, name),
        Listed(size) => settle.listed(now, name, looks(size)),
        Gone => settle.gone(name),
        Looked(size) => settle.looked(now, name, size.map(looks)),
        LookedAt(kind) => settle.looked(now, name, Some(Looks { kind, ..looks(5) })),
        Happens::Taken(taken) => settle.taken(now, name, taken),
    }
}

/// What is asked for at `until` after all that.
fn outcome(story: &[(u64, Happens)], until: u64) -> &'static str {
    let mut settle = Settle::new(QUIET);
    for (second, happens) in story {
        let now = Duration::from_secs(*second);
        settle.next(now, 9);
        apply(&mut settle, now, *happens);
    }
    match settle.next(Duration::from_secs(until), 9).as_slice() {
        [] if settle.names.is_empty() => "forgotten",
        [] => "waits",
        [Next::Look(_)] => "look",
        [Next::Take(_)] => "take",
        more => panic!("{more:?}"),
    }
}

#[test]
fn when_it_is_whole() {
    let stuck = Taken::Stuck(looks(5));
    for (case, story, until, expected) in [
        ("a closed file is taken at once", vec![(0, Complete)], 0, "take"),
        ("also when it was seen growing", vec![(0, Written), (9, Complete)], 9, "take"),
        ("a new one is looked at to know what it is", vec![(0, Created)], 0, "look"),
        ("a file waits for its close", vec![(0, Created), (0, Looked(Some(0)))], 59, "waits"),
        ("but not for ever", vec![(0, Created), (0, Looked(Some(0)))], 60, "look"),
        ("each write puts it off", vec![(0, Created), (30, Written)], 89, "waits"),
        ("a folder has none", vec![(0, Created), (0, LookedAt(Kind::Folder))], 2, "look"),
        ("nor a hard link", vec![(0, Created), (0, LookedAt(Kind::Linked))], 2, "look"),
        ("a pipe will not change", vec![(0, Created), (0, LookedAt(Kind::Special))], 0, "take"),
        ("a found one waits", vec![(0, Listed(5))], 1, "waits"),
        ("then is looked at", vec![(0, Listed(5))], 2, "look"),
        ("and taken when it is as it was", vec![(0, Listed(5)), (2, Looked(Some(5)))], 2, "take"),
        ("but not when it grew", vec![(0, Listed(5)), (2, Looked(Some(6)))], 3, "waits"),
        (
            "until it has stopped",
            vec![(0, Listed(5)), (2, Looked(Some(6))), (4, Looked(Some(6)))],
            4,
            "take",
        ),
        ("a listing says nothing new", vec![(0, Written), (1, Listed(5))], 9, "waits"),
        ("one that vanishes is forgotten", vec![(0, Listed(5)), (2, Looked(None))], 9, "forgotten"),
        ("at any time", vec![(0, Written), (1, Gone)], 99, "forgotten"),
        (
            "what was taken is forgotten",
            vec![(0, Complete), (1, Happens::Taken(Taken::Gone))],
            9,
            "forgotten",
        ),
        (
            "but another of its name is not",
            vec![(0, Complete), (1, Complete), (2, Happens::Taken(Taken::Gone))],
            2,
            "look",
        ),
        (
            "what changed under our hands settles again",
            vec![(0, Complete), (1, Happens::Taken(Taken::Changing))],
            3,
            "look",
        ),
        (
            "what cannot be kept is tried again",
            vec![(0, Complete), (1, Happens::Taken(Taken::Later))],
            2,
            "take",
        ),
        (
            "each time later",
            vec![
                (0, Complete),
                (1, Happens::Taken(Taken::Later)),
                (2, Happens::Taken(Taken::Later)),
            ],
            3,
            "waits",
        ),
        (
            "what cannot be removed is left alone",
            vec![(0, Complete), (1, Happens::Taken(stuck)), (2, Listed(5))],
            99,
            "waits",
        ),
        (
            "until it is another",
            vec![(0, Complete), (1, Happens::Taken(stuck)), (2, Listed(6))],
            4,
            "look",
        ),
    ] {
        assert_eq!(outcome(&story, until), expected, "{case}");
    }
}

#[test]
fn a_crowd_is_taken_a_few_at_a_time_and_nobody_is_forgotten() {
    let mut settle = Settle::new(QUIET);
    let now = Duration::ZERO;
    for n in 0..1000 {
        settle.complete(now, OsStr::new(&format!("{n}.yaml")));
    }
    let mut taken = BTreeSet::new();
    while settle.deadline().is_some() {
        let next = settle.next(now, 16);
        assert!(next.len() <= 16);
        for one in next {
            let Next::Take(name) = one else { panic!("{one:?}") };
            settle.taken(now, &name, Taken::Gone);
            taken.insert(name);
        }
    }
    assert_eq!(taken.len(), 1000);
    assert!(settle.names.is_empty());
}
