//! What came of the moves of external addresses: what was refused, and what is not decided yet.

use super::{ExternalAddress, ExternalAddressId, Holder, Moment, Policy, ReplicaId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Why a move did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveFailure {
    /// The cloud's words, fit for a line of a log.
    pub error: Arc<str>,
    /// Another writer changed the address at the same time, which is no refusal.
    pub changed: bool,
    /// The address may have been moved all the same. The next list shows it.
    pub outcome_unknown: bool,
}

/// An external address that could not be given to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// How often in a row.
    times: u32,
    /// The last time.
    at: Moment,
    /// When it may be tried again.
    pub until: Moment,
    /// Why not, in the cloud's words.
    pub error: Arc<str>,
}

/// The failed tries to take an address from one holder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tries {
    from: Option<ReplicaId>,
    count: u32,
    first: Moment,
    last: Moment,
}

/// What is remembered of the moves that failed. A move that succeeds ends it.
#[derive(Debug, Clone, Default)]
pub struct Moves {
    refusals: BTreeMap<ExternalAddressId, BTreeMap<ReplicaId, Refusal>>,
    tries: BTreeMap<ExternalAddressId, Tries>,
    open: BTreeMap<ExternalAddressId, Open>,
    /// Those that were asked for and are not answered yet, with the replica that is to have the address.
    under_way: BTreeMap<ExternalAddressId, ReplicaId>,
    /// When the last move of an address was answered: it is tried again on a list that was asked for later.
    answered: BTreeMap<ExternalAddressId, Moment>,
    /// When an address was moved: a list that was asked for before does not show that.
    moved: BTreeMap<ExternalAddressId, Moment>,
}

/// A move of which it is not known whether it was made.
#[derive(Debug, Clone)]
struct Open {
    to: ReplicaId,
    since: Moment,
}

impl Moves {
    /// The first wait of a pair of address and replica after a refusal; it doubles.
    const FIRST_WAIT: Duration = Duration::from_secs(5);
    /// Its longest wait.
    const LONGEST_WAIT: Duration = Duration::from_secs(300);
    /// So many failed tries of an address may follow each other as lists do: each standby may have
    /// a reason of its own.
    const TRIES_AT_ONCE: u32 = 10;
    /// After that, so long between two tries of an address, however many standbys there are.
    const BETWEEN_TRIES: Duration = Duration::from_secs(30);
    /// Tries that are further apart do not belong together.
    const TOGETHER_WITHIN: Duration = Duration::from_secs(900);

    /// Notes that a move is asked for.
    pub fn sent(&mut self, address: &ExternalAddressId, to: &ReplicaId) {
        self.under_way.insert(address.clone(), to.clone());
    }

    /// Whether a move of an address is under way.
    #[must_use]
    pub fn is_under_way(&self, address: &ExternalAddressId) -> bool {
        self.under_way.contains_key(address)
    }

    /// The replicas that are being given an address, or may have been.
    pub(super) fn targets(&self) -> BTreeSet<&ReplicaId> {
        let open = self.open.values().map(|open| &open.to);
        self.under_way.values().chain(open).collect()
    }

    /// Whether an address was moved since `asked`, or may be being moved.
    #[must_use]
    pub fn is_moved_since(&self, address: &ExternalAddressId, asked: Moment) -> bool {
        let is_later = |moved: &Moment| *moved > asked;
        self.is_under_way(address) || self.moved.get(address).is_some_and(is_later)
    }

    /// Whether a move of an address was answered since `asked`, or is under way.
    #[must_use]
    pub fn is_newer(&self, address: &ExternalAddressId, asked: Moment) -> bool {
        let is_later = |answered: &Moment| *answered > asked;
        self.is_under_way(address) || self.answered.get(address).is_some_and(is_later)
    }

    /// Takes in that an address could not be moved.
    pub fn failed(
        &mut self,
        address: &ExternalAddressId,
        from: Option<&ReplicaId>,
        to: &ReplicaId,
        failure: MoveFailure,
        now: Moment,
    ) {
        self.under_way.remove(address);
        self.answered.insert(address.clone(), now);
        let tries = self.tries.entry(address.clone()).or_insert(Tries {
            from: from.cloned(),
            count: 0,
            first: now,
            last: now,
        });
        if tries.from.as_ref() != from || now.since(tries.last) > Self::TOGETHER_WITHIN {
            (tries.from, tries.count, tries.first) = (from.cloned(), 0, now);
        }
        tries.count = tries.count.saturating_add(1);
        tries.last = now;
        if failure.outcome_unknown {
            let to = to.clone();
            self.open.insert(address.clone(), Open { to, since: now });
        }
        let refusals = self.refusals.entry(address.clone()).or_default();
        let times = refusals.get(to).map_or(0, |past| past.times);
        // One change by somebody else is no reason to wait: the next list shows it.
        let doublings = times.saturating_sub(u32::from(failure.changed));
        let wait = if failure.changed && times == 0 {
            Duration::ZERO
        } else {
            Self::FIRST_WAIT * 2_u32.pow(doublings.min(10))
        };
        let refusal = Refusal {
            times: times.saturating_add(1),
            at: now,
            until: now + wait.min(Self::LONGEST_WAIT),
            error: failure.error,
        };
        refusals.insert(to.clone(), refusal);
    }

