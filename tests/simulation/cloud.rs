//! The simulated cloud as one scaler sees it: requests that take time, fail, lose their answers,
//! have their effect late, and lists that are not what they should be.

use super::judge::Invariant;
use super::scenario::Fault;
use super::server::{Nova, Vm};
use super::world::{Ambush, Event, Fip, Port, World};
use simplescalevm::cloud::{
    Catalogue, Cloud, CloudError, CloudErrorKind, LookedUp, Order, Port as CloudPort,
    ServerTemplate, Sight, Standby,
};
use simplescalevm::pool::{
    Accepted, CloudTime, ExternalAddress, ExternalAddressId, Holder, Listing, Looked, Marks,
    Moment, Quota, ReplicaId, SERVED_KEY, Server, ServerState,
};
use simplescalevm::scaler::Clock;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The world, shared by the scaler's parts. One thread uses it, so nobody ever waits for it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

/// What a scaler's thread unwinds with when its process is killed.
pub(crate) struct Killed;

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scaler's thread passes one more point of its code. It may be killed or stopped here.
    pub(crate) fn point(&self) {
        let mut world = self.lock();
        let Some((left, ambush)) = world.ambush else {
            return;
        };
        if left > 0 {
            world.ambush = Some((left - 1, ambush));
            return;
        }
        world.ambush = None;
        match ambush {
            Ambush::Stall(ms) => {
                world.note(30, || format!("the thread stands still for {ms} ms"));
                let (before, until) = (world.now, world.now + ms);
                world.pass(until, false);
                world.judge.stalled(before, until);
            }
            Ambush::Kill => {
                world.killed = true;
                world.note(31, || "the scaler is killed".to_owned());
                // Unwinding while the world is locked would poison it.
                drop(world);
                std::panic::resume_unwind(Box::new(Killed));
            }
        }
    }
}

/// The monotonic clock of one life.
#[derive(Debug)]
pub(crate) struct SimClock {
    pub(crate) world: Shared,
    pub(crate) life: usize,
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        self.world.point();
        let mut world = self.world.lock();
        world.judge.clock_was_read(self.life);
        world.moment(self.life)
    }
}

/// One scaler's connection to the cloud.
#[derive(Debug)]
pub(crate) struct SimCloud {
    pub(crate) world: Shared,
    pub(crate) life: usize,
    /// The addresses that belong to the list of the servers that was drawn last.
    pub(crate) drawn: (u64, Vec<ExternalAddress>),
    /// A list of the servers that has been answered, and to which the addresses are to be listed next.
    pub(crate) half_list: Option<(u64, Vec<ExternalAddress>)>,
    /// What the request under way tells the judge when its answer is there.
    pub(crate) news: Vec<News>,
}

/// What the judge learns when an answer is there, and not before.
pub(crate) struct News(pub(crate) Box<Tell>);

type Tell = dyn FnOnce(&mut World, u64) + Send;

impl std::fmt::Debug for News {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("news")
    }
}

/// The ways in which an effect and its answer can fall apart.
enum Fate {
    Fine,
    Refused(CloudErrorKind),
    Lost(CloudErrorKind),
    Late,
}

const KINDS: [CloudErrorKind; 14] = [
    CloudErrorKind::Quota,
    CloudErrorKind::RateLimited,
    CloudErrorKind::Unauthorized,
    CloudErrorKind::Forbidden,
    CloudErrorKind::NotFound,
    CloudErrorKind::Conflict,
    CloudErrorKind::Changed,
    CloudErrorKind::Rejected,
    CloudErrorKind::Lookup,
    CloudErrorKind::LocalFile,
    CloudErrorKind::Timeout,
    CloudErrorKind::Connection,
    CloudErrorKind::Server,
    CloudErrorKind::BadAnswer,
];

const OPEN_KINDS: [CloudErrorKind; 4] = [
    CloudErrorKind::Timeout,
    CloudErrorKind::Connection,
    CloudErrorKind::Server,
    CloudErrorKind::BadAnswer,
];

impl SimCloud {
    fn tell(&mut self, news: impl FnOnce(&mut World, u64) + Send + 'static) {
        self.news.push(News(Box::new(news)));
    }

    /// A list of the servers has come: the addresses are asked for next.
    pub(crate) fn servers_are_listed(&mut self) {
        self.half_list = Some(self.drawn.clone());
    }

