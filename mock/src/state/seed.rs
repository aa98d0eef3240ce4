//! What a new cloud holds: the same as the real rig of this project.

use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{Callers, Flavor, FloatingIp, Ids, Image, Keypair, Network, Record, State, Subnet};
use crate::config::MockCloudConfig;
use crate::util::Rng;

const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMfRuv+wK3kmYdSBXZm7W8IFbPcsWJoM/zS4x/DIKP7V ops";

impl State {
    pub(crate) fn new(config: MockCloudConfig) -> Self {
        let mut rng = Rng::new(config.seed);
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let ids = Ids {
            user: rng.hex_id(),
            project: rng.hex_id(),
            admin_project: rng.hex_id(),
            security_group: rng.uuid(),
            router: rng.uuid(),
            application_credential: rng.hex_id(),
            application_secret: rng.hex_id(),
            endpoints: (0..16).map(|_| rng.hex_id()).collect(),
        };
        let mut flavor = |name: &str, ram, vcpus| Flavor {
            id: rng.uuid(),
            name: name.into(),
            ram,
            vcpus,
            disk: 1,
            too_big: vcpus > 1,
        };
        let flavors = vec![
            flavor("d2-8", 512, 1),
            flavor("s1-2", 256, 1),
            flavor("too-big", 100_000_000, 100_000),
        ];
        let image = Image {
            id: rng.uuid(),
            name: "Debian 11".into(),
            status: "active".into(),
            visibility: "public".into(),
            hidden: false,
            owner: ids.admin_project.clone(),
            created_ms: 0,
        };
        let networks = networks(&config, &mut rng);
        let (callers, floating) = (Callers::new(config.seed), config.floating_ips);
        let mut state = Self {
            config,
            ids,
            rng,
            start: Instant::now(),
            base_unix_ms: u64::try_from(unix).unwrap_or_default(),
            now_ms: 0,
            due: BinaryHeap::new(),
            due_count: 0,
            tokens: HashMap::new(),
            servers: BTreeMap::new(),
            by_id: HashMap::new(),
            next_server: 1,
            by_address: HashMap::new(),
            networks,
            ports: BTreeMap::new(),
            floating_ips: BTreeMap::new(),
            flavors,
            images: vec![image],
            keypairs: vec![Keypair {
                name: "ops".into(),
                public_key: PUBLIC_KEY.into(),
                created_ms: 0,
            }],
            shared_groups: Vec::new(),
            faults: Vec::new(),
            record: Record::default(),
            callers,
            snapshots: VecDeque::new(),
            old_ports: HashMap::new(),
        };
        state.make_router();
        for _ in 0..floating {
            let description = state.config.floating_ip_description.clone();
            state.make_floating_ip(&description);
        }
        state.wake_callers();
        state
    }

    /// A new floating IP of the public network.
    pub(crate) fn make_floating_ip(&mut self, description: &str) -> Option<String> {
        let name = &self.config.public_network;
        let subnet = self
            .networks
            .iter()
            .find(|network| network.name == *name)?
            .subnets
            .first()?
            .id
            .clone();
        let address = self.allocate(&subnet)?;
        let id = self.rng.uuid();
        let ip = FloatingIp {
            id: id.clone(),
            address,
            description: description.to_owned(),
            port_id: None,
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
            revision: 0,
            unroutable: false,
        };
        self.by_address.insert(address, String::new());
        self.floating_ips.insert(id.clone(), ip);
        Some(id)
    }

    fn make_router(&mut self) {
        let name = &self.config.internal_network;
        let Some(network) = self.networks.iter().find(|network| network.name == *name) else {
            return;
        };
        let (network, gateway) = (network.id.clone(), network.subnets[0].gateway);
        let router = self.ids.router.clone();
        let id = self.make_port(&network, &router, "network:router_interface");
        if let Some(port) = self.ports.get_mut(&id) {
            for (_, address) in &mut port.fixed_ips {
                self.by_address.remove(address);
                *address = gateway;
            }
            self.by_address.insert(gateway, id);
        }
    }
}

fn networks(config: &MockCloudConfig, rng: &mut Rng) -> Vec<Network> {
    let mut network = |name: &str, external, shared, mine, octet: u8, v6: bool| {
        let gateway = Ipv4Addr::new(127, octet, 0, 1);
        let mut subnets = vec![Subnet {
            id: rng.uuid(),
            name: format!("{name}-v4"),
            cidr: format!("127.{octet}.0.0/16"),
            gateway: IpAddr::V4(gateway),
            last: IpAddr::V4(gateway),
        }];
        if v6 {
            let gateway = Ipv6Addr::new(0xfd00, 0x64, 0, 0, 0, 0, 0, 1);
            subnets.push(Subnet {
                id: rng.uuid(),
                name: format!("{name}-v6"),
                cidr: "fd00:64::/64".into(),
                gateway: IpAddr::V6(gateway),
                last: IpAddr::V6(gateway),
            });
        }
        Network {
            id: rng.uuid(),
            name: name.into(),
            external,
            shared,
            mine,
            port_security: true,
            subnets,
            created_ms: 0,
        }
    };
    vec![
        network(&config.network, true, true, false, 64, true),
        network(&config.public_network, true, false, false, 65, false),
        network(&config.internal_network, false, false, true, 66, false),
    ]
}
