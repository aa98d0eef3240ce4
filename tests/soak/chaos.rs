//! Trouble drawn from a seed: of the API, of the replicas, and by other people in the project.

use serde_json::{Value, json};
use simplescalevm_mock::{Behaviour, MockCloud, Mode};

/// A small generator; the seed alone decides what comes.
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit.max(1)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

/// Brings trouble to a cloud, and takes it away again.
#[derive(Debug)]
pub(crate) struct Chaos {
    rng: Rng,
    /// How many troubles there were, by kind.
    pub(crate) count: usize,
}

impl Chaos {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            count: 0,
        }
    }

    /// One trouble more.
    pub(crate) fn strike(&mut self, cloud: &MockCloud) {
        self.count += 1;
        match self.rng.below(10) {
            0..4 => self.break_api(cloud),
            4..7 => self.break_replica(cloud),
            7 => self.change_cloud(cloud),
            _ => self.meddle(cloud),
        }
    }

    fn break_api(&mut self, cloud: &MockCloud) {
        let rules = [
            json!({"service": "nova", "path": "/servers/detail", "status": 503, "times": 3}),
            json!({"service": "nova", "path": "/servers/detail", "truncate": 120, "times": 2}),
            json!({"service": "nova", "path": "/servers/detail", "status": 200, "body": "<html>busy", "times": 2}),
            json!({"service": "nova", "path": "/servers/detail", "status": 200, "body": "{\"servers\": []}", "times": 1}),
            json!({"service": "nova", "method": "POST", "path": "/servers$", "drop": "after", "times": 1}),
            json!({"service": "nova", "method": "POST", "path": "/servers$", "drop": "before", "times": 1}),
            json!({"service": "nova", "method": "POST", "path": "/servers$", "status": 500, "after": true, "times": 1}),
            json!({"service": "nova", "method": "DELETE", "status": 409, "times": 2}),
            json!({"service": "nova", "method": "DELETE", "drop": "after", "times": 2}),
            json!({"service": "nova", "hang": true, "times": 1}),
            json!({"service": "nova", "status": 429, "headers": {"Retry-After": "2"}, "times": 2}),
            json!({"service": "keystone", "status": 500, "times": 2}),
            json!({"service": "keystone", "delay": 1.5, "times": 2}),
            json!({"service": "neutron", "status": 500, "probability": 0.5, "times": 4}),
            json!({"service": "neutron", "method": "PUT", "drop": "after", "times": 1}),
            json!({"service": "neutron", "method": "PUT", "status": 412, "times": 1}),
            json!({"delay": 0.4, "probability": 0.5, "times": 10}),
            json!({"drop": "before", "probability": 0.5, "times": 5}),
        ];
        if let Some(rule) = self.rng.pick(&rules) {
            cloud.add_fault(rule).unwrap();
        }
    }

    fn break_replica(&mut self, cloud: &MockCloud) {
        let behaviours = [
            Behaviour::of(Mode::Silent),
            Behaviour::of(Mode::Refuse),
            Behaviour::of(Mode::Reset),
            Behaviour::of(Mode::Dribble),
            Behaviour::of(Mode::Huge),
            Behaviour::of(Mode::Garbage),
            Behaviour::of(Mode::Truncate),
            Behaviour::status(500),
            Behaviour {
                body: Some("{\"capacity\": -7, \"termination\": \"perhaps\"}".to_owned()),
                ..Behaviour::default()
            },
            Behaviour {
                delay: 0.8,
                close: true,
                ..Behaviour::default()
            },
        ];
        let servers = of_the_pool(cloud);
        if let (Some(server), Some(behaviour)) =
            (self.rng.pick(&servers), self.rng.pick(&behaviours))
        {
            // It may have been deleted meanwhile.
            let _ = cloud.set_behaviour(id(server), behaviour);
        }
    }

    fn change_cloud(&mut self, cloud: &MockCloud) {
        let settings = [
            json!({"quota_instances": cloud.live()}),
            json!({"no_host": true}),
            json!({"never_boot": true}),
            json!({"stale": 2.0}),
        ];
        match self.rng.pick(&settings) {
            Some(change) if self.rng.below(3) > 0 => cloud.set(change).unwrap(),
            _ => cloud.revoke_tokens(),
        }
    }

    /// What other people do; to servers without a call only, so that a call that is cut is never theirs.
    fn meddle(&mut self, cloud: &MockCloud) {
        let idle = |s: &Value| s["calls"] == 0 && s["vm_state"] == "active";
        let servers: Vec<Value> = of_the_pool(cloud).into_iter().filter(idle).collect();
        let Some(server) = self.rng.pick(&servers) else {
            return;
        };
        let state = |state: &str| json!({"vm_state": state, "capacity": 0});
        // It may have been deleted meanwhile.
        let _ = match self.rng.below(6) {
            0 => cloud.set_server(id(server), &state("error")),
            1 => cloud.set_server(id(server), &state("stopped")),
            2 => cloud.set_server(id(server), &json!({"vm_state": "paused"})),
            3 => cloud.set_server(id(server), &json!({"down_cell": true})),
            4 => {
                let ips = cloud.floating_ips();
                let free = json!({"server": null});
                let ip = self.rng.pick(&ips).cloned().unwrap_or_default();
                if ip["description"] == "server" {
                    let path = format!("floatingips/{}", ip["address"].as_str().unwrap());
                    cloud.control("PUT", &path, &free).map(|_| ())
                } else {
                    Ok(())
                }
            }
            _ => cloud.vanish(id(server)),
        };
    }

    /// All is as it should be again, from here on.
    pub(crate) fn end(cloud: &MockCloud) {
        cloud.clear_faults();
        let quiet =
            json!({"quota_instances": 2000, "no_host": false, "never_boot": false, "stale": 0});
        cloud.set(&quiet).unwrap();
        for server in of_the_pool(cloud) {
            let mut well = json!({"behaviour": "normal", "down_cell": false});
            if server["vm_state"] == "paused" {
                well["vm_state"] = json!("active");
            }
            // What never booted in the storm boots now.
            if server["vm_state"] == "active" && server["booted"] == false {
                well["booted"] = json!(true);
            }
            let _ = cloud.set_server(id(&server), &well);
        }
    }
}

fn of_the_pool(cloud: &MockCloud) -> Vec<Value> {
    let servers = cloud.servers().into_iter();
    servers
        .filter(|s| s["metadata"]["group"] == "scaled" && s["task_state"] != "deleting")
        .collect()
}

fn id(server: &Value) -> &str {
    server["id"].as_str().unwrap()
}
