//! Lists that two services answer, and moves of external addresses while that of the servers fails.

use super::apply::{Ground, Object};
use super::{
    Clock, LIST_ON_DEMAND_AT_MOST_EVERY, LONGEST_QUIET, Probes, STANDBYS_PREPARED, Scaler, Watcher,
    chain,
};
use crate::pool::{
    Action, ExternalAddress, Listing, Moment, MoveReason, Record, ReplicaId, short_name, standbys,
};
use crate::provider::{Calls, ProviderError, Reply, Request, Standby};
use std::collections::BTreeSet;
use std::time::Duration;

/// For how long the last list of the servers says who is of the pool, where only an external
/// address is to leave a replica that does not answer. Longer than most outages of a cloud's API;
/// what could be wrong by then is looked at anew: the address, its port, and the standby's port.
const SERVERS_ARE_KNOWN_FOR: Duration = Duration::from_secs(3_600);

/// A list failed; which of its two parts.
pub(super) enum ListFailure {
    Servers(ProviderError),
    ExternalAddresses(ProviderError),
}

impl ListFailure {
    pub(super) fn error(&self) -> &ProviderError {
        let (Self::Servers(error) | Self::ExternalAddresses(error)) = self;
        error
    }

    pub(super) fn into_error(self) -> ProviderError {
        let (Self::Servers(error) | Self::ExternalAddresses(error)) = self;
        error
    }
}

/// What is known of the service of the external addresses by itself.
#[derive(Debug, Default)]
pub(super) struct AddressService {
    /// The last list failed because of the servers alone.
    servers_fail: bool,
    /// No request to it before this moment.
    quiet_until: Moment,
    /// When its addresses may be listed by themselves.
    next_list: Moment,
    failures: u32,
    /// Replicas that were told to have several addresses of their own.
    several_told: BTreeSet<ReplicaId>,
}

impl AddressService {
    /// It asks to be left alone for a while.
    pub(super) fn obey(&mut self, error: &ProviderError, now: Moment) {
        if let Some(wish) = error.retry_after {
            self.quiet_until = self.quiet_until.max(now + wish.min(LONGEST_QUIET));
        }
    }

    pub(super) fn quiet_until(&self) -> Moment {
        self.quiet_until
    }

    /// A whole list has come, or failed.
    pub(super) fn listed(&mut self, failure: Option<&ListFailure>) {
        self.servers_fail = matches!(failure, Some(ListFailure::Servers(_)));
    }
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

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// The servers and then the external addresses: one list, or none.
    pub(super) fn list_all(&mut self, asked: Moment) -> Result<Listing, ListFailure> {
        let listing = self.try_call(Request::List(asked), Reply::listing);
        let mut listing = listing.map_err(ListFailure::Servers)?;
        if self.parts.policy.external_addresses {
            self.parts.watcher.beat(self.parts.clock.now());
            let addresses = self.list_addresses();
            listing.external_addresses = addresses.map_err(ListFailure::ExternalAddresses)?;
        }
        Ok(listing)
    }

    fn list_addresses(&mut self) -> Result<Vec<ExternalAddress>, ProviderError> {
        self.try_call(Request::ExternalAddresses, Reply::external_addresses)
    }

    pub(super) fn standby(&self, id: &ReplicaId) -> Standby {
        let record = self.memory.record(id);
        Standby {
            replica: id.clone(),
            address: record.and_then(Record::probe_address),
        }
    }

    /// Takes in what a list of the external addresses says of moves whose outcome was open.
    pub(super) fn settle_moves(&mut self, addresses: &[ExternalAddress], taken: Moment) {
        let when = self.when();
        for (address, to) in self.memory.moves().confirmed(addresses, taken) {
            self.memory.moves_mut().succeeded(&address);
            let words = self.words_of(&self.plan);
            let (address, name) = (words.external_address(&address), words.replica(&to));
            let text = format!("{address} is on {name}: the move of unknown outcome was made");
            self.journal.move_confirmed(when, to, text);
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

    /// Whether an external address is to leave its holder although the servers cannot be listed.
    pub(super) fn rescue_is_due(&mut self) -> bool {
        let now = self.parts.clock.now();
        let may_ask = now >= self.addresses.quiet_until.max(self.addresses.next_list);
        if !self.addresses.servers_fail || !may_ask || self.is_stopping() {
            return false;
        }
        let is_known = |listing: &Listing| now.since(listing.taken) <= SERVERS_ARE_KNOWN_FOR;
        if !self.listing.as_ref().is_some_and(is_known) {
            return false;
        }
        if self.pace.plan_is_due(now) {
            self.replan();
        }
        let is_wanted =
            |action: &Action| is_rescue(action) && !self.failed.contains(&Object::of(action));
        self.memory.moves().any_is_open() || self.plan.actions.iter().any(is_wanted)
    }

    /// Moves external addresses away from replicas that are of no use, on the last list of the
    /// servers, this process' own probes and a fresh look at the addresses. Nothing else is done:
    /// a deletion and a creation need a fresh list of the servers.
    pub(super) fn rescue(&mut self) {
        let asked = self.parts.clock.now();
        self.addresses.next_list = asked + LIST_ON_DEMAND_AT_MOST_EVERY;
        let listed = self.list_addresses();
        let now = self.parts.clock.now();
        self.parts.watcher.beat(now);
        let addresses = match listed {
            Ok(addresses) => addresses,
            Err(error) => {
                self.addresses.failures = self.addresses.failures.saturating_add(1);
                let doublings = self.addresses.failures.min(10);
                let wait = LIST_ON_DEMAND_AT_MOST_EVERY * 2_u32.pow(doublings);
                self.addresses.next_list = now + wait.min(self.parts.scaling_interval);
                self.addresses.obey(&error, now);
                // A whole list asks it too.
                self.obey(&error, now);
                let when = self.when();
                let watcher = &self.parts.watcher;
                return self.journal.addresses_failed(when, &error, watcher);
            }
        };
        self.addresses.failures = 0;
        self.settle_moves(&addresses, asked);
        self.memory.moves_mut().listed(asked);
        if let Some(listing) = &mut self.listing {
            listing.external_addresses = addresses;
            self.holders = listing.holders();
        }
        // It asks nobody.
        let _ = self.have_done(Request::ForgetMoves);
        self.pump();
        self.replan();
        let mut plan = self.plan.clone();
        plan.actions.retain(is_rescue);
        self.apply_on(&plan, Ground::Addresses { asked });
    }

    /// Looks up, in a quiet cycle, what moves to the next standbys would need: when a holder
    /// dies, each request counts.
    pub(super) fn prepare_moves(&mut self) {
        let Some(listing) = &self.listing else {
            return;
        };
        if self.parts.clock.now() < self.quiet_until {
            return;
        }
        let count = listing.external_addresses.len().min(STANDBYS_PREPARED);
        for id in standbys(&self.memory, &self.plan.assessment, listing, count) {
            if self.is_stopping() {
                return;
            }
            let standby = self.standby(&id);
            if let Err(error) = self.have_done(Request::PrepareMove(standby)) {
                log::debug!("a move to {id} cannot be prepared: {}", chain(&error));
                self.addresses.obey(&error, self.parts.clock.now());
                if self.look_up_failed(&error) {
                    return;
                }
            }
            self.parts.watcher.beat(self.parts.clock.now());
        }
    }
}
