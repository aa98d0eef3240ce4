//! Every row of the table of severities in `docs/ARCHITECTURE.md`.

use crate::world::{id, s};
use simplescalevm_core::{
    Assessed, Assessment, Backoff, BackoffCause, Blocked, CloudErrorKind, CreateBlock, Creating,
    DeleteBlock, DeleteReason, ExternalAddressId, Failed, Health, Moment, MoveBlock, MoveReason,
    Plan, Reason, ReplicaState, Severity, ShrunkenList, Snapshot, Unprepared,
};
use std::sync::Arc;

/// The present, long after the start.
const NOW: Moment = Moment(s(10_000));

const SILENT: ReplicaState = ReplicaState::Unreachable {
    since: Moment(s(9_000)),
};

fn ago(seconds: u64) -> Moment {
    NOW - s(seconds)
}

fn serving(free: u64) -> ReplicaState {
    ReplicaState::Serving { free }
}

/// A pool with this floor in which all has been like this for `lasting` seconds, capacity 5.
fn pool(floor: u64, lasting: u64, states: &[(usize, ReplicaState)]) -> Snapshot {
    let states = states.iter().flat_map(|(count, state)| vec![state; *count]);
    let replicas: Vec<Assessed> = states
        .enumerate()
        .map(|(number, state)| Assessed {
            id: id(&format!("{number:02}")),
            name: "gw".into(),
            state: state.clone(),
            counts: match state {
                ReplicaState::Serving { free } => *free,
                ReplicaState::Creating(_) | ReplicaState::Starting | ReplicaState::Checking => 5,
                _ => 0,
            },
            locked: false,
            has_served: true,
            age: s(5_000),
            address: None,
        })
        .collect();
    let ready = |r: &Assessed| matches!(r.state, ReplicaState::Serving { .. });
    let assessment = Assessment {
        at: NOW,
        ready: replicas.iter().filter(|r| ready(r)).map(|r| r.counts).sum(),
        available: replicas.iter().map(|r| r.counts).sum(),
        awaited: 0,
        replicas: Arc::new(replicas),
    };
    let mut snapshot = Snapshot {
        taken: NOW,
        last_list: Some(ago(10)),
        floor,
        capacity: 5,
        expected_boot: s(120),
        plan: Plan {
            missing: floor.saturating_sub(assessment.available).div_ceil(5),
            assessment,
            ..Plan::default()
        },
        ..Snapshot::default()
    };
    snapshot.lists.interval = s(30);
    let assessment = &snapshot.plan.assessment;
    snapshot.supply.take(assessment, floor, true, ago(lasting));
    snapshot
}

fn well() -> Snapshot {
    pool(3, 500, &[(2, serving(2))])
}

/// `ok`, or each reason with its severity, the worst first.
#[track_caller]
fn check(what: &str, snapshot: &Snapshot, expected: &str) {
    check_at(what, snapshot, NOW, expected);
}

#[track_caller]
fn check_at(what: &str, snapshot: &Snapshot, now: Moment, expected: &str) {
    let health = Health::of(snapshot, true, now);
    let told = health.findings.iter();
    let told: Vec<String> = told
        .map(|f| format!("{} {}", f.severity.name(), f.reason.name()))
        .collect();
    let told = if told.is_empty() {
        health.severity.name().to_owned()
    } else {
        told.join(", ")
    };
    assert_eq!(told, expected, "{what}");
    let worst = health.findings.first().map(|f| f.severity);
    assert_eq!(health.severity, worst.unwrap_or(Severity::Ok), "{what}");
}

fn blocked(mut snapshot: Snapshot, blocked: Blocked) -> Snapshot {
    snapshot.plan.blocked.push(blocked);
    snapshot
}

#[test]
fn what_is_well() {
    check("a kept floor", &well(), "ok");
    check("exactly", &pool(4, 9_000, &[(2, serving(2))]), "ok");
    check("a floor of zero, nothing there", &pool(0, 9_000, &[]), "ok");
    let full = pool(0, 9_000, &[(3, serving(0))]);
    check("a floor of zero, all taken", &full, "ok");
    let boots = [
        (2, serving(2)),
        (1, ReplicaState::Starting),
        (1, ReplicaState::Leaving),
    ];
    check("a boot beside enough", &pool(3, 500, &boots), "ok");
}

