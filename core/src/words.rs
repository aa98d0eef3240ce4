//! Actions and non-actions in an operator's words, for the log and the status page alike.

mod events;

use super::{
    Action, Assessment, Backoff, BackoffCause, Blocked, CloudClock, CloudTime, CreateBlock,
    DeleteBlock, DeleteReason, ExternalAddress, ExternalAddressId, Moment, MoveBlock, MoveReason,
    Reason, ReplicaId, Snapshot, short_name, short_text, whole_seconds_up,
};
use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

/// What a sentence needs besides the value that it is about: names, addresses and times.
#[derive(Debug, Clone)]
pub struct Words<'a> {
    assessment: &'a Assessment,
    addresses: &'a [ExternalAddress],
    backoff: Option<Backoff>,
    /// What the cloud said of the last server that ended in an error.
    fault: Option<&'a str>,
    /// What new servers lack.
    unprepared: Option<&'a str>,
    floor: u64,
    now: Moment,
    clock: Option<CloudClock>,
    /// How many replicas have a name, since a cloud's names need not be unique; and how many names were looked for
    /// before that was counted.
    namesakes: OnceCell<BTreeMap<&'a str, usize>>,
    looked_for: Cell<u32>,
}

impl<'a> Words<'a> {
    /// Takes what is known at `now`, and the cloud's clock.
    #[must_use]
    pub fn new(
        assessment: &'a Assessment,
        addresses: &'a [ExternalAddress],
        backoff: Option<Backoff>,
        floor: u64,
        (now, clock): (Moment, Option<CloudClock>),
    ) -> Self {
        Self {
            assessment,
            addresses,
            backoff,
            fault: None,
            unprepared: None,
            floor,
            now,
            clock,
            namesakes: OnceCell::new(),
            looked_for: Cell::new(0),
        }
    }

