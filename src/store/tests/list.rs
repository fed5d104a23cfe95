//! Lists against a walk over all jobs, and what a page may cost.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use proptest::prelude::*;
use redb::ReadableTableMetadata as _;
use tempfile::tempdir;

use super::{
    known::{OFF, failure, rule},
    sample::{at, job, open, wait},
};
use crate::{
    decide::access::sees,
    model::{
        Cause, Code, Cursor, Door, Field, Identity, Job, JobFilter, JobId, JobState, Keepsake,
        NewJob, Role, Rule, Sort, SortBy, Submitter, Verdict, Visibility, Who, terms,
    },
    store::{
        Change, JobPage, JobsAsked, Leftover, Reader, Store,
        migrate::META,
        terms::{BY_TERM, DURATION, TERMS},
    },
};

/// What makes a job of these tests differ from others.
#[derive(Debug, Clone)]
struct Made {
    name: u8,
    submitter: u8,
    tags: u8,
    build: Option<u8>,
    lang: u8,
    /// In the order of their making jobs end, start or wait.
    end: Option<(u64, Verdict)>,
    device: Option<u8>,
    /// Public, personal, of a group of the stranger, of that and in a private stream of another.
    hidden: u8,
}

fn administrator() -> Identity {
    Identity::account(0, "root".into(), Some(Role::Administrator), Door::Socket)
}

/// In the group `a`, and has sent nothing.
fn stranger() -> Identity {
    let mut who = Identity::account(77, "eve".into(), Some(Role::Submitter), Door::Socket);
    who.groups = BTreeSet::from(["a".to_owned()]);
    who
}

fn reader(who: &Identity) -> Reader {
    Reader { who: who.clone(), live_too: false }
}

fn made() -> impl Strategy<Value = Made> {
    let verdict = prop::sample::select(vec![Verdict::Passed, Verdict::Failed, Verdict::TimedOut]);
    let build = prop::option::of(0..3_u8);
    let end = prop::option::weighted(0.8, (0..9_u64, verdict));
    (0..6_u8, 0..2_u8, 0..4_u8, build, 0..3_u8, end, prop::option::of(0..2_u8), 0..4_u8).prop_map(
        |(name, submitter, tags, build, lang, end, device, hidden)| Made {
            name,
            submitter,
            tags,
            build,
            lang,
            end,
            device,
            hidden,
        },
    )
}

impl Made {
    fn as_new(&self, n: u64) -> NewJob {
        let pair = |key: &str, value: String| BTreeMap::from([(key.to_owned(), value)]);
        NewJob {
            name: ["a", "ab", "abc", "b", "b*", ""][usize::from(self.name)].into(),
            submitter: Submitter { uid: Some(1), name: format!("user {}", self.submitter) },
            tags: ["uefi", "big"].into_iter().take(self.tags.into()).map(Into::into).collect(),
            metadata: self.build.map(|build| pair("build", build.to_string())).unwrap_or_default(),
            settings: pair("LANG", format!("l{}", self.lang)),
            visibility: match self.hidden {
                0 => Visibility::Public,
                1 => Visibility::Personal,
                _ => Visibility::Group(vec!["a".into()]),
            },
            stream: (self.hidden == 3).then(|| "/private/team/b/x/".into()),
            ..job(n, 50)
        }
    }

    async fn enter(&self, store: &Store, n: u64) {
        let id = store.submit(self.as_new(n)).await.unwrap().id;
        if let Some(device) = self.device {
            let device = Some(format!("bench-{device}"));
            let started = Change::Started { at: at(n), device, decision: None };
            store.change(id, started).await.unwrap();
        }
        if let Some((end, verdict)) = self.end {
            store.change(id, ended(end, verdict)).await.unwrap();
        }
    }
}

fn ended(end: u64, verdict: Verdict) -> Change {
    let mut change = super::sample::ended(end, verdict);
    if let Change::Ended { cause, verdict: Verdict::TimedOut, .. } = &mut change {
        *cause = Some(Cause::new(Who::Host, Code::JobTimeout, "too late"));
    }
    change
}

