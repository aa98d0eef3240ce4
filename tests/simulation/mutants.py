#!/usr/bin/env python3
"""Breaks the decisions and the loop on purpose, one mistake at a time, in a copy of the tree, and
demands that the tests notice. First the simulation is asked, then the tables and the tests of the
loop and its requests. Prints who noticed each mistake, and caught/total; fails if one was not noticed.

    python3 tests/simulation/mutants.py [first [count]]
    python3 tests/simulation/mutants.py --check    only that each of them still has its place in the sources
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREE = Path(os.environ.get("MUTANTS_DIR", "/var/tmp/simplescalevm-mutants")) / "tree"
HISTORIES = os.environ.get("HISTORIES", "600")

# The scaler checks each plan against the product's own promises. With that guard on, it catches
# most mistakes of the plan itself (`PromiseBroken`); without it, the simulation has to.
UNGUARDED = ("if !broken.is_empty() {", "if broken.len() > 1_000 {")
STRANGER = ("Holder::Stranger | Holder::Unclear(_) => return None,",
            "Holder::Unclear(_) => return None, Holder::Stranger => return Some((MoveReason::Free, None)),")
STARTING = ("ReplicaState::Creating(_) | ReplicaState::Starting | ReplicaState::Checking => {",
            "ReplicaState::Starting => 0,\n        ReplicaState::Creating(_) | ReplicaState::Checking => {")

# The invariant that is meant to notice, and the edits: what stands somewhere in `core/src` or the
# scaler, and what is put there.
MUTANTS = [
    ("StrangerTouched", STRANGER, UNGUARDED),
    ("PromiseBroken", STRANGER),
    ("ProtectedDeleted", ("} else if record.server.locked {", "} else if false {"), UNGUARDED),
    ("ProtectedDeleted", ("Some(answer) if !answer.termination => ReplicaState::Serving",
                          "Some(answer) if !answer.termination && answer.free > 0 => ReplicaState::Serving"), UNGUARDED),
    ("ProtectedDeleted", ("                self.failures = 0;\n                self.silence = 0;\n                self.last_failure = None;\n                self.unreachable",
                          "                self.silence = 0;\n                self.last_failure = None;\n                self.unreachable")),
    # The cloud's word against the replica's own; one answer that says "done"; two that lie far apart.
    ("ProtectedDeleted", ("ServerState::Failed(how) if record.is_lost(policy) =>",
                          "ServerState::Failed(how) if !record.name.is_empty() || record.is_lost(policy) =>"), UNGUARDED),
    ("ProtectedDeleted", ("record.done_in_a_row >= policy.termination_confirmations => {", "record.done_in_a_row >= 1 => {"), UNGUARDED),
    ("ProtectedDeleted", ("            if !goes_on {\n                self.done_in_a_row = 0;", "            if !goes_on && started == Moment::START {\n                self.done_in_a_row = 0;")),
    # Those that turned while a list was on its way wait for the next one.
    ("MassDeleted", ("if turned.at <= taken {", "if turned.at <= taken || now > Moment::START {"), UNGUARDED),
    ("MassDeleted", ("if count < Self::MANY ||", "if count < 1_000 ||"), UNGUARDED),
    ("SilenceAssumed", ("record.silent_until.unwrap_or(now);", "now;")),
    ("SessionCut", ("known && !record.may_have_run", "known || !record.may_have_run"), UNGUARDED),
    ("SessionCut", ("startup_is_over_at(listed) =>", "startup_is_over_at(now) =>")),
    ("SessionCut", ("known && !record.may_have_run", "known || !record.may_have_run"),
                   ("record.time_shown_creating() >= needed", "true || record.time_shown_creating() >= needed"), UNGUARDED),
    # What seed 105114 found, once more. Rare: a gap between lists, and then an old one.
    ("SessionCut", ("time_before: shown.time,", "time_before: shown.time.saturating_add(since_last),")),
    # What seed 956 found, once more. Rare: a failed server that its operator starts again.
    ("SessionCut", ("known && !record.may_have_run", "known && record.first_running.is_none()"), UNGUARDED),
    ("Storm", ("filter(|c| c.accepted || c.under_way);", "filter(|c| c.under_way);"), UNGUARDED),
    # What seed 105924 found: a wait that ends by the time alone, before anybody has asked. And a stall after a list.
    ("Storm", ("filter(|c| c.accepted || c.under_way);", "filter(|c| (c.accepted && now < c.until) || c.under_way);")),
    ("Storm", ("            .forget_older_than(Self::NEW_SERVERS_SHOW_WITHIN, now);", "            .forget_older_than(Self::NEW_SERVERS_SHOW_WITHIN, arrived);")),
    # What seed 102254 found: "done" from an address that is another's by now, and an outage in between.
    ("SessionCut", (".or(self.last_address);", ";")),
    # What seed 68849 found: one that served is given up in an outage, and listed again later.
    ("ProtectedDeleted", ("let age = if past.given_up {", "let age = if past.given_up && age.is_zero() {")),
    # A grace that is shorter than a boot.
    ("Bill", ("if self.probation.failures > 1 {", "if self.probation.failures > 1_000 {")),
    ("Storm", (".filter(|c| !c.accepted && !c.under_way && c.pending > 0 && now < c.until)", ".filter(|c| !c.accepted && c.pending > 0 && now > c.until)"), UNGUARDED),
    ("Storm", STARTING),
    ("Storm", ("Some(past) => Stems::Ours(past.creation),", "Some(past) => { self.creations.server_shown(server, true, self.instance); Stems::Ours(past.creation) }")),
    ("Surplus", STARTING),
    ("BackoffIgnored", ("let doublings = failures.saturating_sub(1).min(16);", "let doublings = failures.min(0);")),
    ("BackoffIgnored", ("memory.backoff().filter(|b| now < b.until);", "memory.backoff().filter(|b| now > b.until + Duration::from_secs(9_999));"), UNGUARDED),
    ("BackoffIgnored", ("if number == 0 || !(number > blamed || was_slow) {", "if number == 0 && !was_slow {")),
    ("MaxCountExceeded", ("max.map_or(u64::MAX, |max| max.get().saturating_sub(used))", "max.map_or(u64::MAX, |max| (max.get() + 1).saturating_sub(used))"), UNGUARDED),
    # What is leaving does not count at all.
    ("MaxCountExceeded", ("now.since(since) >= Policy::LEAVING_COUNTS_FOR", "now.since(since) >= Duration::ZERO"), UNGUARDED),
    ("AddressTaken", ("ReplicaState::Unreachable { .. } => MoveReason::HolderUnreachable,\n            _ => return None,",
                      "_ => MoveReason::HolderUnreachable,"), UNGUARDED),
    ("AddressMisplaced", ("!holders.contains(*id) && !targets.contains(id)", "true"), UNGUARDED),
    ("AddressMisplaced", ("_ if !self.is_still_wanted(action, now) =>", "_ if self.is_still_wanted(action, now + Duration::MAX) =>")),
    ("StrangerTouched", ("if revision.is_some() && address.revision >= revision {", "if revision.is_none() {")),
    ("AddressLost", ("if asked.since(since) <= Addresses::LISTS_LAG_BY {", "if asked >= since {")),
    ("FloorMissed", ("Action::Create { .. } if !quota_is_used_up => 1,", "Action::Create { .. } if quota_is_used_up => 1,")),
    ("StaleList", ("LIST_IS_GOOD_FOR: Duration = Duration::from_secs(120)", "LIST_IS_GOOD_FOR: Duration = Duration::from_secs(120_000)")),
    ("StaleList", ("        if self.begin_action() || self.advance_look() {",
                   "        if self.agenda_is_over() { let p = self.replan().clone(); self.carry_out(p, Ground::List); }\n        if self.begin_action() || self.advance_look() {"),
                  ("use super::agenda::{Begun, Object};", "use super::act::{Begun, Ground, Object};")),
    # J2: what is under way, or was answered after the list was asked for, is begun again.
    ("Repeated", ("self.jobs.concern(object) || self.answered.get(object).is_some_and(is_later)", "self.answered.get(object).is_some_and(is_later)"),
                 ("let is_left = |(record, _): &(&Arc<Record>, &Assessed)| !record.delete_under_way;", "let is_left = |(record, _): &(&Arc<Record>, &Assessed)| !record.foreign || !record.delete_under_way;")),
    ("Repeated", ("self.jobs.concern(object) || self.answered.get(object).is_some_and(is_later)", "self.jobs.concern(object)")),
    # A creation that waits for its answer is none; what is being deleted counts as lost when a list lacks it.
    ("Storm", ("filter(|c| c.accepted || c.under_way);", "filter(|c| c.accepted);"), ("memory.creation_under_way() {", "memory.creation_under_way().filter(|_| false) {"), UNGUARDED),
    # A list that is older than a move takes it back; addresses move on an old list of them.
    ("AddressMisplaced", ("(Some(known), Some(listed)) => known > listed,", "(Some(known), Some(listed)) => known > listed && known == 0,")),
    ("AddressMisplaced", ("&& !self.memory.addresses_are_fresh() {", "&& !self.memory.addresses_are_fresh() && now == Moment::START {"), UNGUARDED),
    ("ShrunkenListBelieved", ("missing.len() >= 2 && missing.len() * 2 > expected.len()", "missing.len() > 2_000 && expected.is_empty()")),
    # E3: what a list lacks is not asked for; or what was not answered counts as gone.
    ("Storm", ("missing.sort_unstable();", "missing.clear();")),
    ("Storm", ("Err(error) => {\n                log::debug!(\"server {id} cannot be asked for", "Err(error) if self.is_stopping() || !self.look_up_failed(Service::Compute, &error) => Looked::Gone,\n            Err(error) => {\n                log::debug!(\"server {id} cannot be asked for")),
    # The cloud's word, said once, against a replica that answers; what was said long ago.
    ("Storm", ("self.answers_now() && !is_confirmed", "self.answers_now() && !is_confirmed && self.answer.is_none()")),
    ("SilenceAssumed", ("if now.since(asked) <= policy.asked_within() {", "if now >= asked {")),
    # E8: a process that has just started trusts its first list, or one that shows what another one has just ordered.
    ("Storm", ("self.creations.hold(now + policy.settles_after_start);", ""), ("            self.creations.hold(now + left);", "")),
    # F2: what answers where a replica was speaks for it, although another server has that address.
    ("ProtectedDeleted", ("        self.forget_addresses_of_others(policy, listing);\n", "")),
    # A6: an accepted creation is written off without having been asked for.
    ("Storm", ("filter(move |c| c.is_overdue(now) && !c.was_listed)", "filter(move |c| c.is_overdue(now) && c.was_listed)")),
    ("Storm", ("if self.is_overdue(now) && !self.was_listed && may_be_there && in_time {", "if self.is_overdue(now) && !self.was_listed && may_be_there && !in_time {")),
    # A5: neither the mark of having served nor this process' own look counts.
    ("ServedDeleted", ("known && !self.has_come_up()", "known && !self.has_answered")),
    ("SilenceAssumed", ("(record.created_since_start || silent_for >= grace)", "(record.created_since_start || silent_for <= grace)")),
    # E1: a first good answer wipes the count; what is never free, or ends early, is no failure.
    ("Bill", ("let before = self.probation.failures;", "let before = 0;")),
    ("Bill", ("trial.was_never_free(grace) => {", "trial.was_never_free(grace) && grace == std::time::Duration::MAX => {")),
    ("Bill", ("if trial.would_end_early(grace) =>", "if trial.would_end_early(grace) && grace == std::time::Duration::MAX =>"),
             ("} else if record.trial.would_end_early(policy.startup_grace) {", "} else if record.trial.would_end_early(policy.startup_grace) && policy.startup_grace == std::time::Duration::MAX {")),
    ("Repeated", ("        record.delete_accepted = Some(now);\n", "")),
    ("Repeated", ("DELETION_SETTLES_WITHIN: Duration = Duration::from_secs(60)", "DELETION_SETTLES_WITHIN: Duration = Duration::from_secs(1)")),
    ("Unreasoned", ("Action::Delete { .. } => (&mut self.deleted, 1),", "Action::Delete { .. } => (&mut self.deleted, 2),")),
    ("RetryAfterIgnored", ("let until = self.parts.clock.now() + wish.min(LONGEST_PAUSE);", "let until = self.parts.clock.now() + wish.min(LONGEST_PAUSE) / 2;")),
    ("RetryAfterIgnored", ("        if now < self.jobs.paused_until(service) {\n            return Some(", "        if now + LIST_IS_GOOD_FOR < self.jobs.paused_until(service) {\n            return Some(")),
    ("ListsTooOften", ("LIST_ON_DEMAND_AT_MOST_EVERY: Duration = Duration::from_secs(1)", "LIST_ON_DEMAND_AT_MOST_EVERY: Duration = Duration::from_millis(300)")),
    ("ListsTooOften", ("EVERY * 2_u32.pow(doublings)", "EVERY * 2_u32.pow(doublings.min(1))")),
    ("ProbedTwice", ("self.probe.under_way.is_none() && self.is_probed()", "self.is_probed()")),
    ("Spins", ("return next.max(now + ROOM_IS_LOOKED_FOR_EVERY);", "return next;")),
    ("FloorMissed", (".saturating_sub(available)\n", ".saturating_sub(available.saturating_add(1))\n")),
    ("FloorMissed", ("Duration::from_secs(15 * 60)", "Duration::from_secs(24 * 3_600)"),
                    ("failures.saturating_sub(1).min(16)", "failures.saturating_add(11).min(16)")),
    ("FloorMissed", ("self.failures = 0;\n                self.silence = 0;\n                self.last_failure = None;\n                self.unreachable",
                     "self.silence = 0;\n                self.last_failure = None;\n                self.unreachable")),
    # B1, B2: promises pass for what is ready; a pool with nothing for its callers is no more than a warning.
    ("OutageHidden", ("        ReplicaState::Serving { free } => *free,\n        ReplicaState::Creating(_)\n        | ReplicaState::Starting\n",
                      "        ReplicaState::Serving { free } => *free,\n        ReplicaState::Starting => 1,\n        ReplicaState::Creating(_)\n")),
    ("OutageHidden", ("let severity = self.lasts(since, NOTHING_READY_FOR);", "let severity = Severity::Warning;")),
    ("OutageHidden", ("mark(&mut self.below_since, ready < floor);", "mark(&mut self.below_since, available < floor);")),
    ("MemoryGrows", ("record.delete_under_way || !is_gone(id);", "record.delete_under_way || !is_gone(id) || now.0 > Duration::ZERO;")),
    ("MemoryGrows", ("forget(&|id| memory.record(id).is_none());", "forget(&|id| memory.record(id).is_none() && id.as_str().is_empty());")),
    ("MemoryGrows", ("const INCIDENTS: usize = 50;", "const INCIDENTS: usize = 5_000;")),
    ("Panicked", ("        self.sent += 1;", "        self.sent += 1; assert!(self.sent < 9);")),
]


def run(command, **env):
    done = subprocess.run(command, cwd=TREE, env={**os.environ, **env}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def sources(tree):
    pool = sorted((tree / "core/src").rglob("*.rs"))
    return [*pool, *sorted((tree / "src/scaler").rglob("*.rs")), tree / "src/scaler.rs"]


def check():
    texts = [path.read_text() for path in sources(ROOT)]
    edits = [edit for mutant in MUTANTS for edit in mutant[1:]]
    lost = [old for old, _ in edits if not any(old in text for text in texts)]
    for old in lost:
        print(f"{old!r}: not there any more; mend the list of mutants")
    return 1 if lost else 0


def change(old, new):
    for path in sources(TREE):
        text = path.read_text()
        if old in text:
            path.write_text(text.replace(old, new, 1))
            return True
    return False


def mutate(mutant):
    for edit in mutant[1:]:
        if not change(*edit):
            sys.exit(f"{edit!r}: not there any more; mend the list of mutants")


def verdict(invariant):
    code, text = run(["cargo", "build", "--quiet", "--locked", "--profile", "simulation",
                      "--package", "simplescalevm", "--example", "simulate"])
    if code != 0:
        return "does not build\n" + text[-1500:]
    target = Path(os.environ.get("CARGO_TARGET_DIR", TREE / "target"))
    env = {"HISTORIES": "6000" if invariant == "SessionCut" else HISTORIES, **({"WITHOUT_STORM": "1"} if invariant == "Surplus" else {})}
    code, text = run([target / "simulation/examples/simulate"], **env)
    if code != 0:
        return "simulation: " + ", ".join(re.findall(r"VIOLATED (\w+: \d+)", text))
    code, text = run(["cargo", "test", "--quiet", "--locked", "--package", "simplescalevm-core", "--package", "simplescalevm",
                      "--test", "tables", "--test", "scaler", "--test", "jobs", "--no-fail-fast"])
    if code != 0:
        failed = re.findall(r"^    (\S+)$", text, re.M)
        return f"tests: {', '.join(sorted(set(failed))[:4]) or text[-300:]}"
    return ""


def main():
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    count = int(sys.argv[2]) if len(sys.argv) > 2 else len(MUTANTS)
    chosen = MUTANTS[first:first + count]
    caught, by_simulation, by_meant, missed = 0, 0, 0, []
    for number, mutant in enumerate(chosen, first):
        for folder in ("src", "core"):
            shutil.rmtree(TREE / folder, ignore_errors=True)
            shutil.copytree(ROOT / folder, TREE / folder, copy_function=shutil.copy)
        mutate(mutant)
        found = verdict(mutant[0])
        name = f"{number:2} {mutant[0]}: {mutant[1][0].strip().splitlines()[0][:70]}"
        print(f"{name}\n     -> {found or 'NOT NOTICED'}", flush=True)
        noticed = bool(found) and not found.startswith("does not build")
        caught += noticed
        by_simulation += found.startswith("simulation")
        by_meant += mutant[0] in found
        missed += [] if noticed else [name]
    print(f"caught {caught}/{len(chosen)}, by the simulation {by_simulation}, by the invariant that is meant {by_meant}")
    return 1 if missed else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(check())
    TREE.mkdir(parents=True, exist_ok=True)
    skip = shutil.ignore_patterns("target", ".git")
    shutil.copytree(ROOT, TREE, dirs_exist_ok=True, ignore=skip)
    sys.exit(main())
