//! One connection: the head of its request, the answer, the end. Nothing here ever waits.

use super::hosts::Peer;
use super::http::{BadRequest, Body, Request, request};
use crate::pool::Moment;
use mio::net::TcpStream;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

/// How much of an unwanted body is read away after the answer, in bytes.
const MAX_DRAINED: usize = 64 * 1024;
const DRAIN_FOR: Duration = Duration::from_secs(1);
const CHUNK: usize = 4 * 1024;

/// A connection and how far it is.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: Peer,
    /// It is closed then, whatever it is at.
    pub(super) deadline: Moment,
    /// It gets, or waits for, a large answer.
    pub(super) heavy: bool,
    /// The answer's body is wanted, not only its head.
    pub(super) with_body: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The head of the request arrives.
    Reading(Vec<u8>),
    /// The body of the answer is being made.
    Waiting,
    /// The answer goes out.
    Writing {
        head: Vec<u8>,
        body: Option<Body>,
        sent: usize,
    },
    /// The answer is out; what the client still sends is read away. A socket that is closed with
    /// unread bytes resets the connection, and a reset overtakes an answer that is on its way.
    Draining(usize),
}

/// What is to be done about a connection.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing until its socket is ready again, or its time is up.
    Wait,
    /// Its request is there.
    Asked(Result<Request, BadRequest>),
    /// It is over.
    Over,
}

/// Which connection is given up first, where one has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// It has its answer.
    Answered,
    /// It has said nothing yet. A client's first byte comes a little after its connection.
    Silent,
    /// It has begun a request.
    Begun,
    /// It is getting a large answer, or waits for it.
    Heavy,
    /// It is getting a small answer.
    Light,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: Peer, deadline: Moment) -> Self {
        Self {
            stream,
            peer,
            deadline,
            heavy: false,
            with_body: true,
            stage: Stage::Reading(Vec::new()),
        }
    }

    pub(super) fn worth(&self) -> Worth {
        match &self.stage {
            Stage::Reading(head) if head.is_empty() => Worth::Silent,
            Stage::Reading(_) => Worth::Begun,
            Stage::Draining(_) => Worth::Answered,
            Stage::Waiting | Stage::Writing { .. } if self.heavy => Worth::Heavy,
            Stage::Waiting | Stage::Writing { .. } => Worth::Light,
        }
    }

    /// Its socket is ready for something.
    pub(super) fn go_on(&mut self, now: Moment) -> Step {
        match self.stage {
            Stage::Reading(_) => self.read(),
            Stage::Waiting => Step::Wait,
            Stage::Writing { .. } => self.write(now),
            Stage::Draining(_) => self.drain(),
        }
    }

    /// Its time is up.
    pub(super) fn time_is_up(&self) -> Step {
        match &self.stage {
            Stage::Reading(head) if !head.is_empty() => Step::Asked(Err(BadRequest::Slow)),
            _ => Step::Over,
        }
    }

    /// It waits for the body of its answer.
    pub(super) fn wait(&mut self) {
        self.stage = Stage::Waiting;
    }

    /// Sends the answer.
    pub(super) fn answer(&mut self, head: Vec<u8>, body: Body, now: Moment) -> Step {
        self.stage = Stage::Writing {
            head,
            body: Some(body).filter(|_| self.with_body),
            sent: 0,
        };
        self.write(now)
    }

    fn read(&mut self) -> Step {
        let Stage::Reading(head) = &mut self.stage else {
            return Step::Wait;
        };
        let mut chunk = [0; CHUNK];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Step::Over,
                Ok(length) => {
                    head.extend_from_slice(chunk.get(..length).unwrap_or_default());
                    if let Some(request) = request(head) {
                        return Step::Asked(request);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Wait,
                Err(_) => return Step::Over,
            }
        }
    }

    fn write(&mut self, now: Moment) -> Step {
        let Stage::Writing { head, body, sent } = &mut self.stage else {
            return Step::Wait;
        };
        let body = body.as_ref().map_or(&[][..], |body| body.as_slice());
        let whole = head.len() + body.len();
        while *sent < whole {
            let rest = match sent.checked_sub(head.len()) {
                Some(of_body) => body.get(of_body..),
                None => head.get(*sent..),
            };
            match self.stream.write(rest.unwrap_or_default()) {
                Ok(0) => return Step::Over,
                Ok(length) => *sent += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Wait,
                Err(error) => {
                    log::debug!("a client of the status server is gone: {error}");
                    return Step::Over;
                }
            }
        }
        // The body is let go of before the client is.
        self.stage = Stage::Draining(MAX_DRAINED);
        self.deadline = now + DRAIN_FOR;
        match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => self.drain(),
            Err(_) => Step::Over,
        }
    }

    fn drain(&mut self) -> Step {
        let Stage::Draining(left) = &mut self.stage else {
            return Step::Wait;
        };
        let mut chunk = [0; CHUNK];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Step::Over,
                Ok(length) => {
                    *left = left.saturating_sub(length);
                    if *left == 0 {
                        return Step::Over;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Wait,
                Err(_) => return Step::Over,
            }
        }
    }
}
