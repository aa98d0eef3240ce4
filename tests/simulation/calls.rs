//! Requests as one scaler has them made: answered at once, or late and in any order.

use super::cloud::SimCloud;
use super::judge::ms;
use super::rng::Rng;
use simplescalevm::cloud::{Calls, JobId, Reply, Request, perform};

/// The longest time by which an answer comes late.
const LATE_BY_MS: u64 = 40_000;
/// How many requests may be under way where answers come late.
const PLACES: usize = 4;

/// An answer on its way.
#[derive(Debug)]
struct Answer {
    due: u64,
    job: JobId,
    reply: Reply,
    news: Vec<News>,
}

/// What an answer tells the judge, once it is there.
pub(crate) type News = super::cloud::News;

/// One scaler's connection to the cloud, whose answers come late in one history of three.
#[derive(Debug)]
pub(crate) struct SimCalls {
    pub(crate) cloud: SimCloud,
    rng: Rng,
    is_slow: bool,
    answers: Vec<Answer>,
}

impl SimCalls {
    pub(crate) fn new(cloud: SimCloud, seed: u64) -> Self {
        let is_slow = seed % 3 == 1;
        cloud.world.lock().judge.life(cloud.life).is_late = is_slow;
        Self {
            rng: Rng::new(seed ^ (cloud.life as u64).rotate_left(32)),
            is_slow,
            answers: Vec::new(),
            cloud,
        }
    }

    /// When the next answer is there.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.answers.iter().map(|answer| answer.due).min()
    }
}

impl Calls for SimCalls {
    fn places(&self) -> usize {
        if self.is_slow { PLACES } else { 1 }
    }

    fn begin(&mut self, job: JobId, request: Request) {
        let reply = perform(&mut self.cloud, request);
        let news = std::mem::take(&mut self.cloud.news);
        let (now, quiet) = {
            let world = self.cloud.world.lock();
            (world.now, world.quiet)
        };
        let is_late = self.is_slow && !quiet && self.rng.permille(300);
        let late = if is_late {
            self.rng.skewed(1, LATE_BY_MS)
        } else {
            0
        };
        self.answers.push(Answer {
            due: now + late,
            job,
            reply,
            news,
        });
    }

    fn ended(&mut self) -> Option<(JobId, Reply)> {
        let mut world = self.cloud.world.lock();
        let now = world.now;
        let due = |(_, answer): &(usize, &Answer)| answer.due <= now;
        let all = self.answers.iter().enumerate().filter(due);
        let (index, _) = all.min_by_key(|(_, answer)| (answer.due, answer.job))?;
        let answer = self.answers.remove(index);
        for news in answer.news {
            (news.0)(&mut world, now);
        }
        drop(world);
        if matches!(&answer.reply, Reply::Listing(Ok(_), _)) {
            self.cloud.servers_are_listed();
        }
        Some((answer.job, answer.reply))
    }
}