const SAID: [(&str, &str); 19] = [
    ("state", "ended"),
    ("state", "waiting"),
    ("state", "preparing"),
    ("verdict", "failed"),
    ("verdict", "timed_out"),
    ("who", "host"),
    ("cause", "no_match"),
    ("device", "bench-1"),
    ("tag", "uefi"),
    ("tag", "big"),
    ("submitter", "user 1"),
    ("name", "a*"),
    ("name", "*b*"),
    ("name", "b"),
    ("metadata", "build=1"),
    ("setting", "LANG=l2"),
    ("since", "1970-01-01T00:00:03Z"),
    ("until", "1970-01-01T00:00:06Z"),
    ("submitted_since", "1970-01-01T00:00:09Z"),
];

const SORTS: [&str; 11] = [
    "-ended",
    "ended",
    "verdict",
    "-name",
    "metadata.build",
    "-setting.LANG",
    "tag",
    "number",
    "-number",
    "duration",
    "-duration",
];

/// By a look at every job there is.
fn expected(jobs: &[&Job], filter: &JobFilter, sort: &Sort) -> Vec<JobId> {
    let key = |job: &Job| (job.ended.unwrap(), job.id);
    let fits = |job: &&Job| match job.ended {
        None => filter.fits_live(job) && *sort == Sort::default(),
        Some(end) => {
            let may_be = filter.may_be(JobState::Ended) && filter.ended.holds(end);
            may_be && filter.submitted.holds(job.submitted) && filter.fits_terms(job)
        }
    };
    let (mut live, mut over): (Vec<&Job>, Vec<&Job>) =
        jobs.iter().copied().filter(fits).partition(|job| job.ended.is_none());
    live.sort_by_key(|job| (job.state, job.id));
    over.sort_by_key(|job| Reverse(key(job)));
    let over: Vec<JobId> = match &sort.by {
        SortBy::Ended => {
            let mut ids: Vec<_> = over.iter().map(|job| job.id).collect();
            if !sort.descending {
                ids.reverse();
            }
            ids
        }
        SortBy::Number => by_value(&over, sort, |job| vec![job.id]),
        SortBy::Duration => by_value(&over, sort, |job| {
            let took = |from| job.ended.unwrap().duration_since(from).as_secs().max(0);
            job.started.map(took).into_iter().collect()
        }),
        SortBy::Field { field, key } => by_value(&over, sort, |job| {
            let is = |term: &crate::model::Term<'_>| term.field == *field && term.key == key;
            terms(job).into_iter().filter(is).map(|term| term.value.to_owned()).collect()
        }),
    };
    live.iter().map(|job| job.id).chain(over).collect()
}

/// The newest ends come first, and of equals stay so.
fn by_value<V: Ord>(over: &[&Job], sort: &Sort, of: impl Fn(&Job) -> Vec<V>) -> Vec<JobId> {
    let each = |job: &&Job| of(job).into_iter().map(|value| (value, job.id)).collect::<Vec<_>>();
    let mut ids: Vec<_> = over.iter().flat_map(each).collect();
    ids.sort_by(|(a, _), (b, _)| if sort.descending { b.cmp(a) } else { a.cmp(b) });
    ids.into_iter().map(|(_, id)| id).collect()
}

fn filter(said: &[usize]) -> JobFilter {
    let mut said: Vec<_> = said.iter().map(|index| SAID[*index]).collect();
    said.sort_unstable();
    said.dedup();
    JobFilter::read(said, at(0)).unwrap()
}

