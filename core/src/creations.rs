//! What became of the creations, and how long the next one waits for that.

use super::{
    Backoff, BackoffCause, CreateFailure, CreationMark, Inquiry, Instance, Looked, Moment, Policy,
    ReplicaId, Server,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the cloud said when it accepted a creation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// The id of the first server, if it told it.
    pub first: Option<ReplicaId>,
    /// Whether the servers carry the creation's mark.
    pub marked: bool,
}

/// The creations so far. A creation is known by its number, the first one being 1; what was not
/// created by this process has the number 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Creations {
    sent: u64,
    pending: Vec<PendingCreation>,
    /// Batches of other processes of which a list has shown a part so far.
    others: Vec<OthersBatch>,
    /// Another process may have sent a creation just before this one began.
    held_until: Option<Moment>,
    /// The newest creation whose servers may be without a mark.
    unmarked: u64,
    /// The cloud took the mark of the last creation that it accepted.
    marks_work: bool,
    backoff: Option<Backoff>,
    /// The newest creation that has already lengthened the backoff.
    blamed: Option<u64>,
    probation: Probation,
    /// How many servers of how many the quota let through, until that was told.
    cut_short: Option<(u64, u64)>,
}

/// Creations whose replicas came to nothing since the last one that came to something. A first good answer ends the
/// wait and not the doubt: an image can be broken in such a way that each replica is free for a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Probation {
    failures: u32,
    /// The first of them.
    first: u64,
    /// So many doubtful creations are forgiven: those before came to something.
    credit: u8,
}

/// How many doubtful creations do not slow a pool down that works: callers may be faster than the next probe.
const CREDIT: u8 = 3;

/// A creation of which not every server has shown in a list yet.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct PendingCreation {
    number: u64,
    ordered: u64,
    pending: u64,
    /// Whether the cloud said yes. Otherwise it is not known whether servers were made.
    accepted: bool,
    /// Whether its servers are known to carry its mark.
    marked: bool,
    first: Option<ReplicaId>,
    /// It was sent and is not answered yet.
    under_way: bool,
    /// When it was answered, or sent.
    answered: Moment,
    until: Moment,
    /// Whether a list has shown one of it. What was asked for by its id is no list.
    was_listed: bool,
    /// Lists lag behind: it was waited for longer than usual.
    lags: bool,
}

/// Servers of one creation of another process, for as long as the rest of it may still show.
#[derive(Debug, Clone, Copy)]
struct OthersBatch {
    of: (Instance, u64),
    pending: u64,
    until: Moment,
    /// The first list of this process had one of it.
    was_there: bool,
}

/// Whose server a list shows for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stems {
    /// This process ordered it, or has to take it for one that it ordered.
    Ours(u64),
    /// Another process did, in a batch that had begun to show when this process began.
    KnownBatch,
    /// Somebody else.
    Foreign,
}

impl PendingCreation {
    /// How long servers are waited for that are there, or may be, and that no list shows.
    const LONGEST_LAG: Duration = Duration::from_secs(900);

    fn is_overdue(&self, now: Moment) -> bool {
        self.accepted && self.pending > 0 && now >= self.until
    }

    /// Why not all of its servers have shown. Nova makes as many as the quota lets it, if that is at
    /// least one, and says no word of the rest.
    fn cause(&self) -> BackoffCause {
        if self.pending < self.ordered {
            BackoffCause::Quota
        } else {
            BackoffCause::NeverCameUp
        }
    }

    /// Waits on if the first server is there, or nobody knows, and lists have shown none of it. Once they do, the
    /// rest has its usual time from then.
    fn wait_on(&mut self, listed: &BTreeMap<&ReplicaId, bool>, inquiry: &Inquiry, now: Moment) {
        let Some(first) = &self.first else {
            return;
        };
        // One of which the list tells nothing but its id is there, too.
        let is_untold = listed.get(first) == Some(&false);
        self.was_listed |= listed.get(first) == Some(&true);
        let looked = inquiry.of(first);
        let may_be_there = is_untold
            || looked.is_some_and(|looked| !matches!(looked, Looked::Gone | Looked::Left));
        let in_time = now.since(self.answered) < Self::LONGEST_LAG;
        if self.was_listed && std::mem::take(&mut self.lags) {
            self.until = now + Policy::CREATION_SETTLES_WITHIN;
        }
        if self.is_overdue(now) && !self.was_listed && may_be_there && in_time {
            self.lags = true;
            self.until = now + Policy::CREATION_SETTLES_WITHIN;
        }
    }
}

impl Creations {
    pub(super) fn backoff(&self) -> Option<Backoff> {
        self.backoff
    }

    pub(super) fn awaited(&self, now: Moment) -> u64 {
        let others = self.others.iter().filter(|batch| now < batch.until);
        // The wait ends with a list, which has asked for them by then, and not by the time alone.
        let accepted = self.pending.iter().filter(|c| c.accepted || c.under_way);
        accepted
            .map(|c| c.pending)
            .chain(others.map(|batch| batch.pending))
            .fold(0, u64::saturating_add)
    }

