//! Deterministic simulation: the real pool core and the real scaler loop, over a cloud, replicas,
//! callers, operators and clocks that all follow from one seed. See `docs/SIMULATION.md`.

#![allow(
    dead_code,
    unused_imports,
    clippy::needless_update,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::struct_excessive_bools,
    clippy::similar_names,
    clippy::single_match_else,
    reason = "the test and the program that replays a seed use different parts; both may stop"
)]

mod calls;
mod cloud;
mod driver;
mod judge;
mod knowledge;
mod people;
mod probes;
mod rng;
mod scenario;
mod server;
mod verdict;
mod world;

pub(crate) use driver::{Options, Report, churn, minimise, run};
pub(crate) use judge::Invariant;
pub(crate) use scenario::{Fault, Faults};
pub(crate) use world::Figures;
