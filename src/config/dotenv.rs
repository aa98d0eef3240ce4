//! `.env` as python-dotenv reads it, the loader of the reference.
//!
//! `dotenvy` 0.15 alone would not do: it stops at an unquoted blank (`OPENSTACK_IMAGE=Debian 11`),
//! expands `$word`, refuses most backslashes, and shows the whole line, password included, in its
//! errors. So each binding is found by python-dotenv's grammar and its value handed to `dotenvy` in
//! double quotes, with escapes where it needs them.

/// One binding, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) line: usize,
    pub(super) name: String,
    /// Without quotes and escapes, `${NAME}` not yet replaced; `None`: the name stands without `=`,
    /// which sets nothing.
    pub(super) value: Option<String>,
}

/// A line that cannot be read, and what to do about it; never its value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) line: usize,
    /// The name that it would set, if that much can be read.
    pub(super) name: Option<String>,
    pub(super) remedy: &'static str,
}

const NO_NAME: &str = "expected NAME=value";
const NO_EQUAL_SIGN: &str = "expected NAME=value: a name holds no blank, and `=` follows it";
const OPEN_QUOTE: &str = "the quote is never closed; close it, or put a backslash before a quote \
     that belongs to the value";
const AFTER_QUOTE: &str = "something follows the closing quote; quote the whole value, with a \
     backslash before inner quotes, \
     or do not quote it at all";

/// Every binding and every bad line of a file.
pub(super) fn parse(text: &str) -> (Vec<Binding>, Vec<BadLine>) {
    // Python's text files know only one line end.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut cursor = Cursor {
        rest: text.strip_prefix('\u{feff}').unwrap_or(&text),
        line: 1,
    };
    let (mut bindings, mut bad) = (Vec::new(), Vec::new());
    loop {
        cursor.take_while(is_blank);
        if cursor.rest.is_empty() {
            return (bindings, bad);
        }
        let line = cursor.line;
        let mut start = Cursor { ..cursor };
        match binding(&mut cursor) {
            Ok(None) => {}
            Ok(Some((name, value))) => bindings.push(Binding { line, name, value }),
            Err(remedy) => {
                let name = name(&mut start).ok().flatten().map(str::to_owned);
                bad.push(BadLine { line, name, remedy });
                cursor.take_while(|c| c != '\n');
            }
        }
    }
}

struct Cursor<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn skip_comment(&mut self) {
        let blanks = self.rest.find(|c| !is_blank_in_line(c));
        if blanks.is_some_and(|end| self.rest[end..].starts_with('#')) {
            self.take_while(|c| c != '\n');
        }
    }

    fn at_line_end(&mut self) -> bool {
        self.take_while(is_blank_in_line);
        self.rest.is_empty() || self.rest.starts_with('\n')
    }
}

/// Python's `\s`.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn is_blank_in_line(c: char) -> bool {
    c != '\n' && is_blank(c)
}

type Parsed<T> = Result<T, &'static str>;

/// One binding up to its line's end; `None` for a comment.
fn binding(cursor: &mut Cursor<'_>) -> Parsed<Option<(String, Option<String>)>> {
    let name = name(cursor)?;
    cursor.take_while(is_blank_in_line);
    let value = if cursor.rest.starts_with('=') {
        cursor.take(1);
        let blanks = cursor.take_while(is_blank_in_line);
        // `NAME= # text` is a comment, `NAME=#text` is a value.
        let comment = !blanks.is_empty() && cursor.rest.starts_with('#');
        Some(if comment {
            String::new()
        } else {
            quoted_value(cursor)?
        })
    } else {
        None
    };
    cursor.skip_comment();
    if !cursor.at_line_end() {
        return Err(if value.is_some() {
            AFTER_QUOTE
        } else {
            NO_EQUAL_SIGN
        });
    }
    let Some(name) = name else { return Ok(None) };
    let value = value.map(|quoted| unquote(&quoted)).transpose()?;
    Ok(Some((name.to_owned(), value)))
}

