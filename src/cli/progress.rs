//! How far a job is, while somebody waits: a bar for a person, lines for a file.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{output::say, render};
use crate::model::{Event, Run};

/// How often the bar's clock goes on.
const TICK: Duration = Duration::from_millis(200);

pub(super) struct Progress {
    run: Run,
    bar: Option<ProgressBar>,
    /// Every step is told in a line of its own.
    in_lines: bool,
}

impl Progress {
    pub(super) fn new(is_watched: bool, is_asked_for: bool) -> Self {
        let bar = is_watched.then(|| {
            let style =
                ProgressStyle::with_template("{elapsed:>5} [{bar:30}] {pos}/{len} {wide_msg}")
                    .expect("the template is fixed")
                    .progress_chars("=> ");
            // Its length is not known before the first event; a bar of length 0 would be full.
            let bar = ProgressBar::new(1).with_style(style).with_message("waiting for its turn");
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { run: Run::default(), in_lines: is_asked_for && bar.is_none(), bar }
    }

    pub(super) fn hear(&mut self, event: Event) {
        if self.in_lines
            && let Some(text) = render::event(&event)
        {
            say(&text);
        }
        self.run.apply(event);
        let Some(bar) = &self.bar else { return };
        if let Some((done, total)) = self.run.progress {
            bar.set_length(total.into());
            bar.set_position(done.into());
        }
        bar.set_message(render::doing(&self.run));
    }

    /// Says something beside the progress.
    pub(super) fn say(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(words.to_owned()),
            None => say(&format!("sutler: {words}\n")),
        }
    }

    /// Makes room for the result.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
