//! How far a job is, while somebody waits: a bar for a person, lines for a file.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    answers::{PartExpected, Underway},
    output::say,
    render,
};
use crate::{
    clock,
    decide::progress::{Planned, progress},
    model::{Event, Run},
};

/// How often the bar's clock goes on.
const TICK: Duration = Duration::from_millis(200);

pub(super) struct Progress {
    run: Run,
    bar: Option<ProgressBar>,
    /// Every step is told in a line of its own.
    in_lines: bool,
    /// Its parts, with what each is expected to take.
    planned: Vec<Planned>,
    /// Until when it is expected to have ended, and that in words.
    end: Option<(Timestamp, String)>,
    /// The most that was told so far.
    percent: u8,
}

impl Progress {
    pub(super) fn new(is_watched: bool, is_asked_for: bool) -> Self {
        let bar = is_watched.then(|| {
            let style = ProgressStyle::with_template("{elapsed:>5} [{bar:30}] {prefix}{wide_msg}")
                .expect("the template is fixed")
                .progress_chars("=> ");
            let bar = ProgressBar::new(100).with_style(style).with_message("waiting for its turn");
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            run: Run::default(),
            in_lines: is_asked_for && bar.is_none(),
            bar,
            planned: Vec::new(),
            end: None,
            percent: 0,
        }
    }

    /// Whether there is a bar that could tell what is expected, and does not know it yet.
    pub(super) fn wants_expected(&self) -> bool {
        self.bar.is_some() && self.planned.is_empty()
    }

    /// Takes what the appliance expects of the job.
    pub(super) fn expect(&mut self, underway: Underway) {
        if let Some(progress) = underway.progress {
            self.planned = progress.parts.into_iter().map(PartExpected::planned).collect();
        }
        let (now, zone) = (clock::now(), TimeZone::system());
        self.end = underway.expected.and_then(|expected| {
            Some((expected.end.as_ref()?.late, render::ends(&expected, now, &zone)?))
        });
    }

    pub(super) fn hear(&mut self, event: Event) {
        if self.in_lines
            && let Some(text) = render::event(&event)
        {
            say(&text);
        }
        self.run.apply(event);
        let Some(bar) = &self.bar else { return };
        let time = clock::now();
        let until = self.run.until(Some(time));
        // Of the job, which may have begun before anybody waited for it.
        bar.set_elapsed(until);
        let now = progress(&self.planned, &self.run, until);
        if let Some(percent) = now.percent {
            self.percent = self.percent.max(percent);
            bar.set_position(self.percent.into());
        }
        let mut known = format!("{} %", self.percent);
        if let Some((late, words)) = &self.end
            && *late > time
        {
            known += &format!(", {words}");
        }
        if now.is_long {
            known += ", longer than usual";
        }
        bar.set_prefix(format!("{known}  "));
        bar.set_message(render::doing(&self.run));
    }

    /// Says something beside the progress.
    pub(super) fn say(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(words.to_owned()),
            None => say(&format!("sutler: {words}\n")),
        }
    }

    /// Lets `work` write lines, with the bar out of their way.
    pub(super) fn above<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// Makes room for the result.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
