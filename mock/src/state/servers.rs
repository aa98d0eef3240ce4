//! The life of a server.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Due, State};
use crate::behaviour::{Behaviour, Mode};
use crate::util::millis;

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Each is a switch of its own.
pub(crate) struct Server {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    pub(crate) launched_ms: Option<u64>,
    pub(crate) vm_state: String,
    pub(crate) task_state: Option<String>,
    pub(crate) locked: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) image: String,
    pub(crate) flavor: usize,
    pub(crate) key_name: Option<String>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) zone: Option<String>,
    pub(crate) ports: Vec<String>,
    pub(crate) user_data: Option<String>,
    /// Message, time, and whether lists show it (Nova's cell0 does not).
    pub(crate) fault: Option<(String, u64, bool)>,
    /// Will end in error: no host.
    doomed: bool,
    /// When it answers as a replica; `None`: never.
    pub(crate) booted_ms: Option<u64>,
    never_boot: bool,
    pub(crate) addresses_ms: u64,
    pub(crate) capacity: Value,
    pub(crate) termination: Value,
    pub(crate) behaviour: Behaviour,
    pub(crate) calls: u64,
    pub(crate) probes: u64,
    /// Left out of lists.
    pub(crate) hidden: bool,
    pub(crate) down_cell: bool,
    pub(crate) no_address: bool,
    /// Networks by id whose names Nova has not looked at since they were renamed.
    pub(crate) old_network_names: BTreeMap<String, String>,
}

impl Server {
    pub(crate) fn deleting(&self) -> bool {
        self.task_state.as_deref() == Some("deleting")
    }

    /// Up and far enough to answer.
    pub(crate) fn booted(&self, now_ms: u64) -> bool {
        self.vm_state == "active" && self.booted_ms.is_some_and(|at| at <= now_ms)
    }

    pub(super) fn takes_calls(&self, now_ms: u64) -> bool {
        self.booted(now_ms)
            && !self.deleting()
            && matches!(self.behaviour.mode, Mode::Normal)
            && self.capacity.as_i64().is_some_and(|free| free > 0)
            && self.termination != json!(true)
    }

    pub(crate) fn power_state(&self) -> u8 {
        match self.vm_state.as_str() {
            "active" | "resized" | "rescued" => 1,
            "paused" => 3,
            "stopped" | "shelved" | "shelved_offloaded" => 4,
            _ => 0,
        }
    }

    pub(crate) fn status(&self) -> &'static str {
        match self.vm_state.as_str() {
            "active" => match self.task_state.as_deref() {
                Some("rebooting") => "REBOOT",
                Some("rebuilding") => "REBUILD",
                Some("migrating") => "MIGRATING",
                _ => "ACTIVE",
            },
            "building" => "BUILD",
            "stopped" => "SHUTOFF",
            "paused" => "PAUSED",
            "suspended" => "SUSPENDED",
            "rescued" => "RESCUE",
            "resized" => "VERIFY_RESIZE",
            "error" => "ERROR",
            "deleted" => "DELETED",
            "soft-delete" => "SOFT_DELETED",
            "shelved" => "SHELVED",
            "shelved_offloaded" => "SHELVED_OFFLOADED",
            _ => "UNKNOWN",
        }
    }

    /// The replica behaviour of its state: a paused machine is silent, one that is not up refuses.
    pub(crate) fn presence(&self, now_ms: u64) -> Mode {
        match self.vm_state.as_str() {
            "paused" => Mode::Silent,
            _ if self.booted(now_ms) => self.behaviour.mode,
            _ => Mode::Refuse,
        }
    }
}

/// What a creation asks for, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewServer {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) image: String,
    pub(crate) flavor: usize,
    pub(crate) key_name: Option<String>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) zone: Option<String>,
    pub(crate) networks: Vec<String>,
    pub(crate) existing_ports: Vec<String>,
    pub(crate) user_data: Option<String>,
}

impl State {
    pub(crate) fn server(&self, id: &str) -> Option<&Server> {
        self.servers.get(self.by_id.get(id)?)
    }

    pub(crate) fn server_mut(&mut self, id: &str) -> Option<&mut Server> {
        self.servers.get_mut(self.by_id.get(id)?)
    }

    /// Creates a server; it builds, or fails, by itself.
    pub(crate) fn create_server(&mut self, new: &NewServer) -> String {
        let (id, seq, now) = (self.rng.uuid(), self.next_server, self.now_ms);
        self.next_server += 1;
        let doomed = self.config.no_host
            || self
                .flavors
                .get(new.flavor)
                .is_some_and(|flavor| flavor.too_big);
        let mut ports = new.existing_ports.clone();
        for port in &ports {
            if let Some(port) = self.ports.get_mut(port) {
                port.device_id.clone_from(&id);
                port.device_owner = "compute:nova".into();
            }
        }
        if !doomed {
            for network in &new.networks {
                ports.push(self.make_port(network, &id, "compute:nova"));
            }
        }
        let server = Server {
            seq,
            id: id.clone(),
            name: new.name.clone(),
            description: new.description.clone(),
            created_ms: now,
            updated_ms: now,
            launched_ms: None,
            vm_state: "building".into(),
            task_state: Some(if doomed { "scheduling" } else { "spawning" }.into()),
            locked: false,
            metadata: new.metadata.clone(),
            image: new.image.clone(),
            flavor: new.flavor,
            key_name: new.key_name.clone(),
            security_groups: new.security_groups.clone(),
            zone: new.zone.clone(),
            ports,
            user_data: new.user_data.clone(),
            fault: None,
            doomed,
            booted_ms: None,
            never_boot: self.config.never_boot,
            addresses_ms: 0,
            capacity: json!(self.config.capacity),
            termination: json!(false),
            behaviour: self.config.behaviour.clone(),
            calls: 0,
            probes: 0,
            hidden: false,
            down_cell: false,
            no_address: false,
            old_network_names: BTreeMap::new(),
        };
        self.by_id.insert(id.clone(), seq);
        self.servers.insert(seq, server);
        self.record.created += 1;
        self.record.event(
            now,
            "created",
            &id,
            json!({ "name": new.name, "metadata": new.metadata }),
        );
        self.note_maximum();
        let build = u64::try_from(self.config.build_time.as_millis()).unwrap_or(u64::MAX >> 1);
        self.schedule(if doomed { build.min(200) } else { build }, Due::Built(seq));
        id
    }

