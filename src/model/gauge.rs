//! What is measured of a running guest, of the host and of ourselves: closed lists with units.

use serde::{Deserialize, Serialize};

/// Operations on the way of a frame, each timed whenever it happens. Their summaries are in
/// `backend.operations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// From the first byte of a screen update to its last.
    UpdateReceive,
    /// From the first byte of a screen update to the frame made of it.
    FrameLag,
    /// From the frame to its picture in the encoder's spool; frames that are left out have none.
    CaptureLag,
    /// Writing that picture, as PPM.
    PpmWrite,
    /// From the picture in the spool to the durable video. The encoder keeps some back on purpose
    /// until the screen rests.
    Encode,
    /// Writing a result screen, as PNG.
    PngWrite,
    /// Writing the live picture, while somebody watches.
    LiveWrite,
    /// One search for needles.
    MatchTime,
    /// From a key or button pressed to the next changed screen.
    KeyToScreen,
}

impl Operation {
    pub const ALL: [Self; 9] = [
        Self::UpdateReceive,
        Self::FrameLag,
        Self::CaptureLag,
        Self::PpmWrite,
        Self::Encode,
        Self::PngWrite,
        Self::LiveWrite,
        Self::MatchTime,
        Self::KeyToScreen,
    ];

    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpdateReceive => "update_receive",
            Self::FrameLag => "frame_lag",
            Self::CaptureLag => "capture_lag",
            Self::PpmWrite => "ppm_write",
            Self::Encode => "encode",
            Self::PngWrite => "png_write",
            Self::LiveWrite => "live_write",
            Self::MatchTime => "match_time",
            Self::KeyToScreen => "key_to_screen",
        }
    }
}

/// The closed list of the values of `measure` events. A value the host does not tell is absent,
/// never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gauge {
    /// Processor time of QEMU's process; 100 is one core.
    GuestCpu,
    /// How long the guest's processor that waited most was ready to run and did not.
    GuestWait,
    /// Memory of QEMU's process.
    GuestMemory,
    /// What QEMU's process read from storage.
    DiskRead,
    /// What QEMU's process wrote to storage.
    DiskWrite,
    /// For how much of the time requests to the guest's disks were under way. Two at once count twice,
    /// to 100 at most.
    DiskWait,
    /// What a request to the guest's disks took on the mean.
    DiskLatency,
    /// Processor time of the engine; 100 is one core.
    EngineCpu,
    /// Processor time of the video encoder; 100 is one core.
    EncoderCpu,
    /// Changed screens the guest showed.
    Frames,
    /// Of these, left out of the video.
    FramesDropped,
    /// The longest [`Operation::FrameLag`].
    FrameLag,
    /// The longest [`Operation::CaptureLag`].
    CaptureLag,
    /// How long the oldest picture that is not in the video yet has waited.
    EncodeLag,
    /// The longest [`Operation::MatchTime`].
    MatchTime,
    /// The longest [`Operation::KeyToScreen`].
    KeyToScreen,
    /// Load average of the last minute.
    HostLoad1,
    /// Time in which some task waited for a processor, in the last ten seconds.
    CpuPressure,
    /// The same for the disk.
    IoPressure,
    /// The same for memory.
    MemoryPressure,
    /// Time a hypervisor below this host kept for others.
    Steal,
    /// Memory that can be had without swapping.
    MemoryAvailable,
}

impl Gauge {
    pub const ALL: [Self; 22] = [
        Self::GuestCpu,
        Self::GuestWait,
        Self::GuestMemory,
        Self::DiskRead,
        Self::DiskWrite,
        Self::DiskWait,
        Self::DiskLatency,
        Self::EngineCpu,
        Self::EncoderCpu,
        Self::Frames,
        Self::FramesDropped,
        Self::FrameLag,
        Self::CaptureLag,
        Self::EncodeLag,
        Self::MatchTime,
        Self::KeyToScreen,
        Self::HostLoad1,
        Self::CpuPressure,
        Self::IoPressure,
        Self::MemoryPressure,
        Self::Steal,
        Self::MemoryAvailable,
    ];