/// All pages, each place written and read again.
async fn all(
    store: &Store,
    who: &Identity,
    (filter, sort, limit): (&JobFilter, &Sort, usize),
) -> Vec<JobId> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let asked =
            JobsAsked { filter: filter.clone(), sort: sort.clone(), cursor: cursor.take(), limit };
        let page = store.list(asked, reader(who)).await.unwrap();
        assert!(page.jobs.len() <= limit && !page.is_cut);
        found.extend(page.jobs.iter().map(|job| job.id));
        let Some(next) = page.next else { return found };
        assert_eq!(page.jobs.len(), limit, "only the last page is shorter");
        cursor = Some(Cursor::read(&next.write(sort), sort).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_finds_what_a_look_at_every_job_finds(
        made in prop::collection::vec(made(), 1..24),
        asked in prop::collection::vec(
            (prop::collection::vec(0..SAID.len(), 0..4), 0..SORTS.len(), 1..6_usize), 12,
        ),
    ) {
        let folder = tempdir().unwrap();
        wait(async {
            let (store, writer) = open(&folder.path().join("s"));
            let mut jobs = Vec::new();
            for (n, made) in (1..).zip(&made) {
                made.enter(&store, n).await;
                jobs.push(store.job(JobId(n)).await.unwrap().unwrap());
            }
            store.check_consistent().unwrap();
            for (said, sort, limit) in asked {
                let (filter, sort) = (filter(&said), SORTS[sort].parse().unwrap());
                for who in [&administrator(), &stranger()] {
                    let found = all(&store, who, (&filter, &sort, limit)).await;
                    let seen: Vec<_> = jobs.iter().filter(|job| sees(who, *job)).collect();
                    let expected = expected(&seen, &filter, &sort);
                    assert_eq!(found, expected, "{filter:?} {sort} {who:?}");
                }
            }
            writer.close().await;
        });
    }
}

async fn page(store: &Store, said: &[(&str, &str)], limit: usize) -> JobPage {
    let filter = JobFilter::read(said.iter().copied(), at(0)).unwrap();
    let asked = JobsAsked { filter, limit, ..JobsAsked::default() };
    store.list(asked, reader(&administrator())).await.unwrap()
}

const LIKE_OTHERS: Made = Made {
    name: 0,
    submitter: 0,
    tags: 1,
    build: None,
    lang: 0,
    end: Some((5, Verdict::Passed)),
    device: None,
    hidden: 0,
};

#[tokio::test]
async fn a_forgotten_job_is_found_by_nothing_and_counted_nowhere() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    LIKE_OTHERS.enter(&store, 1).await;
    Made { build: Some(1), ..LIKE_OTHERS }.enter(&store, 2).await;
    let counts = async |said: &[(&str, &str)]| {
        let said: Vec<_> = said.iter().copied().chain([("state", "ended")]).collect();
        let page = page(&store, &said, 9).await;
        (page.jobs.len(), page.in_all)
    };
    assert_eq!(counts(&[]).await, (2, Some(2)));
    assert_eq!(counts(&[("tag", "uefi")]).await, (2, Some(2)));
    assert_eq!(counts(&[("metadata", "build=1")]).await, (1, Some(1)));
    let names = store.values(Field::Metadata, "build".into(), 9).await.unwrap();
    assert_eq!(names, [("1".to_owned(), 1)]);

    let id = JobId(2);
    let what = Keepsake::Results;
    store.change(id, Change::Measured { video_bytes: 0, results_bytes: 1 }).await.unwrap();
    store.change(id, Change::Removed { what, at: at(9), rule: Rule::NotInBackup }).await.unwrap();
    store.cleared(Leftover { job: id, what }).await.unwrap();
    store.forget(id).await.unwrap();
    assert_eq!(counts(&[]).await, (1, Some(1)));
    assert_eq!(counts(&[("tag", "uefi")]).await, (1, Some(1)));
    assert_eq!(counts(&[("metadata", "build=1")]).await, (0, Some(0)));
    assert_eq!(store.values(Field::Metadata, "build".into(), 9).await.unwrap(), []);
    store.check_consistent().unwrap();
    writer.close().await;
}

