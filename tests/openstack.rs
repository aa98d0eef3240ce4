//! The program against a real OpenStack on 127.0.0.1, see docs/TESTING-OPENSTACK.md.
//!
//! `make test-openstack` brings one up and runs this. Words on the command line choose scenarios.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests wait for a cloud, and fail loudly"
)]

mod openstack_suite;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Options are the harness's, which is not used here.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    if std::env::args().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var("OPENSTACK_TESTS").as_deref() != Ok("1") {
        println!(
            "openstack: skipped, OPENSTACK_TESTS=1 is not set (make test-openstack does all that is needed)"
        );
        return ExitCode::SUCCESS;
    }
    openstack_suite::runner::run(&words)
}
