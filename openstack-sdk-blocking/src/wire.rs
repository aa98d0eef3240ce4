//! What the three services' JSON has in common: single objects, and lists in pages.

use std::collections::HashSet;
use std::io::{self, Read};
use std::time::Instant;

use serde_json::Value;

use crate::clock;
use crate::error::{Error, ErrorKind};
use crate::row::{FromRow, Row};
use crate::scan::{self, Page, ScanError};
use crate::service::Service;
use crate::session::{Answer, Call, Session, Sink};
use crate::transport::Method;

/// No list needs more: Nova pages at 1000 by default.
pub(crate) const MAX_PAGES: usize = 1000;

/// Nor does one need more than that: a server is some 3 KB.
const MAX_LIST_BYTES: u64 = 128 * 1024 * 1024;
/// The largest page that is read. It is not kept.
const MAX_PAGE_BYTES: u64 = 64 * 1024 * 1024;
/// So many elements of a list are read at most, several times what a project has.
const MAX_ITEMS: usize = 50_000;
/// Elements of one page that are told of.
const MAX_ODD_IN_A_PAGE: usize = 100;

/// A whole list.
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// Elements that could not be read.
    pub(crate) unreadable: usize,
    /// The first answer's `Date`, in seconds since 1970.
    pub(crate) date: Option<u64>,
    pub(crate) pages: usize,
}

/// A list to read: `key` holds the items and `KEY_links` (or `next`, with Glance) the next page.
pub(crate) struct ListCall<'a> {
    pub(crate) service: Service,
    pub(crate) path: &'a str,
    pub(crate) query: String,
    pub(crate) key: &'a str,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The moment by which the list has to be complete.
    pub(crate) until: Instant,
}

/// Reads every page. Only the query of a next link is used: its host is often one that cannot be reached.
pub(crate) fn list<T: FromRow>(session: &Session, call: &ListCall<'_>) -> Result<List<T>, Error> {
    let mut list = List {
        items: Vec::new(),
        unreadable: 0,
        date: None,
        pages: 0,
    };
    let mut query = call.query.clone();
    let mut seen = HashSet::new();
    let mut bytes = 0;
    loop {
        let room = MAX_ITEMS - list.items.len();
        let mut reader = PageReader::<T>::new(call.key, room);
        let answer = ask(session, call, &query, list.pages, &mut reader)?;
        let page = reader.page(&answer)?;
        if list.pages == 0 {
            let date = answer.response.header("date");
            list.date = date.and_then(clock::parse_http_date);
        }
        for (label, what) in &reader.found.odd {
            session.tell_odd(call.service, T::KIND, label, what);
        }
        list.items.append(&mut reader.found.items);
        list.unreadable += reader.found.unreadable;
        list.pages += 1;
        bytes += reader.bytes;
        let next = match next_page(&page, call.key) {
            NextPage::None => return Ok(list),
            NextPage::Query(next) => next,
            NextPage::Unusable => {
                return Err(answer.bad("the link to the next page is not a URL with a query"));
            }
        };
        let without_end = if !seen.insert(marker(&next).to_owned()) {
            "its next page was read already"
        } else if bytes > MAX_LIST_BYTES {
            "more than 128 MiB"
        } else if list.pages >= MAX_PAGES {
            "more than 1000 pages"
        } else {
            query = next;
            continue;
        };
        return Err(answer.bad(&format!("the list does not end: {without_end}")));
    }
}

/// Asks for a page, unless the caller wants no other or there is no time left.
fn ask(
    session: &Session,
    list: &ListCall<'_>,
    query: &str,
    pages: usize,
    reader: &mut dyn Sink,
) -> Result<Answer, Error> {
    let (service, key) = (list.service, list.key);
    if !session.may_go_on() {
        let text = format!("the list of {key} was broken off: this program is stopping");
        return Err(Error::config(ErrorKind::Stopped, text));
    }
    let too_late = || {
        let text = format!(
            "{service}: the list of {key} was not complete in its time: {pages} pages were read"
        );
        Error::config(ErrorKind::Timeout, text)
    };
    let left = list.until.saturating_duration_since(session.now());
    if left.is_zero() {
        return Err(too_late());
    }
    let asked = Call {
        query,
        headers: list.headers.clone(),
        at_most: Some(left),
        max_bytes: MAX_PAGE_BYTES,
        ..Call::new(service, Method::Get, list.path)
    };
    session.read(&asked, reader).map_err(|error| {
        // What was left of the time was less than a request has.
        let is_late = error.kind() == ErrorKind::Timeout && session.now() >= list.until;
        if is_late {
            too_late().with_source(error)
        } else {
            error
        }
    })
}

/// Whether an object matches a filter, or does not report the field: a service that does not know a filter may answer with
/// everything.
pub(crate) fn fits<T: PartialEq + ?Sized>(wanted: Option<&T>, reported: Option<&T>) -> bool {
    wanted.is_none_or(|wanted| reported.is_none_or(|reported| reported == wanted))
}

/// Sends a request and reads the object below `key` of its answer.
pub(crate) fn object<T: FromRow>(
    session: &Session,
    call: &Call<'_>,
    key: &str,
) -> Result<T, Error> {
    let answer = session.call(call)?;
    let body = &answer.response.body;
    let mut row =
        Row::parse(body, false).ok_or_else(|| answer.bad("the body is no JSON object"))?;
    if row.is_partial() {
        return Err(answer.bad("the body is not JSON to its end"));
    }
    if !key.is_empty() {
        let inner = row.row(key);
        row = inner.ok_or_else(|| answer.bad(&format!("no \"{key}\" in the body")))?;
    }
    let label = label(&row).unwrap_or_else(|| "without an id".to_owned());
    let item = T::from_row(&mut row);
    if !row.unread().is_empty() {
        session.tell_odd(call.service, T::KIND, &label, &in_words(row.unread()));
    }
    item.ok_or_else(|| answer.bad(&format!("the {} in the body cannot be read", T::KIND)))
}

