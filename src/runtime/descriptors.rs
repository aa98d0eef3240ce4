//! File descriptors: a kept probe connection is one, and so is each of everything else.

use crate::config::Settings;
use crate::probe::for_the_rest;
use crate::status::StatusServer;

/// How many clients of the status page there may be: half of what probes leave to the rest.
pub(super) fn for_clients() -> usize {
    let (limit, _) = rlimit::Resource::NOFILE.get().unwrap_or((1024, 1024));
    clients_of(usize::try_from(limit).unwrap_or(usize::MAX))
}

fn clients_of(limit: usize) -> usize {
    (for_the_rest(limit) / 2).min(StatusServer::MAX_CONNECTIONS)
}

/// Raises the soft limit to the hard one (systemd and most shells give 1,024 unless asked), and
/// says what to do where that is too few for the pool: a replica that cannot be probed for want of
/// a descriptor would be taken for one that does not answer.
pub(super) fn raise(settings: &Settings) {
    let needed = needed(settings);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit >= needed => log::debug!("{limit} file descriptors may be open"),
        Ok(limit) => log::warn!("{}", too_few(limit, needed)),
        Err(error) => log::warn!("the limit of file descriptors cannot be raised: {error}"),
    }
}

/// One per replica that the settings allow or call for, whether it is being probed or its connection
/// is kept, and what probes leave to the rest.
fn needed(settings: &Settings) -> u64 {
    let policy = &settings.pool.policy;
    let for_the_floor = policy.floor.div_ceil(policy.capacity.get());
    let replicas = policy.max_count.map_or(for_the_floor, u64::from);
    // What is left is a share of the whole.
    let whole = usize::try_from(replicas.saturating_add(replicas / 31 + 1)).unwrap_or(usize::MAX);
    replicas.saturating_add(for_the_rest(whole) as u64)
}

fn too_few(limit: u64, needed: u64) -> String {
    format!(
        "only {limit} file descriptors may be open, and up to {needed} are needed for these \
         settings: raise the hard limit (systemd: LimitNOFILE={needed}; docker: \
         --ulimit nofile={needed}), or lower REPLICA_MAX_COUNT"
    )
}

#[cfg(test)]
mod tests {
    use super::{needed, too_few};
    use crate::config::{Environment, Settings};

    #[test]
    fn what_is_needed_follows_the_settings() {
        let check = |more: &[(&str, &str)], expected| {
            let base = [
                ("OS_AUTH_URL", "http://127.0.0.1:1/v3"),
                ("OS_USERNAME", "u"),
                ("OS_PASSWORD", "p"),
                ("OS_PROJECT_ID", "x"),
            ];
            let environment = Environment::from_pairs(base.iter().chain(more).copied());
            let settings = Settings::from_environment(&environment).unwrap();
            assert_eq!(needed(&settings), expected, "{more:?}");
        };
        check(&[], 3 + 64);
        check(&[("REPLICA_MAX_COUNT", "1000")], 1000 + 64);
        let large = [
            ("REPLICA_MIN_AVAILABLE_RESOURCES", "1001"),
            ("REPLICA_CAPACITY", "10"),
        ];
        check(&large, 101 + 64);
    }

    #[test]
    fn clients_never_take_what_probes_need() {
        let check = |limit, expected| assert_eq!(super::clients_of(limit), expected, "{limit}");
        check(256, 32);
        check(1_024, 32);
        check(20_000, 312);
        check(65_536, 1_024);
        check(usize::MAX, 1_024);
    }

    #[test]
    fn too_few_says_what_to_do() {
        let text = too_few(1024, 2000);
        for part in ["1024", "2000", "LimitNOFILE=2000", "REPLICA_MAX_COUNT"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
