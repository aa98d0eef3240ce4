//! How a list changes what is remembered of a replica.

use super::{NO_ADDRESS, NextProbe, Record, ShownCreating};
use crate::{Creating, Moment, Policy, Server, ServerState};
use std::net::IpAddr;

impl Record {
    /// Takes in what a list says that was asked for at one moment and arrived at another;
    /// `frozen`: what it counted until now, if that was known.
    pub(crate) fn take_listed(
        &mut self,
        server: &Server,
        frozen: Option<u64>,
        (asked, arrived): (Moment, Moment),
    ) {
        if server.state == ServerState::Unknown {
            return self.is_not_known(frozen, arrived);
        }
        if *self.name != *server.name {
            self.name = server.name.as_str().into();
        }
        let was_asked = self.probe_address().is_some();
        // Also where the cloud did not know it in between.
        let was_at = self.probe_address().or(self.last_address);
        let was = std::mem::replace(&mut self.server, server.clone()).state;
        self.restore_address(&was);
        if let ServerState::Running(first) = self.server.state {
            self.server.state = ServerState::Running(self.chosen_address(first));
        }
        let is_elsewhere = was_at
            .zip(self.probe_address())
            .is_some_and(|(a, b)| a != b);
        if is_elsewhere {
            // What was heard there says nothing of it here.
            self.probe = NextProbe {
                at: arrived,
                under_way: None,
            };
            self.forget_answers();
        }
        self.may_have_run |= !matches!(self.server.state, ServerState::Creating(_));
        self.note_creating(arrived);
        let settled = self
            .delete_accepted
            .is_some_and(|at| asked.since(at) >= Policy::DELETION_SETTLES_WITHIN);
        if settled && self.server.state != ServerState::Leaving {
            self.delete_accepted = None;
        }
        self.note_failed(arrived);
        if self.server.state == ServerState::Leaving {
            self.leaving_since.get_or_insert(arrived);
        }
        if let ServerState::Running(address) = self.server.state {
            return self.shown_running(address, (&was, was_asked), arrived);
        }
        if self.probe_address().is_some() {
            return;
        }
        self.probe.under_way = None;
        self.full_since = None;
        // What it said before it was out of service says nothing of it afterwards, whatever the
        // cloud shows in between.
        let is_out =
            |state: &ServerState| matches!(state, ServerState::Held(_) | ServerState::Failed(_));
        if is_out(&was) || is_out(&self.server.state) {
            self.forget_answers();
        }
    }

    /// Takes in that the cloud cannot say what it is; `frozen`: what it counted until now, if that was known.
    fn is_not_known(&mut self, frozen: Option<u64>, arrived: Moment) {
        if let Some(count) = frozen {
            self.frozen_count = count;
        }
        self.server.state = ServerState::Unknown;
        self.shown_failed = None;
        if let Some(shown) = &mut self.shown_creating {
            *shown = ShownCreating::first(shown.why, arrived);
        }
    }

    /// Has a replica that is shown without its addresses asked where it was last.
    fn restore_address(&mut self, was: &ServerState) {
        // Nova at times shows a server that runs without its addresses. It is asked where it was
        // last, and neither counts as a new one nor goes for having no address for too long.
        let had_one = match was {
            ServerState::Running(_) | ServerState::Failed(_) => true,
            ServerState::Held(word) => word == NO_ADDRESS,
            _ => false,
        };
        if had_one && self.server.state == ServerState::Creating(Creating::NoAddress) {
            match self.last_address {
                Some(address) => self.server.state = ServerState::Running(address),
                // It lost the address to another server, and is not asked there again, also when
                // the other one is gone.
                None if matches!(was, ServerState::Held(_)) => self.server.state = was.clone(),
                None => {}
            }
        }
    }

    /// Takes in that it is shown running at an address, and what it was until now.
    fn shown_running(
        &mut self,
        address: IpAddr,
        (was, was_asked): (&ServerState, bool),
        arrived: Moment,
    ) {
        self.last_address = Some(address);
        self.first_running.get_or_insert(arrived);
        let is_void = match was {
            ServerState::Running(_) => return,
            // It was asked all the time: below the threshold its last answer stands.
            ServerState::Failed(_) => self.unreachable_since.is_some(),
            // What answered before it was finished may have been another one.
            ServerState::Creating(_) => was_asked,
            _ => false,
        };
        self.probe.at = arrived;
        // Should it fail again, it has been silent from then on.
        self.silence = 0;
        if is_void {
            self.forget_answers();
        }
    }

    /// Takes in that a list shows it as failed, or not. It is asked at once.
    pub(crate) fn note_failed(&mut self, now: Moment) {
        if !matches!(self.server.state, ServerState::Failed(_)) {
            self.shown_failed = None;
            return;
        }
        let (since, lists) = self.shown_failed.unwrap_or((now, 0));
        self.shown_failed = Some((since, lists.saturating_add(1)));
        if lists == 0 {
            self.probe.at = self.probe.at.min(now);
        }
    }

    /// Its last address is another server's by now: what answers there says nothing of this one.
    /// `counts`: what it counts until now.
    pub(crate) fn leave_its_address(&mut self, counts: u64) {
        let asked_at = self.probe_address();
        self.last_address = self.last_address.or(asked_at);
        if asked_at.is_some() && asked_at != self.last_address {
            // It is asked elsewhere, and what it says there stands.
            self.last_address = None;
            return;
        }
        let is_without =
            matches!(&self.server.state, ServerState::Held(word) if word == NO_ADDRESS);
        if is_without || self.is_asked_at_its_last_address() {
            self.last_address = None;
        } else if self.is_probed() && self.probe_address() == self.last_address {
            // The list lacks it, and shows another one in its place.
            self.frozen_count = counts;
            self.server.state = ServerState::Unknown;
        }
        self.answered_at = None;
        self.probe.under_way = None;
        self.forget_answers();
    }
}