#[test]
fn promises_are_not_taken_for_what_is_ready() {
    let coming = (2, ReplicaState::Creating(Creating::Building));
    let dip = |lasting| pool(5, lasting, &[(2, serving(2)), coming.clone()]);
    check("a slot was taken", &dip(1), "warning below-floor");
    check("as long as a boot", &dip(120), "warning below-floor");
    let overdue = |seconds| {
        let health = Health::of(&dip(seconds), true, NOW);
        let reason = health.findings[0].reason;
        matches!(reason, Reason::BelowFloor { overdue: true, .. })
    };
    assert!(!overdue(120) && overdue(121));
    let none = |lasting| pool(5, lasting, &[(2, serving(0)), coming.clone()]);
    check("none for a moment", &none(1), "warning nothing-ready");
    check("none for a minute", &none(60), "warning nothing-ready");
    check("for longer", &none(61), "critical nothing-ready");
    // Time goes on although no snapshot was made since.
    check_at("later", &none(1), NOW + s(60), "critical nothing-ready");
    check("an empty pool", &pool(1, 61, &[]), "critical nothing-ready");
}

#[test]
fn an_outage_is_never_well() {
    // Nine of twelve are dead, 9 of 30 are ready, and the rest is on its way.
    let outage = |more: &[(usize, ReplicaState)]| {
        let mut states = vec![(3, serving(3)), (9, SILENT)];
        states.extend_from_slice(more);
        pool(30, 20, &states)
    };
    check(
        "9 of 12, and enough is on its way",
        &outage(&[(5, ReplicaState::Starting)]),
        "critical replicas-down, warning below-floor",
    );
    check(
        "one of three, the floor is kept",
        &pool(3, 500, &[(2, serving(3)), (1, SILENT)]),
        "warning replicas-down",
    );
    check(
        "most of them, and what is left is enough",
        &pool(3, 500, &[(2, serving(3)), (4, SILENT)]),
        "warning replicas-down",
    );
    check(
        "half of them have failed",
        &pool(
            9,
            5,
            &[(2, serving(3)), (2, ReplicaState::Failed(Failed::Stopped))],
        ),
        "critical replicas-down, warning below-floor",
    );
    check(
        "the only other one",
        &pool(9, 5, &[(1, serving(3)), (1, SILENT)]),
        "warning below-floor, warning replicas-down",
    );
    let unknown = [(2, serving(2)), (2, ReplicaState::Unknown { counted: 2 })];
    check(
        "part of the cloud is down",
        &pool(3, 500, &unknown),
        "warning replicas-unknown",
    );
}

#[test]
fn lists_that_fail() {
    let failing = |failures, since: u64, mut snapshot: Snapshot| {
        snapshot.lists.failures = failures;
        snapshot.lists.failing_since = Some(ago(since));
        snapshot
    };
    check("a hiccup", &failing(1, 5, well()), "ok");
    check("again", &failing(2, 5, well()), "warning cannot-list");
    let six = failing(6, 60, well());
    check("six in a row, two intervals", &six, "warning cannot-list");
    check_at("a moment later", &six, NOW + s(1), "critical cannot-list");
    check(
        "one that took very long to fail",
        &failing(1, 61, well()),
        "critical cannot-list",
    );
    let mut no_addresses = well();
    no_addresses.address_lists.interval = s(30);
    no_addresses.address_lists.failed(ago(10));
    check("addresses: a hiccup", &no_addresses, "ok");
    no_addresses.address_lists.failed(ago(5));
    check(
        "addresses: again",
        &no_addresses,
        "warning cannot-list-addresses",
    );
    check_at(
        "addresses: two intervals",
        &no_addresses,
        NOW + s(51),
        "critical cannot-list-addresses",
    );
    let mut old = well();
    old.last_list = Some(ago(90));
    check("three intervals old", &old, "ok");
    old.last_list = Some(ago(91));
    check("older", &old, "critical list-too-old");
    old.lists.interval = s(1);
    old.last_list = Some(ago(60));
    check("a minute is not old", &old, "ok");
    let mut unlisted = Snapshot::default();
    unlisted.lists.interval = s(30);
    let early = Moment(s(20));
    check_at("the start", &unlisted, early, "warning no-list-yet");
    let late = Moment(s(91));
    check_at("a list that hangs", &unlisted, late, "critical no-list-yet");
    unlisted.lists.failed(Moment(s(1)));
    check_at(
        "refused from the start",
        &unlisted,
        early,
        "warning cannot-list",
    );
    check_at(
        "for longer",
        &unlisted,
        Moment(s(62)),
        "critical cannot-list",
    );
}

#[test]
fn the_first_look_is_neither_well_nor_an_outage() {
    let mut first = pool(3, 500, &[(3, ReplicaState::Checking)]);
    first.supply = simplescalevm_core::Supply::default();
    check("no verdict yet", &first, "warning first-look");
}