    /// One request: on its way, its effect, and back.
    fn request<T>(
        &mut self,
        what: &'static str,
        late: Option<Event>,
        effect: impl FnOnce(&mut World) -> Result<T, CloudErrorKind>,
    ) -> Result<T, CloudError> {
        self.world.point();
        let mut world = self.world.lock();
        let life = self.life;
        let now = world.now;
        world.requests += 1;
        world.judge.request(life, now, what);
        let way = world.rng.skewed(5, 400);
        let until = world.now + way;
        world.pass(until, false);
        let fate = Self::fate(&mut world, late.is_some());
        let is_of_servers = !matches!(what, "addresses" | "move" | "look up ports");
        if what == "list" && world.strikes(Fault::ServersDown) {
            let time = world.rng.skewed(1_000, 600_000);
            world.servers_down_until = world.now + time;
        }
        let fate = if is_of_servers && world.now < world.servers_down_until {
            Fate::Refused(CloudErrorKind::Server)
        } else {
            fate
        };
        let answer = match fate {
            Fate::Fine => effect(&mut world),
            Fate::Refused(kind) => Err(kind),
            Fate::Lost(kind) => effect(&mut world).and(Err(kind)),
            Fate::Late => {
                let delay = world.scenario.api_timeout_ms + world.rng.range(0, 60_000);
                if let Some(event) = late {
                    world.after(delay, event);
                }
                Err(CloudErrorKind::Timeout)
            }
        };
        let is_open = std::mem::take(&mut world.answer_is_open)
            || matches!(fate, Fate::Lost(_) | Fate::Late)
            || matches!(fate, Fate::Refused(kind) if OPEN_KINDS.contains(&kind));
        drop(world);
        self.world.point();
        let mut world = self.world.lock();
        let back = match &answer {
            Err(CloudErrorKind::Timeout) => world.scenario.api_timeout_ms,
            _ => world.rng.skewed(5, 400),
        };
        let until = world.now + back;
        world.pass(until, false);
        let answer = answer.map_err(|kind| Self::error(&mut world, life, what, kind, is_open));
        drop(world);
        if let Err(error) = &answer {
            let retry_after = error.retry_after;
            self.tell(move |world, now| world.judge.failed(life, now, what, retry_after));
        }
        answer
    }

    fn fate(world: &mut World, can_be_late: bool) -> Fate {
        let (refused, lost, late) = (
            world.strikes(Fault::ApiError),
            world.strikes(Fault::LostAnswer),
            world.strikes(Fault::LateEffect),
        );
        let (any, open) = (*world.rng.pick(&KINDS), *world.rng.pick(&OPEN_KINDS));
        if refused {
            Fate::Refused(any)
        } else if lost {
            Fate::Lost(open)
        } else if late && can_be_late {
            Fate::Late
        } else {
            Fate::Fine
        }
    }

    fn error(
        world: &mut World,
        life: usize,
        what: &'static str,
        kind: CloudErrorKind,
        outcome_unknown: bool,
    ) -> CloudError {
        let wishes = world.strikes(Fault::RetryAfter)
            && matches!(
                kind,
                CloudErrorKind::Quota | CloudErrorKind::RateLimited | CloudErrorKind::Server
            );
        let wish = wishes.then(|| world.rng.range(1, 120));
        world.note(32, || {
            format!("life {life}: {what}: {kind:?}, retry after {wish:?}")
        });
        let retry_after = wish.map(Duration::from_secs);
        CloudError {
            kind,
            message: format!("{what}: simulated"),
            retry_after,
            outcome_unknown,
            remedy: None,
            source: None,
        }
    }

    /// What a list shows now, faults and all.
    fn draw_list(world: &mut World) -> Listing {
        let (stale, short, bare) = (
            world.strikes(Fault::StaleList),
            world.strikes(Fault::ShortList),
            world.strikes(Fault::NoAddresses),
        );
        let now = world.now;
        let true_list = true_list(world);
        world.old_lists.push_back((now, true_list.clone()));
        while world
            .old_lists
            .front()
            .is_some_and(|(at, _)| now - at > 60_000)
        {
            world.old_lists.pop_front();
        }
        let mut list = true_list;
        if stale {
            let index = world.rng.index(world.old_lists.len());
            list.servers.clone_from(&world.old_lists[index].1.servers);
            let addresses = &world.old_lists[index].1.external_addresses;
            list.external_addresses.clone_from(addresses);
        }
        if short {
            let share = world.rng.range(1, 900);
            list.servers.retain(|_| !world.rng.permille(share));
        }
        if now < world.half_lists_until && world.rng.permille(500) {
            // Always the same half, and at times none.
            let none = world.rng.permille(300);
            let number = |id: &ReplicaId| id.as_str().bytes().map(u64::from).sum::<u64>();
            list.servers
                .retain(|s| !none && number(&s.id).is_multiple_of(2));
        }
        if bare {
            for server in &mut list.servers {
                if matches!(server.state, ServerState::Running(_)) && world.rng.permille(500) {
                    server.state = ServerState::Creating(simplescalevm::pool::Creating::NoAddress);
                    server.addresses.clear();
                }
            }
        }
        list
    }
}

