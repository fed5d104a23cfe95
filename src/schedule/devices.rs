//! The task that keeps the lab up to date and its devices checked.
//!
//! The store has the devices and how they are; this tells the queue's owner when that has changed, and
//! submits the health checks that are due. A check that is submitted is on the device's record in the same
//! transaction, so however often this is killed in between, there is one.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    config::Lends,
    decide::{
        Demand, Lab,
        health::{Due, due},
        never,
    },
    model::{DeviceHealth, DeviceStatus, NewJob},
    store::{DeviceChange, Store, StoreError},
};

/// Before the store is asked again after its disk has refused.
const AGAIN: Duration = Duration::from_secs(5);

/// Makes the health check of a device, or says why that cannot be done.
pub type MakeCheck =
    Arc<dyn Fn(DeviceStatus) -> BoxFuture<'static, Result<NewJob, String>> + Send + Sync>;

pub struct Devices {
    store: Store,
    changes: watch::Receiver<u64>,
    lends: Lends,
    labs: watch::Sender<Arc<Lab>>,
    make_check: MakeCheck,
}

impl Devices {
    /// Reads the devices there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn new(
        store: Store,
        lends: Lends,
        make_check: MakeCheck,
    ) -> Result<(Self, watch::Receiver<Arc<Lab>>), StoreError> {
        // What changes from here on is heard: the store is asked after the subscription.
        let changes = store.device_changes();
        let (labs, lab) = watch::channel(Arc::new(Lab::of(lends, &store.devices().await?)));
        Ok((Self { store, changes, lends, labs, make_check }, lab))
    }

    /// Until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            self.changes.mark_unchanged();
            let next = match self.look().await {
                Ok(next) => next,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the devices are not known");
                    Some(clock::now() + AGAIN)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.changes.changed() => if changed.is_err() { return },
                () = clock::until(next) => {}
            }
        }
    }

    /// Publishes the lab as it is and submits the checks that are due. Returns when the next one will be.
    async fn look(&self) -> Result<Option<Timestamp>, StoreError> {
        let devices = self.store.devices().await?;
        let lab = Arc::new(Lab::of(self.lends, &devices));
        self.labs.send_if_modified(|published| {
            let new = *published != lab;
            if new {
                published.clone_from(&lab);
            }
            new
        });
        let (mut next, now): (Option<Timestamp>, _) = (None, clock::now());
        for status in devices {
            let Some(check) = &status.kind.health_check else { continue };
            match due(now, &status.state, check) {
                Due::Now { why } => self.check(status, &lab, &why).await?,
                Due::At(at) => next = next.into_iter().chain([at]).min(),
                Due::Never => {}
            }
        }
        Ok(next)
    }

    async fn check(
        &self,
        status: DeviceStatus,
        lab: &Arc<Lab>,
        why: &str,
    ) -> Result<(), StoreError> {
        let device = status.device.name.clone();
        // One that no device can ever run would wait for ever, and the device with it.
        let made = (self.make_check)(status).await.and_then(|job| {
            never(lab, &Demand::of_new(&job)).map_or(Ok(job), |reason| Err(reason.to_string()))
        });
        match made {
            Ok(job) => {
                let id = self.store.submit(job).await?.id;
                tracing::info!(%device, job = %id, why, "health check");
            }
            Err(words) => {
                let why = format!("its health check cannot be run: {words}");
                tracing::warn!(%device, why, "health check");
                let health = DeviceHealth::Bad;
                let change = DeviceChange::Health { name: device, health, why };
                self.store.change_devices(change, "sutler".into(), clock::now()).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
