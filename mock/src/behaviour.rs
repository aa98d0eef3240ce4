//! How a replica answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a replica does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Answers as told by the other fields.
    Normal,
    /// Accepts and never says anything.
    Silent,
    /// Resets every new connection at once, like a machine on which nothing listens.
    Refuse,
    /// Reads the request and resets the connection.
    Reset,
    /// Sends its answer byte by byte, `interval` seconds apart.
    Dribble,
    /// Sends `bytes` blanks (1 GB by default).
    Huge,
    /// Answers with bytes that are no HTTP.
    Garbage,
    /// Sends half of what it announced, then closes.
    Truncate,
}

const MODES: [(Mode, &str); 8] = [
    (Mode::Normal, "normal"),
    (Mode::Silent, "silent"),
    (Mode::Refuse, "refuse"),
    (Mode::Reset, "reset"),
    (Mode::Dribble, "dribble"),
    (Mode::Huge, "huge"),
    (Mode::Garbage, "garbage"),
    (Mode::Truncate, "truncate"),
];

/// How a replica answers. The default is what web.py does in production: 200, chunked, no `Content-Type`, kept alive.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// The kind of answer.
    pub mode: Mode,
    /// Seconds before the answer.
    pub delay: f64,
    /// Status code.
    pub status: u16,
    /// Chunked instead of `Content-Length`.
    pub chunked: bool,
    /// `Content-Type`, if any.
    pub content_type: Option<String>,
    /// Close after each answer.
    pub close: bool,
    /// Answer as HTTP/1.0.
    pub http10: bool,
    /// This body instead of capacity and termination.
    pub body: Option<String>,
    /// More headers.
    pub headers: BTreeMap<String, String>,
    /// Redirect to this place.
    pub location: Option<String>,
    /// Seconds between two bytes of [`Mode::Dribble`].
    pub interval: f64,
    /// Length of [`Mode::Huge`].
    pub bytes: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            mode: Mode::Normal,
            delay: 0.0,
            status: 200,
            chunked: true,
            content_type: None,
            close: false,
            http10: false,
            body: None,
            headers: BTreeMap::new(),
            location: None,
            interval: 1.0,
            bytes: 1_000_000_000,
        }
    }
}

impl Behaviour {
    /// The default with another mode.
    pub fn of(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// The default with a status.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Reads a mode's name or a JSON object.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| error.to_string())?
        } else {
            Value::String(text.to_owned())
        };
        Self::from_json(&value)
    }

    /// Reads a mode's name or an object of fields; what is not named has its default.
    ///
    /// # Errors
    /// Says which field is wrong.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let mut result = Self::default();
        match value {
            Value::String(name) => result.mode = mode(name)?,
            Value::Object(fields) => {
                for (key, value) in fields {
                    result.put(key, value)?;
                }
            }
            _ => return Err("a behaviour is a mode's name or an object".into()),
        }
        Ok(result)
    }

    fn put(&mut self, key: &str, value: &Value) -> Result<(), String> {
        let text = || {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("{key}: text is wanted"))
        };
        let flag = || {
            value
                .as_bool()
                .ok_or_else(|| format!("{key}: true or false is wanted"))
        };
        let number = || {
            value
                .as_f64()
                .filter(|n| *n >= 0.0)
                .ok_or_else(|| format!("{key}: a number is wanted"))
        };
        match key {
            "mode" => self.mode = mode(&text()?)?,
            "delay" => self.delay = number()?,
            "interval" => self.interval = number()?,
            "bytes" => self.bytes = value.as_u64().ok_or("bytes: a number is wanted")?,
            "status" => {
                let status = value.as_u64().and_then(|code| u16::try_from(code).ok());
                self.status = status
                    .filter(|code| (100..1000).contains(code))
                    .ok_or("status: 100 to 999")?;
            }
            "chunked" => self.chunked = flag()?,
            "close" => self.close = flag()?,
            "http10" => self.http10 = flag()?,
            "content_type" => {
                self.content_type = if value.is_null() { None } else { Some(text()?) }
            }
            "location" => self.location = if value.is_null() { None } else { Some(text()?) },
            "body" => {
                self.body = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                }
            }
            "headers" => {
                let map = value.as_object().ok_or("headers: an object is wanted")?;
                let pair = |(key, value): (&String, &Value)| {
                    (key.clone(), value.as_str().unwrap_or_default().to_owned())
                };
                self.headers = map.iter().map(pair).collect();
            }
            _ => return Err(format!("a behaviour has no field {key:?}")),
        }
        Ok(())
    }

    /// Only the fields that differ from the default.
    pub fn to_json(&self) -> Value {
        let all = |this: &Self| {
            let name = MODES
                .iter()
                .find(|(mode, _)| *mode == this.mode)
                .map_or("normal", |(_, name)| name);
            json!({
                "mode": name, "delay": this.delay, "status": this.status, "chunked": this.chunked,
                "content_type": this.content_type, "close": this.close, "http10": this.http10, "body": this.body,
                "headers": this.headers, "location": this.location, "interval": this.interval, "bytes": this.bytes,
            })
        };
        let (mine, default) = (all(self), all(&Self::default()));
        let differs = |(key, value): (&String, &Value)| {
            (key == "mode" || default.get(key) != Some(value)).then(|| (key.clone(), value.clone()))
        };
        Value::Object(
            mine.as_object()
                .into_iter()
                .flatten()
                .filter_map(differs)
                .collect::<Map<_, _>>(),
        )
    }
}

fn mode(name: &str) -> Result<Mode, String> {
    MODES
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(mode, _)| *mode)
        .ok_or_else(|| {
            let names: Vec<&str> = MODES.iter().map(|(_, name)| *name).collect();
            format!("mode: one of {}", names.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_there_and_back() {
        let behaviour =
            Behaviour::parse(r#"{"mode":"dribble","interval":0.5,"status":503}"#).unwrap();
        assert_eq!(Behaviour::from_json(&behaviour.to_json()), Ok(behaviour));
        assert_eq!(Behaviour::parse("silent"), Ok(Behaviour::of(Mode::Silent)));
        assert!(Behaviour::parse("sulky").is_err());
    }
}
