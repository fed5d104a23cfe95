//! What tells how long the jobs of a name take on a device type, in one read.

use redb::ReadTransaction;

use super::{
    DeviceTimes, Measured, MeasuredJob, StoreError,
    estimates::device_times,
    measures::{self, jobs},
};
use crate::model::Measure;

/// Other device types that are looked at.
const ELSEWHERE: usize = 20;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownTimes {
    /// Of all jobs on the device type.
    pub of_device: DeviceTimes,
    /// The whole and the parts of the jobs of the name, on the device type.
    pub own: Vec<Measured>,
    /// The same on other device types, where nothing on this one went well.
    pub elsewhere: Vec<(String, Vec<Measured>)>,
}

pub(super) fn known_times(
    txn: &ReadTransaction,
    job: &str,
    device_type: &str,
) -> Result<KnownTimes, StoreError> {
    let of_device = device_times(txn, device_type)?;
    let own = measures::times(txn, job, device_type)?;
    let went_well =
        own.iter().any(|one| one.series.measure == Measure::JobTime && !one.good.is_empty());
    let mut elsewhere = Vec::new();
    if !went_well {
        let after = MeasuredJob { job: job.into(), device_type: String::new() };
        let others = jobs(txn, Some(&after), ELSEWHERE)?.into_iter();
        for other in others.take_while(|other| other.job == job) {
            let times = measures::times(txn, job, &other.device_type)?;
            elsewhere.push((other.device_type, times));
        }
    }
    Ok(KnownTimes { of_device, own, elsewhere })
}
