//! Requests under way: what each is for, when another may be begun, and who takes in what it came to.

use super::agenda::{Begun, Object};
use super::{Clock, LONGEST_PAUSE, Observer, Probes, Scaler};
use crate::cloud::{Calls, Catalogue, CloudError, JobId, Reply, Request, Service, most_under_way};
use crate::pool::{Moment, ReplicaId};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// What a request is made for.
#[derive(Debug)]
pub(super) enum Errand {
    /// The list of the servers, for the look under way.
    Servers,
    /// The list of the external addresses: for the look that was begun at that moment, or by itself.
    Addresses {
        asked: Moment,
        of_look: Option<Moment>,
    },
    /// A server that the list lacks.
    Show(ReplicaId),
    /// Why a server failed.
    Fault(ReplicaId),
    /// A move or a deletion.
    Action(Begun),
    /// A creation, made of these.
    Create(Begun, Arc<Catalogue>),
    /// The names for a creation that was refused, and how.
    NamesAnew(Begun, Arc<Catalogue>, CloudError),
    /// The names, which a creation waits for.
    NamesFirst,
    /// The names in the settings, now and then.
    Names,
    /// A mark that a replica has served.
    Mark(ReplicaId),
    /// The ports that moves to replicas would need.
    Ports(Vec<ReplicaId>),
    /// The quota.
    Quota,
}

impl Errand {
    /// What it changes, if it changes anything that a plan is about.
    pub(super) fn object(&self) -> Option<Object> {
        match self {
            Self::Action(begun) => Some(Object::of(&begun.action)),
            Self::Create(..) | Self::NamesAnew(..) | Self::NamesFirst => Some(Object::Creation),
            _ => None,
        }
    }

    fn is_chore(&self) -> bool {
        matches!(
            self,
            Self::Names | Self::Mark(_) | Self::Ports(_) | Self::Quota
        )
    }
}

/// What one turn may begin once, however soon it is answered: whoever watches the loop sees it turn.
#[derive(Debug)]
pub(super) struct OncePerTurn {
    list: bool,
    rescue: bool,
}

impl OncePerTurn {
    pub(super) fn new() -> Self {
        Self {
            list: true,
            rescue: true,
        }
    }
}

/// The requests under way.
#[derive(Debug)]
pub(super) struct Jobs {
    last: JobId,
    under_way: BTreeMap<JobId, (Service, Errand)>,
    /// Between two requests to one service, on average, and as many at once as a second brings; none: no limit.
    interval: Option<Duration>,
    /// When all that each service was asked for would have been begun, at an even rate.
    filled: BTreeMap<Service, Moment>,
    /// No request to a service before this moment.
    quiet: BTreeMap<Service, Moment>,
    /// When the next request that was held back by the rate may be begun.
    held_until: Option<Moment>,
}

impl Jobs {
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        Self {
            last: 0,
            under_way: BTreeMap::new(),
            interval: per_second.map(|rate| Duration::from_secs(1) / rate.get()),
            filled: BTreeMap::new(),
            quiet: BTreeMap::new(),
            held_until: None,
        }
    }

    /// Whether none is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(super) fn chore_is_under_way(&self) -> bool {
        self.under_way.values().any(|(_, errand)| errand.is_chore())
    }

    /// Whether the external addresses are being listed.
    pub(super) fn lists_addresses(&self) -> bool {
        let is_list = |(_, errand): &(Service, Errand)| matches!(errand, Errand::Addresses { .. });
        self.under_way.values().any(is_list)
    }

    /// Whether an action on this object is under way.
    pub(super) fn concern(&self, object: &Object) -> bool {
        let mut errands = self.under_way.values();
        errands.any(|(_, errand)| errand.object().as_ref() == Some(object))
    }

    /// Whether names that a creation waits for are being looked up.
    pub(super) fn look_names_up_first(&self) -> bool {
        let mut errands = self.under_way.values();
        errands.any(|(_, errand)| matches!(errand, Errand::NamesFirst))
    }

    /// The actions under way.
    pub(super) fn actions(&self) -> impl Iterator<Item = &Begun> {
        self.under_way
            .values()
            .filter_map(|(_, errand)| match errand {
                Errand::Action(begun)
                | Errand::Create(begun, ..)
                | Errand::NamesAnew(begun, ..) => Some(begun),
                _ => None,
            })
    }

    /// When the next request that was held back by the rate may be begun.
    pub(super) fn held_until(&self) -> Option<Moment> {
        self.held_until
    }

    /// No request to a service before this moment.
    pub(super) fn paused_until(&self, service: Service) -> Moment {
        let of = |service| self.quiet.get(&service).copied().unwrap_or_default();
        match service {
            Service::All => of(Service::Compute).max(of(Service::Network)),
            one => of(one),
        }
    }

    /// A service is left alone for a while.
    pub(super) fn leave_alone(&mut self, service: Service, until: Moment) {
        let services = match service {
            Service::All => &[Service::Compute, Service::Network][..],
            Service::Compute => &[Service::Compute],
            Service::Network => &[Service::Network],
        };
        for service in services {
            let quiet = self.quiet.entry(*service).or_default();
            *quiet = (*quiet).max(until);
        }
    }

    /// Whether there is a place for a request to this service: if one hangs, it holds up no other.
    pub(super) fn has_place(&self, places: usize, service: Service) -> bool {
        let most = match service {
            Service::Compute | Service::Network => places,
            Service::All => 1,
        };
        let of_service = self.under_way.values().filter(|(of, _)| *of == service);
        of_service.count() < most && self.under_way.len() < most_under_way(places)
    }

    /// The same, and its share of requests is not used up.
    fn may_begin(&mut self, places: usize, service: Service, now: Moment) -> bool {
        if !self.has_place(places, service) {
            return false;
        }
        let Some(interval) = self.interval else {
            return true;
        };
        let burst = Duration::from_secs(1).saturating_sub(interval);
        let filled = self.filled.get(&service);
        let free_at = filled.map_or(now, |filled| *filled - burst);
        if now >= free_at {
            return true;
        }
        self.held_until = Some(self.held_until.map_or(free_at, |at| at.min(free_at)));
        false
    }

    fn add(&mut self, service: Service, errand: Errand, now: Moment) -> JobId {
        if let Some(interval) = self.interval {
            let filled = self.filled.entry(service).or_insert(now);
            *filled = (*filled).max(now) + interval;
        }
        self.last += 1;
        self.under_way.insert(self.last, (service, errand));
        self.last
    }
}