fn server_of(vm: &Vm, untold: bool) -> Server {
    Server {
        id: vm.id.clone(),
        name: if untold {
            String::new()
        } else {
            vm.name.clone()
        },
        state: if untold {
            ServerState::Unknown
        } else {
            vm.state()
        },
        addresses: match vm.ip {
            Some(ip) if !untold => vec![IpAddr::V4(ip)],
            _ => Vec::new(),
        },
        locked: !untold && vm.locked,
        created: Some(CloudTime(vm.created)),
        launched: vm.launched.map(CloudTime),
        image: None,
        marks: if untold { Marks::default() } else { vm.marks },
    }
}

/// One server, as asking for it by its id shows it: at once, and as it is.
fn one_server(world: &mut World, id: &ReplicaId) -> Looked {
    // The node that knows half of the lists does not know the single servers either, at times.
    if world.now < world.half_lists_until && world.rng.permille(200) {
        return Looked::Gone;
    }
    let dark = world.now < world.cell_down_until;
    let servers = world.servers.values().enumerate();
    let Some((number, vm)) = servers.into_iter().find(|(_, vm)| vm.id == *id) else {
        return Looked::Gone;
    };
    let untold = dark && number % 2 == 0;
    if untold || vm.member {
        Looked::There(Box::new(server_of(vm, untold)))
    } else {
        Looked::Left
    }
}

/// The list as it should be: the pool's servers, those that the cloud cannot tell, the addresses.
fn true_list(world: &World) -> Listing {
    let now = world.now;
    let dark = now < world.cell_down_until;
    // Every second server is in the cell that is down at times.
    let shown = |(number, vm): (usize, &Vm)| {
        let untold = dark && number % 2 == 0;
        let listed = vm.visible_ms <= now && (untold || vm.member);
        listed.then(|| server_of(vm, untold))
    };
    let servers = world.servers.values().enumerate().filter_map(shown);
    let with_addresses = world.scenario.policy.external_addresses;
    let of_pool = |fip: &&Fip| with_addresses && fip.of_pool && !fip.removed;
    let addresses = world
        .fips
        .iter()
        .filter(of_pool)
        .map(|fip| ExternalAddress {
            id: ExternalAddressId::new(&fip.id),
            address: IpAddr::V4(Ipv4Addr::BROADCAST),
            holder: match &fip.port {
                Port::None => Holder::Nobody,
                Port::Server(id) => Holder::Server(id.clone()),
                Port::Foreign => Holder::Stranger,
            },
            revision: Some(fip.revision),
        });
    Listing {
        taken: Moment::START,
        cloud_time: Some(CloudTime(world.cloud_time())),
        servers: servers.collect(),
        external_addresses: Some(addresses.collect()),
        not_alone: std::collections::BTreeSet::new(),
    }
}

fn address_number(id: &ExternalAddressId) -> usize {
    let number = id.as_str().trim_start_matches("fip-").parse();
    number.unwrap_or(usize::MAX)
}

impl Cloud for SimCloud {
    fn list(&mut self, taken: Moment, _: &mut Sight) -> Result<Listing, CloudError> {
        let life = self.life;
        {
            let mut world = self.world.lock();
            world.figures.lists += 1;
            let now = world.now;
            world.judge.list_begins(life, now);
        }
        let mut listing = self.request("list", None, |world| Ok(Self::draw_list(world)))?;
        listing.taken = taken;
        let addresses = listing.external_addresses.take().unwrap_or_default();
        let mut world = self.world.lock();
        world.note(33, || {
            let of = |s: &Server| {
                format!(
                    "{} {:?}{}",
                    s.id,
                    s.state,
                    if s.locked { " locked" } else { "" }
                )
            };
            let servers: Vec<String> = listing.servers.iter().map(of).collect();
            format!("life {life}: list: [{}]", servers.join(", "))
        });
        drop(world);
        let number = self.drawn.0 + 1;
        self.drawn = (number, addresses);
        let told = listing.clone();
        self.tell(move |world, now| world.judge.list_answered(life, now, (number, told)));
        Ok(listing)
    }

