//! The bare facts of the lab, kept beside the code under test and without it: who waits, which device
//! is idle, how much memory is left.
//!
//! Every device can be the largest guest, runs one job at a time, and the lab lends a core and a
//! machine to each of them. So memory and devices are all that a job may lack.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use sutler::{
    decide::{Demand, Device, Lab, Open, Queued},
    model::JobId,
};

/// What jobs ask of a device beside its size.
#[derive(PartialEq, Eq)]
struct Class {
    device_type: String,
    tags: BTreeSet<String>,
}

/// Those that wait of one class, by their memory (MiB): who may run for the shortest time comes first.
type OfClass = BTreeMap<u32, BTreeSet<(i64, JobId)>>;

/// Where a waiting job is found.
#[derive(Clone, Copy)]
struct Asks {
    class: usize,
    memory_mib: u32,
    /// Seconds it may run.
    at_most: i64,
}

pub(super) struct Facts {
    devices: Vec<Device>,
    named: HashMap<String, usize>,
    /// What each of the devices runs: the job and its memory.
    runs: Vec<Option<(JobId, u32)>>,
    classes: Vec<Class>,
    waiting: Vec<OfClass>,
    asks: HashMap<JobId, Asks>,
    free_mib: u32,
}

impl Facts {
    pub(super) fn new(lab: &Lab) -> Self {
        let named = lab.devices.iter().zip(0..).map(|(device, at)| (device.name.clone(), at));
        Self {
            named: named.collect(),
            runs: vec![None; lab.devices.len()],
            devices: lab.devices.clone(),
            classes: Vec::new(),
            waiting: Vec::new(),
            asks: HashMap::new(),
            free_mib: lab.memory_mib,
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.asks.len()
    }

    pub(super) fn opens(&mut self, device: usize, open: Open) {
        self.devices[device].open = open;
    }

    pub(super) fn waits(&mut self, job: &Queued) {
        let needs = job.demand.needs;
        let (class, memory_mib) = (self.class(&job.demand), needs.memory_mib);
        let at_most = needs.at_most.as_secs().try_into().unwrap();
        let asks = Asks { class, memory_mib, at_most };
        if self.asks.insert(job.id, asks).is_none() {
            self.waiting[class].entry(memory_mib).or_default().insert((at_most, job.id));
        }
    }

    /// Whether it did.
    pub(super) fn waits_no_more(&mut self, id: JobId) -> bool {
        let Some(Asks { class, memory_mib, at_most }) = self.asks.remove(&id) else { return false };
        let of_size = self.waiting[class].get_mut(&memory_mib).expect("it is in there");
        of_size.remove(&(at_most, id));
        if of_size.is_empty() {
            self.waiting[class].remove(&memory_mib);
        }
        true
    }

    /// A job that waits is given a device, which has to be one for it.
    pub(super) fn starts(&mut self, id: JobId, device: &str) {
        let Asks { class, memory_mib, .. } =
            *self.asks.get(&id).unwrap_or_else(|| panic!("job {id} starts and does not wait"));
        let at = self.named[device];
        assert!(self.runs[at].is_none(), "{device} runs two jobs");
        assert!(self.is_open_to(at, class), "{device} is not for job {id}");
        let left = self.free_mib.checked_sub(memory_mib);
        self.free_mib = left.unwrap_or_else(|| panic!("no memory is left for job {id}"));
        self.runs[at] = Some((id, memory_mib));
        self.waits_no_more(id);
    }

    /// A device has done with a job.
    pub(super) fn ends(&mut self, id: JobId, device: &str) {
        let (was, memory_mib) = self.runs[self.named[device]].take().expect("it runs a job");
        assert_eq!(was, id, "{device} runs another job");
        self.free_mib += memory_mib;
    }

    /// Nobody waits for whom there is a device and memory, and whom no promise keeps.
    pub(super) fn nothing_idle_could_work(&self, now: i64, reserved: Option<(JobId, Timestamp)>) {
        if let Some(asks) = reserved.and_then(|(first, _)| self.asks.get(&first))
            && asks.memory_mib <= self.free_mib
        {
            assert_eq!(self.idle_for(asks.class), None, "it is idle, and the next one could run");
        }
        let longest = reserved.map_or(i64::MAX, |(_, by)| by.as_second() - now);
        for (of_class, class) in self.waiting.iter().zip(0..) {
            let shortest = of_class.range(..=self.free_mib).filter_map(|(_, jobs)| jobs.first());
            if let Some((_, id)) = shortest.min().filter(|(at_most, _)| *at_most <= longest) {
                let device = self.idle_for(class);
                assert_eq!(device, None, "it is idle, and job {id} could run on it");
            }
        }
    }

    fn idle_for(&self, class: usize) -> Option<&str> {
        let is_idle = |at: &usize| self.runs[*at].is_none() && self.is_open_to(*at, class);
        (0..self.devices.len()).find(is_idle).map(|at| self.devices[at].name.as_str())
    }

    fn is_open_to(&self, device: usize, class: usize) -> bool {
        let (device, Class { device_type, tags }) = (&self.devices[device], &self.classes[class]);
        device.open == Open::Jobs
            && device.device_type == *device_type
            && tags.iter().all(|tag| device.tags.contains(tag))
    }

    fn class(&mut self, demand: &Demand) -> usize {
        let is_it =
            |class: &Class| class.device_type == demand.device_type && class.tags == demand.tags;
        self.classes.iter().position(is_it).unwrap_or_else(|| {
            let (device_type, tags) = (demand.device_type.clone(), demand.tags.clone());
            self.classes.push(Class { device_type, tags });
            self.waiting.push(OfClass::new());
            self.classes.len() - 1
        })
    }
}
