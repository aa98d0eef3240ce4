//! SimpleScaleVM keeps a pool of virtual machines on an OpenStack cloud large enough
//! that a set number of free slots is available at all times.
//!
//! The map of the modules is in `docs/ARCHITECTURE.md`. The short of it: [`pool`] decides and
//! does nothing else, [`scaler`] observes, plans and applies, [`runtime`] starts the threads.

// They end the thread where standard output or standard error cannot be written: see `runtime::print`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod check;
pub mod cli;
pub mod cloud;
pub mod config;
mod local_file;
pub mod logging;
pub mod probe;
pub mod runtime;
pub mod scaler;
pub mod status;
mod text;

pub use simplescalevm_core as pool;
