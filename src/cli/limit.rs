//! A limit as a person writes it for one run: `step_time=30s:stop`, or for one place in the test
//! `step_time@network/assert_screen installer-hostname=30s:stop`.

use std::str::FromStr;

use crate::model::{Limit, LimitMode, LimitOrigin, Measure, Scope, Spot, quantity};

/// What `--limit` says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LimitFlag(pub(super) Limit);

impl FromStr for LimitFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "a limit reads like step_time=30s:stop";
        // Names of steps may have any sign in them, values have no `=`.
        let (what, rest) = text.rsplit_once('=').ok_or(form)?;
        let (measure, place) = what.split_once('@').unwrap_or((what, ""));
        let (value, mode) = rest.rsplit_once(':').unwrap_or((rest, LimitMode::Stop.name()));
        let measure = Measure::named(measure)
            .ok_or_else(|| format!("it can be for {}", one_of(Measure::ALL.map(Measure::name))))?;
        let mode = LimitMode::ALL
            .into_iter()
            .find(|known| known.name() == mode)
            .ok_or_else(|| format!("it can be {}", one_of(LimitMode::ALL.map(LimitMode::name))))?;
        let value = value_of(measure, value)?;
        let spot = spot(measure, place)?;
        let origin = LimitOrigin::Set { by: "--limit".into() };
        Ok(Self(Limit { measure, spot, value, mode, origin }))
    }
}

/// `MODULE`, `MODULE/STEP` or `/STEP`.
fn spot(measure: Measure, place: &str) -> Result<Spot, String> {
    let (module, step) = place.split_once('/').unwrap_or((place, ""));
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let scope = Scope { module: named(module), step: named(step), ..Scope::all(measure) };
    scope.check().map_err(|fault| fault.to_string())?;
    Ok(Spot { module: module.into(), step: step.into() })
}

fn value_of(measure: Measure, text: &str) -> Result<f64, String> {
    if measure.unit() == "%" {
        let percent = quantity::decimal(text.trim_end_matches('%').trim_end());
        return percent
            .filter(|percent| *percent <= 100.0)
            .ok_or_else(|| format!("{} is limited to a share, as 20%", measure.name()));
    }
    let time = quantity::duration(text).map(|time| time.as_secs_f64() * 1000.0);
    time.ok_or_else(|| format!("{} is limited to a time, as 30s or 500ms", measure.name()))
}

fn one_of<const N: usize>(names: [&str; N]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_behind_the_measure() {
        for (text, want) in [
            ("part_time@boot=60s:watch", Ok(("boot", ""))),
            ("module_time@network=2m", Ok(("network", ""))),
            ("step_time@network/send_key ret=9s:stop", Ok(("network", "send_key ret"))),
            ("step_time@/type_string a=b/@c=9s", Ok(("", "type_string a=b/@c"))),
            ("step_time@=9s", Ok(("", ""))),
            ("job_time@network=9s", Err("job_time is of a whole job and has no module")),
            ("module_time@a/send_key ret=9s", Err("has no step")),
        ] {
            match (text.parse::<LimitFlag>(), want) {
                (Ok(LimitFlag(Limit { spot, .. })), Ok(want)) => {
                    assert_eq!((&*spot.module, &*spot.step), want, "{text}");
                }
                (Err(words), Err(want)) => assert!(words.contains(want), "{text}: {words}"),
                (found, want) => panic!("{text}: {found:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn limits_are_read_as_they_are_written() {
        use LimitMode::{Off, Stop, Watch};
        for (text, want) in [
            ("step_time=30s:stop", Ok((Measure::StepTime, 30e3, Stop))),
            ("step_time=30s", Ok((Measure::StepTime, 30e3, Stop))),
            ("job_time=1h 30m:watch", Ok((Measure::JobTime, 5.4e6, Watch))),
            ("key_to_screen=500ms:off", Ok((Measure::KeyToScreen, 500.0, Off))),
            ("guest_wait=20%:watch", Ok((Measure::GuestWait, 20.0, Watch))),
            ("guest_wait=12.5", Ok((Measure::GuestWait, 12.5, Stop))),
            ("step_time", Err("a limit reads like")),
            ("weather=30s:stop", Err("job_time, part_time")),
            ("step_time=30s:halt", Err("off, watch, stop")),
            ("step_time=30:stop", Err("as 30s or 500ms")),
            ("step_time=20%", Err("as 30s or 500ms")),
            ("guest_wait=200%", Err("as 20%")),
            ("guest_wait=5s", Err("as 20%")),
        ] {
            match (text.parse::<LimitFlag>(), want) {
                (Ok(LimitFlag(limit)), Ok(want)) => {
                    assert_eq!((limit.measure, limit.value, limit.mode), want, "{text}");
                }
                (Err(words), Err(want)) => assert!(words.contains(want), "{text}: {words}"),
                (found, want) => panic!("{text}: {found:?}, not {want:?}"),
            }
        }
    }
}
