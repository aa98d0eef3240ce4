//! The cloud's state and its clock. One lock guards it; every call takes it once.

mod callers;
mod network;
mod record;
mod seed;
mod servers;

pub(crate) use callers::Callers;
pub(crate) use network::{FloatingIp, Network, Port, Subnet};
pub(crate) use record::{LogEntry, Record};
pub(crate) use servers::{NewServer, Server};

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::config::MockCloudConfig;
use crate::faults::Rule;
use crate::util::Rng;

/// Servers by the order of their creation.
pub(crate) type Servers = BTreeMap<u64, Server>;

/// A token and what it is good for.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) expires_ms: u64,
    pub(crate) body: Value,
    pub(crate) has_project: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Flavor {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) ram: u64,
    pub(crate) vcpus: u64,
    /// In GiB.
    pub(crate) disk: u64,
    /// Fits on no host.
    pub(crate) too_big: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: String,
    /// `public`, `private` or `community`.
    pub(crate) visibility: String,
    /// Not in a list unless asked for.
    pub(crate) hidden: bool,
    /// The project that it belongs to.
    pub(crate) owner: String,
    pub(crate) created_ms: u64,
}

/// A security group of another project, shared by RBAC.
#[derive(Debug, Clone)]
pub(crate) struct SharedGroup {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Keypair {
    pub(crate) name: String,
    pub(crate) public_key: String,
    pub(crate) created_ms: u64,
}

/// Identifiers that never change.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    pub(crate) user: String,
    pub(crate) project: String,
    pub(crate) admin_project: String,
    pub(crate) security_group: String,
    pub(crate) router: String,
    pub(crate) application_credential: String,
    pub(crate) application_secret: String,
    pub(crate) endpoints: Vec<String>,
}

/// Something that happens by itself, at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Built(u64),
    Gone(u64),
    Call,
    CallEnd(u64),
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: MockCloudConfig,
    pub(crate) ids: Ids,
    pub(crate) rng: Rng,
    start: Instant,
    base_unix_ms: u64,
    /// Milliseconds since the start; time stands still within a call.
    pub(crate) now_ms: u64,
    due: BinaryHeap<Reverse<(u64, u64, Due)>>,
    due_count: u64,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) servers: Servers,
    pub(crate) by_id: HashMap<String, u64>,
    pub(crate) next_server: u64,
    /// Which port an address belongs to; for a floating IP's too.
    pub(crate) by_address: HashMap<IpAddr, String>,
    pub(crate) networks: Vec<Network>,
    pub(crate) ports: BTreeMap<String, Port>,
    pub(crate) floating_ips: BTreeMap<String, FloatingIp>,
    pub(crate) flavors: Vec<Flavor>,
    pub(crate) images: Vec<Image>,
    pub(crate) keypairs: Vec<Keypair>,
    pub(crate) shared_groups: Vec<SharedGroup>,
    pub(crate) faults: Vec<Rule>,
    pub(crate) record: Record,
    pub(crate) callers: Callers,
    /// Earlier server lists, for `stale` and `freeze`.
    snapshots: VecDeque<(u64, Servers)>,
    /// Ports that are gone but that an earlier list still shows.
    pub(crate) old_ports: HashMap<String, Port>,
}

impl State {
    /// Lets everything happen that is due.
    pub(crate) fn advance(&mut self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        while let Some(&Reverse((at, _, due))) = self.due.peek() {
            if at > now {
                break;
            }
            self.due.pop();
            self.now_ms = self.now_ms.max(at);
            match due {
                Due::Built(seq) => self.built(seq),
                Due::Gone(seq) => self.gone(seq),
                Due::Call => self.call_arrives(),
                Due::CallEnd(seq) => self.call_ends(seq),
            }
        }
        self.now_ms = now.max(self.now_ms);
    }

    pub(crate) fn schedule(&mut self, after_ms: u64, due: Due) {
        self.due_count += 1;
        self.due
            .push(Reverse((self.now_ms + after_ms, self.due_count, due)));
    }

    /// The cloud's own time of a moment.
    pub(crate) fn unix_ms(&self, at_ms: u64) -> u64 {
        (self.base_unix_ms + at_ms).saturating_add_signed(self.config.clock_offset * 1000)
    }

    /// What the cloud's clock shows.
    pub(crate) fn wall_clock(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.unix_ms(self.now_ms))
    }

    /// The servers as a list shows them: now, frozen, or of some time ago.
    pub(crate) fn listed(&self) -> &Servers {
        if self.config.freeze {
            return self
                .snapshots
                .front()
                .map_or(&self.servers, |(_, servers)| servers);
        }
        let stale = self.config.stale.as_millis();
        if stale == 0 {
            return &self.servers;
        }
        let wanted = u128::from(self.now_ms).saturating_sub(stale);
        let old_enough = self
            .snapshots
            .iter()
            .rev()
            .find(|(at, _)| u128::from(*at) <= wanted);
        old_enough
            .or(self.snapshots.front())
            .map_or(&self.servers, |(_, servers)| servers)
    }

    /// Keeps copies of the list as `stale` and `freeze` need them.
    pub(crate) fn keep_snapshots(&mut self) {
        if self.config.freeze {
            if self.snapshots.is_empty() {
                self.snapshots
                    .push_back((self.now_ms, self.servers.clone()));
            }
            self.snapshots.truncate(1);
            return;
        }
        let stale = u64::try_from(self.config.stale.as_millis()).unwrap_or(u64::MAX);
        if stale == 0 {
            self.snapshots.clear();
            self.old_ports.clear();
            return;
        }
        let wanted = self.now_ms.saturating_sub(stale);
        while self.snapshots.get(1).is_some_and(|(at, _)| *at <= wanted) {
            self.snapshots.pop_front();
        }
        let step = (stale / 40).max(20);
        if self
            .snapshots
            .back()
            .is_none_or(|(at, _)| self.now_ms - at >= step)
        {
            self.snapshots
                .push_back((self.now_ms, self.servers.clone()));
        }
    }

    /// The server behind a port.
    pub(crate) fn server_of_port(&self, port: &str) -> Option<&Server> {
        let port = self.ports.get(port)?;
        self.servers.get(self.by_id.get(&port.device_id)?)
    }
}
