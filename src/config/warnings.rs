//! What is odd but does not keep the daemon from starting.

use std::time::Duration;

use openstack_sdk_blocking::{Auth, Scope};

use super::environment::{Environment, Source};
use super::settings::Settings;
use super::variable::lookup;
use super::{exposed, names, table};
use crate::probe::Protocol;

/// Clouds answer 429 to a client that lists much more often.
const BUSY_LISTING: Duration = Duration::from_secs(1);
/// A replica that restarts its service is silent for about so long.
const SHORT_SILENCE: Duration = Duration::from_secs(60);
/// The default of `PROBE_THREADS` when each probe took a thread. A larger number was meant to do something.
const THREADS_BEFORE: usize = 64;

/// About where names and values are from.
pub(super) fn of_environment(environment: &Environment) -> Vec<String> {
    let mut warnings = environment.warnings().to_vec();
    warnings.extend(exposed::warning(environment));
    warnings.extend(environment.shadowed(names::is_known));
    warnings.extend(names::warnings(environment));
    warnings
}

/// About how values are written.
pub(super) fn of_values(environment: &Environment) -> Vec<String> {
    let mut warnings = Vec::new();
    for variable in table::variables() {
        if let Some(found) = lookup(environment, variable)
            && found.source == Source::Process
            && is_quoted(found.text)
        {
            warnings.push(format!(
                "{}: the quotes around the value are part of it; `docker run --env-file` and `make` \
                 keep quotes, so write the value without",
                found.name
            ));
        }
        if let Some(alias) = variable.alias
            && let (Some((own, _)), Some((old, _))) =
                (environment.lookup(variable.name), environment.lookup(alias))
            && own != old
        {
            warnings.push(format!(
                "{alias} is ignored, because {} is set too",
                variable.name
            ));
        }
    }
    warnings
}

fn is_quoted(text: &str) -> bool {
    let inner = |quote| {
        text.strip_prefix(quote)
            .is_some_and(|rest: &str| rest.ends_with(quote))
    };
    inner('"') || inner('\'')
}

/// About what values mean together.
pub(super) fn of_settings(settings: &Settings) -> Vec<String> {
    let policy = &settings.pool.policy;
    let mut warnings = Vec::new();
    let mut warn = |when: bool, text: String| {
        if when {
            warnings.push(text);
        }
    };
    warn(
        policy
            .startup_timeout
            .is_some_and(|timeout| timeout < policy.startup_grace),
        "REPLICA_STARTUP_TIMEOUT is shorter than REPLICA_STARTUP_GRACE: \
         replicas are deleted while they still count as starting"
            .to_owned(),
    );
    warn(
        policy
            .unreachable_timeout
            .is_some_and(|timeout| timeout < SHORT_SILENCE),
        format!(
            "REPLICA_UNREACHABLE_TIMEOUT is below {} s: \
             a replica is deleted after a short silence, with the sessions it may hold",
            SHORT_SILENCE.as_secs()
        ),
    );
    let most = policy
        .max_count
        .map(|count| count.saturating_mul(policy.capacity).get());
    if let Some(most) = most.filter(|most| *most < policy.floor) {
        warn(
            true,
            format!(
                "REPLICA_MAX_COUNT allows {most} resources, \
                 REPLICA_MIN_AVAILABLE_RESOURCES asks for {}: it is never reached",
                policy.floor
            ),
        );
    }
    warn(
        settings.pool.scaling_interval < BUSY_LISTING,
        "SCALING_INTERVAL is below 1 s: clouds limit the rate of requests".to_owned(),
    );
    warn(
        settings.daemon.probe_threads.get() > THREADS_BEFORE,
        format!(
            "PROBE_THREADS={} starts 4 threads at most: each is an event loop that probes thousands \
             of replicas at a time, so more of them would gain nothing",
            settings.daemon.probe_threads
        ),
    );
    let endpoint = &settings.pool.endpoint;
    let (https, tls) = (endpoint.protocol == Protocol::Https, &endpoint.tls);
    warn(
        !https && (tls.insecure || tls.ca_file.is_some()),
        "REPLICA_API_CA_FILE and REPLICA_API_INSECURE are ignored, \
         because REPLICA_API_PROTOCOL is http"
            .to_owned(),
    );
    warn(
        https && tls.insecure,
        "REPLICA_API_INSECURE: the certificates of the replicas are not checked".to_owned(),
    );
    let cloud = &settings.cloud.client;
    warn(
        matches!(cloud.auth, Auth::Password { .. }) && cloud.scope == Scope::Unscoped,
        "neither OS_PROJECT_ID nor OS_PROJECT_NAME is set: \
         the login works only if the user has a default project"
            .to_owned(),
    );
    warn(
        cloud.insecure,
        "OS_INSECURE: the certificate of the cloud is not checked, \
         the login may be read on the way"
            .to_owned(),
    );
    warnings
}
