//! Plots from fixed data.

use super::*;
use crate::{
    markup::samples::{measured, story},
    model::Outcome,
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