/// Makes of a closed store what a build of that layout would have left.
fn as_layout_5(path: &Path) {
    let file = redb::Database::open(path).unwrap();
    let txn = file.begin_write().unwrap();
    let mut numbers = BTreeSet::new();
    let is_other = |(field, ..): (u8, &str, &str), (number, _): (u64, u64)| {
        field != DURATION || !numbers.insert(number)
    };
    txn.open_table(TERMS).unwrap().retain(is_other).unwrap();
    let is_other = |(number, ..): (u64, i64, u64), ()| !numbers.contains(&number);
    txn.open_table(BY_TERM).unwrap().retain(is_other).unwrap();
    txn.open_table(META).unwrap().insert("layout", 5).unwrap();
    txn.commit().unwrap();
}

#[tokio::test]
async fn a_store_of_layout_5_learns_how_long_its_jobs_ran() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    LIKE_OTHERS.enter(&store, 1).await;
    // The job of a number starts that many seconds in.
    for (n, end) in [(2, 42), (3, 13), (4, 24)] {
        let end = Some((end, Verdict::Passed));
        Made { device: Some(0), end, ..LIKE_OTHERS }.enter(&store, n).await;
    }
    writer.close().await;
    drop(store);
    as_layout_5(&path);
    let (store, writer) = open(&path);
    store.check_consistent().unwrap();
    let sort: Sort = "-duration".parse().unwrap();
    let found = all(&store, &administrator(), (&JobFilter::default(), &sort, 2)).await;
    assert_eq!(found, [2, 4, 3].map(JobId));
    writer.close().await;
}

#[tokio::test]
async fn a_page_that_would_cost_too_much_says_so_and_goes_on() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    for n in 1..=1_300 {
        LIKE_OTHERS.enter(&store, n).await;
    }
    // Nothing knows how long ago a job was submitted, so each is read.
    let said = [("submitted_until", "1970-01-01T00:00:02Z")];
    let filter = JobFilter::read(said, at(0)).unwrap();
    let (mut pages, mut found, mut cursor) = (0, Vec::new(), None);
    loop {
        let filter = filter.clone();
        let asked = JobsAsked { filter, cursor, limit: 50, ..JobsAsked::default() };
        let page = store.list(asked, reader(&administrator())).await.unwrap();
        pages += 1;
        found.extend(page.jobs.iter().map(|job| job.id.0));
        assert_eq!(page.is_cut, page.next.is_some());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((pages, found), (3, vec![1]));
    writer.close().await;
}

#[tokio::test]
async fn how_many_have_ended_is_told_where_it_is_all_that_the_reader_sees() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let account = |uid: u32, groups: &[&str]| {
        let mut who = Identity::account(uid, "eve".into(), Some(Role::Submitter), Door::Socket);
        who.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        who
    };
    let counted = async |who: &Identity| {
        let said = [("state".to_owned(), "ended".to_owned())];
        let said = said.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let filter = JobFilter::read(said, at(0)).unwrap();
        let asked = JobsAsked { filter, limit: 9, ..JobsAsked::default() };
        let page = store.list(asked, reader(who)).await.unwrap();
        (page.jobs.len(), page.in_all)
    };
    let made = |hidden| Made { hidden, ..LIKE_OTHERS };
    let (owner, member, other) = (account(1, &[]), account(77, &["a"]), account(77, &["c"]));
    made(0).enter(&store, 1).await;
    for who in [&owner, &member, &other] {
        assert_eq!(counted(who).await, (1, Some(1)), "{who:?}");
    }
    made(1).enter(&store, 2).await;
    assert_eq!(counted(&owner).await, (2, Some(2)), "theirs and everybody's");
    assert_eq!(counted(&other).await, (1, Some(1)), "what is somebody's is not counted");
    // A member of the group is not of the team whose stream it is in.
    made(3).enter(&store, 3).await;
    assert_eq!(counted(&owner).await, (3, Some(3)));
    assert_eq!(counted(&member).await, (1, None), "how many of a group's they see is not known");
    assert_eq!(counted(&other).await, (1, Some(1)));
    let root = Identity::account(0, "root".into(), Some(Role::Administrator), Door::Socket);
    assert_eq!(counted(&root).await, (3, Some(3)));
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn what_is_hidden_costs_a_stranger_nothing_and_tells_them_nothing() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let hidden = Made { hidden: 1, ..LIKE_OTHERS };
    for n in 1..=1_500 {
        let made = if n == 7 { LIKE_OTHERS } else { hidden.clone() };
        made.enter(&store, n).await;
    }
    for sort in ["-ended", "ended", "name", "number", "-number"] {
        let asked = JobsAsked { sort: sort.parse().unwrap(), limit: 5, ..JobsAsked::default() };
        let page = store.list(asked, reader(&stranger())).await.unwrap();
        let found: Vec<_> = page.jobs.iter().map(|job| job.id.0).collect();
        assert_eq!((found, page.next, page.is_cut), (vec![7], None, false), "{sort}");
    }
    writer.close().await;
}

