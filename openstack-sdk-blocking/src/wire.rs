//! What the three services' JSON has in common: single objects, and lists in pages.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::clock;
use crate::cloud::{Answer, Call, Cloud};
use crate::error::{Error, Service};
use crate::transport::Method;

/// No list needs more: Nova pages at 1000 by default.
pub(crate) const MAX_PAGES: usize = 1000;

/// Nor does one need more than that: a server is some 3 KB.
const MAX_LIST_BYTES: usize = 128 * 1024 * 1024;

/// A whole list.
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
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
}

/// Reads every page. Only the query of a next link is used: its host is often one that cannot be reached.
pub(crate) fn list<T: DeserializeOwned>(
    cloud: &Cloud,
    call: ListCall<'_>,
) -> Result<List<T>, Error> {
    let mut list = List {
        items: Vec::new(),
        date: None,
        pages: 0,
    };
    let mut query = call.query;
    let mut seen = HashSet::new();
    let mut bytes = 0;
    loop {
        let answer = cloud.call(&Call {
            query: &query,
            headers: call.headers.clone(),
            ..Call::new(call.service, Method::Get, call.path)
        })?;
        let bad = |message: &str| bad_answer(call.service, Method::Get, &answer, message);
        let mut page: Value = parse(&answer).map_err(|problem| bad(&problem))?;
        let items = page.get_mut(call.key).map(Value::take);
        let items = items.ok_or_else(|| bad(&format!("no \"{}\" in the body", call.key)))?;
        let items: Vec<T> = serde_json::from_value(items)
            .map_err(|error| bad(&format!("\"{}\" cannot be read: {error}", call.key)))?;
        if list.pages == 0 {
            list.date = answer
                .response
                .header("date")
                .and_then(clock::parse_http_date);
        }
        list.items.extend(items);
        list.pages += 1;
        bytes += answer.response.body.len();
        let next = match next_page(&page, call.key) {
            NextPage::None => return Ok(list),
            NextPage::Query(next) => next,
            NextPage::Unusable => {
                return Err(bad("the link to the next page is not a URL with a query"));
            }
        };
        if !seen.insert(marker(&next).to_owned()) {
            return Err(bad("the list does not end: its next page was read already"));
        }
        if bytes > MAX_LIST_BYTES {
            return Err(bad("the list does not end: more than 128 MiB"));
        }
        if list.pages >= MAX_PAGES {
            return Err(bad("the list does not end: more than 1000 pages"));
        }
        query = next;
    }
}

/// Sends a request and reads the object below `key` of its answer.
pub(crate) fn object<T: DeserializeOwned>(
    cloud: &Cloud,
    call: &Call<'_>,
    key: &str,
) -> Result<T, Error> {
    let answer = cloud.call(call)?;
    let bad = |message: &str| bad_answer(call.service, call.method, &answer, message);
    let mut body: Value = parse(&answer).map_err(|problem| bad(&problem))?;
    let inner = if key.is_empty() {
        Some(body)
    } else {
        body.get_mut(key).map(Value::take)
    };
    let inner = inner.ok_or_else(|| bad(&format!("no \"{key}\" in the body")))?;
    serde_json::from_value(inner)
        .map_err(|error| bad(&format!("\"{key}\" cannot be read: {error}")))
}

/// `null` where a list, a map or a text is expected counts as empty.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A time of the API in seconds since 1970; one that cannot be read counts as absent.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(clock::parse_iso8601))
}

/// An empty text counts as absent.
pub(crate) fn non_empty<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

fn parse(answer: &Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.response.body).map_err(|error| {
        format!(
            "the body is not JSON (line {}, column {})",
            error.line(),
            error.column()
        )
    })
}

fn bad_answer(service: Service, method: Method, answer: &Answer, message: &str) -> Error {
    Error::bad_answer(
        service,
        method,
        &answer.path,
        &answer.response,
        message,
        &answer.redactor,
    )
}

enum NextPage {
    None,
    Query(String),
    /// There is a link that cannot be followed, so that the list must not pass for complete.
    Unusable,
}

fn next_page(page: &Value, key: &str) -> NextPage {
    let of_rel = |link: &&Value| link.get("rel").and_then(Value::as_str) == Some("next");
    let href = match page.get("next") {
        Some(href) if !href.is_null() => Some(href),
        _ => page
            .get(format!("{key}_links"))
            .and_then(Value::as_array)
            .and_then(|links| links.iter().find(of_rel))
            .map(|link| link.get("href").unwrap_or(&Value::Null)),
    };
    let Some(href) = href else {
        return NextPage::None;
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
