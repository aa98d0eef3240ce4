//! What Nova's words for a server mean for the pool.

use crate::pool::{Creating, Failed, ServerState};
use openstack_sdk_blocking::{AddressKind, Server};
use std::net::IpAddr;

/// Reads the state of a server that is of the pool, or of which Nova cannot say.
///
/// Source: Compute API guide, "Server concepts"; `vm_state` and `task_state` as in
/// `nova/compute/vm_states.py` and `task_states.py`. Where the extended status is hidden by
/// policy, `status` stands in for it. None: what decides cannot be read.
pub(super) fn read(server: &Server, networks: &[String], ip_version: u8) -> Option<ServerState> {
    const VM_STATE: &str = "OS-EXT-STS:vm_state";
    const TASK_STATE: &str = "OS-EXT-STS:task_state";
    if server.is_partial() || server.is_unread(VM_STATE) || server.is_unread(TASK_STATE) {
        return None;
    }
    if server.vm_state.is_none() && server.is_unread("status") {
        return None;
    }
    let state = of_words(server, networks, ip_version);
    let has_no_address = state == ServerState::Creating(Creating::NoAddress);
    let is_unread = has_no_address && server.is_unread("addresses");
    (!is_unread).then_some(state)
}

fn of_words(server: &Server, networks: &[String], ip_version: u8) -> ServerState {
    let task = server.task_state.as_deref().unwrap_or_default();
    let vm_state = server
        .vm_state
        .as_deref()
        .unwrap_or_else(|| vm_state_of_status(&server.status));
    match (vm_state, task) {
        ("deleted" | "soft-delete", _) | (_, "deleting" | "soft-deleting") => ServerState::Leaving,
        ("unknown", _) => ServerState::Unknown,
        ("building", _) => ServerState::Creating(Creating::Building),
        ("active", _) => match fixed_addresses(server, networks, ip_version).next() {
            Some(address) => ServerState::Running(address),
            None => ServerState::Creating(Creating::NoAddress),
        },
        ("error", _) => ServerState::Failed(Failed::Error),
        // Somebody is starting it again.
        ("stopped", "powering-on" | "rebooting" | "rebooting_hard" | "reboot_started_hard") => {
            ServerState::Held(task.to_owned())
        }
        ("stopped", _) => ServerState::Failed(Failed::Stopped),
        (other, _) => ServerState::Held(other.to_owned()),
    }
}

/// The server's own addresses of the wanted version on the wanted network, in Nova's order. Of that
/// network's names, the first that Nova knows counts: a later one may be another network's by now.
pub(super) fn fixed_addresses(
    server: &Server,
    networks: &[String],
    ip_version: u8,
) -> impl Iterator<Item = IpAddr> {
    let mut known = networks.iter();
    let on_network = known.find_map(|name| server.addresses.get(name));
    on_network
        .into_iter()
        .flatten()
        .filter(move |a| a.kind == AddressKind::Fixed && a.version == ip_version)
        .map(|a| a.addr)
}

fn vm_state_of_status(status: &str) -> &str {
    match status {
        "BUILD" => "building",
        "ACTIVE" | "REBOOT" | "HARD_REBOOT" | "PASSWORD" => "active",
        "ERROR" => "error",
        "SHUTOFF" => "stopped",
        "DELETED" => "deleted",
        "SOFT_DELETED" => "soft-delete",
        "UNKNOWN" => "unknown",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::ServerState::{Creating as OnItsWay, Held, Leaving, Running, Unknown};
    use openstack_sdk_blocking::Address;

    fn names(name: &str) -> [String; 1] {
        [name.to_owned()]
    }

    fn server(status: &str, vm_state: Option<&str>, task: Option<&str>) -> Server {
        let address = |addr: &str, version, kind| Address {
            addr: addr.parse().expect("an address"),
            version,
            kind,
            mac: None,
        };
        let addresses = [(
            "net".to_owned(),
            vec![
                address("127.9.9.9", 4, AddressKind::Floating),
                address("fd00::5", 6, AddressKind::Fixed),
                address("127.0.0.5", 4, AddressKind::Fixed),
            ],
        )];
        Server {
            status: status.to_owned(),
            vm_state: vm_state.map(str::to_owned),
            task_state: task.map(str::to_owned),
            addresses: addresses.into(),
            ..Server::default()
        }
    }

    #[test]
    fn every_row_of_the_table() {
        let running = Running("127.0.0.5".parse().expect("an address"));
        let check = |vm_state: &str, task: Option<&str>, expected: ServerState| {
            let read = read(&server("", Some(vm_state), task), &names("net"), 4);
            assert_eq!(read, Some(expected), "{vm_state} {task:?}");
        };
        check("active", Some("deleting"), Leaving);
        check("error", Some("deleting"), Leaving);
        check("building", Some("deleting"), Leaving);
        check("active", Some("soft-deleting"), Leaving);
        check("deleted", None, Leaving);
        check("soft-delete", None, Leaving);
        check("building", Some("spawning"), OnItsWay(Creating::Building));
        check("building", None, OnItsWay(Creating::Building));
        check("active", None, running.clone());
        check("active", Some("image_snapshot"), running.clone());
        check("active", Some("rebooting"), running);
        check("error", None, ServerState::Failed(Failed::Error));
        check("stopped", None, ServerState::Failed(Failed::Stopped));
        check("stopped", Some("powering-on"), Held("powering-on".into()));
        for held in [
            "paused",
            "suspended",
            "rescued",
            "resized",
            "shelved",
            "shelved_offloaded",
            "future",
        ] {
            check(held, None, Held(held.into()));
        }
    }

    #[test]
    fn active_without_the_wanted_address_is_still_creating() {
        let active = server("ACTIVE", Some("active"), None);
        let no_address = OnItsWay(Creating::NoAddress);
        assert_eq!(
            read(&active, &names("another"), 4),
            Some(no_address.clone())
        );
        let v6 = Running("fd00::5".parse().expect("an address"));
        assert_eq!(read(&active, &names("net"), 6), Some(v6));
        let mut only_floating = active;
        only_floating
            .addresses
            .values_mut()
            .for_each(|all| all.truncate(1));
        assert_eq!(read(&only_floating, &names("net"), 4), Some(no_address));
    }

    #[test]
    fn status_stands_in_for_a_hidden_vm_state() {
        let of = |status| read(&server(status, None, None), &names("net"), 4).expect("a state");
        assert_eq!(of("UNKNOWN"), Unknown);
        assert_eq!(of("BUILD"), OnItsWay(Creating::Building));
        assert_eq!(of("ERROR"), ServerState::Failed(Failed::Error));
        assert_eq!(of("SHUTOFF"), ServerState::Failed(Failed::Stopped));
        assert_eq!(of("SOFT_DELETED"), Leaving);
        assert_eq!(of("VERIFY_RESIZE"), Held("VERIFY_RESIZE".into()));
    }
}
