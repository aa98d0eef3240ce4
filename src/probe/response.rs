//! Reading a response: bytes in, outcome out, no I/O.
//!
//! The protocol is `ureq-proto`'s, the part of the HTTP client `ureq` that does no I/O of its own.

use super::answer::MAX_BODY_BYTES;
use super::failure::of_http;
use crate::pool::ProbeFailure;
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::Request;

/// The longest header, and the longest line between two parts of a chunked body, that is read.
const MAX_HEAD_BYTES: usize = 4 * 1024;

/// How many headers with a status of 1xx may come before that of the response.
const MAX_INTERIM: usize = 16;

/// How far a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is not all there.
    More,
    /// It is all there.
    Whole {
        /// Whether the connection can be used again.
        reusable: bool,
    },
}

enum Stage {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>),
    Over,
}

/// A response that is being read.
pub(super) struct Response {
    stage: Stage,
    interim: usize,
    /// What was received and could not be read yet. Empty if a response arrives in one piece.
    pending: Vec<u8>,
    body: Vec<u8>,
}

impl Response {
    /// Waits for the first byte; the body is gathered in `body`.
    pub(super) fn new(mut body: Vec<u8>) -> Result<Self, ProbeFailure> {
        body.clear();
        Ok(Self {
            stage: Stage::Head(waiting_call()?),
            interim: 0,
            pending: Vec::new(),
            body,
        })
    }

    /// The body, once it is whole.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The buffer in which the body was gathered.
    pub(super) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Reads on. How the bytes are cut into pieces makes no difference.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Progress, ProbeFailure> {
        if self.pending.is_empty() {
            let (used, progress) = self.read(bytes)?;
            return Ok(self.put_away(&bytes[used..], progress));
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let (used, progress) = self.read(&pending)?;
        if progress == Progress::More {
            pending.drain(..used);
            self.pending = pending;
            return Ok(progress);
        }
        Ok(self.put_away(&pending[used..], progress))
    }

    /// The connection has ended.
    pub(super) fn end(&mut self) -> Result<Progress, ProbeFailure> {
        let Stage::Body(call) = &self.stage else {
            return Err(ProbeFailure::ConnectionLost);
        };
        // A server may end after the last chunk's length without the empty line that belongs there.
        if call.body_mode() == BodyMode::CloseDelimited || call.is_ended_chunked() {
            Ok(Progress::Whole { reusable: false })
        } else {
            Err(ProbeFailure::ConnectionLost)
        }
    }

    fn put_away(&mut self, rest: &[u8], progress: Progress) -> Progress {
        match progress {
            Progress::More => {
                self.pending.extend_from_slice(rest);
                Progress::More
            }
            // Bytes that nobody asked for: nothing on this connection can be relied on any more.
            Progress::Whole { reusable } => Progress::Whole {
                reusable: reusable && rest.is_empty(),
            },
        }
    }

    /// Reads as far as it goes; says how many bytes were used.
    fn read(&mut self, input: &[u8]) -> Result<(usize, Progress), ProbeFailure> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            // A limit for each step, so that it does not matter how much has arrived.
            let window = &rest[..rest.len().min(MAX_HEAD_BYTES + 1)];
            let (step, progress) = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Head(call) => self.read_head(call, window)?,
                Stage::Body(call) => self.read_body(call, window)?,
                Stage::Over => return Err(ProbeFailure::ConnectionLost),
            };
            used += step;
            if progress != Progress::More {
                return Ok((used, progress));
            }
            if step == 0 {
                if window.len() > MAX_HEAD_BYTES {
                    return Err(of_http(&"a header of more than 4 KiB"));
                }
                return Ok((used, Progress::More));
            }
        }
    }

    fn read_head(
        &mut self,
        mut call: Call<RecvResponse>,
        input: &[u8],
    ) -> Result<(usize, Progress), ProbeFailure> {
        let (used, response) = call
            .try_response(input, false)
            .map_err(|error| of_http(&error))?;
        if used > MAX_HEAD_BYTES {
            return Err(of_http(&"a header of more than 4 KiB"));
        }
        let Some(response) = response else {
            if used > 0 {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(of_http(&"too many interim responses"));
                }
            }
            self.stage = Stage::Head(call);
            return Ok((used, Progress::More));
        };
        if !response.status().is_success() {
            return Err(ProbeFailure::Status(response.status().as_u16()));
        }
        match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => {
                if matches!(call.body_mode(), BodyMode::LengthDelimited(n) if n > MAX_BODY_BYTES as u64)
                {
                    return Err(ProbeFailure::TooLarge);
                }
                self.stage = Stage::Body(call);
                Ok((used, Progress::More))
            }
            Some(RecvResponseResult::Cleanup(call)) => {
                let reusable = !call.must_close_connection();
                Ok((used, Progress::Whole { reusable }))
            }
            Some(RecvResponseResult::Redirect(_)) | None => {
                Err(ProbeFailure::Status(response.status().as_u16()))
            }
        }
    }

    fn read_body(
        &mut self,
        mut call: Call<RecvBody>,
        input: &[u8],
    ) -> Result<(usize, Progress), ProbeFailure> {
        let filled = self.body.len();
        self.body.resize(filled + input.len() + 1, 0);
        let read = call.read(input, &mut self.body[filled..]);
        let (used, more) = read.map_err(|error| of_http(&error))?;
        self.body.truncate(filled + more);
        if self.body.len() > MAX_BODY_BYTES {
            return Err(ProbeFailure::TooLarge);
        }
        if call.body_mode() == BodyMode::CloseDelimited || !call.can_proceed() {
            self.stage = Stage::Body(call);
            return Ok((used, Progress::More));
        }
        let reusable = match call.proceed() {
            Some(RecvBodyResult::Cleanup(call)) => !call.must_close_connection(),
            Some(RecvBodyResult::Redirect(_)) | None => false,
        };
        Ok((used, Progress::Whole { reusable }))
    }
}

/// A call that has sent its request. That was written long ago, for all probes: [`super::recipe`].
fn waiting_call() -> Result<Call<RecvResponse>, ProbeFailure> {
    let wrong = |error: ureq_proto::Error| super::failure::local(&error);
    let mut call = Call::new(Request::new(())).map_err(wrong)?.proceed();
    let mut line = [0; 64];
    call.write(&mut line).map_err(wrong)?;
    match call.proceed().map_err(wrong)? {
        Some(SendRequestResult::RecvResponse(call)) => Ok(call),
        _ => Err(super::failure::local(&"a request has no end")),
    }
}
