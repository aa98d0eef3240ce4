//! What the scaler tells people: log lines, counters, and the last cycles, errors and events.

pub(super) mod oddities;
mod replicas;

use self::replicas::{acted, changed};
use super::Watcher;
use super::act::{Begun, Object};
use super::blocked::{key_of, tried_again};
use super::fold::{About, Folds, Lasting};
use super::oddities::{Told, ToldOfAll};
use super::telling::tell;
use crate::cloud::CloudError;
use crate::pool::{
    Action, Assessed, Blocked, Boots, CloudTime, CycleReport, DeleteReason, Event, EventKind,
    Events, Incident, Memory, Moment, Note, Numbers, Phase, Plan, Policy, ProbeResult, Record,
    ReplicaId, Snapshot, Violation, Words, counted, delete_reason, short_name, short_text,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// How many cycles are kept.
const HISTORY: usize = 100;
/// How many errors are kept.
const INCIDENTS: usize = 50;
/// Among how many of the last errors one is looked for that is the same again.
const FOLDED_AMONG: usize = 10;

/// More replicas than this are told as one line at the start.
const TOLD_ONE_BY_ONE: usize = 10;

/// An error and all its causes, in one line, whatever stands in them, and what to do about it.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = Some(error);
    let mut remedy = None;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<CloudError>() {
            remedy = error.remedy.as_deref().or(remedy);
        }
        cause = error.source();
        if let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
        }
    }
    let text = short_text(&text);
    match remedy {
        Some(remedy) => format!("{text} -> {}", short_text(remedy)),
        None => text,
    }
}

/// Both clocks at the moment of an event.
pub(super) type When = (Moment, Option<CloudTime>);

/// What was last told of a replica.
#[derive(Debug)]
pub(super) struct Known {
    phase: &'static str,
    name: Arc<str>,
    /// Its age at a moment.
    aged: (Duration, Moment),
    has_served: bool,
    /// Why its deletion was asked for.
    deleted: Option<DeleteReason>,
    /// What was told of it once, and is not told again.
    pub(super) told: Told,
}

/// Speaks only of what changed, and folds what repeats.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) known: BTreeMap<ReplicaId, Known>,
    pub(super) told: ToldOfAll,
    blocked: Lasting,
    contradictions: Lasting,
    foreign: u64,
    folds: Folds,
    /// The numbers as last told.
    numbers: Numbers,
    /// When the list began to fail.
    failing_since: Option<Moment>,
    creation_failures: u32,
    boots: Boots,
    // Shared with the snapshots, and copied only when something is added.
    history: Arc<VecDeque<Arc<CycleReport>>>,
    incidents: Arc<VecDeque<Incident>>,
    events: Arc<Events>,
    cycles: u64,
    failed_cycles: u64,
    created: u64,
    deleted: u64,
    moved: u64,
}

impl Journal {
    /// The part of a snapshot that is kept here.
    pub(super) fn as_snapshot(&self) -> Snapshot {
        Snapshot {
            history: Arc::clone(&self.history),
            incidents: Arc::clone(&self.incidents),
            events: Arc::clone(&self.events),
            cycles: self.cycles,
            failed_cycles: self.failed_cycles,
            created: self.created,
            deleted: self.deleted,
            moved: self.moved,
            foreign: self.foreign,
            ..Snapshot::default()
        }
    }

    /// How long new replicas take.
    pub(super) fn boots(&self) -> &Boots {
        &self.boots
    }

    pub(super) fn probed(memory: &Memory, result: &ProbeResult) {
        let level = match result.outcome {
            Ok(_) => log::Level::Trace,
            Err(_) => log::Level::Debug,
        };
        if !log::log_enabled!(level) {
            return;
        }
        let name = memory
            .record(&result.replica)
            .map_or("(gone)", |record| record.server.name.as_str());
        let (id, latency) = (&result.replica, result.latency);
        match &result.outcome {
            Ok(answer) => log::trace!(
                "probe of {name} [{id}]: {} free, termination {} ({latency:.1?})",
                answer.free,
                answer.termination
            ),
            Err(failure) => log::debug!("probe of {name} [{id}] failed: {failure} ({latency:.1?})"),
        }
    }

    pub(super) fn listed(&mut self, when: When) {
        self.cycles += 1;
        let failures = self.folds.ended(&About::List);
        if let Some(since) = self.failing_since.take() {
            let text = format!(
                "the cloud can be listed again, after {} in {} s",
                counted(failures.max(1), "failure"),
                when.0.since(since).as_secs()
            );
            self.keep(when, Event::new(EventKind::Recovered, text));
        }
    }

