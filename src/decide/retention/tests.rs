use proptest::{collection::vec, prelude::*};

use super::*;

const DAY: u64 = 86_400;
const MIB: u64 = 1 << 20;

fn day(days: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(days * DAY).unwrap()).unwrap()
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

/// Job `n` ended on day `n` and holds as many MiB of each kind as are named.
fn oldest(mib: &[u64]) -> Oldest {
    let list =
        (1..).zip(mib).map(|(n, mib)| Candidate { job: JobId(n), ended: day(n), bytes: mib * MIB });
    Oldest { list: list.collect(), more: false }
}

fn keep(videos: Option<u64>, results: Option<u64>, records: Option<u64>) -> Retention {
    Retention {
        videos: videos.map(days),
        results: results.map(days),
        records: records.map(days),
        least_free_mib: 100,
        most_mib: None,
    }
}

/// `video 1` for a removal by age, `video 1!` for one before its time.
fn words(plan: &Plan) -> Vec<String> {
    let mark = |rule| if matches!(rule, Rule::Age { .. }) { "" } else { "!" };
    plan.remove.iter().map(|one| format!("{} {}{}", one.what, one.job, mark(one.rule))).collect()
}

#[test]
fn the_old_goes_by_age_and_the_oldest_before_its_time_when_space_is_short() {
    let forever = keep(None, None, None);
    let month = keep(Some(30), Some(180), None);
    let most = |mib| Retention { most_mib: Some(mib), ..forever };
    let (videos, results) = ([10, 20, 30], [1, 1, 1, 1]);
    for (case, keep, now, free, held, expected, again) in [
        ("nothing is old", month, 20, 500, 64, &[][..], Some(day(31))),
        ("a day too early", month, 30, 500, 64, &[], Some(day(31))),
        ("the first is old", month, 31, 500, 64, &["video 1"], Some(day(32))),
        (
            "all videos are old",
            month,
            99,
            500,
            64,
            &["video 1", "video 2", "video 3"],
            Some(day(181)),
        ),
        (
            "results wait longer",
            month,
            181,
            500,
            64,
            &["video 1", "video 2", "video 3", "results 1"],
            Some(day(182)),
        ),
        ("for ever", forever, 9_999, 500, 64, &[], None),
        ("one is enough", forever, 5, 90, 64, &["video 1!"], None),
        ("two are enough", forever, 5, 80, 64, &["video 1!", "video 2!"], None),
        (
            "results come last",
            forever,
            5,
            39,
            64,
            &["video 1!", "video 2!", "video 3!", "results 1!"],
            None,
        ),
        (
            "all there is",
            forever,
            5,
            0,
            64,
            &[
                "video 1!",
                "video 2!",
                "video 3!",
                "results 1!",
                "results 2!",
                "results 3!",
                "results 4!",
            ],
            None,
        ),
        ("what age frees counts", month, 31, 90, 64, &["video 1"], Some(day(32))),
        ("age, then space", month, 31, 80, 64, &["video 1", "video 2!"], Some(day(33))),
        ("too much in all", most(50), 5, 500, 64, &["video 1!", "video 2!"], None),
        ("just as much as may be", most(64), 5, 500, 64, &[], None),
    ] {
        let candidates = Candidates {
            videos: oldest(&videos),
            results: oldest(&results),
            records: Oldest::default(),
        };
        let space = Space { free: free * MIB, held: held * MIB };
        let plan = plan(day(now), &keep, space, &candidates);
        assert_eq!(words(&plan), expected, "{case}");
        // What goes before its time may leave the next look where it was.
        assert!(plan.look_again <= again || again.is_none(), "{case}: {:?}", plan.look_again);
        assert_eq!(plan.look_again.is_some(), again.is_some(), "{case}");
    }
}

#[test]
fn nothing_outlives_what_it_belongs_to() {
    let limit = |keep: &Retention, what| age_limit(keep, what).map(|limit| limit.as_secs() / DAY);
    for (keep, limits) in [
        (keep(Some(30), Some(180), None), [Some(30), Some(180), None]),
        (keep(Some(30), Some(7), None), [Some(7), Some(7), None]),
        (keep(None, None, Some(9)), [Some(9), Some(9), Some(9)]),
        (keep(None, Some(5), Some(9)), [Some(5), Some(5), Some(9)]),
    ] {
        assert_eq!(Keepsake::ALL.map(|what| limit(&keep, what)), limits);
    }
}

#[test]
fn records_go_by_age_and_never_for_space() {
    let candidates = Candidates { records: oldest(&[0, 0]), ..Candidates::default() };
    let short = Space { free: 0, held: 0 };
    let plan = plan(day(10), &keep(None, None, Some(9)), short, &candidates);
    assert_eq!(words(&plan), ["record 1"]);
    assert_eq!(plan.look_again, Some(day(11)));
}

#[test]
fn a_list_that_is_used_up_and_not_whole_is_asked_for_again_at_once() {
    let cut = Candidates {
        videos: Oldest { more: true, ..oldest(&[1, 1]) },
        results: oldest(&[5]),
        ..Candidates::default()
    };
    let short = Space { free: 0, held: 0 };
    let plan = plan(day(3), &keep(None, None, None), short, &cut);
    assert_eq!(words(&plan), ["video 1!", "video 2!"], "younger videos go before results");
    assert_eq!(plan.look_again, Some(day(3)));
}

proptest! {
    #[test]
    fn the_oldest_goes_first_and_no_more_than_is_needed(
        videos in vec(1..50_u64, 0..12),
        results in vec(1..50_u64, 0..12),
        limits in (0..20_u64, 0..20_u64),
        now in 0..30_u64,
        free in 0..200_u64,
        most in 0..300_u64,
    ) {
        let policy = Retention { most_mib: Some(most), ..keep(Some(limits.0), Some(limits.1), None) };
        let held = videos.iter().chain(&results).sum::<u64>();
        let candidates = Candidates {
            videos: oldest(&videos), results: oldest(&results), records: Oldest::default(),
        };
        let space = Space { free: free * MIB, held: held * MIB };
        let plan = plan(day(now), &policy, space, &candidates);
        let mut freed = 0;
        let mut before_time = 0;
        for (what, sizes, limit) in [
            (Keepsake::Video, &videos, limits.0.min(limits.1)),
            (Keepsake::Results, &results, limits.1),
        ] {
            let gone: Vec<_> = plan.remove.iter().filter(|one| one.what == what).collect();
            for (n, one) in (1..).zip(&gone) {
                prop_assert_eq!(one.job, JobId(n), "oldest first, none left out");
                let is_old = n + limit <= now;
                prop_assert_eq!(matches!(one.rule, Rule::Age { .. }), is_old);
                before_time += u64::from(!is_old);
            }
            let old = (1..).take(sizes.len()).filter(|n| n + limit <= now).count();
            prop_assert!(gone.len() >= old, "nothing old is left");
            freed += sizes[..gone.len()].iter().sum::<u64>();
        }
        let enough = |freed: u64| free + freed >= 100 && held.saturating_sub(freed) <= most;
        prop_assert!(enough(freed) || freed == held, "it goes on until enough is free");
        if before_time > 0 {
            let last = plan.remove.last().expect("something went before its time");
            let sizes = if last.what == Keepsake::Video { &videos } else { &results };
            let size = sizes[usize::try_from(last.job.0 - 1).unwrap()];
            prop_assert!(!enough(freed - size), "the last one was needed");
        }
    }
}
