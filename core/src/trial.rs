//! Whether a new replica has come to something: a creation whose replicas never did has failed, in whatever way its
//! image is broken.

use super::{Answer, Moment};
use std::time::Duration;

/// What a replica's answers have shown since it came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Trial {
    /// Since it first said that it is not done.
    came_up: Option<Span>,
    /// Since it first had a free resource.
    had_free: Option<Span>,
    /// It was busy after it had had a free resource: somebody took it.
    was_taken: bool,
    proven: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Moment,
    /// How long that took, from its creation.
    took: Duration,
    /// When it last said that it is not done.
    until: Moment,
}

impl Span {
    fn lasts(&self) -> Duration {
        self.until.since(self.from)
    }

    /// Whether it is longer than what it took to get there.
    fn is_a_boot(&self, grace: Duration) -> bool {
        let longest = grace.max(Trial::SHORTEST_LIFE);
        self.lasts() >= self.took.clamp(Trial::SHORTEST_LIFE, longest)
    }
}

/// What an answer has shown for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    /// It has a free resource.
    Free,
    /// It has come to something.
    Proven,
}

impl Trial {
    /// The shortest time in which a replica that nobody takes shows that it works, and the longest boot that counts
    /// where `REPLICA_STARTUP_GRACE` is shorter.
    const SHORTEST_LIFE: Duration = Duration::from_secs(60);
    /// How long one that was free and then taken has lived at least. A broken service that is free for a moment and
    /// then ends is shorter, a call is longer.
    const SHORTEST_CALL: Duration = Duration::from_secs(10);

    /// Takes in an answer, given the replica's age by then.
    pub(super) fn heard(
        &mut self,
        answer: Answer,
        at: Moment,
        age: Duration,
        grace: Duration,
    ) -> Shown {
        let had_free = self.had_free.is_some();
        if !answer.termination {
            let first = Span {
                from: at,
                took: age,
                until: at,
            };
            self.came_up.get_or_insert(first).until = at;
            self.was_taken |= had_free && answer.free == 0;
            if had_free || answer.free > 0 {
                self.had_free.get_or_insert(first).until = at;
            }
        }
        let was_proven = self.proven;
        self.proven |= self.comes_to_something(answer, grace);
        if self.proven && !was_proven {
            Shown::Proven
        } else if self.had_free.is_some() && !had_free {
            Shown::Free
        } else {
            Shown::Nothing
        }
    }

    fn comes_to_something(&self, answer: Answer, grace: Duration) -> bool {
        match self.had_free {
            Some(free) => {
                let was_called = self.was_taken && free.lasts() >= Self::SHORTEST_CALL;
                was_called || free.is_a_boot(grace)
            }
            // One that nobody has seen free was busy for a whole boot, and has ended by itself: that was a call.
            None => answer.termination && self.has_lived_for_a_boot(grace),
        }
    }

    /// Whether it has answered for longer than it took to come up.
    fn has_lived_for_a_boot(&self, grace: Duration) -> bool {
        let span = self.had_free.or(self.came_up);
        span.is_some_and(|span| span.is_a_boot(grace))
    }

    /// When it first said that it is not done.
    pub(super) fn came_up_at(&self) -> Option<Moment> {
        self.came_up.map(|up| up.from)
    }

    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    /// It has come up, and has had no free resource, and that not for long yet.
    pub(super) fn was_never_free(&self, grace: Duration) -> bool {
        self.came_up.is_some() && self.had_free.is_none() && !self.has_lived_for_a_boot(grace)
    }

    /// It has come up, and if it ends now, it has ended early.
    pub(super) fn would_end_early(&self, grace: Duration) -> bool {
        self.came_up.is_some() && !self.proven && !self.has_lived_for_a_boot(grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(300);

    /// Answers as (second, free, termination); what the last one shows, and whether an end now would be an early one.
    fn after(answers: &[(u64, u64, bool)], boot: u64) -> (Shown, bool) {
        let mut trial = Trial::default();
        let mut shown = Shown::Nothing;
        for (second, free, termination) in answers {
            let answer = Answer {
                free: *free,
                termination: *termination,
            };
            let at = Moment(Duration::from_secs(1_000 + second));
            shown = trial.heard(answer, at, Duration::from_secs(boot + second), GRACE);
        }
        (shown, trial.would_end_early(GRACE))
    }

    #[test]
    fn what_comes_to_something_and_what_ends_early() {
        let (nothing, free, proven) = (Shown::Nothing, Shown::Free, Shown::Proven);
        // Free once, done two seconds later.
        assert_eq!(after(&[(0, 1, false)], 30), (free, true));
        assert_eq!(after(&[(0, 1, false), (2, 0, true)], 30), (nothing, true));
        // Free, taken for a moment, done.
        let moment = [(0, 1, false), (1, 0, false), (2, 0, true)];
        assert_eq!(after(&moment, 30), (nothing, true));
        // Free, then a call.
        let call = [(0, 1, false), (5, 0, false), (10, 0, false)];
        assert_eq!(after(&call, 30), (proven, false));
        // Free for a minute; for as long as a slow boot took; for five minutes at most.
        assert_eq!(after(&[(0, 1, false), (60, 1, false)], 30), (proven, false));
        assert_eq!(
            after(&[(0, 1, false), (199, 1, false)], 200),
            (nothing, true)
        );
        assert_eq!(
            after(&[(0, 1, false), (200, 1, false)], 200),
            (proven, false)
        );
        assert_eq!(
            after(&[(0, 1, false), (300, 1, false)], 900),
            (proven, false)
        );
        // Never seen free: in doubt while it lasts, well once it has ended by itself.
        let busy = [(0, 0, false), (100, 0, false)];
        assert_eq!(after(&busy, 30), (nothing, false));
        let ended = [(0, 0, false), (100, 0, false), (105, 0, true)];
        assert_eq!(after(&ended, 30), (proven, false));
        let early = [(0, 0, false), (20, 0, false), (22, 0, true)];
        assert_eq!(after(&early, 30), (nothing, true));
        // Busy while it starts, free for a moment, done.
        let late = [(0, 0, false), (90, 1, false), (92, 0, true)];
        assert_eq!(after(&late, 30), (nothing, true));
        // Done from the first moment: it has not come up at all.
        assert_eq!(after(&[(0, 0, true), (400, 0, true)], 30), (nothing, false));
    }
}
