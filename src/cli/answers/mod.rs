//! What the appliance answers, as far as commands read it. More may be in it: answers grow.

mod appliance;
mod devices;
mod disk;
mod failures;
mod jobs;
mod people;
mod thresholds;
mod times;

pub(super) use self::{
    appliance::{Problem, Status},
    devices::{Device, DeviceKind, DeviceLine, DeviceList, DeviceLog, DeviceTypes, DevicesFile},
    disk::{Disk, Screens},
    failures::{Applied, Groups, KnownJob, KnownJobs, KnownList, Retried, Standing, Tried},
    jobs::{Bulk, BulkResult, Canceled, Job, JobList, Record, Step, Stops, Submitted},
    people::{DeedList, Invitation, Invited, NewToken, TokenList, UserList, UserRecord},
    thresholds::{
        Bin, Counts, Explained, JobTime, Overview, SumOf, Threshold, Thresholds, TimesOf, WasSet,
    },
    times::{
        AccuracyAnswer, AccuracyOf, Estimates, Expected, Foretold, Missed, PartExpected,
        PlanAnswer, Planned, Suggested, Underway,
    },
};
