//! Carrying out a plan: its actions are begun in their order, none of them waits for another one without need, and
//! what each came to is taken in when it is known.

mod creation;
mod hindrance;

use super::agenda::{Begun, Ground, Object, OpenPlan, Planned};
use super::jobs::Errand;
use super::journal::failure;
use super::{Clock, Observer, Probes, Scaler, chain};
use crate::cloud::{Calls, CloudError, CloudErrorKind, Order, Request, Service};
use crate::pool::{
    Action, Assessed, BackoffCause, CycleStep, DeleteReason, ExternalAddress, ExternalAddressId,
    Holder, Moment, MoveFailure, MoveReason, Plan, ReplicaId, SkipReason, merge, short_text,
    violations,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How old a list may be when an action is begun: this thread, or the whole machine, may have
/// stood still since. Long enough for many slow requests in one cycle.
pub(super) const LIST_IS_GOOD_FOR: Duration = Duration::from_secs(120);

/// For how long an object is left out, at least, whose requests got no answer twice in a row, and for
/// the double of that from the third time on. Whatever comes after it has its turn meanwhile.
const LEFT_OUT_FOR: Duration = Duration::from_secs(60);

/// The objects whose last requests got no answer: how often in a row, and when they may be tried.
#[derive(Debug, Default)]
pub(super) struct Cooldowns(BTreeMap<Object, (u32, Moment)>);

impl Cooldowns {
    fn is_left_out(&self, object: &Object, now: Moment) -> bool {
        self.0.get(object).is_some_and(|(_, until)| now < *until)
    }

    /// A request has ended. What is left out is so for two intervals of the lists at least, that one
    /// cycle does without it.
    fn ended(&mut self, object: Object, got_no_answer: bool, now: Moment, interval: Duration) {
        let wait = LEFT_OUT_FOR.max(interval * 2);
        self.0.retain(|_, (_, until)| now.since(*until) <= wait * 2);
        if !got_no_answer {
            self.0.remove(&object);
            return;
        }
        let (times, until) = self.0.entry(object).or_insert((0, now));
        *until = now + wait * (*times).min(2);
        *times = times.saturating_add(1);
    }
}

fn service_of(action: &Action) -> Service {
    match action {
        Action::MoveAddress { .. } => Service::Network,
        Action::Delete { .. } | Action::Create { .. } => Service::Compute,
    }
}

fn never_came_up(action: &Action) -> bool {
    matches!(
        action,
        Action::Delete {
            reason: DeleteReason::StartupTimeout,
            ..
        }
    )
}

impl<P: Calls, Q: Probes, C: Clock, W: Observer> Scaler<P, Q, C, W> {
    /// Has a plan carried out in its order, without choosing. It takes the place of what is left of the one before.
    pub(super) fn carry_out(&mut self, plan: Plan, ground: Ground) {
        self.failed.clear();
        self.agenda.moved.clear();
        self.agenda.failed.clear();
        self.agenda.names_are_new = false;
        self.drop_planned(|_| true);
        self.add(plan, ground);
    }

    /// Has moves made beside whatever else is to be done.
    pub(super) fn carry_out_moves(&mut self, moves: Plan, ground: Ground) {
        self.failed.clear();
        self.drop_planned(|action| matches!(action, Action::MoveAddress { .. }));
        self.add(moves, ground);
    }

    fn drop_planned(&mut self, is_dropped: impl Fn(&Action) -> bool) {
        let queue = std::mem::take(&mut self.agenda.queue);
        for planned in queue {
            if is_dropped(&planned.action) {
                self.count_off(planned.plan);
            } else {
                self.agenda.queue.push_back(planned);
            }
        }
    }

    fn add(&mut self, plan: Plan, ground: Ground) {
        if plan.actions.is_empty() {
            return;
        }
        let began = self.parts.clock.now();
        let broken = violations(&self.parts.policy, &self.memory, &plan, began);
        if !broken.is_empty() {
            return self.tell(|journal, context| journal.refused(context, &broken));
        }
        self.journal.accepted();
        self.agenda.last_plan += 1;
        let number = self.agenda.last_plan;
        let left = plan.actions.len();
        self.agenda.open.insert(number, OpenPlan { left, began });
        let mut queue = Vec::from(std::mem::take(&mut self.agenda.queue));
        queue.extend(plan.actions.iter().map(|action| Planned {
            action: action.clone(),
            ground,
            plan: number,
        }));
        let quota_is_used_up = self.quota_is_used_up(&plan);
        self.agenda.queue = merge(vec![queue], |planned| &planned.action, quota_is_used_up).into();
        self.agenda.plan = plan;
    }

    /// Whether what a plan creates fits into the quota only when something is deleted before: the cloud has refused the
    /// last creation for it, or has told so.
    fn quota_is_used_up(&self, plan: &Plan) -> bool {
        let backoff = self.memory.backoff();
        let is_refused = backoff.is_some_and(|backoff| backoff.cause == BackoffCause::Quota);
        let created = plan.actions.iter().filter_map(|action| match action {
            Action::Create { count } => Some(count.get()),
            _ => None,
        });
        is_refused || self.quota.lacks_room_for(created.sum())
    }

    /// Whether nothing is to be done any more, or being done.
    pub(super) fn agenda_is_over(&self) -> bool {
        self.agenda.queue.is_empty() && self.agenda.open.is_empty()
    }

    /// An action of a plan has ended, or a newer plan has taken its place.
    fn count_off(&mut self, plan: u64) {
        let Some(open) = self.agenda.open.get_mut(&plan) else {
            return;
        };
        open.left = open.left.saturating_sub(1);
        if open.left > 0 {
            return;
        }
        if let Some(open) = self.agenda.open.remove(&plan) {
            self.stepped(CycleStep::Apply, open.began);
        }
    }

    /// Begins the first action that does not have to wait, or leaves it out; `false`: there is none.
    pub(super) fn begin_action(&mut self) -> bool {
        let Some(index) = self.next_action() else {
            return false;
        };
        let now = self.parts.clock.now();
        let next = self.agenda.queue.get(index).map(|planned| &planned.action);
        let needs_names = next.is_some_and(|action| self.needs_names(action));
        if needs_names && !self.is_stopping() && now >= self.jobs.paused_until(Service::All) {
            // It stays where it is until then, and is weighed anew.
            return self.begin_names_first(now);
        }
        let Some(planned) = self.agenda.queue.remove(index) else {
            return false;
        };
        let ground = planned.ground;
        let begun = self.begun(planned);
        // Nothing lies between this and the request but what is known now.
        let now = self.parts.clock.now();
        match self.hindrance(&begun.action, ground, now) {
            Some(why) => self.leave_out(begun, why),
            None => self.begin_this_action(begun, now),
        }
        true
    }

    /// Which action of the queue is next: the first that has a place and waits for no other.
    fn next_action(&mut self) -> Option<usize> {
        if self.agenda.queue.is_empty() {
            return None;
        }
        let is_stopping = self.is_stopping();
        let moves = self.may_begin(Service::Network);
        let others = self.may_begin(Service::Compute);
        let may_be_begun = |planned: &Planned| {
            let is_move = service_of(&planned.action) == Service::Network;
            let has_place = if is_move { moves } else { others };
            is_stopping || (has_place && !self.waits_for_another(&planned.action))
        };
        self.agenda.queue.iter().position(may_be_begun)
    }

    /// Whether an action is a creation, and no names are known for it.
    fn needs_names(&self, action: &Action) -> bool {
        self.catalogue.is_none() && matches!(action, Action::Create { .. })
    }

    fn begin_names_first(&mut self, now: Moment) -> bool {
        if self.jobs.look_names_up_first() || !self.may_begin(Service::All) {
            return false;
        }
        self.begin_at(now, Errand::NamesFirst, self.request_names(None));
        true
    }

    fn begun(&self, planned: Planned) -> Begun {
        Begun {
            sentence: self.sentence(&self.agenda.plan, &planned.action),
            assessed: self.assessed(&planned.action),
            action: planned.action,
            plan: planned.plan,
        }
    }

    /// Whether an action waits for others that are not over: a deletion for the moves of its addresses, and a creation
    /// for deletions that show that the last one came to nothing.
    fn waits_for_another(&self, action: &Action) -> bool {
        let planned = self.agenda.queue.iter().map(|planned| &planned.action);
        let mut open = planned.chain(self.jobs.actions().map(|begun| &begun.action));
        match action {
            Action::MoveAddress { .. } => false,
            Action::Delete { after, .. } if after.is_empty() => false,
            Action::Delete { after, .. } => open.any(|other| {
                matches!(other, Action::MoveAddress { address, .. } if after.contains(&address.id))
            }),
            Action::Create { .. } => open.any(never_came_up),
        }
    }

    fn assessed(&self, action: &Action) -> Option<Assessed> {
        let replica = match action {
            Action::MoveAddress { to, .. } => to,
            Action::Delete { replica, .. } => replica,
            Action::Create { .. } => return None,
        };
        self.agenda.plan.assessment.replica(replica).cloned()
    }

    fn leave_out(&mut self, begun: Begun, why: SkipReason) {
        if !self.wants_a_list(why, &begun.action) {
            self.failed.insert(Object::of(&begun.action));
        }
        let (plan, is_creation) = (begun.plan, matches!(begun.action, Action::Create { .. }));
        self.tell(|journal, context| journal.skipped(context, begun, why));
        self.end(plan, is_creation);
    }

    fn end(&mut self, plan: u64, is_creation: bool) {
        self.count_off(plan);
        if is_creation || self.agenda_is_over() {
            self.pace.changed();
        }
    }

    /// What is done and why, and what becomes of an external address that could not be moved.
    fn sentence(&self, plan: &Plan, action: &Action) -> String {
        let mut sentence = self.words_of(plan).action(action);
        let Action::Delete { replica, .. } = action else {
            return sentence;
        };
        let (moves, now) = (self.memory.moves(), self.parts.clock.now());
        for address in self.memory.external_addresses() {
            let is_held = matches!(&address.holder, Holder::Server(id) if id == replica);
            if is_held && moves.is_given_up(&address.id, replica, now) {
                let error = moves
                    .last_error(&address.id)
                    .unwrap_or("no standby is left");
                let address = address.address;
                sentence.push_str(&format!(
                    "; its external address {address} could not be moved and becomes free: {error}"
                ));
            }
        }
        sentence
    }

    fn begin_this_action(&mut self, begun: Begun, now: Moment) {
        match &begun.action {
            Action::MoveAddress { address, to, .. } => {
                let request = Request::Move(address.clone(), self.standby(to));
                self.memory.moves_mut().sent(&address.id, to);
                self.begin_at(now, Errand::Action(begun), request);
            }
            Action::Delete {
                replica, reason, ..
            } => {
                let request = Request::Delete(replica.clone());
                self.memory.deletion_sent(replica, *reason);
                self.begin_at(now, Errand::Action(begun), request);
            }
            Action::Create { count } => {
                let mark = self.memory.creation_sent(count.get(), now);
                let catalogue = self.catalogue.clone().unwrap_or_default();
                let order = Order {
                    template: Arc::clone(&self.parts.template),
                    count: *count,
                    mark,
                    is_marked: self.orders_are_marked,
                    name_part: mark.instance.name_part(mark.number),
                    catalogue: Arc::clone(&catalogue),
                };
                let errand = Errand::Create(begun, catalogue);
                self.begin_at(now, errand, Request::Create(order));
            }
        }
    }

    /// Takes in what an action came to, whatever it was.
    pub(super) fn action_ended(&mut self, begun: Begun, result: Result<(), CloudError>) {
        let now = self.parts.clock.now();
        let service = service_of(&begun.action);
        let object = Object::of(&begun.action);
        let mut outage = None;
        match &begun.action {
            Action::MoveAddress {
                address,
                from,
                to,
                reason,
            } => match &result {
                Ok(()) => outage = self.address_moved(address, from.as_ref(), to, *reason),
                Err(error) => self.move_failed(&address.id, from.as_ref(), to, error),
            },
            Action::Delete {
                replica, reason, ..
            } => match &result {
                Ok(()) => self.memory.deletion_accepted(replica, *reason, now),
                Err(error) => self.memory.deletion_failed(replica, error.outcome_unknown),
            },
            Action::Create { .. } => {}
        }
        self.answered.insert(object.clone(), now);
        // A creation has its backoff.
        if object != Object::Creation {
            let got_no_answer = result.as_ref().is_err_and(|e| e.kind.is_no_answer());
            let interval = self.parts.scaling_interval;
            self.cooldowns
                .ended(object.clone(), got_no_answer, now, interval);
        }
        let (plan, is_creation) = (begun.plan, object == Object::Creation);
        let told = result.as_ref().copied().map_err(failure);
        self.tell(|journal, context| journal.ended(context, begun, outage, told));
        let Err(error) = result else {
            return self.end(plan, is_creation);
        };
        self.honour_retry_after(service, &error);
        if error.kind.concerns_the_cloud() {
            self.agenda.failed.insert(service);
        }
        // A move that was refused is remembered, and the plan waits: for each pair by itself.
        if !matches!(object, Object::Address(_)) {
            self.failed.insert(object);
        }
        self.end(plan, is_creation);
    }

    /// Takes in that an address was moved. Returns for how long its holder had been unreachable.
    fn address_moved(
        &mut self,
        address: &ExternalAddress,
        from: Option<&ReplicaId>,
        to: &ReplicaId,
        reason: MoveReason,
    ) -> Option<Duration> {
        let now = self.parts.clock.now();
        self.memory.address_moved(address, to, now);
        self.agenda.moved.insert(address.id.clone());
        let silent_since = from
            .filter(|_| reason == MoveReason::HolderUnreachable)
            .and_then(|id| self.memory.record(id)?.unreachable_since);
        silent_since.map(|since| now.since(since))
    }

    fn move_failed(
        &mut self,
        address: &ExternalAddressId,
        from: Option<&ReplicaId>,
        to: &ReplicaId,
        error: &CloudError,
    ) {
        let now = self.parts.clock.now();
        // It may have another port by now.
        self.ports.remove(to);
        let changed = error.kind == CloudErrorKind::Changed;
        if !changed && !error.kind.concerns_the_cloud() {
            self.memory.address_refused(to, now);
        }
        let failure = MoveFailure {
            error: short_text(&chain(error)).into(),
            changed,
            outcome_unknown: error.outcome_unknown,
        };
        let moves = self.memory.moves_mut();
        moves.failed(address, from, to, failure, now);
    }
}