    /// Names of the settings were looked up: what came of it.
    pub(super) fn names_looked_up(&mut self, when: When, event: Event, watcher: &dyn Watcher) {
        // What comes here is news: it is told whatever was told before.
        self.folds.ended(&About::Names);
        match event.reason.filter(|_| event.kind == EventKind::Error) {
            Some(kind) => self.fold(when, About::Names, event, kind, watcher),
            None => self.keep(when, event),
        }
    }

    pub(super) fn list_failed(&mut self, when: When, error: &CloudError, watcher: &dyn Watcher) {
        self.failed_cycles += 1;
        self.failing_since.get_or_insert(when.0);
        let event = Event {
            reason: Some(error.kind.name()),
            error: Some(chain(error)),
            ..Event::new(EventKind::Error, "list the pool".to_owned())
        };
        self.fold(when, About::List, event, error.kind.name(), watcher);
    }

    /// The external addresses have been listed.
    pub(super) fn addresses_listed(&mut self) {
        self.folds.ended(&About::Addresses);
    }

    /// The external addresses could not be listed.
    pub(super) fn addresses_failed(
        &mut self,
        when: When,
        error: &CloudError,
        watcher: &dyn Watcher,
    ) {
        let event = Event {
            reason: Some(error.kind.name()),
            error: Some(chain(error)),
            ..Event::new(EventKind::Error, "list the external addresses".to_owned())
        };
        self.fold(when, About::Addresses, event, error.kind.name(), watcher);
    }

    /// Tells what the new plan sees otherwise than the last one.
    pub(super) fn planned(
        &mut self,
        when: When,
        (policy, memory): (&Policy, &Memory),
        words: &Words<'_>,
        plan: &Plan,
        watcher: &dyn Watcher,
    ) {
        let replicas = &plan.assessment.replicas;
        let now = numbers(policy, plan);
        let is_first = self.numbers == Numbers::default();
        let numbers = Numbers {
            available: if is_first {
                now.available
            } else {
                self.numbers.available_after
            },
            replicas: if is_first {
                now.replicas
            } else {
                self.numbers.replicas_after
            },
            ..now
        };
        if self.known.is_empty() && replicas.len() > TOLD_ONE_BY_ONE {
            let by_phase = plan.assessment.by_phase();
            let told: Vec<String> = by_phase.iter().map(|(p, n)| format!("{n} {p}")).collect();
            let text = format!("{} replicas are there: {}", replicas.len(), told.join(", "));
            let event = Event {
                numbers: Some(numbers),
                ..Event::new(EventKind::Found, text)
            };
            self.keep(when, event);
            for (record, assessed) in memory.records().zip(replicas.iter()) {
                self.known_now(when.0, record, assessed, watcher);
            }
        }
        self.tell_foreign(when, memory, watcher);
        let unchanged = self.skip_unchanged(replicas);
        for (record, assessed) in memory.records().zip(replicas.iter()).skip(unchanged) {
            let before = self.known_now(when.0, record, assessed, watcher);
            if before != Some(assessed.phase.name()) {
                let name = words.replica(&assessed.id);
                self.keep(when, changed(before, &name, record, assessed, numbers));
            }
        }
        if self.known.len() > replicas.len() {
            self.tell_gone(when, plan, numbers, watcher);
        }
        self.tell_blocked(when, words, plan, numbers);
        self.tell_oddities(when, (policy, memory), words, plan, watcher);
        self.numbers = now;
        let failures = memory.backoff().map_or(0, |backoff| backoff.failures);
        if let Some(backoff) = memory
            .backoff()
            .filter(|_| failures > self.creation_failures)
        {
            watcher.note(&Note::CreateFailed(backoff.cause));
        }
        self.creation_failures = failures;
    }

    /// How many replicas, from the first on, are what they were: two walks in the same order are
    /// cheaper than looking each of them up.
    fn skip_unchanged(&self, replicas: &[Assessed]) -> usize {
        let same = |((id, known), assessed): &((&ReplicaId, &Known), &Assessed)| {
            let is_new_here = !known.has_served && matches!(assessed.phase, Phase::Serving { .. });
            **id == assessed.id
                && known.phase == assessed.phase.name()
                && Arc::ptr_eq(&known.name, &assessed.name)
                && !is_new_here
        };
        self.known.iter().zip(replicas).take_while(same).count()
    }