    /// The name used in `measure` events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GuestCpu => "guest_cpu",
            Self::GuestWait => "guest_wait",
            Self::GuestMemory => "guest_memory",
            Self::DiskRead => "disk_read",
            Self::DiskWrite => "disk_write",
            Self::DiskWait => "disk_wait",
            Self::DiskLatency => "disk_latency",
            Self::EngineCpu => "engine_cpu",
            Self::EncoderCpu => "encoder_cpu",
            Self::Frames => "frames",
            Self::FramesDropped => "frames_dropped",
            Self::FrameLag => "frame_lag",
            Self::CaptureLag => "capture_lag",
            Self::EncodeLag => "encode_lag",
            Self::MatchTime => "match_time",
            Self::KeyToScreen => "key_to_screen",
            Self::HostLoad1 => "host_load1",
            Self::CpuPressure => "cpu_pressure",
            Self::IoPressure => "io_pressure",
            Self::MemoryPressure => "memory_pressure",
            Self::Steal => "steal",
            Self::MemoryAvailable => "memory_available",
        }
    }

    /// `%`, `ms`, `MiB`, `B/s`, `1/s`, or nothing for a plain number.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::GuestCpu
            | Self::GuestWait
            | Self::DiskWait
            | Self::EngineCpu
            | Self::EncoderCpu
            | Self::CpuPressure
            | Self::IoPressure
            | Self::MemoryPressure
            | Self::Steal => "%",
            Self::DiskLatency
            | Self::FrameLag
            | Self::CaptureLag
            | Self::EncodeLag
            | Self::MatchTime
            | Self::KeyToScreen => "ms",
            Self::GuestMemory | Self::MemoryAvailable => "MiB",
            Self::DiskRead | Self::DiskWrite => "B/s",
            Self::Frames | Self::FramesDropped => "1/s",
            Self::HostLoad1 => "",
        }
    }

    /// What a person calls it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::GuestCpu => "guest's processor time",
            Self::GuestWait => "guest's processors kept waiting",
            Self::GuestMemory => "guest's memory on the host",
            Self::DiskRead => "guest's disk, read",
            Self::DiskWrite => "guest's disk, written",
            Self::DiskWait => "guest's disk kept it waiting",
            Self::DiskLatency => "mean time of a request to the guest's disk",
            Self::EngineCpu => "engine's processor time",
            Self::EncoderCpu => "video encoder's processor time",
            Self::Frames => "changed screens",
            Self::FramesDropped => "screens left out of the video",
            Self::FrameLag => "longest wait for a frame's pixels",
            Self::CaptureLag => "longest way of a frame to the video's spool",
            Self::EncodeLag => "longest wait for the video encoder",
            Self::MatchTime => "longest search for needles",
            Self::KeyToScreen => "longest wait from a key to a changed screen",
            Self::HostLoad1 => "load of the host",
            Self::CpuPressure => "host short of processors",
            Self::IoPressure => "host short of disk",
            Self::MemoryPressure => "host short of memory",
            Self::Steal => "processors taken by a hypervisor below",
            Self::MemoryAvailable => "memory available on the host",
        }
    }

    /// Whether the largest value speaks for several seconds; of the others their mean does.
    pub const fn is_peak(self) -> bool {
        matches!(
            self,
            Self::FrameLag
                | Self::CaptureLag
                | Self::EncodeLag
                | Self::MatchTime
                | Self::KeyToScreen
        )
    }

    /// The series with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|series| series.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_there_once_and_is_what_json_says() {
        for operation in Operation::ALL {
            assert_eq!(serde_json::json!(operation), operation.name());
        }
        let names: BTreeSet<_> = Gauge::ALL.iter().map(|series| series.name()).collect();
        assert_eq!(names.len(), Gauge::ALL.len());
        assert!(Gauge::ALL.iter().all(|series| Gauge::named(series.name()) == Some(*series)));
        let peaks: Vec<_> = Gauge::ALL.into_iter().filter(|series| series.is_peak()).collect();
        assert_eq!(peaks.len(), 5, "{peaks:?}");
    }
}
