//! When the plan is made again and when a snapshot is published, so that neither a large pool nor
//! a restless one takes more than a small part of the scaler's time.

use crate::pool::{Blocked, Heard, Moment, Plan, Policy};
use std::time::Duration;

/// How long a plan may be looked at again without anything new, so that time alone can act.
pub(super) const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The least time between two snapshots.
const PUBLISH_AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// The most, while anything changes.
const PUBLISH_AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// A plan may take one part in so many of the time, a snapshot one in so many.
const PLANS_SHARE: u32 = 10;
const SNAPSHOTS_SHARE: u32 = 100;
/// A plan of a loaded machine's making says little of the next one: the wait after it is at most
/// this for each replica.
const WAIT_PER_REPLICA: Duration = Duration::from_micros(5);

/// What has happened since the last plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// Nothing.
    None,
    /// Something that is to be shown.
    ToShow,
    /// Something that may call for another plan.
    ToDecide,
}

/// The rhythm of plans and snapshots.
#[derive(Debug)]
pub(super) struct Pace {
    news: News,
    /// The available resources, as of the last answer.
    available: u64,
    /// How many replicas were missing at the last plan.
    missing: u64,
    /// No other plan before, unless a new list asks for one.
    rests_until: Moment,
    /// When time alone may change the plan.
    look_again: Moment,
    published_at: Option<Moment>,
    publish_gap: Duration,
}

impl Pace {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            news: News::None,
            available: 0,
            missing: 0,
            rests_until: now,
            look_again: now + LOOK_AGAIN_AFTER,
            published_at: None,
            publish_gap: PUBLISH_AT_MOST_EVERY,
        }
    }

    /// A probe's result has come. What a replica counts is a reason for another plan only if the
    /// pool as a whole lacks more or less than it did.
    pub(super) fn heard(&mut self, policy: &Policy, heard: Heard) {
        let news = match heard {
            Heard::AsBefore => News::None,
            Heard::OtherPhase => News::ToDecide,
            Heard::OtherCount { before, after } => {
                let others = self.available.saturating_sub(before);
                self.available = others.saturating_add(after);
                if policy.missing(self.available) == self.missing {
                    News::ToShow
                } else {
                    News::ToDecide
                }
            }
        };
        self.news = self.news.max(news);
    }

    /// Something else has happened that a plan depends on.
    pub(super) fn changed(&mut self) {
        self.news = News::ToDecide;
    }

    /// Whether there is anything that the last plan does not know.
    pub(super) fn has_news(&self) -> bool {
        self.news > News::None
    }

    /// Whether a plan made now may be another one than the last.
    pub(super) fn plan_is_old(&self, now: Moment) -> bool {
        self.has_news() || now >= self.look_again
    }

    /// Whether another plan is to be made now.
    pub(super) fn plan_is_due(&self, now: Moment) -> bool {
        let decisive = self.news == News::ToDecide && now >= self.rests_until;
        decisive || now >= self.look_again
    }

    /// A plan was made as of `began`.
    pub(super) fn planned(&mut self, plan: &Plan, began: Moment, ended: Moment) {
        let size = u32::try_from(plan.assessment.replicas.len()).unwrap_or(u32::MAX);
        let rest = ended.since(began).saturating_mul(PLANS_SHARE - 1);
        let rest = rest.min(WAIT_PER_REPLICA.saturating_mul(size));
        self.news = News::None;
        self.available = plan.assessment.available;
        self.missing = plan.missing;
        self.rests_until = ended + rest;
        let untils = plan.blocked.iter().filter_map(Blocked::until);
        let soonest = untils.filter(|until| *until > began).min();
        let look_again = began + LOOK_AGAIN_AFTER;
        self.look_again = soonest.map_or(look_again, |until| until.min(look_again));
    }

    /// The next snapshot is to be published at once.
    pub(super) fn publish_now(&mut self) {
        self.published_at = None;
    }

    /// Whether a snapshot is to be published.
    pub(super) fn publish_is_due(&self, now: Moment) -> bool {
        self.published_at
            .is_none_or(|at| now.since(at) >= self.publish_gap)
    }

    /// A snapshot was made and published.
    pub(super) fn published(&mut self, began: Moment, ended: Moment) {
        self.published_at = Some(began);
        self.publish_gap = ended
            .since(began)
            .saturating_mul(SNAPSHOTS_SHARE)
            .clamp(PUBLISH_AT_MOST_EVERY, PUBLISH_AT_LEAST_EVERY);
    }

    /// When there is something to be done here, at the latest.
    pub(super) fn next(&self) -> Moment {
        let mut next = self.look_again;
        if self.news == News::ToDecide {
            next = next.min(self.rests_until);
        }
        if let Some(published_at) = self.published_at.filter(|_| self.has_news()) {
            next = next.min(published_at + self.publish_gap);
        }
        next
    }
}
