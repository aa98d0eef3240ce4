//! The wait after a refused login: many clouds lock an account after a few wrong passwords, and keep it locked for as
//! long as more of them come in.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};

/// The wait after the first refusal; each further one doubles it.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(900);

/// The refused logins in a row.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    count: u32,
    last: Option<Refusal>,
}

#[derive(Debug)]
struct Refusal {
    until: Instant,
    error: Error,
    said: String,
}

impl Refusals {
    /// Takes in that a login failed. An error that is no refusal of the credentials changes nothing.
    pub(super) fn add(&mut self, error: Error, now: Instant) -> Error {
        if !matches!(
            error.kind(),
            ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::Quota
        ) {
            return error;
        }
        let doublings = self.count.min(16);
        self.count = self.count.saturating_add(1);
        let own = (FIRST * 2_u32.pow(doublings)).min(LONGEST);
        let wait = error.retry_after().unwrap_or_default().max(own);
        let said = error.message().to_owned();
        let shown = error.again().with_login_wait(&in_words(&said), wait);
        self.last = Some(Refusal {
            until: now + wait,
            error,
            said,
        });
        shown
    }

    /// The refusal that still stands; no login is tried while one does.
    pub(super) fn standing(&self, now: Instant) -> Option<Error> {
        let last = self.last.as_ref()?;
        let wait = last.until.saturating_duration_since(now);
        let text = in_words(&last.said);
        (!wait.is_zero()).then(|| last.error.again().with_login_wait(&text, wait))
    }

    /// The next login is tried at once, for somebody who wants to know more.
    pub(super) fn let_one_pass(&mut self) {
        self.last = None;
    }

    /// A login was accepted.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn in_words(said: &str) -> String {
    let said = said.trim_end_matches('.');
    // What was said is cut if it is long, and not what it means.
    let said: String = said.chars().take(300).collect();
    let colon = if said.is_empty() { "" } else { ": " };
    format!("{said}{colon}the login was refused")
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Refusals};
    use crate::clock::monotonic_now;
    use crate::error::{Error, ErrorKind};
    use std::time::Duration;

    #[test]
    fn refused_logins_double_their_wait() {
        let mut refusals = Refusals::default();
        let began = monotonic_now();
        let mut now = began;
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert!(refusals.standing(now).is_none());
            let error = Error::config(ErrorKind::Unauthorized, "no");
            let shown = refusals.add(error, now);
            let wait = shown.retry_after().expect("a wait");
            waits.push(wait.as_secs());
            let half = wait / 2;
            let standing = refusals
                .standing(now + wait.saturating_sub(half))
                .expect("it stands");
            assert_eq!(standing.kind(), ErrorKind::Unauthorized);
            assert_eq!(standing.retry_after(), Some(half));
            now += wait;
        }
        assert_eq!(waits[..9], [5, 10, 20, 40, 80, 160, 320, 640, 900]);
        assert!(waits[9..].iter().all(|wait| *wait == LONGEST.as_secs()));
        refusals.clear();
        assert!(refusals.standing(began).is_none());
        let error = Error::config(ErrorKind::Unauthorized, "no");
        let first = refusals.add(error, now).retry_after();
        assert_eq!(first, Some(Duration::from_secs(5)), "begins again");
    }

    #[test]
    fn other_failures_are_no_refusals() {
        for kind in [
            ErrorKind::Server,
            ErrorKind::Timeout,
            ErrorKind::RateLimited,
            ErrorKind::WrongUrl,
        ] {
            let mut refusals = Refusals::default();
            let now = monotonic_now();
            let shown = refusals.add(Error::config(kind, "no"), now);
            assert_eq!(shown.retry_after(), None);
            assert!(refusals.standing(now).is_none(), "{kind:?}");
        }
    }
}
