//! What the scaler tells people: log lines, counters, and the last cycles and errors.

use crate::pool::{
    Action, Assessed, Blocked, CycleReport, Incident, Memory, Moment, Phase, Plan, ProbeResult,
    ReplicaId, ServerState, Snapshot, Violation, Words,
};
use crate::provider::ProviderError;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;

/// How many cycles are kept.
const HISTORY: usize = 100;
/// How many errors are kept.
const INCIDENTS: usize = 50;

/// More replicas than this are told as one line at the start.
const TOLD_ONE_BY_ONE: usize = 10;

/// An error and all its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Speaks only of what changed, and folds what repeats.
#[derive(Debug, Default)]
pub(super) struct Journal {
    phases: BTreeMap<ReplicaId, &'static str>,
    blocked: BTreeSet<String>,
    list_failures: u64,
    history: VecDeque<CycleReport>,
    incidents: VecDeque<Incident>,
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
            history: self.history.clone(),
            incidents: self.incidents.clone(),
            cycles: self.cycles,
            failed_cycles: self.failed_cycles,
            created: self.created,
            deleted: self.deleted,
            moved: self.moved,
            ..Snapshot::default()
        }
    }

    pub(super) fn probed(memory: &Memory, result: &ProbeResult) {
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

    pub(super) fn listed(&mut self) {
        self.cycles += 1;
        if self.list_failures > 0 {
            log::info!(
                "the provider can be listed again, after {} failures",
                self.list_failures
            );
            self.list_failures = 0;
        }
    }

    pub(super) fn list_failed(&mut self, now: Moment, error: &ProviderError) {
        self.failed_cycles += 1;
        self.list_failures += 1;
        self.incident(now, "list the pool", error.kind.name(), chain(error));
    }

    /// Tells what the new plan sees otherwise than the last one.
    pub(super) fn planned(&mut self, memory: &Memory, words: &Words<'_>, plan: &Plan) {
        let replicas = &plan.assessment.replicas;
        let is_first_of_many = self.phases.is_empty() && replicas.len() > TOLD_ONE_BY_ONE;
        if is_first_of_many {
            let by_phase = plan.assessment.by_phase();
            let told: Vec<String> = by_phase.iter().map(|(p, n)| format!("{n} {p}")).collect();
            let count = replicas.len();
            log::info!("{count} replicas are there: {}", told.join(", "));
            let phases = replicas.iter().map(|r| (r.id.clone(), r.phase.name()));
            self.phases = phases.collect();
        }
        for (record, assessed) in memory.records().zip(replicas) {
            let phase = assessed.phase.name();
            let before = self.phases.insert(assessed.id.clone(), phase);
            if before != Some(phase) {
                let name = words.replica(&assessed.id);
                let detail = detail(assessed, &record.server.state, record.fault.as_deref());
                match before {
                    Some(before) => log::info!("replica {name}: {before} -> {phase}{detail}"),
                    None => log::info!("replica {name}: new, {phase}{detail}"),
                }
            }
        }
        if self.phases.len() > replicas.len() {
            let gone: Vec<ReplicaId> = self
                .phases
                .keys()
                .filter(|id| plan.assessment.phase(id).is_none())
                .cloned()
                .collect();
            for id in gone {
                log::info!("replica {id}: gone");
                self.phases.remove(&id);
            }
        }
        self.tell_blocked(words, &plan.blocked);
    }

    fn tell_blocked(&mut self, words: &Words<'_>, blocked: &[Blocked]) {
        let mut gists = BTreeSet::new();
        // That there are more addresses than replicas is no news.
        let telling = |b: &&Blocked| !matches!(b, Blocked::MoveAddress { .. });
        for blocked in blocked.iter().filter(telling) {
            let gist = words.blocked_gist(blocked);
            if !self.blocked.contains(&gist) {
                log::warn!("{}", words.blocked(blocked));
            }
            gists.insert(gist);
        }
        self.blocked = gists;
    }

    /// The list lacks too much to be believed.
    pub(super) fn disbelieved(memory: &Memory) {
        if let Some(list) = memory.shrunken_list() {
            log::warn!(
                "the list lacks {} of {} replicas: nothing is created or deleted until the next \
                 list confirms it",
                list.missing.len(),
                list.previous
            );
        }
    }

    pub(super) fn refused(&mut self, now: Moment, broken: &BTreeSet<Violation>) {
        let text = format!("the plan breaks its promises and is not applied: {broken:?}");
        self.incident(now, "plan", "broken_promise", text);
    }

    /// Tells what came of an action.
    pub(super) fn ended(
        &mut self,
        sentence: &str,
        action: &Action,
        result: &Result<(), ProviderError>,
        now: Moment,
    ) {
        let (counter, by) = match action {
            Action::MoveAddress { .. } => (&mut self.moved, 1),
            Action::Delete { .. } => (&mut self.deleted, 1),
            Action::Create { count } => (&mut self.created, count.get()),
        };
        match result {
            Ok(()) => {
                *counter = counter.saturating_add(by);
                log::info!("{sentence}: done");
            }
            Err(error) => {
                self.incident(now, sentence, error.kind.name(), chain(error));
            }
        }
    }

    pub(super) fn applied(&mut self, report: CycleReport) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(report);
    }

    /// Keeps an error. One that repeats is told at the first, second, fourth, ... time only.
    fn incident(&mut self, now: Moment, doing: &str, kind: &'static str, error: String) {
        let last = self.incidents.back_mut();
        if let Some(last) = last.filter(|last| last.doing == doing && last.kind == kind) {
            last.last = now;
            last.times += 1;
            let level = if last.times.is_power_of_two() {
                log::Level::Error
            } else {
                log::Level::Debug
            };
            log::log!(level, "{doing}: {error} ({} times in a row)", last.times);
            last.error = error;
            return;
        }
        log::error!("{doing}: {error}");
        if self.incidents.len() == INCIDENTS {
            self.incidents.pop_front();
        }
        self.incidents.push_back(Incident {
            last: now,
            times: 1,
            doing: doing.to_owned(),
            kind,
            error,
        });
    }
}

fn detail(assessed: &Assessed, state: &ServerState, fault: Option<&str>) -> String {
    match (&assessed.phase, state) {
        (Phase::Serving { free }, _) => format!(" ({free} free)"),
        (Phase::Failed(how), _) => {
            let how = format!("{how:?}").to_lowercase();
            match fault.filter(|fault| !fault.is_empty()) {
                Some(fault) => format!(" ({how}: {fault})"),
                None => format!(" ({how})"),
            }
        }
        (Phase::Held, ServerState::Held(state)) => format!(" ({state}): it is left alone"),
        _ => String::new(),
    }
}