/// The name of a binding, after an `export`; `None` for a comment.
fn name<'a>(cursor: &mut Cursor<'a>) -> Parsed<Option<&'a str>> {
    if let Some(after) = cursor.rest.strip_prefix("export")
        && after.starts_with(is_blank_in_line)
    {
        cursor.take("export".len());
        cursor.take_while(is_blank_in_line);
    }
    if cursor.rest.starts_with('#') {
        return Ok(None);
    }
    if let Some(after) = cursor.rest.strip_prefix('\'') {
        let end = after.find('\'').filter(|end| *end > 0).ok_or(NO_NAME)?;
        return Ok(Some(&cursor.take(end + 2)[1..=end]));
    }
    let name = cursor.take_while(|c| !is_blank(c) && c != '=' && c != '#');
    if name.is_empty() {
        return Err(NO_NAME);
    }
    Ok(Some(name))
}

/// The value in `dotenvy`'s double quotes.
fn quoted_value(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let mut value = Quoted::new();
    if let Some(quote) = cursor
        .rest
        .chars()
        .next()
        .filter(|c| matches!(c, '\'' | '"'))
    {
        let end = closing_quote(cursor.rest, quote).ok_or(OPEN_QUOTE)?;
        let mut chars = cursor.take(end + 1)[1..end].chars();
        while let Some(c) = chars.next() {
            match (c, chars.clone().next()) {
                ('\\', Some(escaped)) => {
                    value.push_escaped(escaped, quote);
                    chars.next();
                }
                _ => value.push(c),
            }
        }
    } else {
        let text = before_comment(cursor.take_while(|c| c != '\n'));
        text.trim_end_matches(is_blank)
            .chars()
            .for_each(|c| value.push(c));
    }
    Ok(value.close())
}

/// Where the quote that starts `text` is closed. A backslash always hides the character after it.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut hidden = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let closes = !hidden && c == quote;
        hidden = !hidden && c == '\\';
        closes.then_some(at)
    })
}

/// An unquoted value ends at a `#` that follows a blank.
fn before_comment(text: &str) -> &str {
    let comment = text
        .match_indices('#')
        .find(|(at, _)| text[..*at].ends_with(is_blank));
    comment.map_or(text, |(at, _)| &text[..at])
}

/// A value in the form that `dotenvy` reads back unchanged.
struct Quoted(String);

impl Quoted {
    fn new() -> Self {
        Self("\"".to_owned())
    }

    fn push(&mut self, c: char) {
        match c {
            '\n' => self.0.push_str("\\n"),
            '\\' | '"' | '$' => self.0.extend(['\\', c]),
            _ => self.0.push(c),
        }
    }

    /// What a backslash and the character after it mean within that quote.
    fn push_escaped(&mut self, c: char, quote: char) {
        let meaning = match (quote, c) {
            (_, '\\' | '\'') => Some(c),
            ('"', '"') => Some('"'),
            ('"', 'a') => Some('\u{7}'),
            ('"', 'b') => Some('\u{8}'),
            ('"', 'f') => Some('\u{c}'),
            ('"', 'n') => Some('\n'),
            ('"', 'r') => Some('\r'),
            ('"', 't') => Some('\t'),
            ('"', 'v') => Some('\u{b}'),
            _ => None,
        };
        if meaning.is_none() {
            self.push('\\');
        }
        self.push(meaning.unwrap_or(c));
    }

    fn close(mut self) -> String {
        self.0.push('"');
        self.0
    }
}

/// Lets `dotenvy` read one value. The name is not handed over: `dotenvy` takes fewer names than
/// python-dotenv.
fn unquote(quoted: &str) -> Parsed<String> {
    let line = format!("VALUE={quoted}");
    match dotenvy::from_read_iter(line.as_bytes()).next() {
        Some(Ok((_, value))) => Ok(value),
        // The error would show the value.
        Some(Err(_)) | None => Err("the value cannot be read"),
    }
}
