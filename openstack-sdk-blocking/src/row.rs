//! An object of an answer, read field by field: one field that makes no sense does not hide the others.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::clock;

/// The most values that are kept of one answer or element. An object takes some 600 bytes.
const MAX_VALUES: usize = 20_000;
/// The same of an answer to a login, whose catalog has eight values an endpoint.
pub(crate) const MAX_LOGIN_VALUES: usize = 100_000;
/// Deeper than any answer of a cloud.
const MAX_DEPTH: usize = 32;
/// Names of fields that are kept of one object.
const MAX_UNREAD: usize = 64;
const MAX_ID_CHARS: usize = 255;

/// An object that can be read as a row of a list.
pub(crate) trait FromRow: Sized {
    /// What it is called: `server`.
    const KIND: &'static str;

    /// Reads it; none if what it cannot do without is not there or makes no sense.
    fn from_row(row: &mut Row) -> Option<Self>;
}

/// The fields of an object, and which of them could not be read.
#[derive(Debug, Default)]
pub(crate) struct Row {
    fields: BTreeMap<String, Value>,
    unread: Vec<String>,
}

impl Row {
    /// Reads an object as far as it goes: what comes before a fault is there. None: it is no object.
    pub(crate) fn parse(bytes: &[u8], is_cut: bool) -> Option<Self> {
        Self::parse_values(bytes, is_cut, MAX_VALUES)
    }

    /// The same with another number of values that are kept.
    pub(crate) fn parse_values(bytes: &[u8], is_cut: bool, mut left: usize) -> Option<Self> {
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return None;
        }
        let text = String::from_utf8_lossy(bytes);
        let mut row = Self::default();
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        let fields = Fields {
            into: &mut row.fields,
            left: &mut left,
        };
        let outcome = fields
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        if outcome.is_err() && row.fields.is_empty() {
            return None;
        }
        if is_cut {
            row.skip("what is beyond 1 MiB");
        } else if outcome.is_err() {
            row.skip("what is not JSON");
        } else if left == 0 {
            row.skip("what is beyond the first values");
        }
        Some(row)
    }

    pub(crate) fn of(fields: Map<String, Value>) -> Self {
        Self {
            fields: fields.into_iter().collect(),
            unread: Vec::new(),
        }
    }

    /// The names of its fields.
    pub(crate) fn names(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    /// Whether something was left out that may have been any field.
    pub(crate) fn is_partial(&self) -> bool {
        self.unread.iter().any(|name| name.starts_with("what is "))
    }

    /// The fields that could not be read.
    pub(crate) fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Notes that a field cannot be read.
    pub(crate) fn skip(&mut self, name: &str) {
        if self.unread.len() > MAX_UNREAD || self.unread.iter().any(|known| known == name) {
            return;
        }
        let is_last = self.unread.len() == MAX_UNREAD;
        self.unread.push(if is_last {
            "what is not named here".to_owned()
        } else {
            name.to_owned()
        });
    }

    /// A field as it may be shown: one line of a bounded length.
    pub(crate) fn shown(&self, name: &str) -> Option<String> {
        let text = match self.fields.get(name)? {
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
            other => other.to_string(),
        };
        Some(text.chars().take(64).flat_map(char::escape_debug).collect())
    }

    /// A value as it is; null counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    fn read<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.take(name)?;
        let got = read(&value);
        if got.is_none() {
            self.skip(name);
        }
        got
    }

    /// An id, or a name that stands for one: not empty, not long, and printable.
    pub(crate) fn id(&mut self, name: &str) -> Option<String> {
        let is_plain = |text: &&str| {
            !text.trim().is_empty()
                && text.chars().count() <= MAX_ID_CHARS
                && !text.chars().any(char::is_control)
        };
        self.read(name, |value| {
            value.as_str().filter(is_plain).map(str::to_owned)
        })
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.read(name, |value| value.as_str().map(str::to_owned))
    }

    /// A text; an empty one counts as absent.
    pub(crate) fn word(&mut self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A text or a number, as a text.
    pub(crate) fn text_or_number(&mut self, name: &str) -> Option<String> {
        self.read(name, |value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// A number; also one in quotes.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self, name: &str) -> Option<T> {
        self.read(name, |value| {
            let number = match value {
                Value::String(text) => text.trim().parse().ok(),
                other => other.as_i64(),
            };
            T::try_from(number?).ok()
        })
    }

    /// True or false; also in quotes.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, |value| match value {
            Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
            other => other.as_bool(),
        })
    }

    /// A time, in seconds since 1970.
    pub(crate) fn time(&mut self, name: &str) -> Option<u64> {
        self.read(name, |value| clock::parse_iso8601(value.as_str()?))
    }

    /// An address; an empty text counts as absent.
    pub(crate) fn address(&mut self, name: &str) -> Option<IpAddr> {
        if self.fields.get(name).and_then(Value::as_str) == Some("") {
            self.fields.remove(name);
        }
        self.read(name, |value| value.as_str()?.parse().ok())
    }

    /// An object below this one.
    pub(crate) fn row(&mut self, name: &str) -> Option<Self> {
        if let Value::Object(fields) = self.take(name)? {
            return Some(Self::of(fields));
        }
        self.skip(name);
        None
    }

    /// The objects of a list; what else is in it is noted.
    pub(crate) fn rows(&mut self, name: &str) -> Vec<Self> {
        self.items(name, |value| match value {
            Value::Object(fields) => Some(Self::of(fields)),
            _ => None,
        })
    }

    /// The readable objects of a list; what else is in it is noted.
    pub(crate) fn list<T>(&mut self, name: &str, read: impl Fn(&mut Self) -> Option<T>) -> Vec<T> {
        let rows = self.rows(name);
        let mut items = Vec::new();
        for mut row in rows {
            let item = read(&mut row);
            if item.is_none() || !row.unread.is_empty() {
                self.skip(name);
            }
            items.extend(item);
        }
        items
    }

    /// The texts of a list; what else is in it is noted.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        self.items(name, |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// The items of a list that can be read; that others are in it is noted.
    fn items<T>(&mut self, name: &str, read: impl Fn(Value) -> Option<T>) -> Vec<T> {
        let list = match self.take(name) {
            None => return Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.skip(name);
                return Vec::new();
            }
        };
        let mut items = Vec::new();
        for value in list {
            let item = read(value);
            if item.is_none() {
                self.skip(name);
            }
            items.extend(item);
        }
        items
    }
}

