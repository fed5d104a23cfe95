//! A page of the jobs a filter means, at a cost that has a bound.
//!
//! What is wanted is resolved to terms, and the jobs of each are in the order of their ends. The walk
//! keeps one place and asks each kind of what is wanted for its next job at or behind it; where all
//! of them name the same job, it is one. So a page costs what lies between its jobs in the rarest
//! kind, at any depth, and never reads a job that an index can rule out.
//!
//! ```text
//! verdict=failed    9 . . 6 5 . . 2 1      place: 9 -> 7 -> 6: found, 5 -> 4 -> 2: found
//! setting LANG=de   . 8 7 6 . 4 . 2 .
//! ```
//!
//! Who may look is such a kind too, so what is hidden from somebody costs them nothing and no page of
//! theirs ends at it.
//!
//! A list by number has the order of the records themselves. Where something is wanted that few have,
//! the numbers of those few are put in order; else each record is looked at.
//!
//! Some filters have no index: when a job was submitted, a pattern that too many names fit, and all
//! there is to ask of jobs that have not ended. They are checked on the record. When [`STEPS`] are
//! used up, the page says so, and its next one goes on from there.

mod sought;

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
};

use redb::ReadTransaction;

use self::sought::{
    FIRST, Index, LAST, Place, Resolved, Source, behind, rarest_first, resolve, span,
};
use super::{StoreError, read, table::Rows as _, terms};
use crate::{
    decide::access::{memberships, sees},
    model::{
        Audience, Cursor, Field, Identity, Job, JobFilter, JobId, JobState, Priority, Sort, SortBy,
        Wanted,
    },
};

/// What one page may cost, in looks into an index.
const STEPS: usize = 6_000;
/// The same of a list that is not sorted by ends, for whom all is not shown: most values and numbers may
/// be those of hidden jobs, and no page of theirs may end at a value of one.
const STEPS_UNSEEN: usize = 100_000;
/// So many jobs are few: their numbers are put in order for each page of a list by number.
const FEW: u64 = 20_000;
/// What reading a job costs that is not meant.
const RECORD: usize = 10;
/// How much earlier than its submission a job may seem to have ended, as when a clock was set.
const CLOCK_US: i64 = 86_400_000_000;

/// Which jobs are asked for.
#[derive(Debug, Clone, Default)]
pub struct JobsAsked {
    pub filter: JobFilter,
    /// Any but the usual one is of ended jobs only.
    pub sort: Sort,
    /// Where the page begins.
    pub cursor: Option<Cursor>,
    pub limit: usize,
}

/// Some of the jobs that were asked for, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    pub jobs: Vec<Job>,
    /// Where the next page begins; none when this was the last.
    pub next: Option<Cursor>,
    /// Whether it ended early, because it would have cost too much. The next one goes on.
    pub is_cut: bool,
    /// How many there are in all that its reader sees, where that is counted; of one value all there
    /// are, which only administrators may be told.
    pub in_all: Option<u64>,
}

/// Whom a list is for.
#[derive(Debug, Clone)]
pub struct Reader {
    pub who: Identity,
    /// Jobs that have not ended are listed though they may not be seen: whoever shows them veils them.
    pub live_too: bool,
}

pub(super) fn list(
    txn: &ReadTransaction,
    asked: &JobsAsked,
    reader: &Reader,
) -> Result<JobPage, StoreError> {
    let index = Index::open(txn)?;
    let mut walk = Walk {
        index: &index,
        filter: &asked.filter,
        reader,
        checks_terms: false,
        left: STEPS,
        limit: asked.limit,
        found: Vec::new(),
        places: Vec::new(),
    };
    let mut stop = walk.live(asked)?;
    if stop.is_none() && asked.filter.may_be(JobState::Ended) {
        stop = walk.ended(&asked.sort, asked.cursor.as_ref())?;
    }
    let in_all = walk.in_all(txn, asked)?;
    let Walk { mut found, places, .. } = walk;
    found.truncate(asked.limit);
    let (next, is_cut) = match stop {
        None => (None, false),
        Some(Stop::Full) => (places.into_iter().nth(asked.limit.saturating_sub(1)), false),
        Some(Stop::Spent(place)) => (Some(place), true),
    };
    Ok(JobPage { jobs: found, next, is_cut, in_all })
}

