//! A job for the tests of this room.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::*;

pub(super) fn new_job(bundle: Digest, submitted: Timestamp) -> NewJob {
    NewJob {
        uuid: Uuid::new_v4(),
        name: "x".into(),
        definition: "job_name: x\n".into(),
        definition_hash: Digest::of(b"x"),
        bundle,
        submitter: Submitter { uid: Some(1000), name: "ada".into() },
        way_in: WayIn::Command,
        submitted,
        priority: Priority::MEDIUM,
        device_type: "qemu-x86_64".into(),
        tags: Vec::new(),
        settings: BTreeMap::new(),
        metadata: BTreeMap::new(),
        visibility: Visibility::Public,
        stream: None,
        needs: Needs { memory_mib: 1, cores: 1, at_most: Duration::from_secs(9) },
        conditions: Conditions::default(),
        lineage: Lineage::default(),
        idempotency: None,
        intake_key: None,
    }
}
