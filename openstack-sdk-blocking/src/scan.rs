//! Reads a page of a list as it comes in, and keeps one element of it at a time.
//!
//! What is kept of an answer does not depend on its size: an element has a limit, and what nobody reads is passed over
//! byte by byte. An element that makes no sense is an element all the same, and does not hide the others.

use std::io::{self, Read};

/// The most of one element that is kept, in bytes. A server is some 3 KB, a security group 0.5 KB for each of its rules.
pub(crate) const MAX_ELEMENT_BYTES: usize = 1024 * 1024;

/// Of a key and of a link to the next page.
const MAX_SMALL_BYTES: usize = 64 * 1024;
/// Deeper than any answer of a cloud, by far.
const MAX_DEPTH: usize = 64 * 1024;
const BUFFER_BYTES: usize = 16 * 1024;

/// Why a page cannot be read.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The connection failed; the transport knows how.
    Read,
    /// This byte, counted from 1, is not what JSON has there.
    NotJson(u64),
    /// The page has the key of its items twice, or something else than a list below it.
    NoList,
}

impl From<io::Error> for ScanError {
    fn from(_: io::Error) -> Self {
        Self::Read
    }
}

/// What a page has beside its items.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Whether there was a list below the wanted key.
    pub(crate) has_list: bool,
    /// The raw values of the other keys that were asked for; one that is too long is empty.
    pub(crate) kept: Vec<(String, Vec<u8>)>,
}

/// Reads a page: hands each item below `key` to `item` (none: it is too large) with what was kept of it, and keeps the
/// values of `others`.
pub(crate) fn page(
    input: &mut dyn Read,
    key: &str,
    others: &[&str],
    item: &mut dyn FnMut(&[u8], bool),
) -> Result<Page, ScanError> {
    let mut scanner = Scanner::new(input);
    let mut page = Page::default();
    scanner.expect(b'{')?;
    let mut is_first = true;
    while !scanner.ends_with(b'}', &mut is_first)? {
        let name = scanner.key()?;
        scanner.expect(b':')?;
        if name == key.as_bytes() {
            if page.has_list || scanner.peek()? != b'[' {
                return Err(ScanError::NoList);
            }
            page.has_list = true;
            scanner.items(item)?;
        } else if let Some(wanted) = others.iter().find(|other| other.as_bytes() == name) {
            let mut value = Kept::new(MAX_SMALL_BYTES);
            scanner.value(&mut value)?;
            let bytes = if value.is_cut {
                Vec::new()
            } else {
                value.bytes
            };
            page.kept.push(((*wanted).to_owned(), bytes));
        } else {
            scanner.value(&mut Kept::new(0))?;
        }
    }
    scanner.end()?;
    Ok(page)
}

/// As much of a value as fits.
struct Kept {
    bytes: Vec<u8>,
    most: usize,
    is_cut: bool,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            is_cut: false,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = self.most - self.bytes.len();
        self.is_cut |= bytes.len() > room;
        let fits = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(fits);
    }
}

struct Scanner<'a> {
    input: &'a mut dyn Read,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    /// How much was read before the buffer.
    before: u64,
}