    fn external_addresses(&mut self, _: &str) -> Result<Vec<ExternalAddress>, CloudError> {
        let life = self.life;
        let asked = self.world.lock().now;
        let half_list = self.half_list.take();
        let addresses = self.request("addresses", None, |world| {
            Ok(match &half_list {
                Some((_, drawn)) => drawn.clone(),
                None => Self::draw_list(world)
                    .external_addresses
                    .unwrap_or_default(),
            })
        });
        let of_list = half_list.as_ref().map(|(number, _)| *number);
        let addresses = addresses?;
        let told = addresses.clone();
        self.tell(move |world, now| {
            world.note(38, || {
                format!("life {life}: addresses, of a list: {of_list:?}")
            });
            world
                .judge
                .addresses_answered(life, (asked, now), told, of_list);
        });
        Ok(addresses)
    }

    fn create(&mut self, order: &Order) -> Result<Accepted, CloudError> {
        let (life, count, mark) = (self.life, order.count.get(), order.mark);
        let number = mark.number;
        {
            let mut world = self.world.lock();
            world.note(34, || format!("life {life}: create {count}"));
            world.check_creation(life, count, number);
        }
        let late = Event::Made {
            life,
            request: number,
            count,
            mark,
        };
        let result = self.request("create", Some(late), |world| {
            let have = world.servers.values().filter(|vm| vm.exists()).count() as u64;
            if have >= world.quota {
                return Err(CloudErrorKind::Quota);
            }
            Ok(world.make(life, number, count, mark))
        });
        let outcome = match &result {
            Ok(_) => Some(true),
            Err(error) if error.outcome_unknown => None,
            Err(_) => Some(false),
        };
        let quota = matches!(&result, Err(e) if e.kind == CloudErrorKind::Quota);
        let marked = self.world.lock().scenario.with_marks;
        let told = result.as_ref().ok().cloned();
        self.tell(move |world, now| {
            let judge = &mut world.judge;
            judge.answered(life, "create", now);
            judge.created(life, number, outcome, quota, now);
            if let Some(first) = told {
                judge.first_of_creation(life, number, first.as_ref(), marked);
            }
        });
        let first = result?;
        Ok(Accepted { first, marked })
    }

    fn show(&mut self, replica: &ReplicaId, _: &Sight) -> Result<Looked, CloudError> {
        let life = self.life;
        let shown = self.request("show", None, |world| Ok(one_server(world, replica)));
        self.world
            .lock()
            .note(37, || format!("life {life}: show {replica}: {shown:?}"));
        let (id, told) = (replica.clone(), shown.as_ref().ok().cloned());
        self.tell(move |world, now| world.judge.shown_one(life, now, id, told));
        shown
    }

    fn mark(&mut self, replica: &ReplicaId, key: &str, _: &str) -> Result<(), CloudError> {
        let life = self.life;
        let is_ours = key == SERVED_KEY;
        self.request("mark", None, |world| {
            let may = world.scenario.may_mark;
            let was_member = world.servers.get(replica).map(|vm| vm.ever_member);
            if was_member == Some(false) || !is_ours {
                let now = world.now;
                let text = format!("{key} on {replica}");
                world
                    .judge
                    .violated(life, now, Invariant::StrangerTouched, text);
            }
            let Some(vm) = world.servers.get_mut(replica) else {
                return Err(CloudErrorKind::NotFound);
            };
            if !may {
                return Err(CloudErrorKind::Forbidden);
            }
            if vm.nova != Nova::Active || vm.locked {
                return Err(CloudErrorKind::Conflict);
            }
            vm.marks.served = true;
            Ok(())
        })
    }

    fn delete(&mut self, replica: &ReplicaId) -> Result<(), CloudError> {
        let life = self.life;
        {
            let mut world = self.world.lock();
            world.note(35, || format!("life {life}: delete {replica}"));
            world.check_deletion(life, replica);
            let life = world.judge.life(life);
            life.deleting.insert(replica.clone());
        }
        let late = Event::Deleted(replica.clone());
        let result = self.request("delete", Some(late), |world| {
            world.check_cut(life, replica);
            let is_locked = world.servers.get(replica).is_some_and(|vm| vm.locked);
            if is_locked {
                return Err(CloudErrorKind::Conflict);
            }
            world.figures.deleted += 1;
            world.remove(replica);
            Ok(())
        });
        let (id, is_accepted) = (replica.clone(), result.is_ok());
        self.tell(move |world, now| {
            world.judge.life(life).deleting.remove(&id);
            world.judge.answered(life, &format!("delete {id}"), now);
            if is_accepted {
                world.judge.deleted(life, &id, now);
            }
        });
        result
    }

