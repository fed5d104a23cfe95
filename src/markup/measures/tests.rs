//! Plots from fixed data.

use super::*;
use crate::{
    markup::samples::{measured, story},
    model::{Event, Fact, LimitMode, LimitOrigin, Measure, Outcome, Spot},
};

const UNTIL: Duration = Duration::from_secs(66);

fn run() -> Run {
    Run::of(measured(story(Some(Outcome::Fail))))
}

fn lines(markup: &Markup) -> String {
    markup.0.replace("><", ">\n<")
}

#[test]
fn every_group_has_a_plot_and_every_measure_a_row() {
    insta::assert_snapshot!(lines(&measures(&run(), UNTIL, &Usuals::new())));
}

#[test]
fn nothing_is_drawn_of_nothing() {
    let run = Run::of(story(Some(Outcome::Ok)));
    assert_eq!(measures(&run, UNTIL, &Usuals::new()).0, "");
}

#[test]
fn what_is_usual_lies_behind_its_line_and_has_a_column() {
    let usual = Usuals::from([("match_time".into(), Usual { median: 10.0, high: 400.0 })]);
    let page = lines(&measures(&run(), UNTIL, &usual));
    assert!(page.contains("class=\"usual line1\""), "{page}");
    assert_eq!(page.matches("class=\"usual").count(), 1);
    assert!(page.contains("10 ms, 400 ms"), "{page}");
}

#[test]
fn the_moment_something_was_slow_and_the_limit_it_was_above_are_drawn() {
    let mut events = measured(story(Some(Outcome::Fail)));
    let at = events.len() as u64 + 1;
    let fact = Fact::Slow {
        measure: Measure::MatchTime.name().into(),
        value: 900.0,
        limit: 600.0,
        spot: Spot::default(),
        mode: Some(LimitMode::Watch),
        origin: Some(LimitOrigin::Set { by: "ada".into() }),
        slowness: None,
    };
    let last = events.last().unwrap();
    events.push(Event { seq: at, mono_us: 33_000_000, wall: last.wall, fact });
    let page = lines(&measures(&Run::of(events), UNTIL, &Usuals::new()));
    assert!(page.contains("<line class=\"slow-moment\" x1=\"500\""), "{page}");
    assert_eq!(page.matches("class=\"limit\"").count(), 1, "in the plot of its measure only");
    assert_eq!(page.matches("limit 600 ms").count(), 2, "in the legend and in words");
}

#[test]
fn a_run_of_days_makes_no_larger_page() {
    let mut run = run();
    let series = std::sync::Arc::make_mut(&mut run.series);
    for at in 0..200_000_u64 {
        let values = (0..24).map(|n| (format!("m{n}_cpu"), ((at * n) % 97) as f64)).collect();
        series.add(Duration::from_secs(100 + at), &values);
    }
    let page = measures(&run, Duration::from_secs(200_100), &Usuals::new()).0;
    assert!(page.len() < 250_000, "{} bytes", page.len());
}