/// The fields of the outermost object, so that those before a fault stay.
struct Fields<'a> {
    into: &'a mut BTreeMap<String, Value>,
    left: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Bounded {
                left: self.left,
                depth: MAX_DEPTH,
            })?;
            self.into.insert(key, value);
        }
        Ok(())
    }
}

/// Reads a value for as long as there are values left to keep; the rest is passed over.
struct Bounded<'a> {
    left: &'a mut usize,
    depth: usize,
}

impl Bounded<'_> {
    fn deeper(&mut self) -> Bounded<'_> {
        Bounded {
            left: self.left,
            depth: self.depth - 1,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth == 0 || *self.left == 0 {
            return IgnoredAny::deserialize(deserializer).map(|_| Value::Null);
        }
        *self.left -= 1;
        deserializer.deserialize_any(self)
    }
}

/// What is no list and no object is kept as it is.
macro_rules! scalars {
    ($($visit:ident: $of:ty,)*) => {
        $(fn $visit<E>(self, value: $of) -> Result<Value, E> {
            Ok(value.into())
        })*
    };
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    scalars! {
        visit_bool: bool,
        visit_i64: i64,
        visit_u64: u64,
        visit_f64: f64,
        visit_str: &str,
        visit_string: String,
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(self.deeper())? {
            // What is passed over must not take room either.
            if *self.left > 0 {
                list.push(value);
            }
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.deeper())?;
            if *self.left > 0 {
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_VALUES, Row};
    use std::net::IpAddr;

    fn row(text: &str) -> Row {
        Row::parse(text.as_bytes(), false).expect(text)
    }

    #[test]
    fn what_is_before_a_fault_stays() {
        for text in [
            r#"{"id": "x", "name": }"#,
            r#"{"id": "x", "size": 1e999, "z": 1}"#,
            r#"{"id": "x", "name": "\ud800"}"#,
            r#"{"id": "x", "a"#,
        ] {
            let mut row = row(text);
            assert_eq!(row.id("id").as_deref(), Some("x"), "{text}");
            assert!(row.is_partial(), "{text}");
        }
        for text in ["5", "[]", "\"x\"", "null", "{", "", "{]"] {
            assert!(Row::parse(text.as_bytes(), false).is_none(), "{text}");
        }
        assert!(!row("{}").is_partial());
        let mut bad = Row::parse(b"{\"name\": \"\xff\", \"id\": \"x\"}", false).expect("a row");
        assert_eq!(bad.id("id").as_deref(), Some("x"));
    }

    #[test]
    fn fields_are_read_one_by_one() {
        let mut row = row(
            r#"{"id": "x", "empty": "", "n": "64", "m": 64, "f": 1.5, "neg": -1, "yes": "yes", "no": "False",
                "t": "2026-01-01T00:00:00Z", "bad_t": "yesterday", "a": "127.0.0.1", "bad_a": "nowhere", "null": null,
                "list": ["a", 5, "b"], "rows": [{"x": 1}, 5, {"x": "y"}], "id5": 5, "ctl": "a\nb"}"#,
        );
        assert_eq!(row.id("id").as_deref(), Some("x"));
        assert_eq!(row.id("absent"), None);
        assert_eq!(row.id("null"), None);
        assert_eq!(row.number::<u64>("n"), Some(64));
        assert_eq!(row.number::<u64>("m"), Some(64));
        assert_eq!(row.flag("no"), Some(false));
        assert_eq!(row.time("t"), Some(1_767_225_600));
        assert_eq!(row.address("a"), "127.0.0.1".parse::<IpAddr>().ok());
        assert_eq!(row.address("empty"), None);
        assert_eq!(row.unread(), [] as [&str; 0]);
        assert_eq!(row.texts("list"), ["a", "b"]);
        assert_eq!(row.list("rows", |row| row.number::<u64>("x")), [1]);
        assert_eq!(row.number::<u64>("f"), None);
        assert_eq!(row.number::<u64>("neg"), None);
        assert_eq!(row.flag("yes"), None);
        assert_eq!(row.time("bad_t"), None);
        assert_eq!(row.address("bad_a"), None);
        assert_eq!(row.id("id5"), None);
        let unread = ["list", "rows", "f", "neg", "yes", "bad_t", "bad_a", "id5"];
        assert_eq!(row.unread(), unread);
        for number in 0..100 {
            row.skip(&number.to_string());
        }
        assert!(row.unread().len() < 100 && row.is_partial());
    }

    #[test]
    fn of_many_values_few_are_kept() {
        let zeros = "0,".repeat(MAX_VALUES);
        let mut row = row(&format!(r#"{{"id": "x", "a": [{zeros}0], "b": 1}}"#));
        assert!(row.is_partial());
        assert_eq!(row.id("id").as_deref(), Some("x"));
        assert!(row.take("b").is_none());
        assert!(
            row.take("a")
                .and_then(|a| Some(a.as_array()?.len() < MAX_VALUES))
                == Some(true)
        );
    }
}
