//! Watches a run: measures it, holds it to its limits, and sees when its guest has come to a stand.
//!
//! What is slow and what has stalled is decided elsewhere ([`decide`](crate::decide)); here it is
//! told, kept for the record, and stops the run where it should.

use std::{cell::RefCell, convert::Infallible, rc::Rc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::{
    guest::Eyes,
    meter::{Look, Meter, by_name},
    narrator::{Narrator, millis},
    stop::{Reason, Stopper},
};
use crate::{
    decide::{
        excess::excess,
        slowness::{Lately, slowness},
        stall::{Remark, Sight, Stall, Stalls},
        watch::{Excess, Watch},
    },
    model::{Cause, Code, Fact, Gauge, Level, Limit, LimitMode, Measure, Operation, Slowness, Who},
};

const SECOND: Duration = Duration::from_secs(1);
/// Of what was slow or stood still, so many entries are kept in `backend`.
const MOST_KEPT: usize = 50;

/// Watches one run. Clones watch the same.
#[derive(Clone)]
pub(super) struct Watcher {
    inner: Rc<RefCell<Inner>>,
    narrator: Narrator,
    stopper: Stopper,
}

struct Inner {
    watch: Watch,
    meter: Meter,
    stalls: Stalls,
    guest: Option<Eyes>,
    /// Steps that had passed at the last look.
    passed: u32,
    /// Bytes the console had said at the last look that found more, and when that was.
    heard: (u64, Option<Duration>),
    /// The last action has ended.
    is_over: bool,
    stopped_by: Option<Value>,
    slow: Vec<Value>,
    stood: Vec<Value>,
}

impl Watcher {
    pub(super) fn new(limits: Vec<Limit>, narrator: Narrator, stopper: Stopper) -> Self {
        let inner = Inner {
            watch: Watch::new(limits),
            meter: Meter::new(narrator.timings.clone()),
            stalls: Stalls::default(),
            guest: None,
            passed: 0,
            heard: (0, None),
            is_over: false,
            stopped_by: None,
            slow: Vec::new(),
            stood: Vec::new(),
        };
        Self { inner: Rc::new(RefCell::new(inner)), narrator, stopper }
    }

    /// The guest that is measured from now on, or none any more.
    pub(super) fn guest_is(&self, eyes: Option<Eyes>) {
        self.inner.borrow_mut().guest = eyes;
    }

    /// These limits hold from now on, and no others.
    pub(super) fn limits_are(&self, limits: Vec<Limit>) {
        self.inner.borrow_mut().watch.replace(limits);
        self.narrator.wake();
    }

    /// Somebody holds the guest, or lets it go on.
    pub(super) fn pause(&self, on: bool) {
        self.inner.borrow_mut().watch.pause(self.now(), on);
        self.narrator.wake();
    }

    /// The guest started anew by itself.
    pub(super) fn guest_was_reset(&self) {
        let now = self.now();
        let remark = {
            let mut inner = self.inner.borrow_mut();
            inner.note_passed(self.narrator.passed());
            inner.stalls.on_reset(now)
        };
        if let Some(remark) = remark {
            self.say(remark);
        }
    }

    /// Watches for as long as it is awaited.
    pub(super) async fn serve(&self) -> Infallible {
        let clock = self.narrator.journal.clock();
        let mut tick = interval(SECOND);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let deadline = self.deadline();
            let run_out = async {
                match deadline {
                    Some(at) => sleep_until(clock.instant(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = tick.tick() => self.second(),
                () = run_out => {}
                () = self.narrator.changed() => {}
            }
            self.look_at_times();
        }
    }

    fn now(&self) -> Duration {
        self.narrator.journal.clock().elapsed()
    }

    fn deadline(&self) -> Option<Duration> {
        let inner = self.inner.borrow();
        if inner.is_over {
            return None;
        }
        inner.watch.deadline(self.now(), &self.narrator.open())
    }

    fn look_at_times(&self) {
        let open = self.narrator.open();
        let found = {
            let mut inner = self.inner.borrow_mut();
            inner.note_passed(self.narrator.passed());
            if inner.is_over { Vec::new() } else { inner.watch.look(self.now(), &open) }
        };
        found.into_iter().for_each(|excess| self.slow(&excess));
    }

    /// Measures, and looks at what is measured.
    fn second(&self) {
        let (now, open) = (self.now(), self.narrator.open());
        let (values, found, remarks) = {
            let inner = &mut *self.inner.borrow_mut();
            let look = inner.meter.look(inner.guest.as_mut().map(|eyes| &mut eyes.subject));
            let values = inner.meter.take_due();
            if inner.is_over {
                (values, Vec::new(), Vec::new())
            } else {
                let found = inner.watch.second(now, &open, &sampled(&look));
                (values, found, inner.stand(now, &look, &self.narrator))
            }
        };
        if let Some(values) = values {
            self.narrator.journal.tell(Fact::Measure { values });
        }
        found.into_iter().for_each(|excess| self.slow(&excess));
        for stall in Stall::ALL.into_iter().filter(|stall| *stall != Stall::ResetLoop) {
            if !remarks.iter().any(|remark| remark.stall == stall) {
                self.narrator.forget(stall);
            }
        }
        remarks.into_iter().for_each(|remark| self.say(remark));
    }

    /// Tells that something is slow, and stops the run if its limit says so.
    fn slow(&self, found: &Excess) {
        let lately = self.inner.borrow().meter.lately();
        let (whose, why) = slowness(&lately);
        let Excess { limit, value, spot } = found;
        let measure = limit.measure.name();
        let what = excess(measure, *value, limit.value, spot, Some(&limit.origin));
        self.narrator.journal.tell(Fact::Slow {
            measure: measure.into(),
            value: *value,
            limit: limit.value,
            spot: spot.clone(),
            mode: Some(limit.mode),
            origin: Some(limit.origin.clone()),
            slowness: Some(whose),
        });
        let words = format!("{what}; {why}");
        let entry = entry(found, whose, &words, &lately, self.now());
        let mut inner = self.inner.borrow_mut();
        if inner.slow.len() < MOST_KEPT {
            inner.slow.push(entry.clone());
        }
        if limit.mode == LimitMode::Stop && inner.stopped_by.is_none() {
            inner.stopped_by = Some(entry);
            let who = match whose {
                Slowness::Host => Who::Host,
                Slowness::Guest => Who::Guest,
            };
            let words = self.narrator.with_remarks(&words);
            self.stopper.stop(Reason::TooSlow(Cause::new(who, Code::TooSlow, words)));
        }
    }

    /// Tells that the guest has come to a stand, and ends the run if it cannot go on.
    fn say(&self, remark: Remark) {
        let Remark { stall, words, is_new, ends } = remark;
        self.narrator.remark(stall, words.clone());
        if is_new {
            let told = json!({
                "stall": stall.name(), "words": words, "at_ms": millis(self.now()),
            });
            let mut inner = self.inner.borrow_mut();
            if inner.stood.len() < MOST_KEPT {
                inner.stood.push(told);
            }
            drop(inner);
            self.narrator.journal.log(Level::Warning, words.clone());
        }
        if ends {
            let (who, code) = match stall {
                Stall::ResetLoop => (Who::Guest, Code::ResetLoop),
                Stall::Frozen | Stall::StalledDisplay | Stall::Halted | Stall::SilentConsole => {
                    (Who::Host, Code::GuestFrozen)
                }
            };
            self.stopper.stop(Reason::Machine(Cause::new(who, code, words)));
        }
    }

    /// Nothing is slow from here on: the last action has ended. Puts what was measured so far into
    /// `backend`.
    pub(super) fn end(&self, backend: &mut Map<String, Value>) {
        let mut inner = self.inner.borrow_mut();
        inner.is_over = true;
        // The last second is not whole, and says what the host did at the end.
        let inner = &mut *inner;
        inner.meter.look(inner.guest.as_mut().map(|eyes| &mut eyes.subject));
        inner.guest = None;
        let host = by_name(&inner.meter.lately().values);
        backend.insert("host".into(), json!(host));
        if let Some(waited) = inner.meter.waited() {
            backend.insert("guest_wait_percent".into(), json!(waited));
        }
        if let Some(slow) = inner.stopped_by.take() {
            backend.insert("slow".into(), slow);
        }
        for (name, kept) in [("slow_events", &mut inner.slow), ("stalls", &mut inner.stood)] {
            if !kept.is_empty() {
                backend.insert(name.into(), std::mem::take(kept).into());
            }
        }
    }
}

impl Inner {
    fn note_passed(&mut self, passed: u32) {
        if std::mem::replace(&mut self.passed, passed) != passed {
            self.stalls.on_step_passed();
        }
    }

    /// How the guest has come to a stand, if it has.
    fn stand(&mut self, now: Duration, look: &Look, narrator: &Narrator) -> Vec<Remark> {
        let Some(eyes) = &self.guest else { return Vec::new() };
        if self.watch.is_paused() || eyes.has_ended() {
            return Vec::new();
        }
        let said = eyes.said();
        if self.heard.0 != said {
            self.heard = (said, Some(now));
        }
        let (held, asked) = eyes.pulse();
        let sight = Sight {
            is_stopped: look.is_stopped,
            held,
            owes: asked.map_or(Duration::ZERO, |asked| now.saturating_sub(asked)),
            ran: look.ran,
            waits: narrator.waits(),
            unanswered: eyes.unanswered(),
            heard: self.heard.1,
        };
        self.stalls.look(now, &sight)
    }
}

/// The measures of one second that limits are for, without those of what did not happen. Of times
/// the mean: one outlier among many is none.
fn sampled(look: &Look) -> std::collections::BTreeMap<Measure, f64> {
    let mean = |operation| {
        let mean = look.timed.get(&operation)?.mean()?;
        Some(mean.as_secs_f64() * 1000.0)
    };
    let values = [
        (Measure::KeyToScreen, mean(Operation::KeyToScreen)),
        (Measure::FrameLag, mean(Operation::FrameLag)),
        (Measure::MatchTime, mean(Operation::MatchTime)),
        (Measure::GuestWait, look.values.get(&Gauge::GuestWait).copied()),
    ];
    values.into_iter().filter_map(|(measure, value)| Some((measure, value?))).collect()
}

/// What `backend.slow` and `backend.slow_events` have of it.
fn entry(found: &Excess, whose: Slowness, words: &str, lately: &Lately, at: Duration) -> Value {
    let Excess { limit, value, spot } = found;
    json!({
        "measure": limit.measure.name(),
        "value": (value * 10.0).round() / 10.0,
        "limit": limit.value,
        "unit": limit.measure.unit(),
        "origin": limit.origin,
        "mode": limit.mode,
        "spot": spot,
        "slowness": whose,
        "words": words,
        "host": by_name(&lately.values),
        "at_ms": millis(at),
    })
}

#[cfg(test)]
mod tests;
