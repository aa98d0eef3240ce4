//! Callers, operators and the guests' own troubles: what happens without any scaler.

use super::scenario::{Fault, GuestKind};
use super::server::{Guest, Maker, Nova};
use super::world::{Event, FLIP_LASTS_MS, Fip, Port, World};
use simplescalevm::pool::ReplicaId;

impl World {
    /// A caller takes a free slot somewhere, or is lost.
    pub(crate) fn call(&mut self) {
        let mean = self.scenario.call_every_ms;
        let next = self.rng.range(mean / 4, mean * 2);
        self.after(next, Event::Call);
        if !self.calls_come {
            return;
        }
        self.figures.calls += 1;
        let now = self.now;
        let open: Vec<ReplicaId> = self
            .servers
            .values()
            .filter(|vm| vm.truly_free(now) > 0)
            .map(|vm| vm.id.clone())
            .collect();
        if open.is_empty() {
            self.figures.lost_calls += 1;
            return;
        }
        let id = self.rng.pick(&open).clone();
        let (low, high) = self.scenario.call_ms;
        let length = self.rng.skewed(low, high);
        if let Some(vm) = self.servers.get_mut(&id) {
            vm.sessions.push(now + length);
            vm.takes = if vm.takes == u64::MAX {
                u64::MAX
            } else {
                vm.takes - 1
            };
        }
        self.note(20, || format!("a session begins on {id}, for {length} ms"));
        self.after(length, Event::SessionEnds(id));
    }

    pub(crate) fn sessions_end(&mut self, id: &ReplicaId) {
        let now = self.now;
        if let Some(vm) = self.servers.get_mut(id) {
            vm.sessions.retain(|end| *end > now);
        }
    }

    fn a_member(&mut self) -> Option<ReplicaId> {
        let members: Vec<ReplicaId> = self
            .servers
            .values()
            .filter(|vm| vm.member && vm.exists())
            .map(|vm| vm.id.clone())
            .collect();
        (!members.is_empty()).then(|| self.rng.pick(&members).clone())
    }

    /// Somebody does something to servers, addresses, the quota or the clock. Also the weather of
    /// the cloud itself, which nobody in particular causes.
    pub(crate) fn operator(&mut self) {
        let next = self.rng.range(1_000, 30_000);
        self.after(next, Event::Operator);
        if self.strikes(Fault::OperatorServers) {
            self.change_a_server();
        }
        if self.strikes(Fault::OperatorAddresses) {
            self.change_an_address();
        }
        if self.strikes(Fault::AddressChangesServer) {
            self.take_an_address_over();
        }
        if self.strikes(Fault::Quota) {
            let have = self.servers.len() as u64;
            self.quota = *self.rng.pick(&[u64::MAX, have, have + 1, 0]);
            let quota = self.quota;
            self.note(21, || format!("the quota is {quota}"));
        }
        if self.strikes(Fault::CloudClock) {
            let step = i64::try_from(self.rng.range(1, 600)).unwrap();
            let ahead = self.rng.permille(500);
            self.cloud_offset = if ahead { step } else { -step };
            self.cloud_jumped = true;
            let offset = self.cloud_offset;
            self.note(22, || format!("the cloud's clock is off by {offset} s"));
        }
        if self.strikes(Fault::CellDown) {
            self.cell_down_until = self.now + self.rng.range(1_000, 60_000);
            self.note(23, || "a cell of the cloud is down".to_owned());
        }
        if self.strikes(Fault::HalfLists) {
            self.half_lists_until = self.now + self.rng.range(10_000, 300_000);
            self.note(24, || "one of two API nodes knows half".to_owned());
        }
        if self.strikes(Fault::QueueFull) {
            self.queue_full_until = self.now + self.rng.range(1_000, 30_000);
        }
    }

    fn change_a_server(&mut self) {
        let what = self.rng.below(12);
        if what == 0 {
            let id = self.add_server(Maker::Operator, true);
            let (low, high) = self.scenario.build_ms;
            let build = self.rng.range(low, high);
            return self.after(build, Event::Built(id));
        }
        let Some(id) = self.a_member() else {
            return;
        };
        let word = *self
            .rng
            .pick(&["paused", "suspended", "rescued", "resized", "shelved"]);
        let Some(vm) = self.servers.get_mut(&id) else {
            return;
        };
        let done = match what {
            1 if vm.nova == Nova::Active => {
                vm.nova = Nova::Stopped;
                vm.power_off();
                "stops"
            }
            2 | 3 if vm.nova == Nova::Active => {
                vm.nova = Nova::Held(word);
                word
            }
            4 | 5 if matches!(vm.nova, Nova::Held(_)) => {
                vm.nova = Nova::Active;
                "resumes"
            }
            6 | 7 => {
                vm.locked = !vm.locked;
                "locks or unlocks"
            }
            8 => {
                vm.member = !vm.member;
                "renames the metadata of"
            }
            9 => {
                vm.drained = true;
                "drains"
            }
            10 if vm.nova == Nova::Error && vm.launched.is_some() => {
                vm.nova = Nova::Active;
                "resets the state of"
            }
            10 if vm.nova == Nova::Stopped => {
                vm.nova = Nova::PoweringOn;
                self.after(3_000, Event::PoweredOn(id.clone()));
                "starts"
            }
            11 => {
                self.remove(&id);
                "deletes"
            }
            _ => return,
        };
        self.note(24, || format!("an operator: {done} {id}"));
    }

