//! Builds, wires and closes every part of the appliance.
