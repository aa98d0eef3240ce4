//! Lists that two services answer, and moves of external addresses while that of the servers fails.

use super::act::LIST_IS_GOOD_FOR;
use super::agenda::Ground;
use super::journal::{failure, subject};
use super::look::Look;
use super::{Clock, LIST_ON_DEMAND_AT_MOST_EVERY, Observer, Probes, Scaler, wait_after};
use crate::cloud::{Calls, CloudError, Service};
use crate::pool::{
    Action, Doing, Event, ExternalAddress, Moment, MoveReason, ReplicaId, short_name,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// For how long the last list of the servers says who is of the pool, where only an external
/// address is to leave a replica that does not answer. Longer than most outages of a cloud's API;
/// what could be wrong by then is looked at anew: the address, its port, and the standby's port.
const SERVERS_ARE_KNOWN_FOR: Duration = Duration::from_secs(3_600);

/// What is known of the service of the external addresses by itself.
#[derive(Debug, Default)]
pub(super) struct AddressService {
    /// The last list failed because of the servers alone.
    pub(super) servers_fail: bool,
    /// When its addresses may be listed by themselves.
    pub(super) next_list: Moment,
    /// Replicas that were told to have several addresses of their own.
    several_told: BTreeSet<ReplicaId>,
}

/// Whether a move takes an address from a replica that is of no use to callers.
fn is_rescue(action: &Action) -> bool {
    matches!(
        action,
        Action::MoveAddress {
            reason: MoveReason::HolderUnreachable | MoveReason::HolderGoes(_),
            ..
        }
    )
}

impl<P: Calls, Q: Probes, C: Clock, W: Observer> Scaler<P, Q, C, W> {
    /// Takes in a list of the external addresses.
    pub(super) fn take_addresses_in(&mut self, asked: Moment, addresses: Vec<ExternalAddress>) {
        let now = self.parts.clock.now();
        let confirmed = self.memory.addresses_listed(addresses, asked, now);
        self.address_lists.succeeded();
        self.journal.addresses_listed();
        for (address, to) in confirmed {
            let Some(to) = subject(&self.plan.assessment, &to) else {
                continue;
            };
            self.tell(|journal, context| {
                let address = context.words.external_address(&address);
                journal.note(context, Event::MoveConfirmed { address, to });
            });
        }
    }

    /// Replicas with several addresses on the network are told once each.
    pub(super) fn tell_several_addresses(&mut self) {
        let memory = &self.memory;
        let told = &mut self.addresses.several_told;
        told.retain(|id| memory.record(id).is_some());
        for record in memory.records() {
            let (id, addresses) = (&record.server.id, &record.server.addresses);
            if addresses.len() > 1 && told.insert(id.clone()) {
                let name = short_name(&record.server.name);
                let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                log::info!(
                    "replica {name} [{id}] has several addresses on OPENSTACK_NETWORK: {}",
                    all.join(", ")
                );
            }
        }
    }

    /// Whether an external address is to leave its holder although there is no list of the servers to be had, or none
    /// yet: they cannot be listed, or that takes its time.
    pub(super) fn rescue_is_due(&mut self) -> bool {
        // A pool without external addresses has nothing to rescue.
        if !self.parts.policy.external_addresses {
            return false;
        }
        let now = self.parts.clock.now();
        let is_slow = |asked: Moment| now.since(asked) >= LIST_ON_DEMAND_AT_MOST_EVERY;
        let servers_since = self.look.as_ref().and_then(Look::servers_since);
        let is_needed = if let Some(asked) = servers_since {
            is_slow(asked)
        } else {
            let is_quiet = now < self.jobs.paused_until(Service::Compute);
            let is_missing =
                self.addresses.servers_fail || is_quiet || !self.memory.addresses_are_fresh();
            self.look.is_none() && is_missing
        };
        let paused_until = self.jobs.paused_until(Service::Network);
        let may_ask = now >= paused_until.max(self.addresses.next_list);
        if !is_needed || !may_ask || self.is_stopping() || self.jobs.lists_addresses() {
            return false;
        }
        let is_known = |listed: Moment| now.since(listed) <= SERVERS_ARE_KNOWN_FOR;
        if !self.memory.listed_at().is_some_and(is_known) {
            return false;
        }
        if self.pace.plan_is_due(now) {
            self.replan();
        }
        let is_wanted = |action: &Action| is_rescue(action) && self.is_open(action);
        self.memory.moves().any_is_open() || self.plan.actions.iter().any(is_wanted)
    }

    /// Moves external addresses away from replicas that are of no use, on the last list of the
    /// servers, this process' own probes and a fresh look at the addresses. Nothing else is done:
    /// a deletion and a creation need a fresh list of the servers.
    pub(super) fn addresses_listed(
        &mut self,
        asked: Moment,
        listed: Result<Vec<ExternalAddress>, CloudError>,
    ) {
        let addresses = match listed {
            Ok(addresses) => addresses,
            Err(error) => return self.addresses_failed(asked, &error),
        };
        if self.memory.has_newer_addresses(asked) {
            return;
        }
        self.take_addresses_in(asked, addresses);
        let now = self.parts.clock.now();
        let is_old = |listed: Moment| now.since(listed) > LIST_IS_GOOD_FOR;
        if self.memory.listed_at().is_none_or(is_old) {
            // What was looked up before the servers could not be listed may not hold any more.
            self.ports.clear();
        }
        self.pump();
        self.replan();
        let mut plan = self.plan.clone();
        plan.actions.retain(is_rescue);
        self.carry_out_moves(plan, Ground::Addresses { asked });
    }

    pub(super) fn addresses_failed(&mut self, asked: Moment, error: &CloudError) {
        let now = self.parts.clock.now();
        self.address_lists.failed(asked);
        self.addresses.next_list = now + wait_after(&self.address_lists);
        self.honour_retry_after(Service::Network, error);
        let event = Event::Failed(Doing::ListAddresses, failure(error));
        self.tell(|journal, context| journal.note(context, event));
    }
}
