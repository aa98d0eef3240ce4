//! Requests that take long: the scaler goes on asking its replicas until the answer is there.

use super::cloud::SimCloud;
use super::judge::ms;
use super::rng::Rng;
use simplescalevm::pool::Moment;
use simplescalevm::provider::{Calls, Reply, Request, perform};

/// The longest time by which an answer comes late, and that of a request that changes something: its list must not
/// become too old by that.
const LATE_BY_MS: u64 = 20_000;
const DEED_LATE_BY_MS: u64 = 3_000;

/// One scaler's connection to the cloud, whose answers come late in one history of three.
#[derive(Debug)]
pub(crate) struct SimCalls {
    pub(crate) cloud: SimCloud,
    rng: Rng,
    is_slow: bool,
}

impl SimCalls {
    pub(crate) fn new(cloud: SimCloud, seed: u64) -> Self {
        Self {
            rng: Rng::new(seed ^ (cloud.life as u64).rotate_left(32)),
            is_slow: seed % 3 == 1,
            cloud,
        }
    }
}

impl Calls for SimCalls {
    fn call(&mut self, request: Request, meanwhile: &mut dyn FnMut() -> Moment) -> Option<Reply> {
        let changes = matches!(
            request,
            Request::Create(_) | Request::Delete(_) | Request::Move(..) | Request::Mark(..)
        );
        // Whatever else is asked for, the last list has been taken in.
        let is_of_a_list = matches!(
            request,
            Request::List(_) | Request::ExternalAddresses | Request::Show(_)
        );
        if !is_of_a_list {
            let life = self.cloud.life;
            self.cloud.world.lock().judge.life(life).settle_list();
        }
        let reply = perform(&mut self.cloud, request);
        let quiet = self.cloud.world.lock().quiet;
        if !self.is_slow || quiet || !self.rng.permille(300) {
            return Some(reply);
        }
        let longest = if changes { DEED_LATE_BY_MS } else { LATE_BY_MS };
        let late = self.rng.skewed(1, longest);
        let (began, started) = {
            let world = self.cloud.world.lock();
            (world.now, world.started[self.cloud.life])
        };
        self.cloud.world.lock().judge.life(self.cloud.life).waits = true;
        loop {
            let next = started + ms(meanwhile().0);
            let mut world = self.cloud.world.lock();
            if world.now >= began + late {
                let now = world.now;
                world.judge.life(self.cloud.life).waits = false;
                world.judge.answer_took_long(self.cloud.life, began, now);
                return Some(reply);
            }
            let until = next.max(world.now + 1).min(began + late);
            world.pass(until, true);
        }
    }
}