    /// A server loses its address to another one, and what is asked there is answered by the other. The sessions of both end
    /// with the addresses that they had: it is the operator who cuts them.
    fn take_an_address_over(&mut self) {
        let active = self.servers.values();
        let active: Vec<ReplicaId> = active
            .filter(|vm| vm.nova == Nova::Active && vm.ip.is_some())
            .map(|vm| vm.id.clone())
            .collect();
        if active.len() < 2 {
            return;
        }
        let (one, other) = (
            self.rng.pick(&active).clone(),
            self.rng.pick(&active).clone(),
        );
        if one == other {
            return;
        }
        let mut ip = None;
        for id in [&one, &other] {
            if let Some(vm) = self.servers.get_mut(id) {
                ip = std::mem::replace(&mut vm.ip, ip);
                vm.sessions.clear();
            }
        }
        let repair = self.rng.range(5_000, 120_000);
        self.after(repair, Event::Addressed(one.clone()));
        self.note(29, || format!("{other} gets the address of {one}"));
    }

    fn change_an_address(&mut self) {
        let what = self.rng.below(6);
        if what == 0 && self.fips.len() < 8 {
            let number = self.fips.len();
            self.fips.push(Fip {
                id: format!("fip-{number}"),
                of_pool: true,
                removed: false,
                port: Port::None,
                revision: 1,
            });
            return;
        }
        if self.fips.is_empty() {
            return;
        }
        let number = self.rng.index(self.fips.len());
        let everyone: Vec<ReplicaId> = self.servers.keys().cloned().collect();
        let somebody = (!everyone.is_empty()).then(|| self.rng.pick(&everyone).clone());
        let is_taken = |fips: &[Fip], id: &ReplicaId| {
            fips.iter()
                .any(|f| !f.removed && f.port == Port::Server(id.clone()))
        };
        let free = somebody.filter(|id| !is_taken(&self.fips, id));
        let fip = &mut self.fips[number];
        match (what, free) {
            (1, _) => fip.port = Port::None,
            (2, Some(id)) => fip.port = Port::Server(id),
            (3, _) => fip.port = Port::Foreign,
            (4, _) => fip.of_pool = !fip.of_pool,
            (5, _) => fip.removed = !fip.removed,
            _ => return,
        }
        if fip.removed {
            fip.port = Port::None;
        }
        fip.revision += 1;
        let fip = fip.clone();
        self.note(25, || format!("an operator changes {fip:?}"));
    }

    /// The next answer of a replica, or of all of them, says that it is done. It is not so.
    fn flip(&mut self, id: &ReplicaId, all: bool) {
        let now = self.now;
        let chosen = self.servers.values_mut().filter(|vm| all || vm.id == *id);
        for vm in chosen.filter(|vm| vm.guest == Guest::Up) {
            if vm.flipped_ms.is_none_or(|at| now > at + 2 * FLIP_LASTS_MS) {
                vm.flips = true;
                vm.flipped_ms = Some(now);
            }
        }
        self.note(27, || format!("{id} says done once; all: {all}"));
    }

    /// The cloud shows an error state of all replicas, and their guests run on.
    fn fail_the_pool(&mut self) {
        for vm in self.servers.values_mut() {
            if vm.member && vm.nova == Nova::Active && vm.guest != Guest::Off {
                vm.nova = Nova::Error;
            }
        }
        self.note(28, || "all servers of the pool are in error".to_owned());
    }

    /// Guests hang, stop, fail, restart their service.
    pub(crate) fn guest_trouble(&mut self) {
        let next = self.rng.range(1_000, 20_000);
        self.after(next, Event::GuestTrouble);
        let (hangs, stops, fails, lies) = (
            self.strikes(Fault::GuestHangs),
            self.strikes(Fault::GuestStops),
            self.strikes(Fault::HostFails),
            self.strikes(Fault::ProbeLies),
        );
        let (flips, pool_fails) = (
            self.strikes(Fault::DoneFlips),
            self.strikes(Fault::PoolFails),
        );
        let (all, seldom) = (self.rng.permille(300), self.rng.permille(100));
        let for_ever = self.rng.permille(200);
        let time = self.rng.skewed(1_000, 300_000);
        let Some(id) = self.a_member() else {
            return;
        };
        let now = self.now;
        let kind = self.scenario.guest;
        if flips {
            self.flip(&id, all);
        }
        if pool_fails && seldom {
            self.fail_the_pool();
        }
        let Some(vm) = self.servers.get_mut(&id).filter(|vm| vm.guest == Guest::Up) else {
            return;
        };
        if hangs {
            vm.hung_until = if for_ever { u64::MAX } else { now + time };
        }
        if stops && vm.nova == Nova::Active {
            vm.nova = Nova::Stopped;
            vm.power_off();
        }
        if fails && vm.nova == Nova::Active {
            vm.nova = Nova::Error;
            if time.is_multiple_of(2) {
                vm.power_off();
            }
        }
        if lies && kind == GuestKind::Proxy {
            // The service is restarted: for some seconds its script says 0 and "delete me".
            vm.service_down_until = now + time % 10_000;
        }
        if hangs || stops || fails {
            self.note(26, || format!("server {id} hangs, stops or fails"));
        }
    }
}
