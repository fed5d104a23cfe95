//! Sutler: drop a job file into a folder, and it is run on a virtual machine, watched, judged and
//! shown on a local page.
//!
//! This is the map of the house. A room imports only from rooms above its own line, and not from
//! its neighbours on the same line; `tests/layers.rs` holds us to it.
//!
//! ```text
//! model                                    words everyone shares
//! clock  tasks  config  sockets            the one clock; where work runs; checked settings
//! gauges  secrets                          how long operations take; passwords and keys
//! proto  decide                            bytes to messages; pure choices
//! picture                                  frames, damage, image files
//! vm  vision  capture  console  store      each the only one to touch its resource
//! deploy                                   images made ready for a guest
//! engine                                   one job, in a process of its own
//! supervise  job_file  insight             engine processes; definition text to model; what jobs teach
//! people                                   who somebody is, by which door
//! schedule  intake  upkeep  doctor         the queue; the inbox; what is kept; is the box well
//! estimates                                when jobs will start and end, and how right that was
//! handbook                                 how to use it all, partly written from our own tables
//! markup                                   what pictures of a job are made of, on pages and in reports
//! report                                   a job's results as one file: HTML, JUnit XML, TAP
//! web                                      pages and the JSON API
//! cli                                      commands
//! app                                      builds, wires and closes every part of the appliance
//! ```
//!
//! Data flows one way: a job file is read by [`job_file`], made durable by [`store`], started by
//! [`schedule`] through [`supervise`], carried out by [`engine`] in a process of its own. Events
//! come back through a file in the job's folder; pages read snapshots.

pub mod app;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod decide;
pub mod deploy;
pub mod doctor;
pub mod engine;
pub mod estimates;
pub mod gauges;
pub mod handbook;
pub mod insight;
pub mod intake;
pub mod job_file;
pub mod markup;
pub mod model;
pub mod people;
pub mod picture;
pub mod proto;
pub mod report;
pub mod schedule;
pub mod secrets;
pub mod sockets;
pub mod store;
pub mod supervise;
pub mod tasks;
pub mod upkeep;
pub mod vision;
pub mod vm;
pub mod web;
