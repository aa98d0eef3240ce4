//! What must hold for every plan, whatever the cloud lists, the replicas answer and the clock
//! shows. The rules are written down here a third time, from what the test itself has seen.

#[path = "properties/history.rs"]
mod history;

use history::{Event, cloud_time, histories, id, listing, policies, tell};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use simplescalevm_core::{
    Action, Answer, Blocked, CreateBlock, Creating, DeleteBlock, DeleteReason, Failed, Holder,
    Listing, Memory, Moment, Plan, Policy, ReplicaId, ReplicaState, Server, ServerState, plan,
    violations,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the test has seen of a replica's probes.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    answer: Option<Answer>,
    /// Answers in a row, the last ones, that say that it is done.
    done: u32,
    /// It has once said that it is not done.
    served: bool,
    failures: u32,
}

/// What the test itself knows of a history so far.
#[derive(Debug, Default)]
struct Seen {
    heard: BTreeMap<ReplicaId, Heard>,
    states: BTreeMap<ReplicaId, ServerState>,
    /// A list has shown it running, so that it is known where it can be asked.
    placed: BTreeSet<ReplicaId>,
    may_be_remembered: BTreeSet<ReplicaId>,
}

impl Seen {
    fn list(&mut self, listing: &Listing, believed: bool) {
        let listed: BTreeSet<ReplicaId> = listing.servers.iter().map(|s| s.id.clone()).collect();
        if believed {
            self.may_be_remembered.clear();
            self.states.retain(|id, _| listed.contains(id));
            self.heard.retain(|id, _| listed.contains(id));
            self.placed.retain(|id| listed.contains(id));
        }
        self.may_be_remembered.extend(listed);
        for server in &listing.servers {
            self.states.insert(server.id.clone(), server.state.clone());
            if matches!(server.state, ServerState::Running(_)) {
                self.placed.insert(server.id.clone());
            }
            let can_be_asked = !server.addresses.is_empty() || self.placed.contains(&server.id);
            match server.state {
                ServerState::Held(_) => _ = self.heard.remove(&server.id),
                ServerState::Failed(_) if !can_be_asked => _ = self.heard.remove(&server.id),
                _ => {}
            }
        }
    }

    fn event(&mut self, event: &Event) {
        let Event::Probed {
            server,
            outcome,
            late: false,
        } = event
        else {
            return;
        };
        let heard = self.heard.entry(id(*server)).or_default();
        match outcome {
            Ok(answer) => {
                (heard.answer, heard.failures) = (Some(*answer), 0);
                heard.done = if answer.termination {
                    heard.done + 1
                } else {
                    0
                };
                heard.served |= !answer.termination;
            }
            Err(_) => heard.failures += 1,
        }
    }

    /// The last good answer, if it stands.
    fn standing(&self, policy: &Policy, id: &ReplicaId) -> Option<Answer> {
        let heard = self.heard.get(id)?;
        heard
            .answer
            .filter(|_| heard.failures < policy.failure_threshold)
    }
}

fn check_plan(
    policy: &Policy,
    memory: &Memory,
    listing: &Listing,
    now: Moment,
    seen: &Seen,
) -> TestCaseResult {
    let made = plan(policy, memory, now);
    prop_assert_eq!(&made, &plan(policy, &memory.clone(), now));
    let broken = violations(policy, memory, &made, now);
    prop_assert_eq!(broken, BTreeSet::new());
    check_sums(policy, memory, &made, now)?;
    for action in &made.actions {
        match action {
            Action::Delete {
                replica,
                reason,
                after,
            } => {
                let server = listing.servers.iter().find(|s| &s.id == replica);
                let Some(server) = server else {
                    return Err(TestCaseError::fail("a server that is not listed"));
                };
                prop_assert!(may_be_deleted(policy, seen, server, *reason));
                let moved = |f| made.actions.iter().any(|a| is_move_of(a, f, replica));
                prop_assert!(after.iter().all(moved));
            }
            Action::MoveAddress { .. } => check_move(policy, memory, seen, listing, action)?,
            Action::Create { .. } => {}
        }
    }
    Ok(())
}

fn is_move_of(
    action: &Action,
    id: &simplescalevm_core::ExternalAddressId,
    holder: &ReplicaId,
) -> bool {
    matches!(action, Action::MoveAddress { address, from: Some(from), .. }
        if &address.id == id && from == holder)
}

