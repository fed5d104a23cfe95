//! QEMU: arguments, processes, screen and monitor.