    pub(super) fn undecided_until(&self, now: Moment) -> Option<Moment> {
        self.pending
            .iter()
            .filter(|c| !c.accepted && !c.under_way && c.pending > 0 && now < c.until)
            .map(|c| c.until)
            .max()
    }

    pub(super) fn held_until(&self, now: Moment) -> Option<Moment> {
        self.held_until.filter(|until| now < *until)
    }

    pub(super) fn is_overdue(&self, now: Moment) -> bool {
        self.pending.iter().any(|c| c.is_overdue(now))
    }

    /// The first servers of accepted creations that should have shown by now.
    pub(super) fn overdue_firsts(&self, now: Moment) -> impl Iterator<Item = &ReplicaId> {
        self.pending
            .iter()
            .filter(move |c| c.is_overdue(now) && !c.was_listed)
            .filter_map(|c| c.first.as_ref())
    }

    /// Returns the number of the creation. Lists may show its servers before it is answered.
    pub(super) fn sent(&mut self, count: u64, now: Moment) -> u64 {
        self.sent += 1;
        self.pending.push(PendingCreation {
            number: self.sent,
            ordered: count,
            pending: count,
            accepted: false,
            marked: self.marks_work,
            first: None,
            under_way: true,
            answered: now,
            until: now,
            was_listed: false,
            lags: false,
        });
        self.sent
    }

    pub(super) fn withdrawn(&mut self) {
        self.pending.retain(|c| !c.under_way);
    }

    pub(super) fn under_way_since(&self) -> Option<Moment> {
        let mut sent = self.pending.iter().filter(|c| c.under_way);
        sent.next().map(|c| c.answered)
    }

    /// How many servers of a creation that is not answered yet no list has shown.
    pub(super) fn unanswered(&self) -> u64 {
        let sent = self.pending.iter().filter(|c| c.under_way);
        sent.map(|c| c.pending).fold(0, u64::saturating_add)
    }

    pub(super) fn answered(&mut self, outcome: Result<Accepted, CreateFailure>, now: Moment) {
        let (accepted, failure) = match outcome {
            Ok(accepted) => (accepted, None),
            Err(failure) => (Accepted::default(), Some(failure)),
        };
        // What was sent with marks before is so now, also where it is not known what came of it.
        let marked = match &failure {
            None => accepted.marked,
            Some(_) => self.marks_work,
        };
        self.marks_work = marked;
        if !marked {
            self.unmarked = self.sent;
        }
        let may_have_made_some = failure.is_none_or(|f| f.outcome_unknown);
        self.pending.retain(|c| !c.under_way || may_have_made_some);
        for creation in self.pending.iter_mut().filter(|c| c.under_way) {
            creation.under_way = false;
            creation.accepted = failure.is_none();
            creation.marked = marked;
            creation.first.clone_from(&accepted.first);
            creation.answered = now;
            creation.until = now + Policy::CREATION_SETTLES_WITHIN;
        }
        if let Some(CreateFailure {
            cause, retry_after, ..
        }) = failure
        {
            // The servers of a creation that already counts as failed do not count again.
            self.blamed = Some(self.sent);
            self.backoff = Some(Backoff::escalate(self.backoff, 0, cause, retry_after, now));
        }
    }

    /// A list, or asking for it by its id, shows a server for the first time: whose it is. One with a mark is matched
    /// exactly; one without goes to the first creation that may have made it.
    pub(super) fn server_shown(
        &mut self,
        server: &Server,
        is_listed: bool,
        here: Instance,
    ) -> Stems {
        let mark = server.marks.creation;
        let firsts = self.pending.iter().map(|c| (c.number, c.first.as_ref()));
        let by_id = firsts
            .filter(|(_, first)| *first == Some(&server.id))
            .map(|(number, _)| number)
            .next();
        let is_of = |c: &&mut PendingCreation| match mark.map(|mark| mark.number).or(by_id) {
            Some(number) => c.number == number,
            None => !c.marked && c.pending > 0,
        };
        match mark {
            Some(mark) if mark.instance != here => {
                let of = (mark.instance, mark.number);
                let Some(batch) = self.others.iter_mut().find(|batch| batch.of == of) else {
                    return Stems::Foreign;
                };
                batch.pending = batch.pending.saturating_sub(1);
                if batch.was_there {
                    return Stems::KnownBatch;
                }
                return Stems::Foreign;
            }
            _ => {}
        }
        if let Some(creation) = self.pending.iter_mut().find(is_of) {
            creation.pending = creation.pending.saturating_sub(1);
            creation.was_listed |= is_listed;
            return Stems::Ours(mark.map_or(self.unmarked, |mark| mark.number));
        }
        mark.filter(|mark| mark.number <= self.sent)
            .map_or(Stems::Foreign, |mark| Stems::Ours(mark.number))
    }

