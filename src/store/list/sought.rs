//! What a filter wants, as kinds of jobs whose order an index has.

use redb::ReadTransaction;

use crate::{
    decide::access::memberships,
    model::{Field, Identity, JobFilter, Term, Wanted, fits_pattern},
    store::{
        StoreError,
        known::BY_RULE,
        read::Jobs,
        table::{ReadTable, Rows as _, Snapshot as _},
        tables::{BY_END, BY_STATE},
        terms::{self, BY_TERM, TERMS},
    },
};

/// Names that a pattern is tried on, and that may fit it, before the records are asked instead.
const PATTERN_TRIES: usize = 2_000;
const PATTERN_FITS: usize = 64;

/// (end in microseconds since 1970, job number)
pub(super) type Place = (i64, u64);

/// The tables that lists are read from.
pub(super) struct Index {
    pub(super) jobs: Jobs,
    pub(super) by_state: ReadTable<(u8, u8, u64), ()>,
    pub(super) by_end: ReadTable<(i64, u64), ()>,
    pub(super) by_term: ReadTable<(u64, i64, u64), ()>,
    pub(super) by_rule: ReadTable<(&'static str, i64, u64), ()>,
    pub(super) terms: ReadTable<terms::Name<'static>, (u64, u64)>,
}

impl Index {
    pub(super) fn open(txn: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            jobs: Jobs::open(txn)?,
            by_state: txn.table(BY_STATE)?,
            by_end: txn.table(BY_END)?,
            by_term: txn.table(BY_TERM)?,
            by_rule: txn.table(BY_RULE)?,
            terms: txn.table(TERMS)?,
        })
    }

    /// Number of a term and of its jobs; none when no ended job has it.
    pub(super) fn term(
        &self,
        field: Field,
        key: &str,
        value: &str,
    ) -> Result<Option<(u64, u64)>, StoreError> {
        let name = terms::name(Term { field, key, value });
        Ok(self.terms.get(name)?.map(|known| known.value()))
    }
}

/// Jobs of one kind that is wanted.
pub(super) enum Source<'a> {
    /// All that have ended.
    All,
    /// Those that have one of these terms.
    Terms { numbers: Vec<u64>, jobs: u64 },
    /// Those that one of these rules has marked.
    Rules(&'a [String]),
}

impl Source<'_> {
    /// How many there may be; what is not counted counts as many.
    pub(super) fn jobs(&self) -> u64 {
        match self {
            Self::All | Self::Rules(_) => u64::MAX,
            Self::Terms { jobs, .. } => *jobs,
        }
    }

    /// How many looks it takes to ask for one.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::All => 1,
            Self::Terms { numbers, .. } => numbers.len(),
            Self::Rules(rules) => rules.len(),
        }
    }

    /// The next one at `from` or behind it.
    pub(super) fn seek(
        &self,
        index: &Index,
        from: Place,
        down: bool,
    ) -> Result<Option<Place>, StoreError> {
        let mut best: Option<Place> = None;
        let mut offer = |place: Option<Place>| {
            best = match down {
                true => best.max(place),
                false => best.into_iter().chain(place).min(),
            };
        };
        let (end, id) = from;
        match self {
            Self::All => {
                let all = span(from, down, |(end, id)| (end, id));
                let mut range = index.by_end.range(all)?;
                let next = if down { range.next_back() } else { range.next() };
                offer(next.transpose()?.map(|(key, _)| key.value()));
            }
            Self::Terms { numbers, .. } => {
                for number in numbers {
                    let jobs = span((end, id), down, |(end, id)| (*number, end, id));
                    let mut range = index.by_term.range(jobs)?;
                    let next = if down { range.next_back() } else { range.next() };
                    let next = next.transpose()?;
                    offer(next.map(|(key, _)| (key.value().1, key.value().2)));
                }
            }
            Self::Rules(rules) => {
                for rule in *rules {
                    let jobs = span((end, id), down, |(end, id)| (rule.as_str(), end, id));
                    let mut range = index.by_rule.range(jobs)?;
                    let next = if down { range.next_back() } else { range.next() };
                    let next = next.transpose()?;
                    offer(next.map(|(key, _)| (key.value().1, key.value().2)));
                }
            }
        }
        Ok(best)
    }
}

