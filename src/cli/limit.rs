//! A limit as a person writes it for one run: `step_time=30s:stop`.

use std::str::FromStr;

use crate::model::{Limit, LimitMode, LimitOrigin, Measure, Spot, quantity};

/// What `--limit` says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LimitFlag(pub(super) Limit);

impl FromStr for LimitFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "a limit reads like step_time=30s:stop";
        let (measure, rest) = text.split_once('=').ok_or(form)?;
        let (value, mode) = rest.rsplit_once(':').unwrap_or((rest, LimitMode::Stop.name()));
        let measure = Measure::named(measure)
            .ok_or_else(|| format!("it can be for {}", one_of(Measure::ALL.map(Measure::name))))?;
        let mode = LimitMode::ALL
            .into_iter()
            .find(|known| known.name() == mode)
            .ok_or_else(|| format!("it can be {}", one_of(LimitMode::ALL.map(LimitMode::name))))?;
        let value = value_of(measure, value)?;
        let origin = LimitOrigin::Set { by: "--limit".into() };
        Ok(Self(Limit { measure, spot: Spot::default(), value, mode, origin }))
    }
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
