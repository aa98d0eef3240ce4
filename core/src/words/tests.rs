//! Sentences.

use super::*;
use crate::{Assessed, ReplicaState};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

fn assessment(names: &[(&str, &str)]) -> Assessment {
    let replicas = names.iter().map(|(id, name)| Assessed {
        id: ReplicaId::new(id),
        name: (*name).into(),
        state: ReplicaState::Starting,
        counts: 1,
        locked: false,
        has_served: false,
        age: Duration::ZERO,
        address: None,
    });
    Assessment {
        at: Moment::START,
        replicas: Arc::new(replicas.collect()),
        awaited: 0,
        available: 1,
        ready: 0,
    }
}

#[test]
fn days_are_counted_as_the_calendar_does() {
    let check = |seconds, expected: &str| assert_eq!(utc(CloudTime(seconds)), expected);
    check(0, "1970-01-01T00:00:00Z");
    check(951_782_400, "2000-02-29T00:00:00Z");
    check(1_709_251_199, "2024-02-29T23:59:59Z");
    check(1_735_689_599, "2024-12-31T23:59:59Z");
    check(4_107_542_400, "2100-03-01T00:00:00Z");
    check(u64::MAX, "9999-12-31T23:59:59Z");
}

#[test]
fn foreign_names_are_told_apart_and_cannot_break_a_line() {
    let long = "x".repeat(300);
    let pool = assessment(&[
        ("1", "gw"),
        ("2", "gw"),
        ("3", "a\nb\u{1b}[31m"),
        ("4", ""),
        ("5", &long),
    ]);
    let words = Words::new(&pool, &[], None, 3, (Moment::START, None));
    let check = |id, expected: &str| assert_eq!(words.replica(&ReplicaId::new(id)), expected);
    check("1", "gw [1]");
    check("2", "gw [2]");
    check("3", "a\\nb\\u{1b}[31m");
    check("4", "4");
    check("5", &format!("{}…", &long[..63]));
    check("gone", "gone");
}

#[test]
fn the_clouds_own_words_follow_a_failed_creation() {
    let pool = assessment(&[]);
    let words = |fault| Words::new(&pool, &[], None, 3, (Moment::START, None)).with_fault(fault);
    let (error, silent) = (BackoffCause::ServerError, BackoffCause::NeverCameUp);
    let fault = Some("No valid host was found.\u{1b}[1m");
    assert_eq!(
        words(fault).cause(error),
        "a new server ended in an error state: No valid host was found.\\u{1b}[1m"
    );
    assert_eq!(words(fault).cause(silent), silent.to_string());
    assert_eq!(words(None).cause(error), error.to_string());
    let reason = |cause| Reason::CreationsFail { failures: 2, cause };
    assert_eq!(
        words(fault).reason(reason(error)),
        "Creations fail: a new server ended in an error state (2 failures in a row): No valid host was found.\\u{1b}[1m"
    );
    assert_eq!(
        words(fault).reason(reason(silent)),
        reason(silent).to_string()
    );
}

#[test]
fn a_wait_is_told_on_the_clouds_clock_where_that_is_known() {
    let pool = assessment(&[]);
    let backoff = Backoff {
        failures: 4,
        until: Moment(Duration::from_millis(41_500)),
        cause: BackoffCause::Quota,
    };
    let blocked = Blocked::Create {
        count: 3,
        why: CreateBlock::Backoff {
            cause: backoff.cause,
            until: backoff.until,
        },
    };
    let check = |clock: Option<CloudClock>, expected: &str| {
        // Whenever it is asked for.
        for now in [0, 100, 400, 900, 1_000, 1_500].map(Duration::from_millis) {
            let words = Words::new(&pool, &[], Some(backoff), 3, (Moment(now), clock));
            if clock.is_some() || now == Duration::ZERO {
                assert_eq!(words.blocked(&blocked), expected, "{now:?}");
            }
        }
    };
    check(
        None,
        "creation of 3 replicas on hold for 42 s: \
         the project's quota is used up (failure 4 in a row)",
    );
    check(
        Some(CloudClock {
            showed: CloudTime(1_735_689_599),
            at: Moment(Duration::from_millis(300)),
        }),
        "creation of 3 replicas on hold until 00:00:41Z: \
         the project's quota is used up (failure 4 in a row)",
    );
}

/// An external address on the first replica.
fn address() -> ExternalAddress {
    ExternalAddress {
        id: ExternalAddressId::new("fip"),
        address: [203, 0, 113, 7].into(),
        holder: super::super::Holder::Server(ReplicaId::new("1")),
        revision: None,
    }
}

#[test]
fn actions_carry_their_reason() {
    let pool = assessment(&[("1", "gw-1"), ("2", "gw-2")]);
    let address = address();
    let words = Words::new(&pool, &[], None, 3, (Moment::START, None));
    let check = |action, expected: &str| assert_eq!(words.action(&action), expected);
    check(
        Action::Delete {
            replica: ReplicaId::new("1"),
            reason: DeleteReason::Termination,
            after: Vec::new(),
        },
        "delete gw-1 (termination: it reported termination=true)",
    );
    check(
        Action::MoveAddress {
            address: address.clone(),
            from: Some(ReplicaId::new("1")),
            to: ReplicaId::new("2"),
            reason: MoveReason::HolderUnreachable,
        },
        "move 203.0.113.7 from gw-1 to gw-2 (its holder does not answer)",
    );
    check(
        Action::MoveAddress {
            address,
            from: None,
            to: ReplicaId::new("2"),
            reason: MoveReason::Free,
        },
        "give 203.0.113.7 to gw-2 (no replica has it)",
    );
    check(
        Action::Create {
            count: NonZeroU64::MIN,
        },
        "create 1 replica (1 resource available, the floor is 3)",
    );
}

#[test]
fn a_move_that_is_not_made_names_the_holder_and_the_standby() {
    let pool = assessment(&[("1", "gw-1"), ("2", "gw-2")]);
    let addresses = [address()];
    let words = Words::new(&pool, &addresses, None, 3, (Moment::START, None));
    let silent = (Some(ReplicaId::new("1")), MoveReason::HolderUnreachable);
    let free = (None, MoveReason::Free);
    let check = |(from, reason), why, expected: &str| {
        let address = ExternalAddressId::new("fip");
        let blocked = Blocked::MoveAddress {
            address,
            from,
            reason,
            why,
        };
        assert_eq!(words.blocked(&blocked), expected);
    };
    check(
        silent.clone(),
        MoveBlock::NoStandby,
        "203.0.113.7 stays on gw-1 (its holder does not answer): no serving replica is free to take it",
    );
    check(
        free.clone(),
        MoveBlock::NoStandby,
        "203.0.113.7 remains unused (no replica has it): no serving replica is free to take it",
    );
    let refused = MoveBlock::Refused {
        by: ReplicaId::new("2"),
        error: "no router".into(),
        until: Moment(Duration::from_secs(9)),
    };
    check(
        silent.clone(),
        refused,
        "203.0.113.7 stays on gw-1 (its holder does not answer) and is not given to gw-2 for 9 s: no router",
    );
    let open = MoveBlock::OutcomeUnknown {
        to: ReplicaId::new("2"),
    };
    check(
        silent,
        open.clone(),
        "203.0.113.7 may have been moved from gw-1 to gw-2 (its holder does not answer): the next list shows where it is",
    );
    check(
        free,
        open,
        "203.0.113.7 may have been given to gw-2 (no replica has it): the next list shows where it is",
    );
}