#[test]
fn what_is_blocked() {
    let create = |why| Blocked::Create { count: 2, why };
    let delete = |why| Blocked::Delete {
        replica: id("00"),
        reason: DeleteReason::Termination,
        why,
    };
    let moves = |reason, why| Blocked::MoveAddress {
        address: ExternalAddressId::new("a"),
        from: None,
        reason,
        why,
    };
    let short = |lasting| {
        let max = create(CreateBlock::MaxCount { max: 2 });
        blocked(pool(9, lasting, &[(2, serving(2))]), max)
    };
    check(
        "the cap",
        &short(300),
        "warning below-floor, warning creation-blocked",
    );
    check(
        "for more than five minutes",
        &short(301),
        "critical creation-blocked, warning below-floor",
    );
    let backoff = |until| {
        let mut snapshot = well();
        snapshot.backoff = Some(Backoff {
            failures: 3,
            until,
            cause: BackoffCause::Quota,
        });
        snapshot
    };
    check("a backoff", &backoff(NOW + s(1)), "warning creations-fail");
    check("one of long ago", &backoff(ago(1)), "ok");
    let mut missing = backoff(ago(1));
    missing.plan.missing = 1;
    check("about to be tried", &missing, "warning creations-fail");
    let without_an_image = |mut snapshot: Snapshot| {
        snapshot.unprepared = Some(Unprepared {
            since: ago(900),
            kind: CloudErrorKind::Lookup,
            error: "OPENSTACK_IMAGE=gw: there is no image of that name or id".into(),
        });
        snapshot
    };
    check(
        "nothing to create, and no image to create it from",
        &without_an_image(well()),
        "warning not-prepared",
    );
    check(
        "the cause before what comes of it",
        &without_an_image(missing),
        "warning not-prepared, warning creations-fail",
    );
    let locked = blocked(well(), delete(DeleteBlock::Locked));
    check("a lock", &locked, "warning actions-blocked");
    let soon = delete(DeleteBlock::StillStarting { until: NOW + s(9) });
    check("a start", &blocked(well(), soon), "ok");
    let free = blocked(well(), moves(MoveReason::Free, MoveBlock::NoStandby));
    check("a spare address", &free, "ok");
    let refused = MoveBlock::Refused {
        by: id("00"),
        error: "no router".into(),
        until: NOW + s(9),
    };
    let refused = blocked(well(), moves(MoveReason::Free, refused));
    check("a refused one", &refused, "warning actions-blocked");
    let open = moves(
        MoveReason::HolderUnreachable,
        MoveBlock::OutcomeUnknown { to: id("00") },
    );
    check("an open move", &blocked(well(), open), "ok");
    let waits = delete(DeleteBlock::AddressNotMoved { until: None });
    check("and who waits for it", &blocked(well(), waits), "ok");
    let stuck = moves(MoveReason::HolderUnreachable, MoveBlock::NoStandby);
    let stuck = blocked(well(), stuck);
    check(
        "an address on a dead one",
        &stuck,
        "warning actions-blocked",
    );
    let mut shrunken = well();
    shrunken.shrunken_list = Some(ShrunkenList {
        missing: [id("00")].into(),
        previous: 2,
    });
    check("half a list", &shrunken, "warning shrunken-list");
}

#[test]
fn readiness_is_about_callers_and_the_cloud() {
    let check = |what: &str, snapshot: &Snapshot, loop_turns, expected: Option<&str>| {
        let health = Health::of(snapshot, loop_turns, NOW);
        let told = health.not_ready().map(|finding| finding.reason.name());
        assert_eq!(told, expected, "{what}");
    };
    check("well", &well(), true, None);
    check("stopped", &well(), false, Some("loop-stopped"));
    let unlisted = Snapshot::default();
    check("no list", &unlisted, true, Some("no-list-yet"));
    // The cause is told as soon as it is known.
    let mut refused = unlisted;
    refused.lists.interval = s(30);
    refused.lists.failed(ago(1));
    check("refused at once", &refused, true, Some("cannot-list"));
    refused.lists.failing_since = Some(ago(61));
    check("and ever since", &refused, true, Some("cannot-list"));
    check("stopped besides", &refused, false, Some("loop-stopped"));
    let none = |lasting| pool(3, lasting, &[]);
    check("none", &none(60), true, None);
    check("none for long", &none(61), true, Some("nothing-ready"));
    let outage = pool(30, 900, &[(3, serving(3)), (9, SILENT)]);
    check("some are left", &outage, true, None);
    let mut failing = well();
    failing.lists.failures = 9;
    failing.lists.failing_since = Some(ago(60));
    check("two intervals", &failing, true, None);
    failing.lists.failing_since = Some(ago(61));
    check("longer", &failing, true, Some("cannot-list"));
}

#[test]
fn the_table_has_every_word() {
    let page = include_str!("../../../docs/ARCHITECTURE.md");
    let table = page.split("### Severity").nth(1).expect("the table");
    let table = table.split("\n### ").next().expect("its end");
    for word in Reason::NAMES {
        assert!(table.contains(&format!("| `{word}` |")), "{word}");
    }
    for word in Severity::NAMES {
        assert!(table.contains(word), "{word}");
    }
}
