//! A month of a busy lab, played through in seconds: a hundred devices of four types, a hundred thousand
//! jobs of uneven submitters, devices that go out of service, jobs that overstay, fail, are retried,
//! canceled, moved, and wait for each other.
//!
//! What is played is the decision itself, as the appliance makes it. After each one it is looked at from
//! outside: has somebody been forgotten, is something idle that could work, was a promise kept?

use jiff::Timestamp;
use sutler::model::JobId;

mod dice;
mod facts;
mod learned;
mod month;
mod records;
mod report;
mod work;

use month::Month;
use report::Told;

/// Decisions from one play of the queue to the next.
const PLAYS: u64 = 4_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What is said now of the newest job and of all that wait for another one.
fn foretell(month: &Month, now: i64, newest: JobId) -> Vec<Told> {
    let outlooks = month.foretell(now);
    let blocked = month.blocked().keys().copied().filter(|id| *id != newest);
    let all = blocked.chain([newest]).filter_map(|id| {
        let is_blocked = month.blocked().contains_key(&id);
        Some(Told { id, is_blocked, outlook: *outlooks.get(&id)? })
    });
    all.collect()
}

#[test]
fn a_month_of_a_busy_lab() {
    let mut month = Month::new();
    let mut told = Vec::new();
    let (mut decisions, mut next_play) = (0, PLAYS);
    let mut longest_queue = 0;
    while let Some((now, newest)) = month.happens() {
        month.decides(now);
        decisions += 1;
        longest_queue = longest_queue.max(month.in_line());
        if let Some(newest) = newest.filter(|_| decisions >= next_play) {
            next_play += PLAYS;
            told.extend(foretell(&month, now, newest));
        }
    }
    eprintln!("{decisions} decisions; at most {longest_queue} waited for their turn");
    assert!(month.is_over());
    assert_eq!(month.counts.ended, month.counts.all(), "none is lost");
    month.records.dependencies_were_kept();
    report::counts(&month);
    report::waits(&month);
    report::learned(&month.learned.hits);
    report::foretold(&month, &told);
}
