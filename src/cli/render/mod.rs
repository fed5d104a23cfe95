//! Text for people, made of what the appliance answers. Pure.

mod accuracy;
mod device;
mod disk;
mod event;
mod job;
mod known;
mod people;
mod plan;
mod problem;
mod table;
mod threshold;
mod timeouts;
mod words;

pub(super) use accuracy::accuracy;
pub(super) use device::{device, device_log, device_types, devices};
pub(super) use disk::disk;
pub(super) use event::{doing, event};
pub(super) use job::{end, record, verdict};
pub(super) use known::{added, groups, preview, rule, rules, tried};
pub(super) use people::{deeds, invitation, tokens, user, users};
pub(super) use plan::{ends, expected, plan};
pub(super) use problem::{diff, explained, mistakes, problems};
pub(super) use table::{bulk, bulk_preview, jobs, jobs_counted};
pub(super) use threshold::{counts, explained_thresholds, overview, scopes, thresholds};
pub(super) use timeouts::{timeouts, warnings};
pub(super) use words::{clean, size, time};