/// Why a walk has not come to its end.
enum Stop {
    /// There is at least one job more than fit on the page.
    Full,
    /// It has cost enough. All up to this place has been looked at.
    Spent(Cursor),
}

/// The number behind one, or the first.
fn next_of(numbers: &BTreeSet<u64>, last: Option<u64>, down: bool) -> Option<u64> {
    let next = match (last, down) {
        (None, true) => numbers.last(),
        (None, false) => numbers.first(),
        (Some(last), true) => numbers.range(..last).next_back(),
        (Some(last), false) => numbers.range((Excluded(last), Unbounded)).next(),
    };
    next.copied()
}

struct Walk<'a> {
    index: &'a Index,
    filter: &'a JobFilter,
    reader: &'a Reader,
    /// Whether an index has not ruled out all that is not wanted.
    checks_terms: bool,
    /// Steps.
    left: usize,
    limit: usize,
    /// One more than fit when there is one more.
    found: Vec<Job>,
    /// Of each of them.
    places: Vec<Cursor>,
}

impl Walk<'_> {
    fn has_left(&mut self, cost: usize) -> bool {
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether the page is full now.
    fn push(&mut self, job: Job, place: Cursor) -> bool {
        self.found.push(job);
        self.places.push(place);
        self.found.len() > self.limit
    }

    /// Those that have not ended: state by state, best first.
    fn live(&mut self, asked: &JobsAsked) -> Result<Option<Stop>, StoreError> {
        let after = match &asked.cursor {
            Some(Cursor::Ended { .. } | Cursor::Number(_)) => return Ok(None),
            Some(Cursor::Live { state, priority, id }) => {
                Some((*state as u8, u8::MAX - priority.0, id.0))
            }
            None => None,
        };
        let no_end =
            |wanted: &Wanted| matches!(wanted.field, Field::Verdict | Field::Who | Field::Code);
        let filter = self.filter;
        if asked.sort != Sort::default()
            || !filter.ended.is_always()
            || !filter.rules.is_empty()
            || filter.wanted.iter().any(no_end)
        {
            return Ok(None);
        }
        for state in JobState::ALL {
            if state == JobState::Ended || !filter.may_be(state) {
                continue;
            }
            let first = (state as u8, 0, 0);
            let from = after.filter(|after| after.0 == state as u8);
            if after.is_some_and(|after| after.0 > state as u8) {
                continue;
            }
            let from = from.map_or(first, |(state, rank, id)| (state, rank, id.saturating_add(1)));
            let to = (state as u8, u8::MAX, u64::MAX);
            for entry in self.index.by_state.range(from..=to)? {
                let (_, rank, id) = entry?.0.value();
                let priority = Priority(u8::MAX - rank);
                let place = Cursor::Live { state, priority, id: JobId(id) };
                let job = self.index.jobs.indexed(id)?;
                let fits = filter.fits_live(&job) && self.shows(&job);
                if fits {
                    if self.push(job, place) {
                        return Ok(Some(Stop::Full));
                    }
                } else if !self.has_left(RECORD) {
                    return Ok(Some(Stop::Spent(place)));
                }
            }
        }
        Ok(None)
    }

    /// Those that have.
    fn ended(&mut self, sort: &Sort, cursor: Option<&Cursor>) -> Result<Option<Stop>, StoreError> {
        let sought = resolve(self.index, self.filter, &self.reader.who)?;
        self.checks_terms = sought.checks_terms;
        if sought.all().any(|source| source.cost() == 0) {
            return Ok(None);
        }
        let (value, place) = match cursor {
            Some(Cursor::Ended { value, ended_us, id }) => {
                (value.as_deref(), Some((*ended_us, id.0)))
            }
            Some(Cursor::Live { .. } | Cursor::Number(_)) | None => (None, None),
        };
        if sought.seen.is_some() && sort.by != SortBy::Ended {
            self.left = STEPS_UNSEEN;
        }
        match &sort.by {
            SortBy::Ended => {
                let sources = rarest_first(sought.all());
                self.by_end(&sources, sought.seen.as_ref(), None, place, sort.descending)
            }
            SortBy::Number => {
                let after = match cursor {
                    Some(Cursor::Number(id)) => Some(id.0),
                    Some(Cursor::Live { .. } | Cursor::Ended { .. }) | None => None,
                };
                self.by_number(&sought, after, sort.descending)
            }
            SortBy::Duration => {
                let values = (terms::DURATION, "", sort.descending);
                self.by_value(values, &sought, value.zip(place))
            }
            SortBy::Field { field, key } => {
                let values = (*field as u8, &**key, sort.descending);
                self.by_value(values, &sought, value.zip(place))
            }
        }
    }

    /// Value by value, and of each the newest end first.
    fn by_value(
        &mut self,
        (field, key, descending): (u8, &str, bool),
        sought: &Resolved<'_>,
        after: Option<(&str, Place)>,
    ) -> Result<Option<Stop>, StoreError> {
        let begin = after.map_or("", |(value, _)| value);
        let mut range = match (descending, after) {
            (false, _) => self.index.terms.range((field, key, begin)..),
            (true, Some(_)) => self.index.terms.range(..=(field, key, begin)),
            // No text is directly before the next key, but it is directly behind this one with a 0.
            (true, None) => {
                let next = format!("{key}\0");
                self.index.terms.range(..(field, next.as_str(), ""))
            }
        }?;
        loop {
            let entry = if descending { range.next_back() } else { range.next() };
            let Some((name, known)) = entry.transpose()? else { break };
            let (its_field, its_key, value) = name.value();
            if (its_field, its_key) != (field, key) {
                break;
            }
            let place = after.filter(|(begun, _)| *begun == value).map(|(_, place)| place);
            let (number, jobs) = known.value();
            let of_value = Source::Terms { numbers: vec![number], jobs };
            let these = rarest_first(sought.all().chain([&of_value]));
            let stop = self.by_end(&these, sought.seen.as_ref(), Some(value), place, true)?;
            if stop.is_some() {
                return Ok(stop);
            }
        }
        Ok(None)
    }

    /// Number by number, behind one.
    fn by_number(
        &mut self,
        sought: &Resolved<'_>,
        after: Option<u64>,
        down: bool,
    ) -> Result<Option<Stop>, StoreError> {
        let few = self.few(sought)?;
        self.checks_terms = true;
        let mut last = after;
        loop {
            let next = match &few {
                Some(few) => next_of(few, last, down),
                None => self.index.jobs.next(last, down)?,
            };
            let Some(id) = next else { return Ok(None) };
            let place = Cursor::Number(JobId(id));
            let job = self.index.jobs.indexed(id)?;
            if self.is_meant(&job)? {
                if self.push(job, place) {
                    return Ok(Some(Stop::Full));
                }
            } else if !self.has_left(RECORD) {
                return Ok(Some(Stop::Spent(place)));
            }
            last = Some(id);
        }
    }

    /// The numbers of the jobs of the rarest kind that is wanted, where those are few.
    fn few(&self, sought: &Resolved<'_>) -> Result<Option<BTreeSet<u64>>, StoreError> {
        let rarest = sought.all().min_by_key(|source| source.jobs());
        let Some(Source::Terms { numbers, jobs: ..=FEW }) = rarest else { return Ok(None) };
        let mut few = BTreeSet::new();
        for number in numbers {
            let jobs = span(FIRST, false, |(end, id)| (*number, end, id));
            for entry in self.index.by_term.range(jobs)? {
                few.insert(entry?.0.value().2);
            }
        }
        Ok(Some(few))
    }

    /// Whether a job is one of those that have ended and are wanted, by its record alone.
    fn is_meant(&self, job: &Job) -> Result<bool, StoreError> {
        let rules = &self.filter.rules;
        let Some(ended) = job.ended else { return Ok(false) };
        Ok(self.filter.ended.holds(ended)
            && self.fits(job)
            && (rules.is_empty() || self.index.jobs.is_marked(job.id.0, rules)?))
    }

    /// All that each of the sources has, behind a place. The rarest comes first. One of them is `seen`:
    /// where it ends early is told as a place of that one.
    fn by_end(
        &mut self,
        sources: &[&Source<'_>],
        seen: Option<&Source<'_>>,
        value: Option<&str>,
        after: Option<Place>,
        down: bool,
    ) -> Result<Option<Stop>, StoreError> {
        let Some((first, last)) = self.bounds(down) else { return Ok(None) };
        let from = match after.map(|place| behind(place, down)) {
            None => first,
            Some(None) => return Ok(None),
            Some(Some(place)) if down => place.min(first),
            Some(Some(place)) => place.max(first),
        };
        let cursor = |(ended_us, id): Place| Cursor::Ended {
            value: value.map(ToOwned::to_owned),
            ended_us,
            id: JobId(id),
        };
        // What is behind `at` has been looked at, and all before this turn's source have a job at it.
        let (mut at, mut turn) = (from, 0);
        while let Some(source) = sources.get(turn) {
            if !self.has_left(source.cost()) {
                // Everything before `at` is done, `at` itself is not.
                let left = match seen {
                    Some(seen) => seen.seek(self.index, at, down)?,
                    None => Some(at),
                };
                let done = left.map(|at| behind(at, !down).unwrap_or(at));
                return Ok(done.map(|place| Stop::Spent(cursor(place))));
            }
            let Some(next) = source.seek(self.index, at, down)? else { return Ok(None) };
            if if down { next < last } else { next > last } {
                return Ok(None);
            }
            // Where one of the others is further on, the rarest is likely to be further still.
            turn = if turn == 0 || next == at { turn + 1 } else { 0 };
            at = next;
            if turn < sources.len() {
                continue;
            }
            turn = 0;
            let job = self.index.jobs.indexed(at.1)?;
            if self.fits(&job) {
                if self.push(job, cursor(at)) {
                    return Ok(Some(Stop::Full));
                }
            } else if !self.has_left(RECORD) {
                return Ok(Some(Stop::Spent(cursor(at))));
            }
            match behind(at, down) {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// What no index has said.
    fn fits(&self, job: &Job) -> bool {
        self.filter.submitted.holds(job.submitted)
            && (!self.checks_terms || self.filter.fits_terms(job))
            && self.shows(job)
    }

    fn shows(&self, job: &Job) -> bool {
        self.reader.live_too && job.state != JobState::Ended || sees(&self.reader.who, job)
    }

    /// The first and the last place that can be meant; none when none can.
    fn bounds(&self, down: bool) -> Option<(Place, Place)> {
        let us = |at: jiff::Timestamp| at.as_microsecond();
        let ended = self.filter.ended;
        let submitted = self.filter.submitted.since.map(|at| us(at).saturating_sub(CLOCK_US));
        let since = ended.since.map(us).into_iter().chain(submitted).max();
        let low = since.map_or(FIRST, |since| (since, 0));
        let high = match ended.until {
            Some(until) => (us(until).checked_sub(1)?, u64::MAX),
            None => LAST,
        };
        (low <= high).then_some(if down { (high, low) } else { (low, high) })
    }

    fn in_all(&self, txn: &ReadTransaction, asked: &JobsAsked) -> Result<Option<u64>, StoreError> {
        let filter = &asked.filter;
        let ended_only = filter.states.iter().eq([&JobState::Ended]);
        let times = filter.ended.is_always() && filter.submitted.is_always();
        let is_all = matches!(asked.sort.by, SortBy::Ended | SortBy::Number);
        if !ended_only || !times || !filter.rules.is_empty() || !is_all {
            return Ok(None);
        }
        match filter.wanted.as_slice() {
            [] if self.reader.who.is_administrator() => {
                Ok(Some(read::counts(txn)?.state(JobState::Ended)))
            }
            [] => self.ended_seen(),
            [Wanted { field, key, any }] if any.len() == 1 && !any[0].contains('*') => {
                Ok(Some(self.index.term(*field, key, &any[0])?.map_or(0, |(_, jobs)| jobs)))
            }
            _ => Ok(None),
        }
    }

    /// How many ended jobs the reader sees, where that is known without looking at them: what everyone
    /// may look at is of no other audience, but others have jobs in common, and not everybody in a
    /// group sees all that is for it.
    fn ended_seen(&self) -> Result<Option<u64>, StoreError> {
        let (mut everyones, mut own) = (0, None);
        for audience in memberships(&self.reader.who) {
            let Some((_, jobs)) = terms::of_audience(&self.index.terms, &audience)? else {
                continue;
            };
            match audience {
                Audience::Everyone => everyones = jobs,
                Audience::Account(_) | Audience::User(_) if own.is_none() => own = Some(jobs),
                Audience::Account(_) | Audience::User(_) | Audience::Group(_) => return Ok(None),
            }
        }
        Ok(Some(everyones + own.unwrap_or(0)))
    }
}