    /// Takes in that an address was moved.
    pub fn succeeded(&mut self, address: &ExternalAddressId, now: Moment) {
        self.under_way.remove(address);
        self.moved.insert(address.clone(), now);
        self.answered.insert(address.clone(), now);
        self.refusals.remove(address);
        self.tries.remove(address);
        self.open.remove(address);
    }

    /// Takes in that the external addresses were listed, which was asked for at `taken`: what was open
    /// is decided by it. What was not tried again for long is forgotten, and not what a list lacks:
    /// the next one may have it again.
    pub fn listed(&mut self, taken: Moment) {
        self.open.retain(|_, open| open.since > taken);
        self.answered.retain(|_, answered| *answered > taken);
        self.moved.retain(|_, moved| *moved > taken);
        self.tries
            .retain(|_, tries| taken.since(tries.last) <= Self::TOGETHER_WITHIN);
        self.refusals.retain(|_, of| {
            of.retain(|_, refusal| taken.since(refusal.until) <= Self::TOGETHER_WITHIN);
            !of.is_empty()
        });
    }

    /// The moves of unknown outcome that were made after all, as such a list shows.
    #[must_use]
    pub fn confirmed(
        &self,
        addresses: &[ExternalAddress],
        taken: Moment,
    ) -> Vec<(ExternalAddressId, ReplicaId)> {
        let is_made = |address: &&ExternalAddress| {
            self.open.get(&address.id).is_some_and(|open| {
                open.since <= taken
                    && matches!(&address.holder, Holder::Server(id) if *id == open.to)
            })
        };
        let made = addresses.iter().filter(is_made);
        made.filter_map(|address| {
            let open = self.open.get(&address.id)?;
            Some((address.id.clone(), open.to.clone()))
        })
        .collect()
    }

    /// Whether an address that could not be moved may be tried again by now.
    fn rests_until(&self, address: &ExternalAddressId) -> Option<Moment> {
        let tries = self.tries.get(address)?;
        (tries.count >= Self::TRIES_AT_ONCE).then(|| tries.last + Self::BETWEEN_TRIES)
    }

    /// Until when an address is not to be given to a replica, and why; `None`: it may be tried.
    #[must_use]
    pub fn refusal(
        &self,
        address: &ExternalAddressId,
        to: &ReplicaId,
        now: Moment,
    ) -> Option<(Moment, &Refusal)> {
        let refusals = self.refusals.get(address)?;
        let own = refusals.get(to).filter(|refusal| now < refusal.until);
        if let Some(own) = own {
            return Some((own.until, own));
        }
        let rests_until = self.rests_until(address).filter(|until| now < *until)?;
        let last = refusals.values().max_by_key(|refusal| refusal.at)?;
        Some((rests_until, last))
    }

    /// Why an address could not be moved the last time, in the cloud's words.
    #[must_use]
    pub fn last_error(&self, address: &ExternalAddressId) -> Option<&str> {
        let refusals = self.refusals.get(address)?.values();
        let last = refusals.max_by_key(|refusal| refusal.at)?;
        Some(&last.error)
    }

    /// How many replicas refuse this address, or may be about to.
    #[must_use]
    pub fn refusing(&self) -> usize {
        let all = self.refusals.values().flat_map(BTreeMap::keys);
        all.collect::<BTreeSet<&ReplicaId>>().len()
    }

    /// The replica that an address may be on by now: the last request to move it left that open, and no list has shown
    /// it since.
    #[must_use]
    pub fn open_to(&self, address: &ExternalAddressId) -> Option<&ReplicaId> {
        self.open.get(address).map(|open| &open.to)
    }

    /// Whether any has.
    #[must_use]
    pub fn any_is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether the deletion of its finished holder waits for an address no longer: it was tried
    /// often enough, for long enough, and the deletion frees the address.
    #[must_use]
    pub fn is_given_up(&self, address: &ExternalAddressId, from: &ReplicaId, now: Moment) -> bool {
        self.tries.get(address).is_some_and(|tries| {
            tries.from.as_ref() == Some(from)
                && tries.count >= Policy::MOVE_TRIES
                && now.since(tries.first) >= Policy::MOVE_GIVEN_UP_AFTER
                && now.since(tries.last) <= Self::TOGETHER_WITHIN
        })
    }
}