impl<'a> Scanner<'a> {
    fn new(input: &'a mut dyn Read) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER_BYTES],
            at: 0,
            filled: 0,
            before: 0,
        }
    }

    /// The next byte, without taking it; none at the end.
    fn look(&mut self) -> Result<Option<u8>, ScanError> {
        while self.at == self.filled {
            self.before += self.filled as u64;
            (self.at, self.filled) = (0, 0);
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.filled = length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.buffer.get(self.at).copied())
    }

    /// The next byte that is no blank, without taking it.
    fn peek(&mut self) -> Result<u8, ScanError> {
        while let Some(byte) = self.look()? {
            if !is_blank(byte) {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(self.wrong())
    }

    fn wrong(&self) -> ScanError {
        ScanError::NotJson(self.before + self.at as u64 + 1)
    }

    fn expect(&mut self, byte: u8) -> Result<(), ScanError> {
        if self.peek()? != byte {
            return Err(self.wrong());
        }
        self.at += 1;
        Ok(())
    }

    /// Whether a list or an object ends here; takes the comma before its next part.
    fn ends_with(&mut self, end: u8, is_first: &mut bool) -> Result<bool, ScanError> {
        if self.peek()? == end {
            self.at += 1;
            return Ok(true);
        }
        if !std::mem::take(is_first) {
            self.expect(b',')?;
        }
        Ok(false)
    }

    /// A key as it is written, without its quotes. One with escapes or a very long one is none that is looked for.
    fn key(&mut self) -> Result<Vec<u8>, ScanError> {
        if self.peek()? != b'"' {
            return Err(self.wrong());
        }
        let mut key = Kept::new(MAX_SMALL_BYTES);
        self.text(&mut key)?;
        let length = key.bytes.len();
        let inner = key.bytes.get(1..length.saturating_sub(1));
        Ok(inner.unwrap_or_default().to_owned())
    }

    fn items(&mut self, item: &mut dyn FnMut(&[u8], bool)) -> Result<(), ScanError> {
        self.expect(b'[')?;
        let mut kept = Kept::new(MAX_ELEMENT_BYTES);
        let mut is_first = true;
        while !self.ends_with(b']', &mut is_first)? {
            kept.bytes.clear();
            kept.is_cut = false;
            self.value(&mut kept)?;
            item(&kept.bytes, kept.is_cut);
        }
        Ok(())
    }

    /// Any value, up to its end. Only what its end depends on is looked at.
    fn value(&mut self, kept: &mut Kept) -> Result<(), ScanError> {
        let mut open = Vec::new();
        self.peek()?;
        loop {
            let byte = self.look()?.ok_or_else(|| self.wrong())?;
            match byte {
                b'"' => self.text(kept)?,
                b'{' | b'[' if open.len() < MAX_DEPTH => {
                    open.push(if byte == b'{' { b'}' } else { b']' });
                    self.pass(1, kept);
                }
                b'}' | b']' if open.pop() == Some(byte) => self.pass(1, kept),
                b'{' | b'[' | b'}' | b']' => return Err(self.wrong()),
                _ if open.is_empty() => self.word(kept)?,
                _ => self.pass_until(kept, |byte| {
                    matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')
                }),
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    /// Takes so many bytes of the buffer.
    fn pass(&mut self, length: usize, kept: &mut Kept) {
        kept.push(
            self.buffer
                .get(self.at..self.at + length)
                .unwrap_or_default(),
        );
        self.at += length;
    }

    /// Takes what the buffer has before such a byte.
    fn pass_until(&mut self, kept: &mut Kept, is_end: impl Fn(u8) -> bool) {
        let rest = self.buffer.get(self.at..self.filled).unwrap_or_default();
        let length = rest.iter().position(|byte| is_end(*byte));
        self.pass(length.unwrap_or(rest.len()), kept);
    }

    fn text(&mut self, kept: &mut Kept) -> Result<(), ScanError> {
        self.pass(1, kept);
        loop {
            self.pass_until(kept, |byte| matches!(byte, b'"' | b'\\'));
            match self.look()? {
                None => return Err(self.wrong()),
                Some(b'"') => {
                    self.pass(1, kept);
                    return Ok(());
                }
                Some(b'\\') => {
                    self.pass(1, kept);
                    self.look()?.ok_or_else(|| self.wrong())?;
                    self.pass(1, kept);
                }
                Some(_) => {}
            }
        }
    }

    /// A number, `true`, `false` or `null`. What they are worth is seen where they are read.
    fn word(&mut self, kept: &mut Kept) -> Result<(), ScanError> {
        let mut is_empty = true;
        while let Some(byte) = self.look()? {
            if is_blank(byte) || matches!(byte, b',' | b':' | b']' | b'}') {
                break;
            }
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
                return Err(self.wrong());
            }
            is_empty = false;
            self.pass(1, kept);
        }
        if is_empty { Err(self.wrong()) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Ok(_) => Err(self.wrong()),
            Err(ScanError::NotJson(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, MAX_ELEMENT_BYTES, Page, ScanError, page};
    use std::io::Read;

    /// Hands out a byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            self.0 = rest;
            buffer[0] = *first;
            Ok(1)
        }
    }

    fn read(text: &str) -> Result<(Vec<String>, Page), ScanError> {
        let mut items = Vec::new();
        let mut take = |bytes: &[u8], is_cut| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            items.push(if is_cut { "cut".to_owned() } else { text });
        };
        let page = page(
            &mut Drip(text.as_bytes()),
            "servers",
            &["servers_links", "next"],
            &mut take,
        )?;
        Ok((items, page))
    }

    #[test]
    fn items_are_told_apart() {
        let cases: &[(&str, &[&str])] = &[
            (r#"{"servers": []}"#, &[]),
            (
                r#" { "servers" : [ 1 , true,null ] } "#,
                &["1", "true", "null"],
            ),
            (
                r#"{"a": {"servers": [9]}, "servers": [{"id": "],}\""}, [], "x"], "z": [[0,0],{}]}"#,
                &[r#"{"id": "],}\""}"#, "[]", "\"x\""],
            ),
            // Each is an item, whatever it is worth.
            (
                r#"{"servers": [{"id": }, {1:2,,}, 1e999, 0x12, "\ud800"]}"#,
                &[r#"{"id": }"#, "{1:2,,}", "1e999", "0x12", "\"\\ud800\""],
            ),
        ];
        for (text, expected) in cases {
            let (items, page) = read(text).expect(text);
            assert!(page.has_list, "{text}");
            assert_eq!(items, *expected, "{text}");
        }
    }

    #[test]
    fn other_values_are_kept_as_they_are() {
        let text = r#"{"next": null, "servers": [], "servers_links": [{"rel": "next"}], "x": 1}"#;
        let (_, page) = read(text).expect(text);
        let kept: Vec<_> = page
            .kept
            .iter()
            .map(|(key, value)| (key.as_str(), String::from_utf8_lossy(value).into_owned()))
            .collect();
        let links = r#"[{"rel": "next"}]"#.to_owned();
        assert_eq!(
            kept,
            [("next", "null".to_owned()), ("servers_links", links)]
        );
        let long = format!(r#"{{"next": "{}", "servers": []}}"#, "x".repeat(70_000));
        assert!(read(&long).expect("a page").1.kept[0].1.is_empty());
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for text in [
            "",
            "[]",
            "{",
            "{\"servers\": [",
            "{\"servers\": [{\"id\": \"",
            "{\"servers\": [1 2]}",
            "{\"servers\": [1,]}x",
            "{\"servers\": [{]}]}",
            "{\"servers\": []} x",
            "{\"servers\": [],}",
            "{\"servers\" []}",
            "{servers: []}",
            "{\"a\": 1 \"servers\": []}",
            "{\"a\": }",
            "<html>",
        ] {
            assert!(
                matches!(read(text), Err(ScanError::NotJson(_))),
                "{text}: {:?}",
                read(text).map(|(items, _)| items)
            );
        }
        for text in [
            r#"{"servers": null}"#,
            r#"{"servers": {}}"#,
            r#"{"servers": [], "servers": []}"#,
        ] {
            assert!(matches!(read(text), Err(ScanError::NoList)), "{text}");
        }
        assert!(!read("{}").expect("an object").1.has_list);
        let deep = format!("{{\"x\": {}", "[".repeat(MAX_DEPTH + 1));
        assert!(matches!(read(&deep), Err(ScanError::NotJson(_))));
    }

    #[test]
    fn a_large_item_is_cut_and_the_next_one_is_not() {
        let text = format!(
            r#"{{"servers": ["{}", "good"]}}"#,
            "x".repeat(MAX_ELEMENT_BYTES)
        );
        assert_eq!(read(&text).expect("a page").0, ["cut", "\"good\""]);
    }
}
