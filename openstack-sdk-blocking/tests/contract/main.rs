//! What the client promises, over real sockets, with each transport.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "helpers of tests"
)]
#![cfg(all(feature = "ureq", feature = "reqwest"))]

mod causes;
mod discovery;
mod errors;
mod lists;
mod login;
mod odd;
mod paging;
mod proxied;
mod rules;
mod secured;
mod server;
mod wire;
