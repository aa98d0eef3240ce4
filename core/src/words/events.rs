//! Events in an operator's words.

use super::{Words, counted, delete_reason};
use crate::{
    Became, ClockOddity, DeleteReason, Doing, Event, NameChange, OddClock, Policy, Recovery,
    SkipReason, Subject, short_name, short_text,
};
use std::time::Duration;

impl Doing {
    /// What was being done, as the beginning of a sentence about its failure.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::List => "list the pool",
            Self::ListAddresses => "list the external addresses",
            Self::LookUpNames => "look up the names in the settings",
            Self::Plan => "plan",
        }
    }
}

impl SkipReason {
    /// Why an action is not begun, in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Stopping => "the daemon is stopping",
            Self::CloudFailed => "the cloud failed at an earlier request",
            Self::AskedToWait => "the cloud asked to wait",
            Self::Unanswered => "the cloud did not answer the last two requests for it",
            Self::OldList => "the list is too old by now",
            Self::OldAddresses => "the external addresses could not be listed",
            Self::TriedSince => "it was tried after the list was asked for",
            Self::Superseded => "a newer answer, or the time that has passed, rules it out",
            Self::AddressNotMoved => "its external address could not be moved",
            Self::CreationFailed => "servers of an earlier creation failed or did not show",
        }
    }
}

impl Words<'_> {
    /// What happened, in a sentence; the error of what failed is not in it.
    #[must_use]
    pub fn event(&self, event: &Event) -> String {
        match event {
            Event::Found(states) => {
                let replicas: usize = states.iter().map(|(_, count)| count).sum();
                let told: Vec<String> = states.iter().map(|(p, n)| format!("{n} {p}")).collect();
                format!("{replicas} replicas are there: {}", told.join(", "))
            }
            Event::New(replica, Became { state, detail }) => format!(
                "replica {}: new, {}{detail}",
                self.replica(&replica.id),
                state.name()
            ),
            Event::State(replica, before, Became { state, detail }) => format!(
                "replica {}: {before} -> {}{detail}",
                self.replica(&replica.id),
                state.name()
            ),
            Event::Gone {
                replica, deleted, ..
            } => format!("replica {}: gone{}", named(replica), gone_because(*deleted)),
            Event::Acted { sentence, .. } => sentence.clone(),
            Event::MoveConfirmed { address, to } => format!(
                "{address} is on {}: the move of unknown outcome was made",
                self.replica(&to.id)
            ),
            Event::Skipped { sentence, why, .. } => format!("{sentence}: not done, {}", why.text()),
            Event::CutShort { made, ordered } => format!(
                "{made} of {ordered} replicas that were asked for have been made: the project's quota lets no more through"
            ),
            Event::Blocked(blocked, _, lasts) => still(self.blocked(blocked), *lasts),
            Event::Failed(doing, _) => doing.text().to_owned(),
            Event::Recovered(Recovery::List(failures, lasted)) => format!(
                "the cloud can be listed again, after {} in {} s",
                counted((*failures).max(1), "failure"),
                lasted.as_secs()
            ),
            Event::Critical(reason) => format!("critical: {}", self.reason(*reason)),
            Event::Recovered(Recovery::Pool(lasted)) => {
                format!(
                    "the pool is not critical any more, after {} s",
                    lasted.as_secs()
                )
            }
            Event::Recovered(Recovery::Names) => {
                "the names in the settings can be looked up again".to_owned()
            }
            Event::Doubted { missing, previous } => format!(
                "the list lacks {missing} of {previous} replicas: nothing is created or deleted until the next list \
                 confirms it"
            ),
            Event::Incomplete(_) => "the list lacks servers".to_owned(),
            Event::Contradiction(what, lasts) => still(
                format!("{}: nothing is done about it", short_text(what)),
                *lasts,
            ),
            Event::Foreign {
                count,
                is_marked,
                servers,
            } => foreign(*count, *is_marked, servers),
            Event::NameChanged(NameChange {
                setting, old, new, ..
            }) => format!("{setting} stands for {new} from now on, no longer for {old}"),
            Event::MassTermination { turned, of } => format!(
                "{turned} of {of} replicas have reported termination=true within seconds: none of those that are left is \
                 deleted until it has reported that again, PROBE_INTERVAL (5 s at least) after a new list"
            ),
            Event::StuckDeleting(replica, was_counted) => format!(
                "replica {} has been leaving for {} min{}",
                self.replica(&replica.id),
                Policy::LEAVING_COUNTS_FOR.as_secs() / 60,
                if *was_counted {
                    ": it no longer counts towards REPLICA_MAX_COUNT"
                } else {
                    ""
                }
            ),
            Event::OverCapacity {
                replica,
                free,
                capacity,
            } => format!(
                "replica {} reports {}, which are counted and are more than REPLICA_CAPACITY={capacity}",
                self.replica(&replica.id),
                counted(*free, "free resource"),
            ),
            Event::ClockJump(odd) => clock(*odd),
        }
    }
}

/// A replica that other words need not know any more.
fn named(replica: &Subject) -> String {
    format!("{} [{}]", short_name(&replica.name), replica.id)
}

fn gone_because(deleted: Option<DeleteReason>) -> String {
    match deleted {
        Some(reason) => format!(
            " (it was deleted, {}: {})",
            reason.name(),
            delete_reason(reason)
        ),
        None => " (not deleted by this daemon)".to_owned(),
    }
}

fn foreign(count: u64, is_marked: bool, servers: &[Subject]) -> String {
    let cause = if is_marked {
        "another daemon keeps this pool"
    } else {
        "another daemon may keep this pool, or someone created them by hand"
    };
    let told = match count {
        1 => "1 server of the pool was".to_owned(),
        more => format!("{more} servers of the pool were"),
    };
    let names: Vec<String> = servers.iter().map(named).collect();
    format!(
        "{told} created, but not by this daemon: {cause} ({})",
        names.join(", ")
    )
}

fn clock(odd: OddClock) -> String {
    let seconds = odd.seconds.unsigned_abs();
    match (odd.how, odd.seconds < 0) {
        (ClockOddity::Jumped, is_back) => format!(
            "the cloud's clock (Date) jumped {} by {seconds} s: ages are counted on from what was seen before",
            if is_back { "back" } else { "ahead" }
        ),
        (ClockOddity::Disagrees, is_behind) => format!(
            "the cloud's clock (Date) is {seconds} s {} the times at which it creates servers",
            if is_behind { "behind" } else { "ahead of" }
        ),
    }
}

/// A sentence about what has been so for a while.
fn still(sentence: String, lasts: Duration) -> String {
    match lasts.as_secs() / 60 {
        0 => sentence,
        minutes => format!("{sentence}; it has been so for {minutes} min"),
    }
}