    /// Takes what a snapshot knows, to be read at `now`.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot, now: Moment) -> Self {
        let words = Self::new(
            &snapshot.plan.assessment,
            &snapshot.external_addresses,
            snapshot.backoff,
            snapshot.floor,
            (now, snapshot.cloud_clock),
        );
        Self {
            unprepared: snapshot.unprepared.as_ref().map(|u| &*u.error),
            ..words.with_fault(snapshot.last_fault.as_deref())
        }
    }

    /// The same, with what the cloud said of the last server that ended in an error.
    #[must_use]
    pub fn with_fault(self, fault: Option<&'a str>) -> Self {
        Self { fault, ..self }
    }

    /// Why creations wait, in words, with the cloud's own where it has given any.
    #[must_use]
    pub fn cause(&self, cause: BackoffCause) -> String {
        self.with_its_fault(cause.to_string(), cause)
    }

    /// What is not as it should be, in words.
    #[must_use]
    pub fn reason(&self, reason: Reason) -> String {
        match reason {
            Reason::CreationsFail { cause, .. } => self.with_its_fault(reason.to_string(), cause),
            Reason::NotPrepared => match self.unprepared {
                Some(error) => format!("{reason}: {error}"),
                None => reason.to_string(),
            },
            _ => reason.to_string(),
        }
    }

    fn with_its_fault(&self, text: String, cause: BackoffCause) -> String {
        match self.fault.filter(|_| cause == BackoffCause::ServerError) {
            Some(fault) => format!("{text}: {}", short_text(fault)),
            None => text,
        }
    }

    /// The cloud's name of a replica as it is, if the replica is of the pool.
    #[must_use]
    pub fn name(&self, id: &ReplicaId) -> Option<&'a str> {
        let replicas = &self.assessment.replicas;
        let index = replicas.binary_search_by(|r| r.id.cmp(id)).ok()?;
        replicas.get(index).map(|r| &*r.name)
    }

    /// A replica, so that it can be told from the others: its name, with its id where others
    /// have that name too; its id where it has no name.
    #[must_use]
    pub fn replica(&self, id: &ReplicaId) -> String {
        match self.name(id).filter(|name| !name.is_empty()) {
            None => short_name(id.as_str()),
            Some(name) if self.is_unique(name) => short_name(name),
            Some(name) => format!("{} [{}]", short_name(name), short_name(id.as_str())),
        }
    }

    /// One sentence looks for its own names; where many are to be told, all are counted once.
    fn is_unique(&self, name: &str) -> bool {
        if self.looked_for.get() < 4 {
            self.looked_for.set(self.looked_for.get() + 1);
            let same = self.assessment.replicas.iter().filter(|r| &*r.name == name);
            return same.take(2).count() == 1;
        }
        let namesakes = self.namesakes.get_or_init(|| {
            let mut namesakes = BTreeMap::new();
            for replica in self.assessment.replicas.iter() {
                *namesakes.entry(&*replica.name).or_default() += 1;
            }
            namesakes
        });
        namesakes.get(name) == Some(&1)
    }

    /// An external address; its id where the last list does not have it.
    #[must_use]
    pub fn external_address(&self, id: &ExternalAddressId) -> String {
        match self.addresses.iter().find(|a| a.id == *id) {
            Some(found) => found.address.to_string(),
            None => short_name(id.as_str()),
        }
    }

    /// When something happened, on the cloud's clock (`2026-01-02T03:04:05Z`), if that is known.
    #[must_use]
    pub fn utc(&self, moment: Moment) -> Option<String> {
        self.clock.map(|clock| utc(clock.time(moment)))
    }

    /// The same of the end of a wait.
    #[must_use]
    pub fn end(&self, moment: Moment) -> Option<String> {
        self.clock.map(|clock| utc(clock.end(moment)))
    }

    /// What is to be done, and why: `delete gw-3 (termination: it reported termination=true)`.
    #[must_use]
    pub fn action(&self, action: &Action) -> String {
        match action {
            Action::MoveAddress {
                address,
                from,
                to,
                reason,
            } => {
                let (address, to) = (address.address, self.replica(to));
                let why = move_reason(*reason);
                match from {
                    Some(from) => {
                        let from = self.replica(from);
                        format!("move {address} from {from} to {to} ({why})")
                    }
                    None => format!("give {address} to {to} ({why})"),
                }
            }
            Action::Delete {
                replica, reason, ..
            } => format!(
                "delete {} ({}: {})",
                self.replica(replica),
                reason.name(),
                delete_reason(*reason)
            ),
            Action::Create { count } => format!(
                "create {} ({} available, the floor is {})",
                counted(count.get(), "replica"),
                counted(self.assessment.available, "resource"),
                self.floor
            ),
        }
    }

    /// What would be done and is not, why not, and until when.
    #[must_use]
    pub fn blocked(&self, blocked: &Blocked) -> String {
        let until = blocked.until().map(|until| self.until(until));
        self.not_done(blocked, &until.unwrap_or_default())
    }

    fn not_done(&self, blocked: &Blocked, until: &str) -> String {
        match blocked {
            Blocked::Create { count, why } => self.blocked_creation(*count, *why, until),
            Blocked::Delete {
                replica,
                reason,
                why,
            } => format!(
                "not deleting {} ({}: {}){}",
                self.replica(replica),
                reason.name(),
                delete_reason(*reason),
                delete_block(*why, until)
            ),
            Blocked::MoveAddress {
                address,
                from,
                reason,
                why,
            } => {
                let address = self.external_address(address);
                let from = from.as_ref().map(|id| self.replica(id));
                self.blocked_move(&address, from.as_deref(), *reason, why, until)
            }
        }
    }

    fn blocked_move(
        &self,
        address: &str,
        from: Option<&str>,
        reason: MoveReason,
        block: &MoveBlock,
        until: &str,
    ) -> String {
        let why = move_reason(reason);
        let stays = match from {
            Some(from) => format!("stays on {from}"),
            None => "remains unused".to_owned(),
        };
        match block {
            MoveBlock::NoStandby => {
                format!("{address} {stays} ({why}): no serving replica is free to take it")
            }
            MoveBlock::Refused { by, error, .. } => format!(
                "{address} {stays} ({why}) and is not given to {}{until}: {error}",
                self.replica(by)
            ),
            MoveBlock::OutcomeUnknown { to } => {
                let to = self.replica(to);
                let moved = match from {
                    Some(from) => format!("moved from {from} to {to}"),
                    None => format!("given to {to}"),
                };
                format!("{address} may have been {moved} ({why}): the next list shows where it is")
            }
        }
    }

    fn blocked_creation(&self, count: u64, why: CreateBlock, until: &str) -> String {
        let what = format!("creation of {} on hold", counted(count, "replica"));
        match why {
            CreateBlock::Backoff { cause, .. } => {
                let failures = self
                    .backoff
                    .filter(|b| b.cause == cause)
                    .map(|b| b.failures);
                let in_a_row = match failures {
                    Some(failures) => format!(" (failure {failures} in a row)"),
                    None => String::new(),
                };
                format!("{what}{until}: {}{in_a_row}", self.cause(cause))
            }
            CreateBlock::UnderWay { since } => format!(
                "{what}: the cloud has not answered the last creation for {} s",
                self.now.since(since).as_secs()
            ),
            CreateBlock::OutcomeUnknown { .. } => {
                format!("{what}{until}: it is not known whether the last creation made servers")
            }
            CreateBlock::JustStarted { .. } => format!(
                "{what}{until}: a daemon that has just started waits for servers that another one may have ordered \
                 a moment ago, and that are not listed yet"
            ),
            CreateBlock::MaxCount { max } => {
                format!("{what}: REPLICA_MAX_COUNT={max} is reached")
            }
            CreateBlock::MaxCreating { max } => {
                format!("{what}: REPLICA_MAX_CREATING={max} are creating")
            }
            CreateBlock::ShrunkenList { missing } => format!("{what}: {}", shrunken(missing)),
        }
    }

    /// ` until 12:03:04Z`, or ` for 42 s` where the cloud's clock is not known.
    fn until(&self, until: Moment) -> String {
        let time = self.end(until);
        match time.as_deref().and_then(|t| t.split_once('T')) {
            Some((_, time)) => format!(" until {time}"),
            None => format!(" for {} s", whole_seconds_up(until.since(self.now))),
        }
    }
}

