//! What the name of a measure stands for.
//!
//! Names come from the engine, also from a later one; a name that is not in the table is taken
//! apart: its ending says the unit, its words the group.

use crate::markup::moment::size;

/// Measures that are looked at together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Processor,
    Waiting,
    Frames,
    Lags,
    Memory,
    Disk,
    Other,
}

impl Group {
    pub const ALL: [Self; 7] = [
        Self::Processor,
        Self::Waiting,
        Self::Frames,
        Self::Lags,
        Self::Memory,
        Self::Disk,
        Self::Other,
    ];

    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Waiting => "waiting",
            Self::Frames => "frames",
            Self::Lags => "lags",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Other => "other",
        }
    }

    /// What stands above a plot.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Processor => "Processor",
            Self::Waiting => "Waiting for the host",
            Self::Frames => "Frames",
            Self::Lags => "Lags",
            Self::Memory => "Memory",
            Self::Disk => "Disk",
            Self::Other => "Other",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    Percent,
    Millis,
    /// Bytes come in this many at a time: 1, 1024, 1048576.
    Bytes(u32),
    BytesPerSecond(u32),
    PerSecond,
    /// A number of things.
    Count,
}

impl Unit {
    /// The name used in JSON, of what the values are in.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::Millis => "ms",
            Self::Bytes(1_024) => "KiB",
            Self::Bytes(1_048_576) => "MiB",
            Self::Bytes(_) => "bytes",
            Self::BytesPerSecond(1_024) => "KiB/s",
            Self::BytesPerSecond(1_048_576) => "MiB/s",
            Self::BytesPerSecond(_) => "bytes/s",
            Self::PerSecond => "1/s",
            Self::Count => "",
        }
    }

    /// A value with its unit, for people: `12 %`, `1.5 s`, `3.4 MiB`.
    pub fn figure(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{} %", short(value)),
            Self::Millis if value.abs() >= 1_000.0 => format!("{} s", short(value / 1_000.0)),
            Self::Millis => format!("{} ms", short(value)),
            Self::Bytes(each) => size(whole(value * f64::from(each))),
            Self::BytesPerSecond(each) => format!("{}/s", size(whole(value * f64::from(each)))),
            Self::PerSecond => format!("{}/s", short(value)),
            Self::Count => short(value),
        }
    }

    /// The round number at the upper edge of a plot whose greatest value is `most`.
    pub fn edge(self, most: f64) -> f64 {
        let base: f64 = match self {
            Self::Bytes(_) | Self::BytesPerSecond(_) => 1_024.0,
            Self::Percent | Self::Millis | Self::PerSecond | Self::Count => 10.0,
        };
        if most <= 0.0 {
            return 1.0;
        }
        let step = base.powf(most.log(base).floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];
        steps.map(|one| one * step).into_iter().find(|edge| *edge >= most).unwrap_or(base * step)
    }
}

