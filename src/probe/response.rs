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
            // Bytes after the response: nothing on this connection can be relied on any more.
            Progress::Whole { reusable } => Progress::Whole {
                reusable: reusable && rest.is_empty(),
            },
        }
    }

    /// Reads as far as possible; returns how many bytes were used.
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

/// A call that has sent its request, which is prepared once for all probes of an endpoint: see [`super::endpoint`].
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

#[cfg(test)]
mod tests {
    use super::*;
    use ProbeFailure::{ConnectionLost, NotHttp, Status, TooLarge};
    use proptest::prelude::*;

    type Outcome = Result<(Vec<u8>, bool), ProbeFailure>;

    /// What comes of bytes that arrive in these pieces, after which the connection ends.
    fn outcome(pieces: &[&[u8]]) -> Outcome {
        let mut response = Response::new(Vec::new()).unwrap();
        for (index, piece) in pieces.iter().enumerate() {
            if let Progress::Whole { reusable } = response.feed(piece)? {
                let rest = pieces[index + 1..].iter().all(|piece| piece.is_empty());
                return Ok((response.into_body(), reusable && rest));
            }
        }
        match response.end()? {
            Progress::Whole { reusable } => Ok((response.into_body(), reusable)),
            Progress::More => panic!("more after the end"),
        }
    }

    /// The same, cut at every place, into single bytes, and whole.
    fn check(bytes: &str, expected: &Outcome) {
        let bytes = bytes.as_bytes();
        let check = |pieces: &[&[u8]]| {
            let mut got = outcome(pieces);
            if let Err(NotHttp(text)) = &mut got {
                assert!(!text.is_empty());
                text.clear();
            }
            let text = bytes[..bytes.len().min(200)].escape_ascii();
            assert_eq!(&got, expected, "{text} in {} pieces", pieces.len());
        };
        check(&[bytes]);
        check(&bytes.chunks(1).collect::<Vec<_>>());
        let step = bytes.len() / 400 + 1;
        for at in (0..bytes.len()).step_by(step) {
            let (head, tail) = bytes.split_at(at);
            check(&[head, tail]);
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands beside failures")]
    fn good(body: &str, reusable: bool) -> Outcome {
        Ok((body.as_bytes().to_vec(), reusable))
    }

    #[test]
    fn bodies_and_what_becomes_of_the_connection() {
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n",
                "{}",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: y\r\nz: 1\r\n\r\n",
                "{}",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
                "{}",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP",
                "",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x",
                "{}",
                false,
            ),
            (
                "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nabcde",
                "",
                false,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n{}", "{}", false),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                "{}",
                false,
            ),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
                "{}",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
                "{}",
                false,
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                "{}",
                true,
            ),
            (
                "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
                "1",
                true,
            ),
        ];
        for (bytes, body, reusable) in table {
            check(bytes, &good(body, reusable));
        }
    }

    #[test]
    fn failures() {
        let not_http = || Err(NotHttp(String::new()));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let long = "y".repeat(MAX_HEAD_BYTES);
        let check = |bytes: &str, expected: Outcome| check(bytes, &expected);
        check("", Err(ConnectionLost));
        check("HTTP/1.1 200 O", Err(ConnectionLost));
        check("HTTP/1.1 100 Continue\r\n\r\n", Err(ConnectionLost));
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
            Err(ConnectionLost),
        );
        check(&format!("{chunked}5\r\n{{}}"), Err(ConnectionLost));
        check(&format!("{chunked}zz\r\n"), not_http());
        check(&format!("{chunked}1\r\nab\r\n"), not_http());
        check(&format!("{chunked}{long}y"), not_http());
        check(
            &format!("{chunked}1\r\n1\r\n0\r\n{long}: y\r\n\r\n"),
            not_http(),
        );
        check("SSH-2.0-OpenSSH_9.2\r\n", not_http());
        check(&format!("HTTP/1.1 200 OK\r\nx: {long}\r\n\r\n"), not_http());
        check(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(20), not_http());
        check("HTTP/1.1 500 Oops\r\n\r\n", Err(Status(500)));
        check(
            "HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            Err(Status(302)),
        );
        check("HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n{}", Err(Status(101)));
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
            Err(TooLarge),
        );
    }

    #[test]
    fn the_largest_body_and_one_byte_more() {
        for (length, fits) in [(MAX_BODY_BYTES, true), (MAX_BODY_BYTES + 1, false)] {
            let body = "x".repeat(length);
            let half = length / 2;
            let (a, b) = body.split_at(half);
            let expected = if fits {
                Ok(body.clone().into_bytes())
            } else {
                Err(TooLarge)
            };
            for bytes in [
                format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
                format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
                    a.len(),
                    b.len()
                ),
            ] {
                for size in [bytes.len(), 16 * 1024, 1000, 7] {
                    let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(size).collect();
                    assert_eq!(outcome(&pieces).map(|(body, _)| body), expected);
                }
            }
        }
    }

    fn near_http() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            Just("HTTP/1.1 200 OK\r\n".to_owned()),
            Just("HTTP/1.1 100 Continue\r\n".to_owned()),
            Just("HTTP/1.0 204 No\r\n".to_owned()),
            Just("Content-Length: 3\r\n".to_owned()),
            Just("Transfer-Encoding: chunked\r\n".to_owned()),
            Just("Connection: close\r\n".to_owned()),
            Just("\r\n".to_owned()),
            Just("3\r\nabc\r\n".to_owned()),
            Just("0\r\n".to_owned()),
            "[ -~]{0,12}",
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn how_it_is_cut_makes_no_difference(
            bytes in near_http(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(outcome(&pieces), outcome(&[&bytes]));
        }
    }
}