/// Reads the items of a page while it comes in.
struct PageReader<'a, T> {
    key: &'a str,
    links: String,
    found: Found<T>,
    bytes: u64,
    outcome: Option<Result<Page, ScanError>>,
}

/// The elements of a page.
struct Found<T> {
    items: Vec<T>,
    /// How many are kept, and whether there were more.
    room: usize,
    has_more: bool,
    unreadable: usize,
    /// What could not be read: of which element, and what of it.
    odd: Vec<(String, String)>,
}

impl<T: FromRow> Found<T> {
    fn none(room: usize) -> Self {
        Self {
            items: Vec::new(),
            room,
            has_more: false,
            unreadable: 0,
            odd: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8], is_cut: bool) {
        let position = self.items.len() + self.unreadable + 1;
        if self.items.len() >= self.room {
            self.has_more = true;
            return;
        }
        let mut row = Row::parse(bytes, is_cut);
        let name = row.as_ref().and_then(label);
        let item = row.as_mut().and_then(T::from_row);
        let unread = row.as_ref().map_or(&[][..], Row::unread);
        if (item.is_none() || !unread.is_empty()) && self.odd.len() < MAX_ODD_IN_A_PAGE {
            let name = name.unwrap_or_else(|| format!("without an id (number {position})"));
            let what = if unread.is_empty() {
                "it".to_owned()
            } else {
                in_words(unread)
            };
            self.odd.push((name, what));
        }
        match item {
            Some(item) => self.items.push(item),
            None => self.unreadable += 1,
        }
    }
}

impl<'a, T: FromRow> PageReader<'a, T> {
    fn new(key: &'a str, room: usize) -> Self {
        Self {
            key,
            links: format!("{key}_links"),
            found: Found::none(room),
            bytes: 0,
            outcome: None,
        }
    }

    fn page(&mut self, answer: &Answer) -> Result<Page, Error> {
        let problem = match self.outcome.take() {
            Some(Ok(_)) if self.found.has_more => {
                format!("the list has more than {MAX_ITEMS} elements")
            }
            Some(Ok(page)) if page.has_list => return Ok(page),
            Some(Ok(_)) => format!("no \"{}\" in the body", self.key),
            Some(Err(ScanError::NoList)) => format!("\"{}\" is no list", self.key),
            Some(Err(ScanError::NotJson(at))) => format!("the body is not JSON (byte {at})"),
            Some(Err(ScanError::Read)) | None => "the body broke off".to_owned(),
        };
        Err(answer.bad(&problem))
    }
}

impl<T: FromRow> Sink for PageReader<'_, T> {
    fn take(&mut self, body: &mut dyn Read) {
        self.found = Found::none(self.found.room);
        let mut each = |bytes: &[u8], is_cut: bool| self.found.take(bytes, is_cut);
        let mut counted = Counted(body, 0);
        let others = [self.links.as_str(), "next"];
        self.outcome = Some(scan::page(&mut counted, self.key, &others, &mut each));
        self.bytes = counted.1;
    }
}

struct Counted<'a>(&'a mut dyn Read, u64);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.read(buffer)?;
        self.1 += length as u64;
        Ok(length)
    }
}

/// By what an object is told from others of its kind.
fn label(row: &Row) -> Option<String> {
    row.shown("id")
        .or_else(|| row.shown("name"))
        .or_else(|| row.shown("zoneName"))
}

fn in_words(unread: &[String]) -> String {
    let shown: Vec<String> = unread
        .iter()
        .take(8)
        .map(|name| name.chars().take(64).flat_map(char::escape_debug).collect())
        .collect();
    shown.join(", ")
}

enum NextPage {
    None,
    Query(String),
    /// There is a link that cannot be followed, so that the list must not pass for complete.
    Unusable,
}

fn next_page(page: &Page, key: &str) -> NextPage {
    let mut links = None;
    let mut next = None;
    for (name, bytes) in &page.kept {
        // What is no JSON is a link that cannot be followed.
        let value = serde_json::from_slice(bytes).unwrap_or(Value::Bool(false));
        if name == "next" && key != "next" {
            next = Some(value);
        } else {
            links = Some(value);
        }
    }
    let of_rel = |link: &&Value| link.get("rel").and_then(Value::as_str) == Some("next");
    let href = match (next.filter(|next| !next.is_null()), &links) {
        (Some(href), _) => href,
        (None, Some(Value::Array(links))) => match links.iter().find(of_rel) {
            Some(link) => link.get("href").cloned().unwrap_or_default(),
            None => return NextPage::None,
        },
        (None, Some(Value::Bool(_))) => return NextPage::Unusable,
        (None, _) => return NextPage::None,
    };
    href.as_str()
        .and_then(|href| href.split_once('?'))
        .and_then(|(_, query)| query.split('#').next())
        .filter(|query| !query.is_empty() && query.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or(NextPage::Unusable, |query| {
            NextPage::Query(query.to_owned())
        })
}

/// What tells one page from another: its marker, or else its whole query.
fn marker(query: &str) -> &str {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("marker="))
        .unwrap_or(query)
}
