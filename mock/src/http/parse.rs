//! Reading a request from bytes.

use std::net::SocketAddr;

use super::Request;

/// A request's head and body may not be larger than this.
const MAX_REQUEST: usize = 4 << 20;

/// What the bytes so far amount to.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A request and how many bytes it took.
    Whole(Box<Request>, usize),
    Partial,
    /// Not HTTP, too large, or a body without a length: the status to refuse it with.
    Bad(u16),
}

pub(super) fn parse(bytes: &[u8], local: SocketAddr) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let start = match head.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_REQUEST => return Parsed::Partial,
        _ => return Parsed::Bad(400),
    };
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|header| {
            (
                header.name.to_owned(),
                String::from_utf8_lossy(header.value).into_owned(),
            )
        })
        .collect();
    let of = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    if of("transfer-encoding").is_some() {
        return Parsed::Bad(411);
    }
    let Ok(length) = of("content-length").unwrap_or("0").parse::<usize>() else {
        return Parsed::Bad(400);
    };
    if length > MAX_REQUEST {
        return Parsed::Bad(413);
    }
    let end = start + length;
    if bytes.len() < end {
        return Parsed::Partial;
    }
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or("/").to_owned(),
        http10: head.version == Some(0),
        body: bytes[start..end].to_vec(),
        headers,
        local,
        stage: 0,
        condition_held: false,
        fault: None,
    };
    Parsed::Whole(Box::new(request), end)
}

/// Undoes percent encoding, and `+` for a blank if `plus`.
pub(super) fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match (
            bytes[at],
            hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(decode("Debian%2011+a%zz", true), "Debian 11 a%zz");
        assert_eq!(decode("a+b%", false), "a+b%");
    }

    #[test]
    fn a_body_is_waited_for() {
        let local = SocketAddr::from(([127, 0, 0, 1], 1));
        let bytes = b"POST /x?a=1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
        assert!(matches!(parse(&bytes[..44], local), Parsed::Partial));
        let Parsed::Whole(request, used) = parse(bytes, local) else {
            panic!("not whole")
        };
        assert_eq!(
            (request.body.as_slice(), used),
            (&b"abc"[..], bytes.len() - 3)
        );
        assert_eq!(request.query(), [("a".to_owned(), "1".to_owned())]);
    }
}