    /// Whether an accepted creation, not all of whose servers have shown, was answered with this id.
    pub(super) fn is_first(&self, id: &ReplicaId) -> bool {
        self.pending.iter().any(|c| c.first.as_ref() == Some(id))
    }

    /// The newest creation that may have made a server without a mark.
    pub(super) fn unmarked(&self) -> u64 {
        self.unmarked
    }

    /// A server of another process' creation shows for the first time, so young that the rest of its batch may still
    /// have to show.
    pub(super) fn others_batch(&mut self, mark: CreationMark, until: Moment, was_there: bool) {
        let of = (mark.instance, mark.number);
        if self.others.iter().all(|batch| batch.of != of) {
            self.others.push(OthersBatch {
                of,
                pending: mark.count - 1,
                until,
                was_there,
            });
        }
    }

    /// Another process may have ordered servers just before this one began.
    pub(super) fn hold(&mut self, until: Moment) {
        self.held_until = self.held_until.max(Some(until));
    }

    /// Ends the wait for servers that have shown (`listed`: whether the list told more of them than
    /// their ids), or that should have by now. Servers that were
    /// accepted and do not show may cost money all the same, so they are no reason to hurry.
    pub(super) fn settle(
        &mut self,
        listed: &BTreeMap<&ReplicaId, bool>,
        inquiry: &Inquiry,
        now: Moment,
    ) {
        for creation in &mut self.pending {
            creation.wait_on(listed, inquiry, now);
        }
        let lost = self
            .pending
            .iter()
            .filter(|c| c.is_overdue(now))
            .max_by_key(|c| c.number)
            .map(|c| (c.number, c.cause(), (c.ordered - c.pending, c.ordered)));
        self.pending
            .retain(|c| c.under_way || (c.pending > 0 && now < c.until));
        // One of which nothing is missing stays known while another of the same batch might show.
        self.others.retain(|batch| now < batch.until);
        if let Some((number, cause, part)) = lost {
            self.cut_short = (cause == BackoffCause::Quota).then_some(part);
            self.record_failure(number, cause, now);
        }
    }

    /// How many servers of how many the cloud made of a creation that it had accepted; told once.
    pub(super) fn cut_short(&mut self) -> Option<(u64, u64)> {
        self.cut_short.take()
    }

    /// A server of this creation came to nothing. The servers of one creation count once, and
    /// so do those of creations that were sent before anything was known.
    pub(super) fn record_failure(&mut self, number: u64, cause: BackoffCause, now: Moment) {
        if self.blamed.is_some_and(|blamed| number <= blamed) {
            return;
        }
        self.blamed = Some(self.sent);
        let doubtful = matches!(cause, BackoffCause::NeverFree | BackoffCause::EndedEarly);
        if doubtful && self.probation.credit > 0 {
            self.probation.credit -= 1;
            return;
        }
        let before = self.probation.failures;
        let backoff = Backoff::escalate(self.backoff, before, cause, None, now);
        if cause.is_of_the_image() {
            self.probation.credit = 0;
            if before == 0 {
                self.probation.first = number;
            }
            self.probation.failures = backoff.failures;
        }
        self.backoff = Some(backoff);
    }

    /// A replica of this creation has had a free resource. That of a later creation than the failed
    /// one ends the wait; one of the failed creation itself shows that it did not fail, unless
    /// others of it ended in an error or early.
    pub(super) fn had_free(&mut self, number: u64) {
        let blamed = self.blamed.unwrap_or(0);
        let was_slow = number == blamed
            && self.backoff.is_some_and(|b| {
                !matches!(
                    b.cause,
                    BackoffCause::ServerError | BackoffCause::EndedEarly
                )
            });
        if number == 0 || !(number > blamed || was_slow) {
            return;
        }
        let is_of_the_image = self.backoff.is_some_and(|b| b.cause.is_of_the_image());
        if was_slow && is_of_the_image {
            // It may still fail in another way.
            self.blamed = Some(number - 1);
            // Once it may only have been slow. After that one has to come to something, or an image that
            // is broken would be tried without a wait where the grace is shorter than a boot.
            if self.probation.failures > 1 {
                return;
            }
        }
        self.backoff = None;
    }

    /// A replica of this creation has come to something. That of an earlier creation than the first
    /// failed one says nothing of those after it.
    pub(super) fn proved(&mut self, number: u64) {
        let is_earlier = self.probation.failures > 0 && number < self.probation.first;
        if number == 0 || is_earlier {
            return;
        }
        self.had_free(number);
        if self.backoff.is_some_and(|b| b.cause.is_of_the_image()) {
            self.backoff = None;
        }
        self.probation = Probation {
            credit: CREDIT,
            ..Probation::default()
        };
    }

    /// A replica is gone: what failed for want of quota may be tried again.
    pub(super) fn room_was_made(&mut self, now: Moment) {
        if let Some(backoff) = &mut self.backoff
            && backoff.cause == BackoffCause::Quota
        {
            backoff.until = backoff.until.min(now);
        }
    }
}