/// What is there beyond what is needed or is out of date, and that nothing is done about it; empty if
/// there is no such thing.
#[must_use]
pub fn surplus_in_words(snapshot: &Snapshot) -> Vec<String> {
    let surplus = snapshot.surplus().unwrap_or_default();
    let mut sentences = Vec::new();
    if surplus.replicas > 0 {
        sentences.push(format!(
            "{} more than the floor {} ready, as many as {} {}. The pool is not made \
             smaller: a replica goes once it reports termination.",
            counted(surplus.resources, "resource"),
            are(surplus.resources),
            surplus.replicas,
            if surplus.replicas == 1 {
                "new replica brings"
            } else {
                "new replicas bring"
            },
        ));
    }
    let outdated = snapshot.outdated().unwrap_or_default();
    if outdated > 0 {
        sentences.push(format!(
            "{outdated} {} from another image than OPENSTACK_IMAGE stands for now. Running replicas \
             are not replaced: only new ones are made from the new image.",
            if outdated == 1 { "replica was made" } else { "replicas were made" },
        ));
    }
    sentences
}

/// Why a replica is deleted, as the rest of a sentence about it.
#[must_use]
pub fn delete_reason(reason: DeleteReason) -> &'static str {
    match reason {
        DeleteReason::Error => "the cloud shows an error state",
        DeleteReason::Stopped => "it is switched off",
        DeleteReason::Termination => "it reported termination=true",
        DeleteReason::StartupTimeout => "it did not come up within REPLICA_STARTUP_TIMEOUT",
        DeleteReason::UnreachableTimeout => {
            "it has been unreachable for REPLICA_UNREACHABLE_TIMEOUT"
        }
    }
}

fn delete_block(why: DeleteBlock, until: &str) -> String {
    match why {
        DeleteBlock::Locked => ": locked in Nova".to_owned(),
        DeleteBlock::StillStarting { .. } => {
            format!("{until}: it has never reported anything else and may still be starting")
        }
        DeleteBlock::MayHaveRun => ": it may have held sessions before; is its address on \
             OPENSTACK_NETWORK, of OPENSTACK_IP_VERSION?"
            .to_owned(),
        DeleteBlock::StillAnswers => {
            ": it still answers, and does not report termination=true".to_owned()
        }
        DeleteBlock::MassTermination { .. } => {
            format!(
                "{until}: most replicas have reported termination=true of late; it must report it once more"
            )
        }
        DeleteBlock::AddressNotShown => {
            ": the cloud does not show its address any more, at which another server may answer"
                .to_owned()
        }
        DeleteBlock::NobodyAnswers => {
            ": no replica answers at all, so the fault may be on the daemon's side".to_owned()
        }
        DeleteBlock::ShrunkenList { missing } => format!(": {}", shrunken(missing)),
        DeleteBlock::AddressNotMoved { .. } => {
            format!("{until}: its external address cannot be moved for now")
        }
    }
}

fn move_reason(reason: MoveReason) -> String {
    match reason {
        MoveReason::HolderGoes(reason) => format!(
            "its holder is to be deleted, {}: {}",
            reason.name(),
            delete_reason(reason)
        ),
        MoveReason::HolderUnreachable => "its holder does not answer".to_owned(),
        MoveReason::Free => "no replica has it".to_owned(),
    }
}

/// A time in UTC, to the second: `2026-01-02T03:04:05Z`.
#[must_use]
pub fn utc(time: CloudTime) -> String {
    const LAST_OF_YEAR_9999: u64 = 253_402_300_799;
    let seconds = time.0.min(LAST_OF_YEAR_9999);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days: years begin in March, so that a leap day is the last day.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

fn shrunken(missing: usize) -> String {
    let missing = u64::try_from(missing).unwrap_or(u64::MAX);
    format!(
        "the last list lacks {} and the next one has to confirm it",
        counted(missing, "replica")
    )
}

/// `1 replica`, `2 replicas`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// The verb that goes with so many.
#[must_use]
pub fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests;
