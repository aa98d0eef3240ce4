//! What is done when nothing else is to be: names are looked up, replicas marked, moves prepared, the quota read.

use super::jobs::Errand;
use super::journal::failure;
use super::{Clock, Observer, Probes, STANDBYS_PREPARED, Scaler, chain};
use crate::cloud::{
    Calls, Catalogue, CloudError, CloudErrorKind, LookedUp, Port, Request, Service, Standby,
};
use crate::pool::{
    Doing, Event, Measure, Moment, Quota, Record, Recovery, ReplicaId, SERVED_KEY, standbys, utc,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How many marks are written in a cycle in which nothing is done, and in any other.
const MARKS_IN_A_QUIET_CYCLE: usize = 10;
const MARKS_IN_A_CYCLE: usize = 2;
/// How often names are looked up.
const NAMES_EVERY: Duration = Duration::from_secs(300);
/// How often the quota is read, and how soon after something was done.
const QUOTA_EVERY: Duration = Duration::from_secs(600);
const QUOTA_SOON: Duration = Duration::from_secs(30);

/// Something that may wait.
#[derive(Debug)]
enum Chore {
    Mark(ReplicaId, String),
    Ports(Vec<ReplicaId>),
    Names,
    Quota,
}

impl Chore {
    fn service(&self) -> Service {
        match self {
            Self::Mark(..) | Self::Quota => Service::Compute,
            Self::Ports(_) => Service::Network,
            Self::Names => Service::All,
        }
    }
}

/// What may wait, and when it is due.
#[derive(Debug)]
pub(super) struct Chores {
    queue: VecDeque<Chore>,
    /// A plan was carried out since they were last thought of: whether it had nothing to do.
    due: Option<bool>,
    next_names: Moment,
    next_quota: Moment,
    /// What was last told of names that could not be looked up: without the ids that each request has of its own.
    told: Option<(CloudErrorKind, String)>,
    marks_are_refused: bool,
    /// With which of the replicas that are to be marked the next cycle begins.
    mark_turn: usize,
}

impl Chores {
    pub(super) fn new(now: Moment, marks_are_refused: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            due: None,
            next_names: now,
            next_quota: now,
            told: None,
            marks_are_refused,
            mark_turn: 0,
        }
    }

    /// A plan is carried out: they come after it.
    pub(super) fn after_plan(&mut self, is_quiet: bool) {
        self.queue.clear();
        self.due = Some(is_quiet);
    }

    /// What there is to tell of names that were looked up: a failure once, and its end.
    fn names_ended(&mut self, result: Result<(), &CloudError>) -> Option<Event> {
        match result {
            Ok(()) => self.told.take().map(|_| Event::Recovered(Recovery::Names)),
            Err(error) => {
                let now = Some((error.kind, error.message.clone()));
                if self.told == now {
                    return None;
                }
                self.told = now;
                Some(Event::Failed(Doing::LookUpNames, failure(error)))
            }
        }
    }
}

impl<P: Calls, Q: Probes, C: Clock, W: Observer> Scaler<P, Q, C, W> {
    /// Begins the next chore, one at a time; `false`: there is none, or it has to wait.
    pub(super) fn begin_chore(&mut self) -> bool {
        if !self.agenda_is_over() || self.jobs.chore_is_under_way() {
            return false;
        }
        if let Some(is_quiet) = self.chores.due.take() {
            self.plan_chores(is_quiet);
        }
        while let Some(chore) = self.chores.queue.front() {
            let service = chore.service();
            let now = self.parts.clock.now();
            if self.is_stopping() || now < self.jobs.paused_until(service) {
                self.chores.queue.pop_front();
                continue;
            }
            if !self.may_begin(service) {
                return false;
            }
            let Some(chore) = self.chores.queue.pop_front() else {
                return false;
            };
            self.begin_this(chore);
            return true;
        }
        false
    }

    fn begin_this(&mut self, chore: Chore) {
        let now = self.parts.clock.now();
        match chore {
            Chore::Mark(id, value) => {
                let request = Request::Mark(id.clone(), SERVED_KEY, value);
                self.begin(Errand::Mark(id), request);
            }
            Chore::Ports(of) => {
                let standbys = of.iter().map(|id| self.standby(id));
                let request = Request::FindPorts(standbys.collect());
                self.begin(Errand::Ports(of), request);
            }
            Chore::Names => {
                self.chores.next_names = now + NAMES_EVERY;
                let request = self.request_names(self.catalogue.clone());
                self.begin(Errand::Names, request);
            }
            Chore::Quota => {
                self.chores.next_quota = now + QUOTA_EVERY;
                self.begin(Errand::Quota, Request::Quota);
            }
        }
    }

    pub(super) fn request_names(&self, before: Option<Arc<Catalogue>>) -> Request {
        Request::LookUp(Arc::clone(&self.parts.template), before)
    }

    fn plan_chores(&mut self, is_quiet: bool) {
        let now = self.parts.clock.now();
        self.plan_marks(is_quiet, now);
        // A cycle with something to do is not held up, unless each of them has something to do.
        let names_due = if is_quiet {
            self.chores.next_names
        } else {
            self.chores.next_names + NAMES_EVERY
        };
        let names = now >= names_due;
        if is_quiet {
            let prepared = Some(self.ports_to_prepare()).filter(|ids| !ids.is_empty());
            self.chores.queue.extend(prepared.map(Chore::Ports));
        }
        if names {
            self.chores.queue.push_back(Chore::Names);
        }
        if !is_quiet {
            self.chores.next_quota = self.chores.next_quota.min(now + QUOTA_SOON);
        } else if now >= self.chores.next_quota {
            // Seldom, and for people only: nothing is decided by it.
            self.chores.queue.push_back(Chore::Quota);
        }
    }