/// Nothing is lost or counted twice, and no more is created than is needed.
fn check_sums(policy: &Policy, memory: &Memory, made: &Plan, now: Moment) -> TestCaseResult {
    let seen = &made.assessment;
    let capacity = u128::from(policy.capacity.get());
    let counted: u128 = seen.replicas.iter().map(|r| u128::from(r.counts)).sum();
    let sum = counted + u128::from(memory.awaited(now)) * capacity;
    let most = u128::from(u64::MAX);
    prop_assert_eq!(u128::from(seen.available), sum.min(most));
    for replica in seen.replicas.iter() {
        let right = match replica.state {
            ReplicaState::Serving { free } => replica.counts == free,
            ReplicaState::Creating(_) | ReplicaState::Starting | ReplicaState::Checking => {
                u128::from(replica.counts) == capacity
            }
            ReplicaState::Unknown { counted } | ReplicaState::Finishing { counted } => {
                replica.counts == counted
            }
            _ => replica.counts == 0,
        };
        prop_assert!(right, "{replica:?}");
    }
    let created: u128 = made
        .actions
        .iter()
        .map(|a| match a {
            Action::Create { count } => u128::from(count.get()),
            _ => 0,
        })
        .sum();
    let kept_back: u128 = made
        .blocked
        .iter()
        .map(|b| match b {
            Blocked::Create { count, .. } => u128::from(*count),
            _ => 0,
        })
        .sum();
    let floor = u128::from(policy.floor);
    prop_assert_eq!(created + kept_back, u128::from(made.missing));
    prop_assert!(sum.min(most) + (created + kept_back) * capacity >= floor);
    if created + kept_back > 0 {
        prop_assert!(sum + (created + kept_back - 1) * capacity < floor);
    }
    let whole = |b: &Blocked| {
        let Blocked::Create { why, .. } = b else {
            return false;
        };
        !matches!(
            why,
            CreateBlock::MaxCount { .. } | CreateBlock::MaxCreating { .. }
        )
    };
    prop_assert!(created == 0 || !made.blocked.iter().any(whole));
    Ok(())
}

fn may_be_deleted(policy: &Policy, seen: &Seen, server: &Server, reason: DeleteReason) -> bool {
    let standing = seen.standing(policy, &server.id);
    let heard = seen.heard.get(&server.id).copied().unwrap_or_default();
    let silent = heard.failures >= policy.failure_threshold;
    // A replica that has lost its address is still the running one that it was, and one that the
    // cloud calls failed may be.
    let runs = matches!(
        server.state,
        ServerState::Running(_)
            | ServerState::Creating(Creating::NoAddress)
            | ServerState::Failed(_)
    );
    let is_needed = standing.is_some_and(|answer| !answer.termination);
    let is_heard = heard.served && !silent;
    let done = heard.done >= policy.termination_confirmations;
    !server.locked
        && !is_needed
        && match reason {
            DeleteReason::Error => {
                server.state == ServerState::Failed(Failed::Error) && (done || !is_heard)
            }
            DeleteReason::Stopped => {
                server.state == ServerState::Failed(Failed::Stopped) && (done || !is_heard)
            }
            DeleteReason::Termination => runs && done && standing.is_some(),
            DeleteReason::UnreachableTimeout => {
                runs && silent && policy.unreachable_timeout.is_some()
            }
            DeleteReason::StartupTimeout => {
                let said_no = heard.answer.is_some_and(|a| !a.termination);
                let builds = matches!(server.state, ServerState::Creating(_));
                policy.startup_timeout.is_some() && !said_no && (builds || (runs && silent))
            }
        }
}

fn check_move(
    policy: &Policy,
    memory: &Memory,
    seen: &Seen,
    listing: &Listing,
    action: &Action,
) -> TestCaseResult {
    let Action::MoveAddress {
        address, from, to, ..
    } = action
    else {
        return Ok(());
    };
    prop_assert!(policy.external_addresses);
    let listed = listing.external_addresses.as_ref();
    prop_assert!(listed.is_some_and(|listed| listed.contains(address)));
    match &address.holder {
        Holder::Nobody => prop_assert_eq!(from, &None),
        Holder::Server(holder) => prop_assert_eq!(from.as_ref(), Some(holder)),
        Holder::Stranger | Holder::Unclear(_) => {
            return Err(TestCaseError::fail("a stranger's address"));
        }
    }
    if let Some(from) = from {
        prop_assert!(seen.states.contains_key(from), "not of the pool");
        let serves = seen.standing(policy, from).is_some_and(|a| !a.termination);
        prop_assert!(!serves, "taken from one that serves");
    }
    prop_assert!(listing.servers.iter().any(|s| &s.id == to));
    prop_assert!(!memory.holders().contains(to));
    prop_assert!(seen.standing(policy, to).is_some_and(|a| !a.termination));
    Ok(())
}

fn empty_list() -> Listing {
    Listing {
        taken: Moment::START,
        cloud_time: None,
        servers: Vec::new(),
        external_addresses: Some(Vec::new()),
        not_alone: std::collections::BTreeSet::new(),
    }
}

fn deletions(plan: &Plan) -> BTreeSet<(ReplicaId, DeleteReason)> {
    plan.actions
        .iter()
        .filter_map(|a| match a {
            Action::Delete {
                replica, reason, ..
            } => Some((replica.clone(), *reason)),
            _ => None,
        })
        .collect()
}

