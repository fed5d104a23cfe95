//! The store as its users see it, against a model, and after power cuts.

mod behaviour;
mod crash;
mod devices;
mod estimates;
mod holdings;
mod known;
mod list;
mod measures;
mod model;
mod people;
mod sample;
mod tally;
