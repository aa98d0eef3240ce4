//! How old things are.

use super::{CloudTime, Moment, Record};
use std::time::Duration;

/// The cloud's clock, carried on from its last answer by the monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clocks {
    pub(super) anchor: Option<(CloudTime, Moment)>,
}

impl Clocks {
    pub(super) fn cloud_time(self, now: Moment) -> Option<CloudTime> {
        self.anchor
            .map(|(time, at)| CloudTime(time.0.saturating_add(now.since(at).as_secs())))
    }

    pub(super) fn age(self, record: &Record, now: Moment) -> Duration {
        match (self.cloud_time(now), record.server.created) {
            // Where that clock has been set back since, it says nothing.
            (Some(cloud_now), Some(created)) if created <= cloud_now => cloud_now.since(created),
            _ => now.since(record.first_seen),
        }
    }

    pub(super) fn active_for(self, record: &Record, now: Moment) -> Duration {
        match (
            self.cloud_time(now),
            record.server.launched,
            record.first_running,
        ) {
            (Some(cloud_now), Some(launched), _) if launched <= cloud_now => {
                cloud_now.since(launched)
            }
            (_, _, Some(first_running)) => now.since(first_running),
            _ => self.age(record, now),
        }
    }
}
