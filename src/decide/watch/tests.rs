use super::*;
use crate::model::LimitOrigin;

fn s(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

fn limit(measure: Measure, module: &str, step: &str, value: f64, mode: LimitMode) -> Limit {
    let spot = Spot { module: module.into(), step: step.into() };
    Limit { measure, spot, value, mode, origin: LimitOrigin::Set { by: "ada".into() } }
}

/// Test part since 5 s, module `country` since 10 s, its step since 20 s.
fn open() -> Open {
    Open {
        part: Some((Part::Test, "screen".into(), s(5.0))),
        module: Some(("country".into(), s(10.0))),
        step: Some(("assert_screen norway".into(), s(20.0))),
    }
}

#[test]
fn a_time_is_exceeded_when_it_has_passed_since_its_own_beginning() {
    use LimitMode::{Off, Stop, Watch as Watching};
    use Measure::{JobTime, ModuleTime, PartTime, StepTime};
    for (case, limit, at, value) in [
        ("the job", limit(JobTime, "", "", 30e3, Stop), 30.0, Some(30e3)),
        ("the job, not yet", limit(JobTime, "", "", 30e3, Stop), 29.9, None),
        ("any part", limit(PartTime, "", "", 20e3, Stop), 25.0, Some(20e3)),
        ("a part by what it is", limit(PartTime, "test", "", 20e3, Stop), 25.0, Some(20e3)),
        ("a part by its name", limit(PartTime, "screen", "", 20e3, Stop), 26.0, Some(21e3)),
        ("another part", limit(PartTime, "boot", "", 20e3, Stop), 90.0, None),
        ("the module", limit(ModuleTime, "country", "", 5e3, Watching), 21.0, Some(11e3)),
        ("another module", limit(ModuleTime, "language", "", 5e3, Watching), 21.0, None),
        ("any step", limit(StepTime, "", "", 1e3, Watching), 21.0, Some(1e3)),
        ("any step of it", limit(StepTime, "country", "", 1e3, Watching), 20.9, None),
        (
            "this step",
            limit(StepTime, "country", "assert_screen norway", 1e3, Stop),
            21.5,
            Some(1500.0),
        ),
        ("another step", limit(StepTime, "", "send_key ret", 1e3, Stop), 99.0, None),
        ("one that is off", limit(StepTime, "", "", 1e3, Off), 99.0, None),
    ] {
        let mut watch = Watch::new(vec![limit]);
        let found = watch.look(s(at), &open());
        let values: Vec<_> = found.iter().map(|excess| excess.value.round()).collect();
        assert_eq!(values, value.into_iter().collect::<Vec<_>>(), "{case}");
    }
}

#[test]
fn the_closest_limit_counts_also_when_it_is_off() {
    use LimitMode::{Off, Stop, Watch as Watching};
    let general = || limit(Measure::StepTime, "", "", 1e3, Stop);
    let module = |mode| limit(Measure::StepTime, "country", "", 60e3, mode);
    let step = |value, mode| limit(Measure::StepTime, "", "assert_screen norway", value, mode);
    for (case, limits, told) in [
        ("general alone", vec![general()], vec![Stop]),
        ("a longer one for the module", vec![general(), module(Stop)], vec![]),
        ("off for the module", vec![module(Off), general()], vec![]),
        ("the step's is closer", vec![module(Off), general(), step(2e3, Watching)], vec![Watching]),
        (
            "two for the same place both count",
            vec![step(2e3, Watching), step(9e3, Stop)],
            vec![Watching, Stop],
        ),
        (
            "of another measure",
            vec![general(), limit(Measure::JobTime, "", "", 2e3, Watching)],
            vec![Stop, Watching],
        ),
    ] {
        let found = Watch::new(limits).look(s(30.0), &open());
        let modes: Vec<_> = found.iter().map(|excess| excess.limit.mode).collect();
        assert_eq!(modes, told, "{case}");
    }
}

#[test]
fn what_goes_on_is_told_at_each_doubling_and_a_new_step_anew() {
    let mut watch = Watch::new(vec![limit(Measure::StepTime, "", "", 2e3, LimitMode::Watch)]);
    let mut open = open();
    let mut told = Vec::new();
    let mut now = s(20.0);
    while let Some(at) = watch.deadline(now, &open).filter(|at| *at <= s(60.0)) {
        assert!(at > now, "it never asks to look again at once");
        now = at;
        told.extend(watch.look(now, &open).into_iter().map(|excess| excess.value.round()));
    }
    assert_eq!(told, [2e3, 4e3, 8e3, 16e3, 32e3]);
    open.step = Some(("assert_screen norway".into(), s(52.0)));
    assert_eq!(watch.deadline(s(52.0), &open), Some(s(54.0)));
    open.step = None;
    assert_eq!(watch.deadline(s(52.0), &open), None);
}

#[test]
fn a_tiny_limit_does_not_flood() {
    let mut watch = Watch::new(vec![limit(Measure::StepTime, "", "", 0.0, LimitMode::Watch)]);
    let told = (20_000..26_000).flat_map(|ms| watch.look(Duration::from_millis(ms), &open()));
    assert_eq!(told.count(), 4, "at once, then after 1, 2 and 4 s");
}

#[test]
fn while_somebody_holds_the_guest_no_time_passes() {
    let mut watch = Watch::new(vec![limit(Measure::StepTime, "", "", 10e3, LimitMode::Stop)]);
    watch.pause(s(2.0), true);
    watch.pause(s(4.0), false);
    assert_eq!(watch.deadline(s(24.0), &open()), Some(s(30.0)), "a pause before it began");
    watch.pause(s(25.0), true);
    watch.pause(s(26.0), true);
    assert!(watch.is_paused());
    assert_eq!(watch.deadline(s(26.0), &open()), None);
    assert!(watch.look(s(99.0), &open()).is_empty());
    watch.pause(s(100.0), false);
    assert_eq!(watch.deadline(s(100.0), &open()), Some(s(105.0)));
    assert_eq!(watch.look(s(104.9), &open()), []);
    assert_eq!(watch.look(s(105.0), &open()).len(), 1);
}

#[test]
fn only_what_lasts_is_slow() {
    use Measure::{GuestWait, KeyToScreen};
    let once = |measure, values: &[Option<f64>]| {
        let mut watch = Watch::new(vec![limit(measure, "", "", 50.0, LimitMode::Watch)]);
        let mut told = Vec::new();
        for (value, secs) in values.iter().zip(1..) {
            let values = value.iter().map(|value| (measure, *value)).collect();
            let found = watch.second(s(f64::from(secs)), &open(), &values);
            told.extend(found.into_iter().map(|excess| (secs, excess.value)));
        }
        told
    };
    let (low, high, none) = (Some(10.0), Some(90.0), None);
    for (case, measure, values, told) in [
        ("one outlier", KeyToScreen, vec![low, Some(9e9), low, low], vec![]),
        ("two in a row", KeyToScreen, vec![high, high, low, high, high], vec![]),
        ("three in a row", KeyToScreen, vec![high, high, Some(120.0)], vec![(3, 100.0)]),
        (
            "between keys nothing is said",
            KeyToScreen,
            vec![high, none, high, none, high],
            vec![(5, 90.0)],
        ),
        ("at the limit is within it", KeyToScreen, vec![Some(50.0); 9], vec![]),
        ("a share needs longer", GuestWait, vec![high; 4], vec![]),
        ("a share that lasts", GuestWait, vec![high; 6], vec![(5, 90.0)]),
        (
            "told again with growing distance",
            GuestWait,
            vec![high; 80],
            vec![(5, 90.0), (15, 90.0), (35, 90.0), (75, 90.0)],
        ),
    ] {
        assert_eq!(once(measure, &values), told, "{case}");
    }
}

#[test]
fn replaced_limits_hold_at_once_and_what_stays_is_not_told_twice() {
    let (stays, goes) = (
        limit(Measure::StepTime, "", "", 2e3, LimitMode::Watch),
        limit(Measure::JobTime, "", "", 2e3, LimitMode::Watch),
    );
    let mut watch = Watch::new(vec![stays.clone(), goes]);
    assert_eq!(watch.look(s(23.0), &open()).len(), 2);
    let tighter = limit(Measure::ModuleTime, "", "", 1e3, LimitMode::Stop);
    watch.replace(vec![tighter.clone(), stays]);
    let found = watch.look(s(23.5), &open());
    assert_eq!(found.iter().map(|excess| &excess.limit).collect::<Vec<_>>(), [&tighter]);
    watch.replace(Vec::new());
    assert_eq!(watch.deadline(s(24.0), &open()), None);
}

#[test]
fn a_stop_is_told_however_much_was_told_before() {
    let watched = limit(Measure::StepTime, "", "", 1e3, LimitMode::Watch);
    let mut watch = Watch::new(vec![watched]);
    let mut told = 0;
    for began in 0..1000 {
        let step = Some(("send_key ret".into(), s(f64::from(began))));
        told += watch.look(s(f64::from(began + 1)), &Open { step, ..open() }).len();
    }
    assert_eq!(told, MOST_TOLD as usize);
    watch.replace(vec![limit(Measure::JobTime, "", "", 1e3, LimitMode::Stop)]);
    assert_eq!(watch.look(s(2000.0), &open()).len(), 1);
}

#[test]
fn each_measure_is_told_with_its_own_place() {
    for (measure, module, step) in [
        (Measure::PartTime, "screen", ""),
        (Measure::ModuleTime, "country", ""),
        (Measure::StepTime, "country", "assert_screen norway"),
        (Measure::JobTime, "country", "assert_screen norway"),
    ] {
        let found =
            Watch::new(vec![limit(measure, "", "", 1.0, LimitMode::Watch)]).look(s(60.0), &open());
        assert_eq!(found[0].spot, Spot { module: module.into(), step: step.into() }, "{measure:?}");
    }
}