#[tokio::test]
async fn a_stranger_s_list_by_name_goes_past_thousands_of_hidden_names() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let hidden = |n: u64| NewJob {
        name: format!("hidden {n:05}"),
        visibility: Visibility::Personal,
        ..job(n, 50)
    };
    futures_util::future::join_all((1..=4_000).map(|n| store.submit(hidden(n)))).await;
    let visibility = Visibility::Public;
    let last = NewJob { name: "seen".into(), visibility, ..job(4_001, 50) };
    store.submit(last).await.unwrap();
    let ends = (1..=4_001).map(|n| store.change(JobId(n), ended(n, Verdict::Passed)));
    futures_util::future::join_all(ends).await;
    let asked = JobsAsked { sort: "name".parse().unwrap(), limit: 5, ..JobsAsked::default() };
    let page = store.list(asked, reader(&stranger())).await.unwrap();
    let found: Vec<_> = page.jobs.iter().map(|job| job.id.0).collect();
    assert_eq!((found, page.next, page.is_cut), (vec![4_001], None, false));
    writer.close().await;
}

#[tokio::test]
async fn a_rule_finds_the_jobs_it_has_marked() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    store.put_rule(rule("slow-mirror", "mirror"), false).await.unwrap();
    for (n, words) in [(1, "the mirror is slow"), (2, "no disk"), (3, "a slow mirror")] {
        let id = store.submit(job(n, 50)).await.unwrap().id;
        let ended = ended(n, Verdict::Failed);
        store.end(id, ended, Some(failure(words)), OFF).await.unwrap();
    }
    let found = page(&store, &[("rule", "slow-mirror"), ("verdict", "failed")], 9).await;
    let found: Vec<_> = found.jobs.iter().map(|job| job.id.0).collect();
    assert_eq!(found, [3, 1]);
    assert_eq!(page(&store, &[("rule", "no-such-rule")], 9).await.jobs, []);
    writer.close().await;
}

#[tokio::test]
async fn what_a_job_is_found_by_has_a_price() {
    const JOBS: u64 = 2_000;
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let each = |n: u64| Made {
        build: Some(u8::try_from(n % 3).unwrap()),
        end: Some((n, if n.is_multiple_of(5) { Verdict::Failed } else { Verdict::Passed })),
        ..LIKE_OTHERS
    };
    futures_util::future::join_all((1..=JOBS).map(|n| store.submit(each(n).as_new(n)))).await;
    let ends = (1..=JOBS).map(|n| {
        let (end, verdict) = each(n).end.unwrap();
        store.change(JobId(n), ended(end, verdict))
    });
    futures_util::future::join_all(ends).await;
    let bytes = store.read(|txn| {
        let by_term = txn.open_table(BY_TERM).unwrap().stats().unwrap();
        let terms = txn.open_table(TERMS).unwrap().stats().unwrap();
        let of = |stats: redb::TableStats| {
            stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes()
        };
        Ok(of(by_term) + of(terms))
    });
    let each = bytes.await.unwrap() / JOBS;
    // Seven things and in one of five two more, of 24 bytes, in pages that are at least half full.
    assert!((168..=480).contains(&each), "{each} bytes a job");
    println!("{each} bytes a job");
    writer.close().await;
}
