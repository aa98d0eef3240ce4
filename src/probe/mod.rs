//! Asking replicas over HTTP.
