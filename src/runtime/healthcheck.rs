//! Asks a running daemon whether it is well.

use super::output::{complain, print};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Docker's default for a health check is 30 s; a daemon that is well answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// The answer is a short JSON object.
const MAX_BODY_BYTES: u64 = 4096;

/// Prints the daemon's answer; succeeds if it is a good one.
#[must_use]
pub fn healthcheck(address: SocketAddr) -> ExitCode {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        // It is on this machine.
        .proxy(None)
        .build()
        .into();
    let url = format!("http://{address}/healthz");
    let asked = agent.get(&url).call().and_then(|mut answer| {
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(MAX_BODY_BYTES);
        Ok((status, body.read_to_string()?))
    });
    match asked {
        Ok((200, body)) => {
            // What is asked for is the exit code: that nothing can be printed does not make the daemon ill.
            let _ = print(&format!("{}\n", body.trim_end()));
            ExitCode::SUCCESS
        }
        Ok((status, body)) => {
            complain(&format!("{url}: status {status}: {}", body.trim_end()));
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&format!(
                "{url}: {error}: is the daemon running, with this APP_HOST and APP_PORT? Its log says why not"
            ));
            ExitCode::FAILURE
        }
    }
}