    /// Remembers a replica as it is now, and returns the phase as it was.
    fn known_now(
        &mut self,
        now: Moment,
        record: &Record,
        assessed: &Assessed,
        watcher: &dyn Watcher,
    ) -> Option<&'static str> {
        let phase = assessed.phase.name();
        let known = self.known.get_mut(&assessed.id);
        let is_new = known.is_none();
        let known = match known {
            Some(known) => known,
            None => self.known.entry(assessed.id.clone()).or_insert(Known {
                phase,
                name: Arc::clone(&assessed.name),
                aged: (assessed.age, now),
                // Of one that was here before, the first answer says nothing.
                has_served: !record.born_here,
                deleted: None,
                told: Told::default(),
            }),
        };
        if !known.has_served && matches!(assessed.phase, Phase::Serving { .. }) {
            known.has_served = true;
            self.boots.measured(assessed.age);
            watcher.note(&Note::Ready(assessed.age));
        }
        if !Arc::ptr_eq(&known.name, &assessed.name) {
            known.name = Arc::clone(&assessed.name);
        }
        let before = std::mem::replace(&mut known.phase, phase);
        (!is_new).then_some(before)
    }

    fn tell_gone(&mut self, when: When, plan: &Plan, numbers: Numbers, watcher: &dyn Watcher) {
        let gone: Vec<ReplicaId> = self
            .known
            .keys()
            .filter(|id| plan.assessment.phase(id).is_none())
            .cloned()
            .collect();
        for id in gone {
            let Some(known) = self.known.remove(&id) else {
                continue;
            };
            self.folds
                .ended(&About::Object(Object::Replica(id.clone())));
            let why = match known.deleted {
                Some(reason) => format!(
                    " (it was deleted, {}: {})",
                    reason.name(),
                    delete_reason(reason)
                ),
                None => " (not deleted by this daemon)".to_owned(),
            };
            let (age, at) = known.aged;
            watcher.note(&Note::Gone(age.saturating_add(when.0.since(at))));
            let name = short_name(&known.name);
            let event = Event {
                replica: Some(id.clone()),
                name: Some(known.name),
                reason: known.deleted.as_ref().map(DeleteReason::name),
                states: (Some(known.phase), None),
                numbers: Some(numbers),
                ..Event::new(EventKind::Gone, format!("replica {name} [{id}]: gone{why}"))
            };
            self.keep(when, event);
        }
    }

    fn tell_blocked(&mut self, when: When, words: &Words<'_>, plan: &Plan, numbers: Numbers) {
        // What is tried again now is not told anew if that fails as before.
        let mut keys: BTreeSet<String> = tried_again(plan).collect();
        let now = when.0;
        for blocked in &plan.blocked {
            let Some(key) = key_of(words, blocked) else {
                continue;
            };
            // Replicas that are missing are callers that may be lost.
            let repeats = matches!(blocked, Blocked::Create { .. });
            if let Some(lasts) = self.blocked.is_so(&key, now, repeats) {
                let replica = match blocked {
                    Blocked::Delete { replica, .. } => Some(replica),
                    _ => None,
                };
                let event = Event {
                    name: replica.and_then(|id| words.name(id)).map(Arc::from),
                    replica: replica.cloned(),
                    reason: Some(blocked.name()),
                    numbers: Some(numbers),
                    ..Event::new(EventKind::Blocked, still(words.blocked(blocked), lasts))
                };
                self.keep(when, event);
            }
            keys.insert(key);
        }
        self.blocked.keep(|key| keys.contains(key));
    }

    /// The list lacks too much to be believed.
    pub(super) fn disbelieved(&mut self, when: When, memory: &Memory) {
        if let Some(list) = memory.shrunken_list() {
            let text = format!(
                "the list lacks {} of {} replicas: nothing is created or deleted until the next \
                 list confirms it",
                list.missing.len(),
                list.previous
            );
            self.keep(when, Event::new(EventKind::Doubted, text));
        }
    }

    /// The quota let only a part of a creation through.
    pub(super) fn cut_short(&mut self, when: When, (made, ordered): (u64, u64)) {
        let text = format!(
            "{made} of {ordered} replicas that were asked for have been made: the project's quota lets no more through"
        );
        let event = Event {
            reason: Some("quota"),
            ..Event::new(EventKind::CutShort, text)
        };
        self.keep(when, event);
    }

    pub(super) fn refused(
        &mut self,
        when: When,
        broken: &BTreeSet<Violation>,
        watcher: &dyn Watcher,
    ) {
        let text = format!("the plan breaks its promises and is not applied: {broken:?}");
        let event = Event {
            reason: Some("broken-promise"),
            error: Some(text),
            ..Event::new(EventKind::Error, "plan".to_owned())
        };
        self.fold(when, About::Plan, event, "broken-promise", watcher);
    }

    /// A replica's deletion is asked for: should it go before that is answered, that is why.
    pub(super) fn deletion_sent(&mut self, id: &ReplicaId, reason: DeleteReason) {
        if let Some(known) = self.known.get_mut(id) {
            known.deleted = Some(reason);
        }
    }

    /// It came to nothing.
    pub(super) fn deletion_failed(&mut self, id: &ReplicaId) {
        if let Some(known) = self.known.get_mut(id) {
            known.deleted = None;
        }
    }

    /// Tells what came of an action.
    pub(super) fn ended(
        &mut self,
        when: When,
        policy: &Policy,
        begun: &Begun,
        result: &Result<(), CloudError>,
        watcher: &dyn Watcher,
    ) {
        let before = self.numbers;
        let action = &begun.action;
        let mut event = acted(begun);
        let mut numbers = Numbers {
            available: before.available_after,
            replicas: before.replicas_after,
            ..before
        };
        let about = About::Object(Object::of(action));
        let Err(error) = result else {
            self.folds.ended(&about);
            match action {
                Action::MoveAddress { .. } => self.moved += 1,
                Action::Delete { reason, .. } => {
                    self.deleted += 1;
                    let counted = begun.assessed.as_ref().map_or(0, |r| r.counts);
                    numbers.available_after = numbers.available.saturating_sub(counted);
                    numbers.replicas_after = numbers.replicas.saturating_sub(1);
                    watcher.note(&Note::Deleted(*reason));
                }
                Action::Create { count } => {
                    self.created = self.created.saturating_add(count.get());
                    let more = count.get().saturating_mul(policy.capacity.get());
                    numbers.available_after = numbers.available.saturating_add(more);
                    numbers.replicas_after = numbers.replicas.saturating_add(count.get());
                    watcher.note(&Note::Created(count.get()));
                }
            }
            event.outcome = Some("done");
            event.numbers = Some(numbers);
            self.numbers = numbers;
            self.keep(when, event);
            return;
        };
        event.outcome = Some("failed");
        event.error = Some(chain(error));
        event.numbers = Some(numbers);
        self.fold(when, about, event, error.kind.name(), watcher);
    }

    /// A list shows that a move was made of which that was not known.
    pub(super) fn move_confirmed(&mut self, when: When, to: ReplicaId, text: String) {
        self.moved += 1;
        let event = Event {
            replica: Some(to),
            outcome: Some("done"),
            ..Event::new(EventKind::Move, text)
        };
        self.keep(when, event);
    }

    pub(super) fn applied(&mut self, report: CycleReport) {
        self.folds.ended(&About::Plan);
        let history = Arc::make_mut(&mut self.history);
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(Arc::new(report));
    }

    /// Keeps an error. One that repeats is not told each time.
    fn fold(
        &mut self,
        when: When,
        about: About,
        mut event: Event,
        kind: &'static str,
        watcher: &dyn Watcher,
    ) {
        watcher.note(&Note::Failed(kind));
        let again = self.folds.failed(about, kind, when.0);
        event.times = again.times;
        let is_the_same = |past: &Incident| {
            past.doing == event.text && past.kind == kind && past.times + 1 == again.of_its_kind
        };
        let incidents = Arc::make_mut(&mut self.incidents);
        let last = incidents.len().saturating_sub(FOLDED_AMONG);
        let before = (last..incidents.len())
            .rev()
            .find(|index| incidents.get(*index).is_some_and(is_the_same));
        if let Some(index) = before {
            incidents.remove(index);
        } else if incidents.len() == INCIDENTS {
            incidents.pop_front();
        }
        incidents.push_back(Incident {
            last: when.0,
            times: again.of_its_kind,
            doing: event.text.clone(),
            kind,
            error: event.error.clone().unwrap_or_default(),
        });
        if again.is_told {
            self.keep(when, event);
        }
    }

    pub(super) fn keep(&mut self, when: When, event: Event) {
        let (at, time) = when;
        let events = Arc::make_mut(&mut self.events);
        tell(&events.keep(Event { at, time, ..event }));
    }
}

/// A sentence about what has been so for a while.
fn still(sentence: String, lasts: Duration) -> String {
    match lasts.as_secs() / 60 {
        0 => sentence,
        minutes => format!("{sentence}; it has been so for {minutes} min"),
    }
}

fn numbers(policy: &Policy, plan: &Plan) -> Numbers {
    let assessment = &plan.assessment;
    let is_there = |r: &&Assessed| r.phase != Phase::Leaving;
    let replicas = assessment.replicas.iter().filter(is_there).count();
    let replicas = u64::try_from(replicas).unwrap_or(u64::MAX);
    let replicas = replicas.saturating_add(assessment.awaited);
    Numbers {
        ready: assessment.ready,
        available: assessment.available,
        available_after: assessment.available,
        replicas,
        replicas_after: replicas,
        floor: policy.floor,
    }
}
