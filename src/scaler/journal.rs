//! The journal: what happened goes to the log, the metrics and the snapshots, once each; what repeats is folded.

use super::Observer;
use super::agenda::{Begun, Object};
use super::blocked::{key_of, tried_again};
use super::fold::{About, Folds, Lasting};
use super::log::write;
use crate::cloud::CloudError;
use crate::pool::{
    Action, Assessed, Assessment, Blocked, Boots, CloudClock, Counters, Doing, Entry, Event,
    Events, Failure, Finding, Health, Incident, Inquiry, Measure, Memory, Moment, Numbers, Plan,
    Policy, ProbeResult, Record, Recovery, ReplicaId, ReplicaState, Server, Severity, SkipReason,
    Snapshot, Subject, Violation, Words, changes, short_text,
};
use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// How many errors are kept.
const INCIDENTS: usize = 50;
/// Among how many of the last errors one is looked for that is the same again.
const FOLDED_AMONG: usize = 10;
/// How many foreign servers are named.
const NAMED: usize = 10;

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

/// Of so many contradictions of one list at most each is told.
const CONTRADICTIONS_TOLD: usize = 5;

/// A cloud's error, as an event has it.
pub(super) fn failure(error: &CloudError) -> Failure {
    Failure {
        kind: error.kind.name(),
        error: chain(error),
    }
}

/// Both clocks at the moment of an event.
pub(super) type When = (Moment, Option<CloudClock>);

/// What an entry needs besides the event.
pub(super) struct Context<'a> {
    pub(super) when: When,
    pub(super) words: Words<'a>,
    pub(super) policy: &'a Policy,
    pub(super) memory: &'a Memory,
    pub(super) observer: &'a dyn Observer,
}

/// What is told once of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Once {
    StuckDeleting,
    OverCapacity,
}

/// Speaks only of what changed, and folds what repeats.
#[derive(Debug, Default)]
pub(super) struct Journal {
    blocked: Lasting,
    contradictions: Lasting,
    folds: Folds,
    told_once: BTreeSet<(ReplicaId, Once)>,
    /// The numbers of the last mass termination and of the last oddity of the clock that were told.
    mass_terminations: u64,
    odd_clocks: u64,
    foreign: u64,
    /// The numbers as last told.
    numbers: Numbers,
    /// When the list began to fail.
    failing_since: Option<Moment>,
    /// Since when the pool is critical, and for which reasons it has been since.
    critical_since: Option<Moment>,
    critical_for: BTreeSet<&'static str>,
    creation_failures: u32,
    boots: Boots,
    /// Whoever looks once prints states and plan by himself: the log has what these do not show.
    is_told_elsewhere: bool,
    // Shared with the snapshots, and copied only when something is added.
    incidents: Arc<VecDeque<Incident>>,
    events: Arc<Events>,
    counters: Counters,
}

impl Journal {
    /// The part of a snapshot that is kept here.
    pub(super) fn as_snapshot(&self) -> Snapshot {
        Snapshot {
            incidents: Arc::clone(&self.incidents),
            events: Arc::clone(&self.events),
            counters: self.counters,
            foreign: self.foreign,
            ..Snapshot::default()
        }
    }

