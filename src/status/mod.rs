//! The status server: what the daemon knows and does, over HTTP.
//!
//! It reads the latest snapshot and never waits for the scaler. The fields of its answers are
//! described in `docs/status-api.md`.
//!
//! Anybody who reaches the port may send it anything, so it takes no body, keeps no connection,
//! holds a bounded number of them, and lets the newest in by closing the one that has done least.
//! One thread talks to all of them; large answers are rendered once, by another, and shared.

mod accept;
mod allowed_host;
mod board;
mod bodies;
mod connection;
mod error;
mod gauges;
mod history;
mod host;
mod hosts;
mod http;
mod metrics;
mod page;
mod routes;
mod server;
mod value;
mod view;
mod view_events;
mod view_plan;

pub use allowed_host::{AllowedHost, NeverMatches};
pub use board::Board;
pub use error::StatusError;
pub use metrics::Metrics;
pub use server::{Clock, StatusServer};
pub use view::{status_view, summary_view};

use crate::pool::CloudTime;
use std::time::Duration;

/// What the status server is told at start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusSettings {
    /// `APP_HOST`: a name or an address to listen on.
    pub host: String,
    /// `APP_PORT`; 0 takes any free one.
    pub port: u16,
    /// `APP_ALLOWED_HOSTS`: by which hosts the server may be asked; empty: any.
    pub allowed_hosts: Vec<AllowedHost>,
    /// `APP_SHOW_SETTINGS`: whether the settings are shown to others than this machine.
    pub show_settings: bool,
}

/// What does not change while the daemon runs.
#[derive(Debug, Clone)]
pub struct DaemonInfo {
    /// The daemon's version.
    pub version: &'static str,
    /// The cloud's name, as in `PROVIDER`.
    pub provider: &'static str,
    /// The settings, name and value; the values of secrets must be masked already.
    pub settings: Vec<(String, String)>,
    /// The daemon is unhealthy when the scaler's loop has made no turn for so long.
    pub healthy_within: Duration,
    /// The server's own settings.
    pub server: StatusSettings,
    /// How many connections the server may have.
    pub max_connections: usize,
    /// The pool's name: the value of its servers' metadata.
    pub pool: String,
    /// This machine's wall clock, which Prometheus compares with its own.
    pub wall_clock: fn() -> CloudTime,
    /// How many lines of the log were dropped since the start, because they could not be written.
    pub log_lines_dropped: fn() -> u64,
}
