//! What was foretold of jobs, compared with what came.

use jiff::Timestamp;
use proptest::{collection::vec, option::of, prelude::*};
use tempfile::tempdir;

use super::sample::{at, ended, job, open, wait};
use crate::{
    model::{
        Foresight, Foretold, JobId, Keepsake, Outlook, Part, PartDuration, Rule, Stage, Verdict,
    },
    store::{Change, Store},
};

/// Starts and ends so many seconds after 1970, and at most `more` later.
fn outlook(start: u64, end: u64, more: u64) -> Outlook {
    let foretold = |moment: u64| Foretold { usual: at(moment), late: at(moment + more) };
    Outlook { start: foretold(start), end: foretold(end) }
}

async fn start(store: &Store, id: JobId, when: Timestamp) {
    store.change(id, Change::Started { at: when, device: None, decision: None }).await.unwrap();
}

#[tokio::test]
async fn what_was_said_first_stands_and_nothing_is_foretold_after_the_end() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let id = store.submit(job(1, 50)).await.unwrap().id;
    let said = |seconds| (id, Stage::Submitted, outlook(seconds, seconds + 10, 5));
    store.foretell(vec![said(20), said(30)]).await.unwrap();
    store.foretell(vec![said(40)]).await.unwrap();
    let first = Foresight { submitted: Some(said(20).2), started: None };
    assert_eq!(store.foresight(id).await.unwrap(), first);

    start(&store, id, at(23)).await;
    store.change(id, ended(29, Verdict::Passed)).await.unwrap();
    store.foretell(vec![(id, Stage::Started, outlook(23, 29, 0))]).await.unwrap();
    store.foretell(vec![(JobId(99), Stage::Started, outlook(23, 29, 0))]).await.unwrap();
    assert_eq!(store.foresight(id).await.unwrap(), first);

    let all = store.accuracies().await.unwrap();
    let [(device_type, Stage::Submitted, accuracy)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(device_type, "qemu-x86_64");
    assert_eq!((accuracy.start.count(), accuracy.start.in_time), (1, 1));
    let near = |found: Option<f64>, millis: f64| (found.unwrap() - millis).abs() < 60.0;
    assert!(near(accuracy.start.quantile(0.5), 3_000.0), "{accuracy:?}");
    assert!(near(accuracy.end.quantile(0.5), -1_000.0), "{accuracy:?}");
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn parts_of_good_jobs_teach_their_device_type_and_waits_of_all() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    for (n, verdict) in [(1, Verdict::Passed), (2, Verdict::Failed), (3, Verdict::Softfailed)] {
        let id = store.submit(job(n, 50)).await.unwrap().id;
        start(&store, id, at(n + 7)).await;
        let mut end = ended(n + 47, verdict);
        if let Change::Ended { parts, .. } = &mut end {
            let part =
                |part: Part, name: &str, millis| PartDuration { part, name: name.into(), millis };
            // Two tests of a job count together.
            *parts = vec![part(Part::Test, "a", 20_000), part(Part::Test, "b", 10_000)];
        }
        store.change(id, end).await.unwrap();
    }
    let waits = job(4, 50);
    let id = store.submit(waits).await.unwrap().id;
    store.change(id, ended(9, Verdict::Canceled)).await.unwrap();
    let times = store.device_times("qemu-x86_64".into()).await.unwrap();
    assert_eq!((times.queue.count(), times.whole.count()), (3, 2));
    assert_eq!((times.queue.max(), times.whole.max()), (Some(7e3), Some(40e3)));
    let parts: Vec<_> = times.parts.iter().map(|(part, sketch)| (*part, sketch.max())).collect();
    assert_eq!(parts, [(Part::Test, Some(30e3))]);
    assert!(store.device_times("other".into()).await.unwrap().whole.is_empty());
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn what_was_learned_stays_when_the_job_is_forgotten() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    for n in 1..=2 {
        let id = store.submit(job(n, 50)).await.unwrap().id;
        store.foretell(vec![(id, Stage::Submitted, outlook(n, n + 5, 0))]).await.unwrap();
        start(&store, id, at(n + 1)).await;
        store.change(id, ended(n + 9, Verdict::Passed)).await.unwrap();
    }
    let gone = |what| Change::Removed { what, at: at(50), rule: Rule::Age { limit_s: 1 } };
    let measured = Change::Measured { video_bytes: 0, results_bytes: 1 };
    store.change(JobId(1), measured).await.unwrap();
    store.change(JobId(1), gone(Keepsake::Results)).await.unwrap();
    for leftover in store.leftovers(9).await.unwrap() {
        store.cleared(leftover).await.unwrap();
    }
    let before = store.accuracies().await.unwrap();
    store.forget(JobId(1)).await.unwrap();
    assert_eq!(store.accuracies().await.unwrap(), before);
    assert_eq!(store.foresight(JobId(1)).await.unwrap(), Foresight::default());
    store.check_consistent().unwrap();
    writer.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever was foretold and came, the tables say what a recount of the jobs says, and the
    /// quantiles are between the least and the greatest miss.
    #[test]
    fn the_sum_is_a_recount(
        jobs in vec((0_u64..900, 0_u64..900, 0_u64..99, 0_u64..900, of(0_u64..900), any::<bool>()), 1..12),
    ) {
        let folder = tempdir().unwrap();
        let (store, writer) = open(&folder.path().join("s"));
        wait(async {
            let (mut misses, mut in_time) = (Vec::new(), 0);
            for (n, (start_at, took, more, came, ran, passed)) in (1..).zip(&jobs) {
                let id = store.submit(job(n, 50)).await.unwrap().id;
                let said = outlook(start_at + n, start_at + n + took, *more);
                store.foretell(vec![(id, Stage::Submitted, said)]).await.unwrap();
                let Some(ran) = ran else { continue };
                start(&store, id, at(came + n)).await;
                let verdict = if *passed { Verdict::Passed } else { Verdict::Failed };
                store.change(id, ended(came + n + ran, verdict)).await.unwrap();
                misses.push(i64::try_from(*came).unwrap() - i64::try_from(*start_at).unwrap());
                in_time += u64::from(*came <= start_at + more);
            }
            store.check_consistent().unwrap();
            let all = store.accuracies().await.unwrap();
            let found = all.first().map(|(_, _, accuracy)| accuracy.start.clone());
            let found = found.unwrap_or_default();
            assert_eq!((found.count(), found.in_time), (misses.len() as u64, in_time));
            misses.sort_unstable();
            for (place, miss) in misses.iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "a few jobs")]
                let share = place as f64 / (misses.len() - 1).max(1) as f64;
                let told = found.quantile(share).unwrap();
                let exact = *miss as f64 * 1e3;
                // A share may fall just below its place.
                let before = misses[place.saturating_sub(1)] as f64 * 1e3;
                let near = |exact: f64| (told - exact).abs() <= exact.abs() * 0.02 + 1.0;
                assert!(near(exact) || near(before), "{told}, not {exact}");
            }
            writer.close().await;
        });
    }
}
