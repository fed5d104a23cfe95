//! What is left of a job's files, as bytes on disk: a record of its own beside the job's, which
//! never changes once the job has ended.
//!
//! As in `record`, bincode's order of fields is the format: nothing in this file ever changes.

use bincode::{Decode, Encode};
use jiff::Timestamp;

use super::{
    StoreError,
    record::{CONFIG, named, whole},
};
use crate::model::{DiskSample, Holdings, JobId, Keepsake, Kept, Removal, Rule};

#[derive(Encode, Decode)]
struct HoldingsV1 {
    measured: bool,
    video_bytes: u64,
    results_bytes: u64,
    kept: Option<KeptV1>,
    removed: Vec<RemovalV1>,
}

#[derive(Encode, Decode)]
struct KeptV1 {
    by: String,
    at_us: i64,
}

#[derive(Encode, Decode)]
struct RemovalV1 {
    what: String,
    at_us: i64,
    rule: RuleV1,
    bytes: u64,
}

#[derive(Encode, Decode)]
enum RuleV1 {
    Age { limit_s: u64 },
    LeastFree { limit_mib: u64 },
    Most { limit_mib: u64 },
    NotInBackup,
}

#[derive(Encode, Decode)]
struct SampleV1 {
    videos: u64,
    results: u64,
    bundles: u64,
    store: u64,
    free: u64,
    added_videos: u64,
    added_results: u64,
}

pub(super) fn encode(holdings: &Holdings) -> Vec<u8> {
    let record = HoldingsV1 {
        measured: holdings.measured,
        video_bytes: holdings.video_bytes,
        results_bytes: holdings.results_bytes,
        kept: holdings
            .kept
            .as_ref()
            .map(|kept| KeptV1 { by: kept.by.clone(), at_us: kept.at.as_microsecond() }),
        removed: holdings.removed.iter().map(RemovalV1::of).collect(),
    };
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

/// # Errors
/// [`StoreError::Damaged`] when these bytes are not one record.
pub(super) fn decode(id: JobId, bytes: &[u8]) -> Result<Holdings, StoreError> {
    whole(bytes, || format!("what job {id} holds"), HoldingsV1::into_holdings)
}

pub(super) fn encode_sample(sample: &DiskSample) -> Vec<u8> {
    let DiskSample { videos, results, bundles, store, free, added_videos, added_results, at: _ } =
        *sample;
    let record = SampleV1 { videos, results, bundles, store, free, added_videos, added_results };
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

pub(super) fn decode_sample(at: Timestamp, bytes: &[u8]) -> Result<DiskSample, StoreError> {
    let SampleV1 { videos, results, bundles, store, free, added_videos, added_results } =
        whole(bytes, || format!("the disk's use at {at}"), Some)?;
    Ok(DiskSample { at, videos, results, bundles, store, free, added_videos, added_results })
}

impl HoldingsV1 {
    fn into_holdings(self) -> Option<Holdings> {
        let kept = match self.kept {
            Some(KeptV1 { by, at_us }) => {
                Some(Kept { by, at: Timestamp::from_microsecond(at_us).ok()? })
            }
            None => None,
        };
        Some(Holdings {
            measured: self.measured,
            video_bytes: self.video_bytes,
            results_bytes: self.results_bytes,
            kept,
            removed: self
                .removed
                .into_iter()
                .map(RemovalV1::into_removal)
                .collect::<Option<_>>()?,
        })
    }
}

impl RemovalV1 {
    fn of(removal: &Removal) -> Self {
        Self {
            what: removal.what.name().into(),
            at_us: removal.at.as_microsecond(),
            rule: match removal.rule {
                Rule::Age { limit_s } => RuleV1::Age { limit_s },
                Rule::LeastFree { limit_mib } => RuleV1::LeastFree { limit_mib },
                Rule::Most { limit_mib } => RuleV1::Most { limit_mib },
                Rule::NotInBackup => RuleV1::NotInBackup,
            },
            bytes: removal.bytes,
        }
    }

    fn into_removal(self) -> Option<Removal> {
        Some(Removal {
            what: named(Keepsake::ALL, Keepsake::name, &self.what)?,
            at: Timestamp::from_microsecond(self.at_us).ok()?,
            rule: match self.rule {
                RuleV1::Age { limit_s } => Rule::Age { limit_s },
                RuleV1::LeastFree { limit_mib } => Rule::LeastFree { limit_mib },
                RuleV1::Most { limit_mib } => Rule::Most { limit_mib },
                RuleV1::NotInBackup => Rule::NotInBackup,
            },
            bytes: self.bytes,
        })
    }
}