    fn move_address(&mut self, address: &ExternalAddress, to: &Standby) -> Result<(), CloudError> {
        let to = &to.replica;
        let life = self.life;
        let number = address_number(&address.id);
        {
            let mut world = self.world.lock();
            world.note(36, || format!("life {life}: move {} to {to}", address.id));
            world.check_move(life, address, to);
        }
        let revision = address.revision;
        let result = self.request("move", None, |world| {
            let taken = world
                .fips
                .iter()
                .any(|f| f.port == Port::Server(to.clone()));
            let runs = world.servers.get(to).is_some_and(|vm| vm.ip.is_some());
            let Some(fip) = world.fips.get(number).filter(|fip| !fip.removed) else {
                return Err(CloudErrorKind::NotFound);
            };
            if revision.is_some_and(|revision| revision != fip.revision) {
                return Err(CloudErrorKind::Changed);
            }
            if !runs {
                return Err(CloudErrorKind::NotFound);
            }
            if taken {
                return Err(CloudErrorKind::Conflict);
            }
            if world.strikes(Fault::MoveRefused) {
                let pair = world.rng.permille(500).then(|| to.clone());
                world.refusals.insert((number, pair));
            }
            if world.refusals.contains(&(number, None)) {
                return Err(CloudErrorKind::NotFound);
            }
            if world.refusals.contains(&(number, Some(to.clone()))) {
                return Err(CloudErrorKind::Conflict);
            }
            world.check_move_effect(life, number);
            let races = world.strikes(Fault::LostUpdate);
            let is_loser = races && world.rng.permille(500);
            if is_loser {
                world.other_writer(number, to);
                world.answer_is_open = true;
            }
            world.figures.moved += 1;
            world.point(number, to);
            if races && !is_loser {
                world.other_writer(number, to);
            }
            if is_loser {
                // Neutron tells both 200; only the revision in the answer tells them apart.
                return Err(CloudErrorKind::Changed);
            }
            Ok(())
        });
        let (address, to) = (address.clone(), to.clone());
        let error = result.as_ref().err();
        let told = error.map(|error| (error.kind, error.outcome_unknown));
        self.tell(move |world, now| {
            let deed = format!("move {}", address.id);
            world.judge.answered(life, &deed, now);
            world.move_ended(life, &address, &to, told);
        });
        result
    }

    fn fault(&mut self, replica: &ReplicaId) -> Result<Option<String>, CloudError> {
        let replica = replica.clone();
        self.request("fault", None, |world| {
            let vm = world
                .servers
                .get(&replica)
                .ok_or(CloudErrorKind::NotFound)?;
            Ok((vm.nova == Nova::Error).then(|| "No valid host was found.".to_owned()))
        })
    }

    fn find_ports(&mut self, _: &[Standby]) -> Result<BTreeMap<ReplicaId, CloudPort>, CloudError> {
        self.request("look up ports", None, |_| Ok(BTreeMap::new()))
    }

    fn look_up(
        &mut self,
        _: &ServerTemplate,
        _: Option<&Catalogue>,
    ) -> Result<LookedUp, CloudError> {
        self.request("look up names", None, |_| Ok(LookedUp::default()))
    }

    fn quota(&mut self) -> Result<Option<Quota>, CloudError> {
        self.request("quota", None, |_| Ok(None))
    }
}

impl World {
    /// Somebody else moves an address at the same time.
    fn other_writer(&mut self, number: usize, to: &ReplicaId) {
        let holders: Vec<&Port> = self.fips.iter().map(|fip| &fip.port).collect();
        let is_free =
            |id: &&ReplicaId| *id != to && !holders.contains(&&Port::Server((*id).clone()));
        let free: Vec<ReplicaId> = self.servers.keys().filter(is_free).cloned().collect();
        let is_parked = free.is_empty() || self.rng.permille(300);
        let port = if is_parked {
            Port::None
        } else {
            Port::Server(self.rng.pick(&free).clone())
        };
        if let Some(fip) = self.fips.get_mut(number) {
            fip.port = port;
            fip.revision += 1;
        }
    }

    /// The address's own record has not changed since it was listed, so its holder is the listed
    /// one: whoever it is taken from now must be of no use.
    fn check_move_effect(&mut self, life: usize, number: usize) {
        let Port::Server(holder) = self.fips[number].port.clone() else {
            return;
        };
        let was_member = self.servers.get(&holder).is_some_and(|vm| vm.ever_member);
        if !was_member {
            let now = self.now;
            let text = format!("fip-{number} is taken from {holder}");
            self.judge
                .violated(life, now, Invariant::StrangerTouched, text);
        }
    }
}