/// Runs a history and checks the plan after each event.
fn run(policy: &Policy, events: &[Event]) -> TestCaseResult {
    let (mut memory, mut seen) = (Memory::default(), Seen::default());
    let (mut now, mut last) = (Moment::START, empty_list());
    for event in events {
        if let Event::Wait(time) = event {
            now = now + *time;
        }
        if let Some(list) = listing(event, now) {
            let believed = memory.observe(policy, &list);
            prop_assert_eq!(believed, memory.shrunken_list().is_none());
            seen.list(&list, believed);
            last = list;
        }
        if tell(&mut memory, policy, event, now) {
            seen.event(event);
        }
        let mut remembered = memory.records().map(|r| &r.server.id);
        prop_assert!(remembered.all(|id| seen.may_be_remembered.contains(id)));
        check_plan(policy, &memory, &last, now, &seen)?;
    }
    Ok(())
}

/// The list with the cloud's clock. Without it, two memories of different ages have to guess.
fn with_time(listing: Option<Listing>) -> Option<Listing> {
    let mut listing = listing?;
    listing.cloud_time = Some(cloud_time(listing.taken));
    Some(listing)
}

/// Runs a history twice from a restart on: with the old memory and with a fresh one.
fn run_with_restart(policy: &Policy, before: &[Event], after: &[Event]) -> TestCaseResult {
    let (mut old, mut now) = (Memory::default(), Moment::START);
    let mut last = empty_list();
    // A deletion that was sent may be sent again after a restart: it then finds nothing.
    let is_kept = |event: &&Event| !matches!(event, Event::Deleted { .. });
    for event in before.iter().filter(is_kept) {
        if let Event::Wait(time) = event {
            now = now + *time;
        }
        if let Some(list) = with_time(listing(event, now)) {
            old.observe(policy, &list);
            last = list;
        }
        tell(&mut old, policy, event, now);
    }
    let mut fresh = Memory::default();
    last.taken = now;
    if !old.observe(policy, &last) {
        return Ok(());
    }
    fresh.observe(policy, &last);
    let asked = plan(policy, &fresh, now).assessment;
    for replica in asked.replicas.iter() {
        let runs = replica.address.is_some();
        prop_assert!(!runs || replica.counts == policy.capacity.get());
    }
    for event in after.iter().filter(is_kept) {
        if let Event::Wait(time) = event {
            now = now + *time;
        }
        if let Some(list) = with_time(listing(event, now)) {
            // What the two know of the same server differs from here on.
            if !old.observe(policy, &list) || !fresh.observe(policy, &list) {
                return Ok(());
            }
            last = list;
        }
        tell(&mut old, policy, event, now);
        tell(&mut fresh, policy, event, now);
        let planned = plan(policy, &old, now);
        // That others turned just before, only the old one knows.
        let is_one_of_many = |id: &ReplicaId| {
            planned.blocked.iter().any(|blocked| {
                matches!(blocked, Blocked::Delete { replica, why: DeleteBlock::MassTermination { .. }, .. }
                    if replica == id)
            })
        };
        // That the list before did not have it yet, so that the cloud's clock must be wrong, only the old one knows.
        let is_younger_than_told = |server: &Server| {
            let told = server.launched.or(server.created);
            let age = told.map(|launched| cloud_time(now).since(launched));
            let starts = |blocked: &Blocked| {
                matches!(blocked, Blocked::Delete { replica, why: DeleteBlock::StillStarting { .. }, .. }
                    if *replica == server.id)
            };
            age.is_some_and(|age| age >= policy.startup_grace) && planned.blocked.iter().any(starts)
        };
        let with_old = deletions(&planned);
        for (replica, reason) in deletions(&plan(policy, &fresh, now)) {
            let shown = last.servers.iter().find(|server| server.id == replica);
            // Where it could be asked, only the old one knows.
            let has_no_address = shown.is_some_and(|server| server.addresses.is_empty());
            let is_failed = matches!(reason, DeleteReason::Error | DeleteReason::Stopped);
            let allowed = with_old.iter().any(|(id, _)| id == &replica)
                || reason == DeleteReason::StartupTimeout
                || is_one_of_many(&replica)
                || shown.is_some_and(is_younger_than_told)
                || (is_failed && has_no_address);
            prop_assert!(allowed, "{replica} {reason:?}");
        }
    }
    Ok(())
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn every_plan_keeps_every_promise(policy in policies(), events in histories()) {
        run(&policy, &events)?;
    }

    #[test]
    fn restart_deletes_nothing_more(
        policy in policies(),
        before in histories(),
        after in histories(),
    ) {
        run_with_restart(&policy, &before, &after)?;
    }
}
