//! The web as its readers see it: whole pages rendered from fixed data, and the router as a browser
//! or a program on the socket would use it.

mod bulk;
mod demo;
mod diff;
mod estimates;
mod failures;
mod history;
mod http;
mod keeping;
mod openapi;
mod pages;
mod people;
mod site;
mod streams;
mod thresholds;
