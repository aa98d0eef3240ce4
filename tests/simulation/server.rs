//! A server of the simulated cloud and the guest in it: what is true, whatever anybody is told.

use super::scenario::{Broken, GuestKind};
use simplescalevm::pool::{Answer, Creating, Failed, Marks, ReplicaId, ServerState};
use std::net::{IpAddr, Ipv4Addr};

/// What the cloud knows of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nova {
    Building,
    Active,
    Error,
    Stopped,
    PoweringOn,
    Held(&'static str),
    Deleting,
}

/// Who had it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// A scaler: its life, and the number of its request.
    Scaler(usize, u64),
    Operator,
}

/// What the guest is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guest {
    Off,
    Booting,
    /// Its web server answers; the service does not run yet.
    HalfUp,
    Up,
}

#[derive(Debug, Clone)]
pub(crate) struct Vm {
    pub(crate) id: ReplicaId,
    pub(crate) name: String,
    pub(crate) maker: Maker,
    pub(crate) made_ms: u64,
    pub(crate) active_ms: Option<u64>,
    pub(crate) created: u64,
    pub(crate) launched: Option<u64>,
    pub(crate) member: bool,
    pub(crate) ever_member: bool,
    pub(crate) nova: Nova,
    pub(crate) locked: bool,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) visible_ms: u64,
    pub(crate) doomed: bool,
    pub(crate) guest: Guest,
    pub(crate) hung_until: u64,
    pub(crate) service_down_until: u64,
    pub(crate) lies_until: u64,
    /// When each running session ends.
    pub(crate) sessions: Vec<u64>,
    pub(crate) capacity: u64,
    /// Sessions that it still takes before it ends.
    pub(crate) takes: u64,
    /// It takes no more sessions, and says that it is done once it has none.
    pub(crate) drained: bool,
    /// Its next answer says "done", once, without any truth in it; and when that was last so.
    pub(crate) flips: bool,
    pub(crate) flipped_ms: Option<u64>,
    /// When it last said "done", by itself and truly or not.
    pub(crate) said_done_ms: Option<u64>,
    /// What is written into its metadata.
    pub(crate) marks: Marks,
    /// In which way its image is broken, and for how long after it is up it does not show.
    pub(crate) breaks: Option<(Broken, u64)>,
    /// It shows by now.
    pub(crate) broke: bool,
}

impl Vm {
    pub(crate) fn exists(&self) -> bool {
        self.nova != Nova::Deleting
    }

    /// Whether it runs, as far as the cloud is concerned: an error state switches no guest off.
    fn runs(&self) -> bool {
        matches!(self.nova, Nova::Active | Nova::Error)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.runs() && self.guest == Guest::Up
    }

    /// Whether it answers: it runs, it does not hang.
    pub(crate) fn answers(&self, now: u64) -> bool {
        let awake = matches!(self.guest, Guest::HalfUp | Guest::Up);
        let is_silent = self.broke && matches!(self.breaks, Some((Broken::FreeThenSilent, _)));
        let answers = awake && !is_silent && now >= self.hung_until;
        self.runs() && answers && self.ip.is_some()
    }

    pub(crate) fn free(&self) -> u64 {
        let taken = self.sessions.len() as u64;
        if self.drained {
            0
        } else {
            self.capacity.saturating_sub(taken).min(self.takes)
        }
    }

    /// Resources that a caller can have now.
    pub(crate) fn truly_free(&self, now: u64) -> u64 {
        let open = self.member
            && self.ip.is_some()
            && self.is_up()
            && self.answers(now)
            && self.breaks.is_none();
        if open && now >= self.service_down_until {
            self.free()
        } else {
            0
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        (self.drained || self.takes == 0) && self.sessions.is_empty()
    }

    /// What it says when it is asked, the truth.
    pub(crate) fn answer(&self, kind: GuestKind, now: u64) -> Answer {
        let service_runs = self.guest == Guest::Up && now >= self.service_down_until;
        if !service_runs {
            let termination = kind == GuestKind::Proxy;
            return Answer {
                free: 0,
                termination,
            };
        }
        let is_busy = matches!(
            self.breaks,
            Some((Broken::NeverFree | Broken::BusyThenDone, _))
        );
        Answer {
            free: if is_busy { 0 } else { self.free() },
            termination: self.is_done(),
        }
    }

    /// The state as the table of `docs/ARCHITECTURE.md` reads it.
    pub(crate) fn state(&self) -> ServerState {
        match self.nova {
            Nova::Building => ServerState::Creating(Creating::Building),
            Nova::Active => match self.ip {
                Some(ip) => ServerState::Running(IpAddr::V4(ip)),
                None => ServerState::Creating(Creating::NoAddress),
            },
            Nova::Error => ServerState::Failed(Failed::Error),
            Nova::Stopped => ServerState::Failed(Failed::Stopped),
            Nova::PoweringOn => ServerState::Held("powering-on".to_owned()),
            Nova::Held(word) => ServerState::Held(word.to_owned()),
            Nova::Deleting => ServerState::Leaving,
        }
    }

    /// The guest stops: whatever ran in it is gone, and nobody but itself or its operator did it.
    pub(crate) fn power_off(&mut self) {
        self.guest = Guest::Off;
        self.sessions.clear();
    }
}
