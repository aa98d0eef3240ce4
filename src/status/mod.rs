//! The status server: what the daemon knows and does, over HTTP.