    /// States and plan are not logged from now on.
    pub(super) fn states_and_plan_are_told_elsewhere(&mut self) {
        self.is_told_elsewhere = true;
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

    /// Whether the pool was critical when it was last judged.
    pub(super) fn is_critical(&self) -> bool {
        self.critical_since.is_some()
    }

    /// The pool has become critical, for one more reason, or is so no more.
    pub(super) fn judged(&mut self, context: &Context<'_>, health: &Health) {
        let now = context.when.0;
        let is_critical = |finding: &&Finding| finding.severity == Severity::Critical;
        for finding in health.findings.iter().filter(is_critical) {
            self.critical_since.get_or_insert(now);
            if self.critical_for.insert(finding.reason.name()) {
                self.note(context, Event::Critical(finding.reason));
            }
        }
        if health.severity != Severity::Critical
            && let Some(since) = self.critical_since.take()
        {
            self.critical_for.clear();
            let recovery = Recovery::Pool(now.since(since));
            self.note(context, Event::Recovered(recovery));
        }
    }

    /// The servers have been listed.
    pub(super) fn listed(&mut self, context: &Context<'_>) {
        self.counters.cycles += 1;
        let failures = self.folds.ended(&About::Doing(Doing::List));
        if let Some(since) = self.failing_since.take() {
            let lasted = context.when.0.since(since);
            self.note(context, Event::Recovered(Recovery::List(failures, lasted)));
        }
    }

    /// The servers could not be listed, which was asked for at that moment.
    pub(super) fn list_failed(&mut self, context: &Context<'_>, asked: Moment, error: &CloudError) {
        self.failing_since.get_or_insert(asked);
        self.note(context, Event::Failed(Doing::List, failure(error)));
    }

    /// The external addresses have been listed.
    pub(super) fn addresses_listed(&mut self) {
        self.folds.ended(&About::Doing(Doing::ListAddresses));
    }

    /// Names of the settings were looked up: what is new about that, whatever was told before.
    pub(super) fn names_looked_up(&mut self, context: &Context<'_>, event: Event) {
        self.folds.ended(&About::Doing(Doing::LookUpNames));
        self.note(context, event);
    }

    /// Tells what the new plan sees otherwise than the last one.
    pub(super) fn planned(&mut self, context: &Context<'_>, before: &Assessment, plan: &Plan) {
        let now = numbers(context, plan);
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
        self.tell_foreign(context, before);
        let (changes, came_up) = changes(before, &plan.assessment, context.memory);
        for age in came_up {
            self.boots.measured(age);
            context.observer.measured(&Measure::CameUp(age));
        }
        for event in changes {
            if let Event::Gone { replica, .. } = &event {
                let object = Object::Replica(replica.id.clone());
                self.folds.ended(&About::Skipped(object.clone()));
                self.folds.ended(&About::Object(object));
                self.told_once.retain(|(id, _)| *id != replica.id);
            }
            self.note_with(context, event, Some(numbers));
        }
        self.tell_blocked(context, plan, numbers);
        self.tell_oddities(context, plan);
        self.numbers = now;
        let backoff = context.memory.backoff();
        let failures = backoff.map_or(0, |backoff| backoff.failures);
        if let Some(backoff) = backoff.filter(|_| failures > self.creation_failures) {
            let measure = Measure::CreationFailed(backoff.cause);
            context.observer.measured(&measure);
        }
        self.creation_failures = failures;
    }

    fn tell_blocked(&mut self, context: &Context<'_>, plan: &Plan, numbers: Numbers) {
        // What is tried again now is not told anew if that fails as before.
        let mut keys: BTreeSet<String> = tried_again(plan).collect();
        for blocked in &plan.blocked {
            let Some(key) = key_of(blocked) else {
                continue;
            };
            // Replicas that are missing are callers that may be lost.
            let repeats = matches!(blocked, Blocked::Create { .. });
            if let Some(lasts) = self.blocked.is_so(&key, context.when.0, repeats) {
                let replica = match blocked {
                    Blocked::Delete { replica, .. } => subject(&plan.assessment, replica),
                    Blocked::MoveAddress { why, .. } => {
                        why.standby().and_then(|id| subject(&plan.assessment, id))
                    }
                    Blocked::Create { .. } => None,
                };
                let event = Event::Blocked(blocked.clone(), replica, lasts);
                self.note_with(context, event, Some(numbers));
            }
            keys.insert(key);
        }
        self.blocked.keep(|key| keys.contains(key));
    }

    /// What is odd in the pool or its cloud is told once each.
    fn tell_oddities(&mut self, context: &Context<'_>, plan: &Plan) {
        let (memory, policy) = (context.memory, context.policy);
        let mass = memory.mass_termination();
        if let Some(mass) = mass.filter(|mass| mass.number > self.mass_terminations) {
            self.mass_terminations = mass.number;
            let (turned, of) = (mass.turned, mass.of);
            self.note(context, Event::MassTermination { turned, of });
        }
        let odd = memory.odd_clock();
        if let Some(odd) = odd.filter(|odd| odd.number > self.odd_clocks) {
            self.odd_clocks = odd.number;
            self.note(context, Event::ClockJump(odd));
        }
        for (record, assessed) in memory.records().zip(plan.assessment.replicas.iter()) {
            let (once, event) = match assessed.state {
                ReplicaState::Leaving if record.is_stuck_leaving(context.when.0) => {
                    let was_counted = policy.max_count.is_some();
                    let event = Event::StuckDeleting(of_record(record), was_counted);
                    (Once::StuckDeleting, event)
                }
                ReplicaState::Serving { free } if free > policy.capacity.get() => {
                    let event = Event::OverCapacity {
                        replica: of_record(record),
                        free,
                        capacity: policy.capacity.get(),
                    };
                    (Once::OverCapacity, event)
                }
                _ => continue,
            };
            if self.told_once.insert((assessed.id.clone(), once)) {
                self.note(context, event);
            }
        }
    }

    /// Servers of the pool were created that this daemon has not ordered.
    fn tell_foreign(&mut self, context: &Context<'_>, before: &Assessment) {
        let count = context.memory.foreign().saturating_sub(self.foreign);
        if count == 0 {
            return;
        }
        self.foreign = context.memory.foreign();
        let is_new =
            |record: &&Arc<Record>| record.foreign && before.replica(&record.server.id).is_none();
        let new: Vec<&Arc<Record>> = context.memory.records().filter(is_new).collect();
        let is_marked = |record: &&Arc<Record>| record.server.marks.creation.is_some();
        let event = Event::Foreign {
            count,
            is_marked: new.iter().any(is_marked),
            servers: new.iter().take(NAMED).map(|r| of_record(r)).collect(),
        };
        self.note(context, event);
    }

    /// What a list contradicts itself in is told when it begins, and now and then while it lasts, comes and goes. Of many
    /// at once some are told: they are of one kind.
    pub(super) fn contradicted(&mut self, context: &Context<'_>, contradictions: &[String]) {
        let now = context.when.0;
        let more = contradictions.len().saturating_sub(CONTRADICTIONS_TOLD);
        for text in contradictions.iter().take(CONTRADICTIONS_TOLD) {
            if let Some(lasts) = self.contradictions.is_so(text, now, true) {
                let text = match more {
                    0 => text.clone(),
                    more => format!("{} (and {more} more such)", short_text(text)),
                };
                self.note(context, Event::Contradiction(text, lasts));
            }
        }
        self.contradictions.forget(now);
    }

    /// Tells that a list lacks what is there, or what is not known to be gone. One good list between two such is no
    /// end of that.
    pub(super) fn asked(&mut self, context: &Context<'_>, inquiry: &Inquiry) {
        let memory = context.memory;
        let is_known = |server: &&Server| memory.record(&server.id).is_some();
        let found = inquiry.found().filter(is_known).count();
        let new = inquiry.found().count() - found;
        let (not_known, denied) = (inquiry.not_known(), memory.denied(inquiry));
        if (found, new, not_known, denied) == (0, 0, 0, 0) {
            return;
        }
        let stay = match denied {
            0 => String::new(),
            denied => format!(
                "; {denied} answer, although the cloud knows no such server: they stay until it has said so for a minute"
            ),
        };
        let failure = Failure {
            kind: "list-incomplete",
            error: format!(
                "asked for by their ids, {found} of the pool and {new} of the last creation are there, and of \
                 {not_known} nothing is known{stay}"
            ),
        };
        self.note(context, Event::Incomplete(failure));
    }

    /// The list is believed.
    pub(super) fn believed(&mut self) {
        self.folds.ended(&About::Doubted);
    }

    /// The list lacks too much to be believed.
    pub(super) fn disbelieved(&mut self, context: &Context<'_>) {
        if let Some(list) = context.memory.shrunken_list() {
            let (missing, previous) = (list.missing.len(), list.previous);
            self.note(context, Event::Doubted { missing, previous });
        }
    }

    /// The plan breaks promises and is not carried out.
    pub(super) fn refused(&mut self, context: &Context<'_>, broken: &BTreeSet<Violation>) {
        let failure = Failure {
            kind: "broken-promise",
            error: format!("the plan breaks its promises and is not applied: {broken:?}"),
        };
        self.note(context, Event::Failed(Doing::Plan, failure));
    }

    /// A plan keeps its promises.
    pub(super) fn accepted(&mut self) {
        self.folds.ended(&About::Doing(Doing::Plan));
    }

    /// An action is not begun.
    pub(super) fn skipped(&mut self, context: &Context<'_>, begun: Begun, why: SkipReason) {
        let event = Event::Skipped {
            replica: begun.subject(),
            action: begun.action,
            sentence: begun.sentence,
            why,
        };
        self.note(context, event);
    }

    /// Tells what came of an action.
    pub(super) fn ended(
        &mut self,
        context: &Context<'_>,
        begun: Begun,
        outage: Option<Duration>,
        result: Result<(), Failure>,
    ) {
        let before = self.numbers;
        let mut numbers = Numbers {
            available: before.available_after,
            replicas: before.replicas_after,
            ..before
        };
        if result.is_ok() {
            let object = Object::of(&begun.action);
            self.folds.ended(&About::Skipped(object.clone()));
            self.folds.ended(&About::Object(object));
            match &begun.action {
                Action::MoveAddress { .. } => {}
                Action::Delete { .. } => {
                    let counted = begun.assessed.as_ref().map_or(0, |r| r.counts);
                    numbers.available_after = numbers.available.saturating_sub(counted);
                    numbers.replicas_after = numbers.replicas.saturating_sub(1);
                }
                Action::Create { count } => {
                    let more = count.get().saturating_mul(context.policy.capacity.get());
                    numbers.available_after = numbers.available.saturating_add(more);
                    numbers.replicas_after = numbers.replicas.saturating_add(count.get());
                }
            }
            self.numbers = numbers;
        }
        let event = Event::Acted {
            replica: begun.subject(),
            action: begun.action,
            sentence: begun.sentence,
            outage,
            result,
        };
        self.note_with(context, event, Some(numbers));
    }

    /// Something has happened.
    pub(super) fn note(&mut self, context: &Context<'_>, event: Event) {
        self.note_with(context, event, None);
    }

    /// The same, with the pool in numbers. It is counted; and it is kept and logged, unless it repeats what was told of
    /// late.
    fn note_with(&mut self, context: &Context<'_>, event: Event, numbers: Option<Numbers>) {
        context.observer.happened(&event);
        self.counters.count(&event);
        let (at, clock) = context.when;
        let mut entry = Entry {
            number: 0,
            at,
            time: clock.map(|clock| clock.time(at)),
            text: context.words.event(&event),
            event,
            times: 1,
            numbers,
        };
        if let Some((about, kind)) = About::of(&entry.event) {
            let again = self.folds.failed(about, kind, at);
            entry.times = again.times;
            self.note_incident(&entry, again.of_its_kind);
            if !again.is_told {
                return;
            }
        }
        let entry = Arc::make_mut(&mut self.events).keep(entry);
        let is_shown = matches!(
            entry.event,
            Event::Found(_) | Event::Blocked(..) | Event::MassTermination { .. }
        );
        if !self.is_told_elsewhere || !(is_shown || entry.event.is_change()) {
            write(&entry);
        }
    }

    /// Keeps an error, in the place of the same one before.
    fn note_incident(&mut self, entry: &Entry, times: u64) {
        let Some(failure) = entry.event.failure() else {
            return;
        };
        let is_the_same = |past: &Incident| {
            past.doing == entry.text && past.kind == failure.kind && past.times + 1 == times
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
            last: entry.at,
            times,
            doing: entry.text.clone(),
            kind: failure.kind,
            error: failure.error.clone(),
        });
    }
}

/// A replica of the pool, as an event names it.
pub(super) fn subject(assessment: &Assessment, id: &ReplicaId) -> Option<Subject> {
    assessment.replica(id).map(Assessed::subject)
}

fn of_record(record: &Record) -> Subject {
    Subject {
        id: record.server.id.clone(),
        name: record.server.name.as_str().into(),
    }
}

/// The pool as a plan sees it, without the creation that is under way: that counts when it is told.
fn numbers(context: &Context<'_>, plan: &Plan) -> Numbers {
    let assessment = &plan.assessment;
    let unanswered = context.memory.unanswered();
    let capacity = context.policy.capacity.get();
    let is_there = |r: &&Assessed| r.state != ReplicaState::Leaving;
    let replicas = assessment.replicas.iter().filter(is_there).count();
    let replicas = u64::try_from(replicas).unwrap_or(u64::MAX);
    let replicas = replicas.saturating_add(assessment.awaited.saturating_sub(unanswered));
    let available = assessment
        .available
        .saturating_sub(unanswered.saturating_mul(capacity));
    Numbers {
        ready: assessment.ready,
        available,
        available_after: available,
        replicas,
        replicas_after: replicas,
        floor: context.policy.floor,
    }
}
