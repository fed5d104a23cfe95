//! Decides which limits of a running job are exceeded now, and when to look again.
//!
//! Times of the story (job, part, module, step) are looked at when they run out, everything else
//! once a second. Of limits for the same measure the one for the closest place counts: a limit for
//! a step silences the one for all steps, also when it is off. What is exceeded is told at once and
//! then with growing distance, so that a job that is slow for an hour says so a dozen times.
//! `engine` carries the answer out.

use std::{collections::BTreeMap, time::Duration};

use crate::model::{Limit, LimitMode, LimitOrigin, Measure, Part, Spot};

/// So many seconds in a row must be above a limit for something that is measured again and again:
/// one slow frame is no slow guest.
const SUSTAINED: u32 = 3;
/// The same for the share of time a guest waits, which is a second's mean already.
const SUSTAINED_SHARE: u32 = 5;
/// The shortest time between two tellings; it doubles each time.
const AGAIN: Duration = Duration::from_secs(10);
/// A time is told again when it has doubled, and at least so much later.
const TIME_AGAIN_MS: f64 = 1000.0;
/// Of one job; a stop is always told.
const MOST_TOLD: u32 = 200;

/// What is open now, each with the time it began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    pub part: Option<(Part, String, Duration)>,
    /// By its name.
    pub module: Option<(String, Duration)>,
    /// By its verb and subject.
    pub step: Option<(String, Duration)>,
}

impl Open {
    /// The place in the test.
    pub fn spot(&self) -> Spot {
        let name = |open: &Option<(String, Duration)>| open.as_ref().map(|(name, _)| name.clone());
        Spot {
            module: name(&self.module).unwrap_or_default(),
            step: name(&self.step).unwrap_or_default(),
        }
    }

    /// When what a measure of time is about began; `None` for other measures and when it is not
    /// open.
    fn began(&self, measure: Measure) -> Option<Duration> {
        match measure {
            Measure::JobTime => Some(Duration::ZERO),
            Measure::PartTime => self.part.as_ref().map(|(.., began)| *began),
            Measure::ModuleTime => self.module.as_ref().map(|(_, began)| *began),
            Measure::StepTime => self.step.as_ref().map(|(_, began)| *began),
            Measure::KeyToScreen | Measure::FrameLag | Measure::MatchTime | Measure::GuestWait => {
                None
            }
        }
    }

    /// Whether a limit is for what is open. One that somebody has set may leave open where; one that
    /// was learned of a part, a module or a step is for the very place it was learned at.
    fn is_at(&self, limit: &Limit) -> bool {
        let Spot { module, step } = &limit.spot;
        let is_learned = matches!(limit.origin, LimitOrigin::Learned { .. });
        let open_or = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let is = |wanted: &str, found: &str| {
            if is_learned { wanted == found } else { open_or(wanted, found) }
        };
        let here = self.spot();
        match limit.measure {
            Measure::JobTime => true,
            Measure::PartTime => self.part.as_ref().is_some_and(|(part, name, _)| {
                is(module, name) || !is_learned && module == part.name()
            }),
            Measure::ModuleTime => self.module.is_some() && is(module, &here.module),
            Measure::StepTime => {
                self.step.is_some() && is(module, &here.module) && is(step, &here.step)
            }
            Measure::KeyToScreen | Measure::FrameLag | Measure::MatchTime | Measure::GuestWait => {
                open_or(module, &here.module) && open_or(step, &here.step)
            }
        }
    }

    /// The place a measure is told for.
    fn place(&self, measure: Measure) -> Spot {
        match (measure, &self.part) {
            (Measure::PartTime, Some((_, name, _))) => {
                Spot { module: name.clone(), step: String::new() }
            }
            (Measure::ModuleTime, _) => Spot { step: String::new(), ..self.spot() },
            _ => self.spot(),
        }
    }
}

/// A limit that is exceeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Excess {
    pub limit: Limit,
    /// In the measure's unit.
    pub value: f64,
    /// Where it was.
    pub spot: Spot,
}

/// One limit and what was told of it.
#[derive(Debug, Clone)]
struct Held {
    limit: Limit,
    /// Of a time: when the thing began that was told, and the milliseconds to tell it again at.
    told: Option<(Duration, f64)>,
    /// Of other measures: seconds above the limit in a row and the sum of their values.
    above: (u32, f64),
    /// When to tell it again, and the distance after that.
    again: Option<(Duration, Duration)>,
}

impl Held {
    const fn new(limit: Limit) -> Self {
        Self { limit, told: None, above: (0, 0.0), again: None }
    }

    /// The milliseconds at which a time that began then is told next.
    fn next_ms(&self, began: Duration) -> f64 {
        match self.told {
            Some((told, next)) if told == began => next,
            Some(_) | None => self.limit.value,
        }
    }

    /// Takes in a second's value and returns the mean of what is above, when that is to be told.
    fn hear(&mut self, now: Duration, value: f64) -> Option<f64> {
        if value <= self.limit.value {
            (self.above, self.again) = ((0, 0.0), None);
            return None;
        }
        self.above.0 += 1;
        self.above.1 += value;
        let share = self.limit.measure == Measure::GuestWait;
        if self.above.0 < if share { SUSTAINED_SHARE } else { SUSTAINED } {
            return None;
        }
        let distance = match self.again {
            Some((at, _)) if now < at => return None,
            Some((_, distance)) => distance,
            None => AGAIN,
        };
        self.again = Some((now + distance, distance * 2));
        Some(self.above.1 / f64::from(self.above.0))
    }
}