impl<P: Calls, Q: Probes, C: Clock, W: Observer> Scaler<P, Q, C, W> {
    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Where requests go.
    pub fn calls(&self) -> &P {
        &self.parts.calls
    }

    /// Whether a request to this service may be begun now.
    pub(super) fn may_begin(&mut self, service: Service) -> bool {
        let (places, now) = (self.parts.calls.places(), self.parts.clock.now());
        self.jobs.may_begin(places, service, now)
    }

    /// Has a request made.
    pub(super) fn begin(&mut self, errand: Errand, request: Request) {
        let now = self.parts.clock.now();
        self.begin_at(now, errand, request);
    }

    /// The same, as of a moment at which it was weighed.
    pub(super) fn begin_at(&mut self, now: Moment, errand: Errand, request: Request) {
        let job = self.jobs.add(request.service(), errand, now);
        self.parts.calls.begin(job, request);
    }

    /// Begins what may be begun, the most urgent first; `false`: nothing.
    pub(super) fn begin_next(&mut self, may: &mut OncePerTurn) -> bool {
        self.jobs.held_until = None;
        if self.begin_action() || self.advance_look() {
            return true;
        }
        let has_place = self
            .jobs
            .has_place(self.parts.calls.places(), Service::Compute);
        if self.look.is_some() || !has_place {
            // What is decided does not wait for the list.
            self.replan_if_due();
        } else if may.list && self.list_is_due() && self.may_begin(Service::Compute) {
            may.list = false;
            self.begin_look();
            return true;
        }
        if may.rescue && self.rescue_is_due() && self.may_begin(Service::Network) {
            may.rescue = false;
            self.list_addresses(None);
            return true;
        }
        self.begin_chore()
    }

    /// Takes in what requests have come to; `false`: nothing has.
    pub(super) fn take_replies(&mut self) -> bool {
        let mut any = false;
        while let Some((job, reply)) = self.parts.calls.ended() {
            any = true;
            if let Some((_, errand)) = self.jobs.under_way.remove(&job) {
                self.take_reply(errand, reply);
            }
        }
        any
    }

    fn take_reply(&mut self, errand: Errand, reply: Reply) {
        match (errand, reply) {
            (Errand::Servers, Reply::Listing(listed, sight)) => {
                self.network_names = sight.names;
                self.servers_listed(listed);
            }
            (Errand::Addresses { asked, of_look }, Reply::ExternalAddresses(listed)) => {
                match of_look {
                    Some(look) => self.addresses_of_look_listed((look, asked), listed),
                    None => self.addresses_listed(asked, listed),
                }
            }
            (Errand::Show(id), Reply::Shown(shown)) => self.shown(id, shown),
            (Errand::Fault(id), Reply::Fault(fault)) => self.fault_read(&id, fault),
            (Errand::Action(begun), Reply::Done(result)) => self.action_ended(begun, result),
            (Errand::Create(begun, of), Reply::Created(made)) => self.created(begun, of, made),
            (Errand::NamesAnew(begun, of, error), Reply::LookedUp(names)) => {
                self.names_looked_up_anew(begun, &of, error, names);
            }
            (Errand::NamesFirst, Reply::LookedUp(names)) => self.names_looked_up_first(names),
            (Errand::Names, Reply::LookedUp(names)) => self.names_looked_up(names),
            (Errand::Mark(id), Reply::Done(marked)) => self.marked(&id, marked),
            (Errand::Ports(of), Reply::Ports(ports)) => self.ports_found(of, ports),
            (Errand::Quota, Reply::Quota(quota)) => self.quota_read(quota),
            (errand, reply) => {
                debug_assert!(false, "{errand:?} came to {reply:?}");
            }
        }
    }

    /// A service that asks to be left alone for a while is.
    pub(super) fn honour_retry_after(&mut self, service: Service, error: &CloudError) {
        if let Some(wish) = error.retry_after {
            let until = self.parts.clock.now() + wish.min(LONGEST_PAUSE);
            self.jobs.leave_alone(service, until);
        }
    }

    /// Takes in that something could not be looked up; `true`: nothing else is to be, in this cycle.
    pub(super) fn look_up_failed(&mut self, service: Service, error: &CloudError) -> bool {
        self.honour_retry_after(service, error);
        error.kind.concerns_the_cloud() || error.retry_after.is_some()
    }
}