/// What is wanted, as far as an index knows it.
pub(super) struct Resolved<'a> {
    /// A kind no job has has no terms.
    pub(super) sources: Vec<Source<'a>>,
    /// Among these are all that the reader sees; none where that is every job.
    pub(super) seen: Option<Source<'a>>,
    /// Whether something is wanted that none of them stands for.
    pub(super) checks_terms: bool,
}

impl<'a> Resolved<'a> {
    pub(super) fn all(&self) -> impl Iterator<Item = &Source<'a>> {
        self.sources.iter().chain(&self.seen)
    }
}

pub(super) fn seen_by(
    index: &Index,
    who: &Identity,
) -> Result<Option<Source<'static>>, StoreError> {
    if who.is_administrator() {
        return Ok(None);
    }
    let (mut numbers, mut jobs) = (Vec::new(), 0);
    for audience in memberships(who) {
        if let Some((number, its)) = terms::of_audience(&index.terms, &audience)? {
            numbers.push(number);
            jobs += its;
        }
    }
    Ok(Some(Source::Terms { numbers, jobs }))
}

pub(super) fn resolve<'a>(
    index: &Index,
    filter: &'a JobFilter,
    who: &Identity,
) -> Result<Resolved<'a>, StoreError> {
    let seen = seen_by(index, who)?;
    let mut resolved = Resolved { sources: Vec::new(), seen, checks_terms: false };
    for wanted in &filter.wanted {
        match numbers(index, wanted)? {
            Some(known) => {
                let jobs = known.iter().map(|(_, jobs)| jobs).sum();
                let numbers = known.into_iter().map(|(number, _)| number).collect();
                resolved.sources.push(Source::Terms { numbers, jobs });
            }
            None => resolved.checks_terms = true,
        }
    }
    if !filter.rules.is_empty() {
        resolved.sources.push(Source::Rules(&filter.rules));
    }
    Ok(resolved)
}

/// The terms of one kind, each with the number of its jobs; none when there are too many.
fn numbers(index: &Index, wanted: &Wanted) -> Result<Option<Vec<(u64, u64)>>, StoreError> {
    let Wanted { field, key, any } = wanted;
    let mut found = Vec::new();
    for value in any {
        match value.split_once('*').filter(|_| *field == Field::Name) {
            None => found.extend(index.term(*field, key, value)?),
            Some((start, _)) => match matching(index, start, value)? {
                Some(fitting) => found.extend(fitting),
                None => return Ok(None),
            },
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok((found.len() <= PATTERN_FITS).then_some(found))
}

/// The names that fit a pattern, of those that start as it does.
fn matching(
    index: &Index,
    start: &str,
    pattern: &str,
) -> Result<Option<Vec<(u64, u64)>>, StoreError> {
    let field = Field::Name as u8;
    let mut found = Vec::new();
    let names = index.terms.range((field, "", start)..)?;
    for (tried, entry) in names.enumerate() {
        let (name, known) = entry?;
        let (its_field, _, value) = name.value();
        if its_field != field || !value.starts_with(start) {
            break;
        }
        if tried == PATTERN_TRIES || found.len() > PATTERN_FITS {
            return Ok(None);
        }
        if fits_pattern(pattern, value) {
            found.push(known.value());
        }
    }
    Ok(Some(found))
}

/// Whoever has the fewest jobs says first where the next one may be.
pub(super) fn rarest_first<'a, 's>(
    sources: impl IntoIterator<Item = &'a Source<'s>>,
) -> Vec<&'a Source<'s>>
where
    's: 'a,
{
    let mut sources: Vec<_> = sources.into_iter().collect();
    if sources.is_empty() {
        sources.push(&Source::All);
    }
    sources.sort_by_key(|source| source.jobs());
    sources
}

/// From a place to the last one in that direction, as keys.
pub(super) fn span<K>(
    from: Place,
    down: bool,
    key: impl Fn(Place) -> K,
) -> std::ops::RangeInclusive<K> {
    match down {
        true => key(FIRST)..=key(from),
        false => key(from)..=key(LAST),
    }
}

pub(super) const FIRST: Place = (i64::MIN, 0);
pub(super) const LAST: Place = (i64::MAX, u64::MAX);

/// The very next place; none behind the last one.
pub(super) fn behind((end, id): Place, down: bool) -> Option<Place> {
    match down {
        true => id.checked_sub(1).map(|id| (end, id)).or(Some((end.checked_sub(1)?, u64::MAX))),
        false => id.checked_add(1).map(|id| (end, id)).or(Some((end.checked_add(1)?, 0))),
    }
}