/// Watches the limits of one job.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    held: Vec<Held>,
    /// While somebody held the guest, no time counts. The last may be open.
    pauses: Vec<(Duration, Option<Duration>)>,
    told: u32,
}

impl Watch {
    pub fn new(limits: Vec<Limit>) -> Self {
        Self { held: limits.into_iter().map(Held::new).collect(), ..Self::default() }
    }

    /// These limits hold from now on, and no others. What was told of one that stays is not told
    /// again.
    pub fn replace(&mut self, limits: Vec<Limit>) {
        let mut before = std::mem::take(&mut self.held);
        let held = |limit: Limit| {
            let same = before.iter().position(|held| held.limit == limit);
            same.map_or_else(|| Held::new(limit), |at| before.swap_remove(at))
        };
        self.held = limits.into_iter().map(held).collect();
    }

    /// Somebody holds the guest, or lets it go on.
    pub fn pause(&mut self, now: Duration, on: bool) {
        match (self.pauses.last_mut(), on) {
            (Some((_, None)), true) => {}
            (_, true) => self.pauses.push((now, None)),
            (Some((_, until)), false) => *until = until.or(Some(now)),
            (None, false) => {}
        }
    }

    pub fn is_paused(&self) -> bool {
        self.pauses.last().is_some_and(|(_, until)| until.is_none())
    }

    /// The times that have run out now.
    pub fn look(&mut self, now: Duration, open: &Open) -> Vec<Excess> {
        let mut found = Vec::new();
        if self.is_paused() {
            return found;
        }
        for at in self.applying(open) {
            let limit = self.held[at].limit.clone();
            let Some(began) = open.began(limit.measure) else { continue };
            let value = self.passed(began, now).as_secs_f64() * 1000.0;
            if value < self.held[at].next_ms(began) {
                continue;
            }
            let again = (2.0 * value).max(value + TIME_AGAIN_MS);
            self.held[at].told = Some((began, again));
            found.push(Excess { spot: open.place(limit.measure), limit, value });
        }
        self.bounded(found)
    }

    /// The limits above which the last seconds were. `values` are one second's, without those of
    /// what did not happen.
    pub fn second(
        &mut self,
        now: Duration,
        open: &Open,
        values: &BTreeMap<Measure, f64>,
    ) -> Vec<Excess> {
        let mut found = Vec::new();
        if self.is_paused() {
            return found;
        }
        for at in self.applying(open) {
            let held = &mut self.held[at];
            let Some(value) = values.get(&held.limit.measure) else { continue };
            if let Some(value) = held.hear(now, *value) {
                let spot = open.place(held.limit.measure);
                found.push(Excess { limit: held.limit.clone(), value, spot });
            }
        }
        self.bounded(found)
    }

    /// When a time runs out next, if what is open stays open.
    pub fn deadline(&self, now: Duration, open: &Open) -> Option<Duration> {
        if self.is_paused() {
            return None;
        }
        let deadline = |at: usize| {
            let held = &self.held[at];
            let began = open.began(held.limit.measure)?;
            let next = Duration::try_from_secs_f64(held.next_ms(began) / 1000.0).ok()?;
            now.checked_add(next.saturating_sub(self.passed(began, now)))
        };
        self.applying(open).into_iter().filter_map(deadline).min()
    }

    /// Time that counts, from `began` to `now`.
    fn passed(&self, began: Duration, now: Duration) -> Duration {
        let held = |(from, until): &(Duration, Option<Duration>)| {
            until.unwrap_or(now).min(now).saturating_sub((*from).max(began))
        };
        let paused: Duration = self.pauses.iter().map(held).sum();
        now.saturating_sub(began).saturating_sub(paused)
    }

    /// The limits that hold where the job is.
    fn applying(&self, open: &Open) -> Vec<usize> {
        let closeness =
            |limit: &Limit| (!limit.spot.step.is_empty(), !limit.spot.module.is_empty());
        let here = self.held.iter().enumerate().filter(|(_, held)| open.is_at(&held.limit));
        let here: Vec<_> = here.collect();
        let is_closest = |(_, held): &&(usize, &Held)| {
            let same = here.iter().filter(|(_, other)| other.limit.measure == held.limit.measure);
            same.map(|(_, other)| closeness(&other.limit)).max() == Some(closeness(&held.limit))
        };
        let closest = here.iter().filter(is_closest);
        let on = closest.filter(|(_, held)| held.limit.mode != LimitMode::Off);
        on.map(|(at, _)| *at).collect()
    }

    fn bounded(&mut self, mut found: Vec<Excess>) -> Vec<Excess> {
        let told = self.told;
        found.retain(|excess| told < MOST_TOLD || excess.limit.mode == LimitMode::Stop);
        self.told += u32::try_from(found.len()).unwrap_or(u32::MAX);
        found
    }
}

#[cfg(test)]
mod tests;
