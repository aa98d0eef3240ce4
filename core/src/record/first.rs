//! A replica as it is when it is seen for the first time.

use super::{NextProbe, Record};
use crate::trial::Trial;
use crate::{Moment, Server, ServerState};
use std::time::Duration;

impl Record {
    /// Nothing is known of it but what is shown; it is asked at once.
    pub(crate) fn first_seen(server: &Server, now: Moment) -> Self {
        let address = match server.state {
            ServerState::Running(address) => Some(address),
            _ => None,
        };
        Self {
            server: server.clone(),
            name: server.name.as_str().into(),
            listed: 0,
            first_seen: now,
            age_when_seen: None,
            clock_ahead: Duration::ZERO,
            launch: None,
            built_until: None,
            first_running: address.map(|_| now),
            created_since_start: false,
            may_have_run: !matches!(server.state, ServerState::Creating(_)),
            creation: 0,
            answer: None,
            has_answered: false,
            has_served: false,
            done_in_a_row: 0,
            done_since: None,
            done_asked: None,
            free_before: None,
            full_since: None,
            failures: 0,
            silence: 0,
            last_failure: None,
            last_probe: None,
            unreachable_since: None,
            silent_until: None,
            asked_in_vain: None,
            last_address: address,
            answered_at: None,
            address_turn: 0,
            shown_failed: None,
            shown_creating: None,
            frozen_count: 0,
            refused_address: None,
            delete_accepted: None,
            delete_under_way: false,
            deleted_for: None,
            leaving_since: (server.state == ServerState::Leaving).then_some(now),
            fault: None,
            probe: NextProbe {
                at: now,
                under_way: None,
            },
            trial: Trial::default(),
            foreign: false,
            asked: 0,
            untold_since: None,
            denied: None,
        }
    }
}