    /// Replicas that have served are marked, so that a later process does not take a silent one for one that never came
    /// up.
    fn plan_marks(&mut self, is_quiet: bool, now: Moment) {
        if self.chores.marks_are_refused {
            return;
        }
        let most = if is_quiet {
            MARKS_IN_A_QUIET_CYCLE
        } else {
            MARKS_IN_A_CYCLE
        };
        let mut unmarked = self.memory.unmarked(now);
        // One that cannot be marked now does not hold up the others.
        let turn = self.chores.mark_turn.checked_rem(unmarked.len());
        unmarked.rotate_left(turn.unwrap_or(0));
        for (id, time) in unmarked.into_iter().take(most) {
            let value = time.map_or_else(|| "unknown".to_owned(), utc);
            self.chores.queue.push_back(Chore::Mark(id, value));
        }
    }

    pub(super) fn marked(&mut self, id: &ReplicaId, marked: Result<(), CloudError>) {
        match marked {
            Ok(()) => self.memory.marked(id),
            Err(error) if is_refusal(error.kind) && error.retry_after.is_none() => {
                self.chores.marks_are_refused = true;
                self.memory.marks_are_refused();
                log::warn!(
                    "{SERVED_KEY} cannot be written into the metadata of servers, and is not tried any more: {}",
                    chain(&error)
                );
                self.drop_marks();
            }
            Err(error) => {
                self.chores.mark_turn = self.chores.mark_turn.wrapping_add(1);
                // It is being changed, or locked, or gone: the next cycle sees.
                log::debug!("server {id} cannot be marked: {}", chain(&error));
                if self.look_up_failed(Service::Compute, &error) {
                    self.drop_marks();
                }
            }
        }
    }

    fn drop_marks(&mut self) {
        let stays = |chore: &Chore| !matches!(chore, Chore::Mark(..));
        self.chores.queue.retain(stays);
    }

    /// The next standbys whose port is not known, as many as there are addresses: when holders die, each request counts.
    fn ports_to_prepare(&self) -> Vec<ReplicaId> {
        let addresses = self.memory.external_addresses().len();
        let count = addresses.min(STANDBYS_PREPARED);
        let mut next = standbys(&self.memory, &self.plan.assessment, count);
        // Asked once: a replica without a port on the wanted network is not asked for in each cycle.
        next.retain(|id| !self.ports.contains_key(id));
        next
    }

    pub(super) fn ports_found(
        &mut self,
        of: Vec<ReplicaId>,
        ports: Result<BTreeMap<ReplicaId, Port>, CloudError>,
    ) {
        let mut ports = match ports {
            Ok(ports) => ports,
            Err(error) => {
                log::debug!("moves cannot be prepared: {}", chain(&error));
                if self.look_up_failed(Service::Network, &error) {
                    return;
                }
                BTreeMap::new()
            }
        };
        for id in of {
            let port = ports.remove(&id);
            self.ports.insert(id, port);
        }
    }

    /// A replica that an address may be moved to, with what is known of it.
    pub(super) fn standby(&self, id: &ReplicaId) -> Standby {
        let address = self.memory.record(id).and_then(Record::probe_address);
        let is_its_own = |port: &&Port| address.is_some_and(|own| port.addresses.contains(&own));
        let port = self.ports.get(id).and_then(Option::as_ref);
        Standby {
            replica: id.clone(),
            address,
            port: port.filter(is_its_own).cloned(),
        }
    }

    /// What was known stays, if that fails.
    pub(super) fn names_looked_up(&mut self, names: Result<LookedUp, CloudError>) {
        let told = match &names {
            // What concerns the cloud as a whole is told with the lists.
            Err(error) if self.looks_only || error.kind.concerns_the_cloud() => None,
            Err(error) => self.chores.names_ended(Err(error)),
            Ok(_) => self.chores.names_ended(Ok(())),
        };
        if let Some(event) = told {
            self.tell(|journal, context| journal.names_looked_up(context, event));
        }
        match names {
            Ok(names) => self.learn_names(names),
            Err(error) => {
                log::debug!("a creation cannot be prepared: {}", chain(&error));
                self.lacks(&error);
                if self.look_up_failed(Service::All, &error) {
                    self.chores.queue.clear();
                }
            }
        }
    }

    /// Takes in what names stand for, and tells which of them stood for something else.
    pub(super) fn learn_names(&mut self, names: LookedUp) {
        self.catalogue = Some(Arc::new(names.catalogue));
        self.lacks_no_more(CloudErrorKind::Lookup);
        for change in names.changes {
            let event = Event::NameChanged(change);
            self.tell(|journal, context| journal.names_looked_up(context, event));
        }
    }

    pub(super) fn quota_read(&mut self, quota: Result<Option<Quota>, CloudError>) {
        match quota {
            Ok(Some(quota)) => {
                self.quota = quota;
                self.parts.observer.measured(&Measure::Quota(quota));
            }
            Ok(None) => {}
            Err(error) => {
                log::debug!("the quota cannot be read: {}", chain(&error));
                self.honour_retry_after(Service::Compute, &error);
            }
        }
    }
}

/// Whether an error says that it is never allowed, and not that it is not possible now.
fn is_refusal(kind: CloudErrorKind) -> bool {
    matches!(
        kind,
        CloudErrorKind::Forbidden | CloudErrorKind::Quota | CloudErrorKind::Rejected
    )
}
