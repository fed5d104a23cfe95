//! Thresholds as somebody sets them, and what they are for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LimitMode, Measure, Spot};

/// All values of one measure, at one place of the jobs of one name, on one type of device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    pub job: String,
    pub device_type: String,
    pub measure: Measure,
    pub spot: Spot,
}

/// What a threshold that somebody has set is for. What is `None` is any.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
pub struct Scope {
    pub measure: Measure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_type: Option<String>,
    /// Name of the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Of the module, or of the part where the measure is of parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Verb and subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// A scope names a place its measure is not taken at.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeFault {
    #[error("{measure} is of a whole job and has no {what}")]
    Nowhere { measure: &'static str, what: &'static str },
    #[error("the name of the {what} is longer than {limit} bytes")]
    TooLong { what: &'static str, limit: usize },
}

impl Scope {
    /// Everything of one measure.
    pub const fn all(measure: Measure) -> Self {
        Self { measure, device_type: None, job: None, module: None, step: None }
    }

    pub fn covers(&self, series: &Series) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == name)
        };
        self.measure == series.measure
            && is(&self.device_type, &series.device_type)
            && is(&self.job, &series.job)
            && is(&self.module, &series.spot.module)
            && is(&self.step, &series.spot.step)
    }

    /// The more specific is the larger: a step counts more than a module, that more than a job, and
    /// that more than a device type. Two scopes that cover the same series and are as specific are
    /// the same scope, so there are no ties.
    pub const fn weight(&self) -> u8 {
        (self.step.is_some() as u8) << 3
            | (self.module.is_some() as u8) << 2
            | (self.job.is_some() as u8) << 1
            | self.device_type.is_some() as u8
    }

    /// # Errors
    /// When it names what its measure does not have, or a name no job can have.
    pub fn check(&self) -> Result<(), ScopeFault> {
        let nowhere = |what| ScopeFault::Nowhere { measure: self.measure.name(), what };
        let (has_module, has_step) = match self.measure {
            Measure::PartTime | Measure::ModuleTime => (true, false),
            Measure::StepTime => (true, true),
            Measure::JobTime
            | Measure::KeyToScreen
            | Measure::FrameLag
            | Measure::MatchTime
            | Measure::GuestWait => (false, false),
        };
        if self.module.is_some() && !has_module {
            return Err(nowhere("module"));
        }
        if self.step.is_some() && !has_step {
            return Err(nowhere("step"));
        }
        for (what, name) in [
            ("device type", &self.device_type),
            ("job", &self.job),
            ("module", &self.module),
            ("step", &self.step),
        ] {
            let limit = super::LONGEST_SPOT;
            if name.as_ref().is_some_and(|name| name.len() > limit) {
                return Err(ScopeFault::TooLong { what, limit });
            }
        }
        Ok(())
    }
}

/// How somebody says where the limit is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetLimit {
    /// In the measure's unit.
    Value(f64),
    /// Times what is learned.
    Factor(f64),
}

/// What somebody has set for a [`Scope`]. What is `None` is left to less specific scopes, and in
/// the end to the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SetThreshold {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<LimitMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<SetLimit>,
    pub by: String,
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_names_only_what_its_measure_has() {
        let job = Scope::all(Measure::JobTime);
        let module = Scope { module: Some("boot".into()), ..job.clone() };
        let nowhere = |measure, what| Err(ScopeFault::Nowhere { measure, what });
        for (scope, want) in [
            (job.clone(), Ok(())),
            (module.clone(), nowhere("job_time", "module")),
            (Scope { measure: Measure::PartTime, ..module.clone() }, Ok(())),
            (
                Scope { measure: Measure::ModuleTime, step: Some("x".into()), ..module.clone() },
                nowhere("module_time", "step"),
            ),
            (Scope { measure: Measure::StepTime, step: Some("x".into()), ..module }, Ok(())),
            (
                Scope { job: Some("x".repeat(257)), ..job },
                Err(ScopeFault::TooLong { what: "job", limit: 256 }),
            ),
        ] {
            assert_eq!(scope.check(), want, "{scope:?}");
        }
    }

    #[test]
    fn the_specific_weighs_more_than_all_that_is_less_so() {
        let any = Scope::all(Measure::StepTime);
        let some = || Some("x".to_owned());
        let device = Scope { device_type: some(), ..any.clone() };
        let job = Scope { job: some(), ..any.clone() };
        let job_on_device = Scope { job: some(), ..device.clone() };
        let module = Scope { module: some(), ..any.clone() };
        let step = Scope { step: some(), ..any.clone() };
        let order = [any, device, job, job_on_device, module, step];
        assert!(order.windows(2).all(|pair| pair[0].weight() < pair[1].weight()));
    }
}
