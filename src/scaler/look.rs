//! Lists of the pool: the servers, their external addresses, and what is asked beside them.

use super::jobs::Errand;
use super::journal::Journal;
use super::{Clock, LIST_ON_DEMAND_AT_MOST_EVERY, Observer, Probes, Scaler, chain, wait_after};
use crate::cloud::{Calls, CloudError, Request, Service, Sight};
use crate::pool::{
    Became, CycleStep, Event, ExternalAddress, Failed, Inquiry, Listing, Looked, Moment, ReplicaId,
    ReplicaState, ServerState, take_out_contradictions,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How many failed servers are asked for their fault in one cycle.
const FAULTS_READ_IN_A_CYCLE: usize = 5;
/// For how long a plan waits for them.
const FAULTS_ARE_WAITED_FOR: Duration = Duration::from_secs(1);
/// For how long a list of the servers waits for that of the external addresses, if these are known from before.
const ADDRESSES_ARE_WAITED_FOR: Duration = Duration::from_secs(2);
/// When the next list comes where there was more to ask for than is asked for at once.
const ASK_ON_AFTER: Duration = Duration::from_secs(2);

/// A look at the whole pool: what is known of it so far.
#[derive(Debug)]
pub(super) struct Look {
    asked: Moment,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The servers are being listed.
    Servers,
    /// Their external addresses are, or are to be.
    Addresses {
        listing: Listing,
        begun: bool,
        until: Moment,
    },
    /// What the list lacks is asked for, one by one.
    Asking(Asking),
    /// Faults are read; the list has been taken in.
    Faults {
        unread: VecDeque<ReplicaId>,
        open: usize,
        until: Moment,
    },
}

#[derive(Debug)]
struct Asking {
    listing: Listing,
    /// When its external addresses were asked for; none: they have not come.
    addresses_asked: Option<Moment>,
    arrived: Moment,
    inquiry: Inquiry,
    unasked: VecDeque<ReplicaId>,
    /// Those that are asked for and have not been answered yet.
    open: usize,
    /// There was more to ask for.
    has_more: bool,
    goes_on: bool,
}

impl Look {
    /// Since when the servers are being listed, if they still are.
    pub(super) fn servers_since(&self) -> Option<Moment> {
        matches!(self.stage, Stage::Servers).then_some(self.asked)
    }

    /// When it goes on without what has not come by then.
    pub(super) fn until(&self) -> Option<Moment> {
        match self.stage {
            Stage::Addresses { until, .. } | Stage::Faults { until, .. } => Some(until),
            Stage::Servers | Stage::Asking(_) => None,
        }
    }
}

impl<P: Calls, Q: Probes, C: Clock, W: Observer> Scaler<P, Q, C, W> {
    /// Asks for a new list.
    pub(super) fn begin_look(&mut self) {
        let asked = self.parts.clock.now();
        if self.wanted_list.take().is_some() {
            self.listed_on_demand = Some(asked);
        }
        self.lookout.looks_now(asked);
        self.look = Some(Look {
            asked,
            stage: Stage::Servers,
        });
        let sight = self.sight();
        self.begin(Errand::Servers, Request::List(asked, sight));
    }

    fn sight(&self) -> Sight {
        Sight {
            template: Arc::clone(&self.parts.template),
            names: self.network_names.clone(),
            known: Arc::clone(&self.known),
            network: self.catalogue.as_ref().map(|c| c.network.clone()),
        }
    }

    pub(super) fn servers_listed(&mut self, listed: Result<Listing, CloudError>) {
        let until = self.parts.clock.now() + ADDRESSES_ARE_WAITED_FOR;
        let Some(look) = &mut self.look else { return };
        let asked = look.asked;
        match listed {
            Ok(listing) if self.parts.policy.external_addresses => {
                look.stage = Stage::Addresses {
                    listing,
                    begun: false,
                    until,
                };
                self.advance_look();
            }
            Ok(listing) => self.listed(asked, listing, None),
            Err(error) => self.list_failed(Service::Compute, error),
        }
    }

    /// Asks for the external addresses.
    pub(super) fn list_addresses(&mut self, of_look: Option<Moment>) {
        let asked = self.parts.clock.now();
        if of_look.is_none() {
            self.addresses.next_list = asked + LIST_ON_DEMAND_AT_MOST_EVERY;
        }
        let errand = Errand::Addresses { asked, of_look };
        let request = Request::ExternalAddresses(Arc::clone(&self.parts.template));
        self.begin(errand, request);
    }

    /// The external addresses that belong to a list of the servers have come, or not.
    pub(super) fn addresses_of_look_listed(
        &mut self,
        (of_look, asked): (Moment, Moment),
        listed: Result<Vec<ExternalAddress>, CloudError>,
    ) {
        let waits =
            |look: &Look| look.asked == of_look && matches!(look.stage, Stage::Addresses { .. });
        if !self.look.as_ref().is_some_and(waits) {
            // The list of the servers has not waited for them.
            return self.addresses_listed(asked, listed);
        }
        match listed {
            Ok(addresses) => self.go_on_with(Some((asked, addresses))),
            Err(error) if self.memory.listed_at().is_some() && !self.is_stopping() => {
                self.addresses_failed(asked, &error);
                self.go_on_with(None);
            }
            Err(error) => self.list_failed(Service::Network, error),
        }
    }

    /// Goes on with the list of the servers and that of the external addresses, if it has come: else they are taken to
    /// be where they were, and none is moved before they are listed again.
    fn go_on_with(&mut self, addresses: Option<(Moment, Vec<ExternalAddress>)>) {
        if let Some(Look { asked, stage }) = self.look.take()
            && let Stage::Addresses { mut listing, .. } = stage
        {
            let addresses_asked = addresses.map(|(asked, addresses)| {
                listing.external_addresses = Some(addresses);
                asked
            });
            self.listed(asked, listing, addresses_asked);
        }
    }

    /// A list has come; its external addresses were asked for at `addresses_asked`, if they have come with it. What it
    /// lacks is asked for before it is taken in.
    fn listed(&mut self, asked: Moment, mut listing: Listing, addresses_asked: Option<Moment>) {
        self.stepped(CycleStep::List, asked);
        self.addresses.servers_fail = false;
        self.lists.succeeded();
        let arrived = self.parts.clock.now();
        // However slow a list is, there is a pause after it.
        let regular = asked + self.parts.scaling_interval;
        self.next_list = regular.max(arrived + LIST_ON_DEMAND_AT_MOST_EVERY);
        if self.listed_on_demand == Some(asked) {
            self.listed_on_demand = Some(arrived);
        }
        let memory = &self.memory;
        let contradictions = take_out_contradictions(&mut listing, |id| memory.address_of(id));
        self.tell(|journal, context| journal.contradicted(context, &contradictions));
        let mut questions: VecDeque<ReplicaId> = self.memory.questions(&listing).into();
        let left_out = questions.split_off(questions.len().min(Inquiry::AT_ONCE));
        let mut inquiry = Inquiry::default();
        let has_more = !left_out.is_empty();
        for id in left_out {
            inquiry.0.insert(id, Looked::NotAsked);
        }
        let stage = Stage::Asking(Asking {
            listing,
            addresses_asked,
            arrived,
            inquiry,
            unasked: questions,
            open: 0,
            has_more,
            goes_on: true,
        });
        self.look = Some(Look { asked, stage });
        self.advance_look();
    }

    /// Goes on with the look as far as that is possible now; `false`: nothing was done.
    pub(super) fn advance_look(&mut self) -> bool {
        let Some(mut look) = self.look.take() else {
            return false;
        };
        match &mut look.stage {
            Stage::Servers => {}
            Stage::Addresses { begun, until, .. } => {
                let now = self.parts.clock.now();
                let is_quiet = now < self.jobs.paused_until(Service::Network);
                if self.is_stopping() {
                    // No new request: the look is given up.
                    return false;
                }
                if !*begun && !is_quiet && self.may_begin(Service::Network) {
                    *begun = true;
                    let of_look = look.asked;
                    self.look = Some(look);
                    self.list_addresses(Some(of_look));
                    return true;
                }
                if now >= *until && self.memory.listed_at().is_some() {
                    self.look = Some(look);
                    self.go_on_with(None);
                    return true;
                }
            }
            Stage::Asking(asking) => {
                if let Some(id) = asking.unasked.front().cloned() {
                    let paused_until = self.jobs.paused_until(Service::Compute);
                    asking.goes_on &= !self.is_stopping() && self.parts.clock.now() >= paused_until;
                    if !asking.goes_on {
                        let rest = asking.unasked.drain(..);
                        asking
                            .inquiry
                            .0
                            .extend(rest.map(|id| (id, Looked::NotAsked)));
                    } else if self.may_begin(Service::Compute) {
                        asking.unasked.pop_front();
                        asking.open += 1;
                        self.look = Some(look);
                        let sight = self.sight();
                        self.begin(Errand::Show(id.clone()), Request::Show(id, sight));
                        return true;
                    }
                }
                if asking.unasked.is_empty() && asking.open == 0 {
                    let Stage::Asking(asking) = look.stage else {
                        return false;
                    };
                    self.take_in(look.asked, asking);
                    return true;
                }
            }
            Stage::Faults {
                unread,
                open,
                until,
            } => {
                let now = self.parts.clock.now();
                if self.is_stopping() || now < self.jobs.paused_until(Service::Compute) {
                    unread.clear();
                }
                if let Some(id) = unread.front().cloned()
                    && self.may_begin(Service::Compute)
                {
                    unread.pop_front();
                    *open += 1;
                    self.look = Some(look);
                    self.begin(Errand::Fault(id.clone()), Request::Fault(id));
                    return true;
                }
                if now >= *until || (unread.is_empty() && *open == 0) {
                    self.act_on_list();
                    return true;
                }
            }
        }
        self.look = Some(look);
        false
    }

    pub(super) fn shown(&mut self, id: ReplicaId, shown: Result<Looked, CloudError>) {
        let mut goes_on = true;
        let looked = match shown {
            Ok(looked) => looked,
            Err(error) => {
                log::debug!("server {id} cannot be asked for: {}", chain(&error));
                goes_on = !self.look_up_failed(Service::Compute, &error);
                Looked::NotKnown
            }
        };
        if let Some(Stage::Asking(asking)) = self.look.as_mut().map(|look| &mut look.stage) {
            asking.inquiry.0.insert(id, looked);
            asking.open = asking.open.saturating_sub(1);
            asking.goes_on &= goes_on;
        }
    }

    /// Takes the list in, with what was asked beside it.
    fn take_in(&mut self, asked: Moment, asking: Asking) {
        let Asking {
            mut listing,
            addresses_asked,
            arrived,
            mut inquiry,
            mut has_more,
            goes_on,
            ..
        } = asking;
        let now = self.parts.clock.now();
        // A deletion that has failed since the list came: what it was about is expected again, and was not asked for.
        for id in self.memory.questions(&listing) {
            inquiry.0.entry(id).or_insert_with(|| {
                has_more = true;
                Looked::NotAsked
            });
        }
        if !inquiry.0.is_empty() {
            self.tell(|journal, context| journal.asked(context, &inquiry));
        }
        // What nothing could be learned of is asked for again with the next regular list.
        let is_answered = |looked: &Looked| !matches!(looked, Looked::NotKnown | Looked::NotAsked);
        if has_more && goes_on && inquiry.0.values().any(is_answered) {
            self.next_list = self.next_list.min(now + ASK_ON_AFTER);
        }
        // Addresses that were asked for later may have come before these.
        let addresses = listing.external_addresses.take().zip(addresses_asked);
        let is_newest = |asked: Moment| !self.memory.has_newer_addresses(asked);
        if let Some((addresses, asked)) = addresses.filter(|(_, asked)| is_newest(*asked)) {
            self.take_addresses_in(asked, addresses);
        }
        let policy = &self.parts.policy;
        let memory = &self.memory;
        self.lookout
            .listed(&listing, |id| memory.record(id).is_some());
        let memory = &mut self.memory;
        if memory.observe_asked(policy, &listing, &inquiry, arrived) {
            self.journal.believed();
        } else {
            self.tell(Journal::disbelieved);
        }
        if let Some((made, ordered)) = self.memory.creation_cut_short() {
            let event = Event::CutShort { made, ordered };
            self.tell(|journal, context| journal.note(context, event));
        }
        let memory = &self.memory;
        let known = memory.records().map(|record| record.server.id.clone());
        self.known = Arc::new(known.collect());
        self.parts.probes.forget(&|id| memory.record(id).is_none());
        self.ports.retain(|id, _| memory.record(id).is_some());
        self.answered.retain(|_, at| *at > listing.taken);
        self.image = self.image_of_new_servers();
        self.tell_several_addresses();
        self.pace.changed();
        self.tell(Journal::listed);
        let until = self.parts.clock.now() + FAULTS_ARE_WAITED_FOR;
        self.look = Some(Look {
            asked,
            stage: Stage::Faults {
                unread: self.unread_faults(),
                open: 0,
                until,
            },
        });
    }

    /// The servers that ended in an error state and whose fault was not asked for.
    fn unread_faults(&self) -> VecDeque<ReplicaId> {
        self.memory
            .records()
            .filter(|r| r.server.state == ServerState::Failed(Failed::Error) && r.fault.is_none())
            .map(|r| r.server.id.clone())
            .take(FAULTS_READ_IN_A_CYCLE)
            .collect()
    }

    pub(super) fn fault_read(&mut self, id: &ReplicaId, fault: Result<Option<String>, CloudError>) {
        let mut goes_on = true;
        let fault = match fault {
            Ok(fault) => Some(fault.unwrap_or_default()),
            Err(error) => {
                log::debug!("the fault of server {id} cannot be read: {error}");
                goes_on = !self.look_up_failed(Service::Compute, &error);
                goes_on.then(String::new)
            }
        };
        if let Some(fault) = &fault {
            self.memory.fault_read(id, fault);
        }
        if let Some(Stage::Faults { unread, open, .. }) =
            self.look.as_mut().map(|look| &mut look.stage)
        {
            *open = open.saturating_sub(1);
            if !goes_on {
                unread.clear();
            }
        } else if fault.is_some_and(|fault| !fault.is_empty()) {
            self.tell_late_fault(id);
        }
    }

    /// That a server has failed was told before it was known why.
    fn tell_late_fault(&mut self, id: &ReplicaId) {
        let assessed = self.plan.assessment.replica(id);
        let failed = assessed.filter(|a| matches!(a.state, ReplicaState::Failed(_)));
        let Some((assessed, record)) = failed.zip(self.memory.record(id)) else {
            return;
        };
        let became = Became::of(assessed, record);
        let event = Event::State(assessed.subject(), assessed.state.name(), became);
        self.tell(|journal, context| journal.note(context, event));
    }

    /// A list failed, by what this service has answered.
    fn list_failed(&mut self, service: Service, error: CloudError) {
        let Some(asked) = self.look.take().map(|look| look.asked) else {
            return;
        };
        self.stepped(CycleStep::List, asked);
        self.addresses.servers_fail = service == Service::Compute;
        // It was broken off.
        if self.is_stopping() {
            return;
        }
        let now = self.parts.clock.now();
        self.lists.failed(asked);
        self.next_list = now + wait_after(&self.lists);
        self.jobs.leave_alone(service, self.next_list);
        self.honour_retry_after(service, &error);
        self.tell(|journal, context| journal.list_failed(context, asked, &error));
        self.list_error = Some(error);
    }
}
