//! What a job takes, as far as jobs before it tell.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    decide::{outlook::Takes, progress::Planned},
    model::{Definition, Measure, Part, spoken},
    store::{DeviceTimes, KnownTimes, Measured, Sketch, Store, StoreError},
};

/// Half of the runs stay within it.
const USUAL: f64 = 0.5;
/// Nearly all do.
const LONG: f64 = 0.95;
/// What the engine calls the part that is its own work.
const COLLECT: &str = "collect";

/// Where it is known from what a job takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// Its own good runs.
    Job { runs: u64 },
    /// Those of its name on another device type.
    OtherDevice { device_type: String, runs: u64 },
    /// Good runs of all jobs on its device type.
    DeviceType { runs: u64 },
    /// Nothing has run here: it takes as long as it may.
    Limit,
}

/// What is known of the time of the jobs of a name on a device type.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub basis: Basis,
    /// Without the collecting of results.
    whole: Option<Takes>,
    /// By the name of the part.
    named: HashMap<String, Takes>,
    /// Of all jobs of the device type, by kind.
    kinds: BTreeMap<Part, Takes>,
    /// How long jobs of the device type have waited.
    queue: Option<Takes>,
}

impl Basis {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Job { .. } => "job",
            Self::OtherDevice { .. } => "other_device",
            Self::DeviceType { .. } => "device_type",
            Self::Limit => "limit",
        }
    }

    /// Good runs it is known from.
    pub const fn runs(&self) -> u64 {
        match self {
            Self::Job { runs } | Self::OtherDevice { runs, .. } | Self::DeviceType { runs } => {
                *runs
            }
            Self::Limit => 0,
        }
    }

    /// In a few words, of a job that may take as long as `at_most`.
    pub fn words(&self, at_most: Duration) -> String {
        match self {
            Self::Job { runs: 1 } => "from 1 run".into(),
            Self::Job { runs } => format!("from {runs} runs"),
            Self::OtherDevice { device_type, .. } => format!("from its runs on {device_type}"),
            Self::DeviceType { .. } => "from other jobs on this device type".into(),
            Self::Limit => format!("unknown: at most {}", spoken(at_most)),
        }
    }
}

impl Past {
    /// Of the jobs of a name on a device type.
    pub async fn read(store: &Store, job: &str, device_type: &str) -> Result<Self, StoreError> {
        Ok(Self::of(&store.known_times(job.into(), device_type.into()).await?))
    }

    /// Of the jobs of a name: as they tell, else as those do that ran most often elsewhere.
    pub fn of(times: &KnownTimes) -> Self {
        let KnownTimes { of_device, own, elsewhere } = times;
        if let Some((runs, whole, named)) = known(own) {
            return Self::new(Basis::Job { runs }, Some(whole), named, of_device);
        }
        let elsewhere = elsewhere.iter().filter_map(|(there, times)| Some((there, known(times)?)));
        // Of equals the first.
        let best = elsewhere.rev().max_by_key(|(_, (runs, ..))| *runs);
        match best {
            Some((there, (runs, whole, named))) => {
                let basis = Basis::OtherDevice { device_type: there.clone(), runs };
                Self::new(basis, Some(whole), named, of_device)
            }
            None => Self::of_device(of_device),
        }
    }

    /// Of any job on a device type.
    pub fn of_device(times: &DeviceTimes) -> Self {
        let acted = |parts: &BTreeMap<Part, Takes>| {
            let acted = parts.iter().filter(|(part, _)| **part != Part::Collect);
            acted.fold(Takes::NONE, |sum, (_, takes)| sum.and(*takes))
        };
        match takes(&times.whole) {
            Some(whole) => {
                let basis = Basis::DeviceType { runs: times.whole.count() };
                let mut past = Self::new(basis, None, HashMap::new(), times);
                // The whole has the collecting in it, which is told apart from here on.
                let parts = acted(&past.kinds);
                past.whole = Some(if parts == Takes::NONE { whole } else { parts });
                past
            }
            None => Self::new(Basis::Limit, None, HashMap::new(), times),
        }
    }