    fn note_maximum(&mut self) {
        let live = self
            .servers
            .values()
            .filter(|server| !server.deleting())
            .count();
        self.record.max_servers = self.record.max_servers.max(self.servers.len());
        self.record.max_live = self.record.max_live.max(live);
    }

    pub(super) fn built(&mut self, seq: u64) {
        let now = self.now_ms;
        let Some(server) = self
            .servers
            .get(&seq)
            .filter(|server| server.vm_state == "building" && !server.deleting())
        else {
            return;
        };
        let id = server.id.clone();
        if server.doomed {
            self.fail(
                &id,
                "No valid host was found. There are not enough hosts available.",
                false,
            );
            return;
        }
        self.activate(&id);
        self.record.event(now, "active", &id, json!({}));
    }

    /// Puts a server in `ERROR` with a fault.
    pub(crate) fn fail(&mut self, id: &str, message: &str, listed: bool) {
        let now = self.now_ms;
        let Some(server) = self.server_mut(id) else {
            return;
        };
        server.vm_state = "error".into();
        server.task_state = None;
        server.updated_ms = now;
        server.fault = Some((message.to_owned(), now, listed));
        self.record.failed += 1;
        self.record
            .event(now, "error", id, json!({ "message": message }));
    }

    /// Puts a server up: it boots from now on.
    pub(crate) fn activate(&mut self, id: &str) {
        let now = self.now_ms;
        let ms =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 1);
        let (boot, delay) = (ms(self.config.boot_time), ms(self.config.address_delay));
        let Some(server) = self.server_mut(id) else {
            return;
        };
        server.vm_state = "active".into();
        server.task_state = None;
        server.updated_ms = now;
        server.launched_ms.get_or_insert(now);
        server.booted_ms = (!server.never_boot).then_some(now + boot);
        if server.addresses_ms == 0 {
            server.addresses_ms = now + delay;
        }
        let ports = server.ports.clone();
        for port in ports {
            if let Some(port) = self.ports.get_mut(&port) {
                port.active = true;
            }
        }
    }

    /// Sets the state by hand, as an administrator or the guest itself would.
    pub(crate) fn set_vm_state(&mut self, id: &str, vm_state: &str) {
        // A machine that only stood still goes on where it was; any other boots.
        let stood = self
            .server(id)
            .is_some_and(|server| matches!(server.vm_state.as_str(), "paused" | "suspended"));
        match vm_state {
            "active" if !stood => self.activate(id),
            "error" => self.fail(id, "Set by the control API.", true),
            _ => {
                let now = self.now_ms;
                if let Some(server) = self.server_mut(id) {
                    vm_state.clone_into(&mut server.vm_state);
                    server.task_state = None;
                    server.updated_ms = now;
                }
            }
        }
        let now = self.now_ms;
        self.record
            .event(now, "state", id, json!({ "vm_state": vm_state }));
    }

    /// Begins the deletion that the API was asked for.
    pub(crate) fn delete_server(&mut self, id: &str) {
        let (now, delete) = (self.now_ms, self.config.delete_time.as_secs_f64());
        let Some(server) = self.server_mut(id) else {
            return;
        };
        if server.deleting() {
            return;
        }
        server.task_state = Some("deleting".into());
        server.updated_ms = now;
        let (seq, name, calls) = (server.seq, server.name.clone(), server.calls);
        self.record
            .event(now, "deleting", id, json!({ "name": name, "calls": calls }));
        if delete > 0.0 {
            self.schedule(millis(delete), Due::Gone(seq));
        } else {
            self.gone(seq);
        }
    }

    pub(super) fn gone(&mut self, seq: u64) {
        if let Some(server) = self.remove(seq) {
            self.record.deleted += 1;
            self.record.event(
                self.now_ms,
                "deleted",
                &server.id,
                json!({ "name": server.name, "probes": server.probes }),
            );
        }
    }

    /// Takes a server away as if somebody else had deleted it.
    pub(crate) fn vanish(&mut self, id: &str) {
        let Some(&seq) = self.by_id.get(id) else {
            return;
        };
        if let Some(server) = self.remove(seq) {
            self.record.vanished += 1;
            self.record.event(
                self.now_ms,
                "vanished",
                &server.id,
                json!({ "name": server.name }),
            );
        }
    }

    fn remove(&mut self, seq: u64) -> Option<Server> {
        let server = self.servers.remove(&seq)?;
        self.by_id.remove(&server.id);
        for port in &server.ports {
            self.delete_port(port);
        }
        self.cut_calls(server.calls);
        Some(server)
    }

    /// The server that answers at an address.
    pub(crate) fn server_at(&self, address: IpAddr) -> Option<&Server> {
        self.server_of_port(self.by_address.get(&address)?)
    }
}