/// Two digits where there is little, none behind the point where there is much.
fn short(value: f64) -> String {
    let text = match value.abs() {
        0.0 => return "0".into(),
        tiny if tiny < 1.0 => format!("{value:.2}"),
        some if some < 10.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
const fn whole(bytes: f64) -> u64 {
    bytes as u64
}

/// What a measure is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub title: String,
    pub unit: Unit,
    pub group: Group,
}

/// Name, title, unit, group; in the order in which they are drawn.
const TABLE: &[(&str, &str, Unit, Group)] = &[
    ("guest_cpu", "Guest", Unit::Percent, Group::Processor),
    ("engine_cpu", "Engine", Unit::Percent, Group::Processor),
    ("encoder_cpu", "Video encoder", Unit::Percent, Group::Processor),
    ("guest_wait", "Guest kept waiting", Unit::Percent, Group::Waiting),
    ("cpu_pressure", "Host short of processors", Unit::Percent, Group::Waiting),
    ("io_pressure", "Host short of disk", Unit::Percent, Group::Waiting),
    ("steal", "Taken by a hypervisor below", Unit::Percent, Group::Waiting),
    ("host_load1", "Load of the host", Unit::Count, Group::Waiting),
    ("frames", "Changed screens", Unit::PerSecond, Group::Frames),
    ("frames_dropped", "Left out of the video", Unit::PerSecond, Group::Frames),
    ("frame_lag", "Update to frame", Unit::Millis, Group::Lags),
    ("capture_lag", "Frame to spool", Unit::Millis, Group::Lags),
    ("match_time", "Search for needles", Unit::Millis, Group::Lags),
    ("key_to_screen", "Key to screen", Unit::Millis, Group::Lags),
    ("encode_lag", "Spool to video", Unit::Millis, Group::Lags),
    ("guest_memory", "Guest", Unit::Bytes(1 << 20), Group::Memory),
    ("memory_available", "Available on the host", Unit::Bytes(1 << 20), Group::Memory),
    ("memory_pressure", "Host short of memory", Unit::Percent, Group::Memory),
    ("disk_read", "Read", Unit::BytesPerSecond(1), Group::Disk),
    ("disk_write", "Written", Unit::BytesPerSecond(1), Group::Disk),
    ("disk_wait", "Kept the guest waiting", Unit::Percent, Group::Disk),
    ("disk_latency", "A request", Unit::Millis, Group::Disk),
];

/// Endings and the unit they say.
const ENDINGS: &[(&str, Unit)] = &[
    ("_bytes_per_second", Unit::BytesPerSecond(1)),
    ("_kib_per_second", Unit::BytesPerSecond(1 << 10)),
    ("_mib_per_second", Unit::BytesPerSecond(1 << 20)),
    ("_percent", Unit::Percent),
    ("_pct", Unit::Percent),
    ("_ms", Unit::Millis),
    ("_millis", Unit::Millis),
    ("_per_second", Unit::PerSecond),
    ("_bytes", Unit::Bytes(1)),
    ("_kib", Unit::Bytes(1 << 10)),
    ("_mib", Unit::Bytes(1 << 20)),
];

/// Words and the group they say, the first that is found.
const WORDS: &[(&str, Group)] = &[
    ("pressure", Group::Waiting),
    ("psi", Group::Waiting),
    ("steal", Group::Waiting),
    ("wait", Group::Waiting),
    ("load", Group::Waiting),
    ("lag", Group::Lags),
    ("disk", Group::Disk),
    ("io", Group::Disk),
    ("memory", Group::Memory),
    ("rss", Group::Memory),
    ("swap", Group::Memory),
    ("cpu", Group::Processor),
    ("processor", Group::Processor),
    ("frames", Group::Frames),
    ("dropped", Group::Frames),
];

/// What the name stands for, and its place among the others.
pub fn known(name: &str) -> Known {
    let ending =
        ENDINGS.iter().find(|(ending, _)| name.ends_with(ending) && name.len() > ending.len());
    let stem = ending.map_or(name, |(ending, _)| &name[..name.len() - ending.len()]);
    if let Some((_, title, unit, group)) = TABLE.iter().find(|row| row.0 == name || row.0 == stem) {
        let unit = ending.map_or(*unit, |(_, unit)| *unit);
        return Known { title: (*title).into(), unit, group: *group };
    }
    let has = |word: &str| stem.split('_').any(|part| part == word);
    let group = WORDS.iter().find(|(word, _)| has(word)).map(|(_, group)| *group);
    let unit = match (ending, group) {
        (Some((_, unit)), _) => *unit,
        (None, Some(Group::Processor | Group::Waiting)) if !has("load") => Unit::Percent,
        (None, Some(Group::Lags)) => Unit::Millis,
        (None, _) => Unit::Count,
    };
    let group = match (group, unit) {
        (None, Unit::Millis) => Group::Lags,
        (group, _) => group.unwrap_or(Group::Other),
    };
    Known { title: titled(stem), unit, group }
}

/// Place in the table; what is not in it comes last.
pub(super) fn place(name: &str) -> usize {
    let is_it = |row: &(&str, &str, Unit, Group)| {
        name.strip_prefix(row.0).is_some_and(|rest| {
            rest.is_empty() || ENDINGS.iter().any(|(ending, _)| *ending == rest)
        })
    };
    TABLE.iter().position(is_it).unwrap_or(TABLE.len())
}

/// `key_to_screen` as a title: `Key to screen`.
fn titled(stem: &str) -> String {
    let words = stem.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_nobody_knows_says_what_it_is_by_its_words() {
        for (name, title, unit, group) in [
            ("guest_cpu", "Guest", Unit::Percent, Group::Processor),
            ("guest_cpu_percent", "Guest", Unit::Percent, Group::Processor),
            ("match_time_ms", "Search for needles", Unit::Millis, Group::Lags),
            ("qemu_cpu", "Qemu cpu", Unit::Percent, Group::Processor),
            ("host_memory_mib", "Host memory", Unit::Bytes(1 << 20), Group::Memory),
            ("disk_seek_bytes_per_second", "Disk seek", Unit::BytesPerSecond(1), Group::Disk),
            ("io_psi", "Io psi", Unit::Percent, Group::Waiting),
            ("load5", "Load5", Unit::Count, Group::Other),
            ("png_ms", "Png", Unit::Millis, Group::Lags),
            ("weather", "Weather", Unit::Count, Group::Other),
            ("_ms", " ms", Unit::Count, Group::Other),
            ("", "", Unit::Count, Group::Other),
        ] {
            let want = Known { title: title.into(), unit, group };
            assert_eq!(known(name), want, "{name}");
        }
        assert!(place("guest_wait") < place("cpu_pressure_percent"));
        assert_eq!(place("weather"), place("frames_of_mind"));
    }

    #[test]
    fn figures_are_short_and_edges_round() {
        for (unit, value, figure, edge) in [
            (Unit::Percent, 0.0, "0 %", 1.0),
            (Unit::Percent, 97.26, "97 %", 100.0),
            (Unit::Percent, 187.0, "187 %", 200.0),
            (Unit::Millis, 4.26, "4.3 ms", 5.0),
            (Unit::Millis, 1_500.0, "1.5 s", 2_000.0),
            (Unit::Count, 0.126, "0.13", 0.2),
            (Unit::Count, 10.0, "10", 10.0),
            (Unit::Bytes(1 << 20), 612.0, "612.0 MiB", 1_000.0),
            (Unit::Bytes(1), 1_500.0, "1.5 KiB", 2_048.0),
            (Unit::BytesPerSecond(1 << 10), 3.0, "3.0 KiB/s", 5.0),
        ] {
            assert_eq!(unit.figure(value), figure);
            assert!((unit.edge(value) - edge).abs() < 1e-9, "{} of {value}", unit.edge(value));
        }
    }
}
