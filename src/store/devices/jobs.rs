//! What jobs say of the devices they run on, and of those they check.

use super::rows::Devices;
use crate::{
    decide::health::{Learned, after_job, is_put_off},
    model::{DeviceType, Job},
    store::StoreError,
};

impl Devices<'_> {
    /// A job has been started on a device.
    pub(in crate::store) fn started(&mut self, job: &Job) -> Result<(), StoreError> {
        let (Some(name), Some(at)) = (&job.device, job.started) else { return Ok(()) };
        let Some(mut state) = self.stored_state(name)? else { return Ok(()) };
        state.last_used = Some(at);
        self.put_state(name, &state)
    }

    /// A health check is waiting for its device.
    pub(in crate::store) fn checking(&mut self, job: &Job) -> Result<(), StoreError> {
        let Some(name) = &job.conditions.device else { return Ok(()) };
        let Some(mut state) = self.stored_state(name)? else { return Ok(()) };
        state.checking = Some(job.id);
        let words = format!("health check {} was submitted", job.id);
        self.note(name, job.submitted, state.health, &words, &job.submitter.name)?;
        self.put_state(name, &state)
    }

    /// A job has ended: on a device, or before it came to one. Whether that matters to anybody but the
    /// device's page.
    pub(in crate::store) fn ended(&mut self, job: &Job) -> Result<bool, StoreError> {
        let asked = job.conditions.device.as_ref().filter(|_| job.conditions.health_check);
        let (Some(name), Some(at)) = (asked.or(job.device.as_ref()), job.ended) else {
            return Ok(false);
        };
        let Some(mut state) = self.stored_state(name)? else { return Ok(false) };
        let kind = match self.device(name)? {
            Some((device, _)) => self.kind(&device.device_type)?.map(|(kind, _)| kind),
            None => None,
        };
        let kind = kind.unwrap_or_else(|| DeviceType::plain(&job.device_type));
        let learned = after_job(&state, &kind, job);
        let matters = learned.is_some() || kind.health_check.is_some();
        if job.conditions.health_check {
            // Somebody may have had it run again meanwhile.
            let is_latest = state.checking == Some(job.id);
            state.checking = state.checking.filter(|_| !is_latest);
            let is_put_off = is_latest && is_put_off(job);
            if is_put_off {
                let id = job.id;
                let words = format!(
                    "health check {id} was canceled; the next one is run when it is due, or when \
                     somebody asks"
                );
                self.note(name, at, state.health, &words, &format!("job {id}"))?;
            }
            // One that never came to its end says nothing: the next one will.
            if learned.is_some() || is_put_off {
                state.last_check = Some(at);
                state.jobs_since_check = 0;
            }
        } else {
            state.jobs_since_check = state.jobs_since_check.saturating_add(1);
        }
        match learned {
            Some(Learned { health, why }) => {
                let by = format!("job {}", job.id);
                self.becomes(name, state, health, &why, &by, at)?;
            }
            None => self.put_state(name, &state)?,
        }
        Ok(matters)
    }
}
