//! QEMU: arguments, processes, screen and monitor.
//!
//! [`Machine::start`] gives a machine that is paused with everything connected; the caller takes
//! [`Machine::take_serial`] to `console`, then says [`Machine::cont`]. What happens comes out of
//! [`Machine::events`], what is seen out of [`Machine::frames`], and [`Machine::close`] ends it.

mod arguments;
mod child;
mod error;
mod hands;
mod machine;
mod monitor;
mod overlay;
mod probe;
mod screen;

pub use arguments::{
    DEVICES, MACHINE, MachineSpec, QEMU, QEMU_IMG, UefiFiles, arguments, with_file,
};
pub use error::VmError;
pub use machine::{Closed, Ending, Machine};
pub use monitor::{By, DiskUse, MachineEvent, Monitor, RunState};
pub use overlay::{ImageFormat, ImageInfo, create_overlay, image_info};
pub use probe::{Proof, probe};
pub use screen::ScreenHandle;