    /// One of which nothing is known but where from.
    #[cfg(test)]
    pub(super) fn sample(basis: Basis) -> Self {
        Self { basis, ..Self::of_device(&DeviceTimes::default()) }
    }

    fn new(
        basis: Basis,
        whole: Option<Takes>,
        named: HashMap<String, Takes>,
        times: &DeviceTimes,
    ) -> Self {
        let kinds = times.parts.iter();
        let kinds = kinds.filter_map(|(part, sketch)| Some((*part, takes(sketch)?))).collect();
        Self { basis, whole, named, kinds, queue: takes(&times.queue) }
    }

    /// What a job takes that may take as long as `at_most`, the collecting of its results included.
    pub fn takes(&self, at_most: Duration) -> Takes {
        let bounded = self
            .whole
            .map(|whole| Takes { usual: whole.usual.min(at_most), long: whole.long.min(at_most) });
        let collect = self.kinds.get(&Part::Collect).copied().unwrap_or(Takes::NONE);
        bounded.unwrap_or_else(|| Takes::unknown(at_most)).and(collect)
    }

    /// How long jobs of the device type have waited for their turn.
    pub const fn queue(&self) -> Option<Takes> {
        self.queue
    }

    /// What one of its parts takes.
    pub fn part(&self, part: Part, name: &str) -> Option<Takes> {
        let named = self.named.get(name).filter(|_| part != Part::Collect);
        named.or_else(|| self.kinds.get(&part)).copied()
    }

    /// All parts there is something known of: by name where it is the job's own past, else by kind.
    pub fn parts(&self) -> Vec<Planned> {
        let planned = |part: Part, name: &str, takes: &Takes| Planned {
            part,
            name: name.into(),
            takes: Some(*takes),
        };
        if self.named.is_empty() {
            let kinds = self.kinds.iter();
            return kinds.map(|(part, takes)| planned(*part, part.name(), takes)).collect();
        }
        let mut parts: Vec<_> = self
            .named
            .iter()
            .map(|(name, takes)| {
                let is = |part: &&Part| part.name() == name;
                let part = Part::ALL.iter().find(is).copied().unwrap_or(Part::Test);
                planned(part, name, takes)
            })
            .collect();
        parts.sort_by(|a, b| (a.part, &a.name).cmp(&(b.part, &b.name)));
        let collect = self.kinds.get(&Part::Collect);
        parts.extend(collect.map(|takes| planned(Part::Collect, COLLECT, takes)));
        parts
    }

    /// The parts of a job in their order, with what each takes.
    pub fn plan(&self, definition: &Definition) -> Vec<Planned> {
        let actions = definition.actions.iter().map(|action| &action.work);
        let all = actions.map(|work| (work.part(), work.name())).chain([(Part::Collect, COLLECT)]);
        let planned = |(part, name): (Part, &str)| {
            let takes = self.part(part, name);
            Planned { part, name: name.into(), takes }
        };
        all.map(planned).collect()
    }
}

/// Good runs, the whole and the parts by name; none before there was a good run.
fn known(series: &[Measured]) -> Option<(u64, Takes, HashMap<String, Takes>)> {
    let whole = series.iter().find(|one| one.series.measure == Measure::JobTime)?;
    let parts = series.iter().filter(|one| one.series.measure == Measure::PartTime);
    let named =
        parts.filter_map(|one| Some((one.series.spot.module.clone(), takes(&one.good)?))).collect();
    Some((whole.good.count(), takes(&whole.good)?, named))
}

/// Of a sketch of milliseconds.
fn takes(sketch: &Sketch) -> Option<Takes> {
    let time = |share, more| Duration::try_from_secs_f64(sketch.quantile(share)? / 1e3 * more).ok();
    // The longest of n runs is not the longest there can be, which is about an n-th longer: so the
    // maximum of a uniform distribution is estimated from the largest of a sample.
    let more = 1.0 + 1.0 / sketch.count().max(1) as f64;
    Some(Takes { usual: time(USUAL, 1.0)?, long: time(LONG, more)? })
}
