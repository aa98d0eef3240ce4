//! Faults: rules that make a call slow, failing, or lost.

use regex_lite::Regex;
use serde_json::{Value, json};

use crate::util::{Rng, millis};

/// Where a connection is dropped instead of answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drop {
    /// Before the call is carried out.
    Before,
    /// After it: the answer is lost.
    After,
}

/// What a rule does to a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault {
    pub(crate) delay_ms: u64,
    pub(crate) delay_after_ms: u64,
    pub(crate) status: Option<u16>,
    pub(crate) body: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) after: bool,
    pub(crate) truncate: Option<usize>,
    pub(crate) drop: Option<Drop>,
    /// Carry the call out (unless `drop` says otherwise) and never answer.
    pub(crate) hang: bool,
}

/// A rule and what it has seen.
#[derive(Debug)]
pub(crate) struct Rule {
    source: Value,
    service: Option<String>,
    method: Option<String>,
    path: Option<Regex>,
    probability: f64,
    skip: u64,
    times: Option<u64>,
    hits: u64,
    fault: Fault,
}

const KEYS: [&str; 15] = [
    "service",
    "method",
    "path",
    "probability",
    "skip",
    "times",
    "delay",
    "delay_after",
    "status",
    "body",
    "headers",
    "after",
    "truncate",
    "drop",
    "hang",
];

impl Rule {
    /// Reads a rule; the error names the key.
    pub(crate) fn parse(source: &Value) -> Result<Self, String> {
        let object = source.as_object().ok_or("a rule is a JSON object")?;
        if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!(
                "unknown key {key:?} in a fault rule; known: {}",
                KEYS.join(", ")
            ));
        }
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| object.get(key).and_then(Value::as_u64);
        let seconds = |key: &str| object.get(key).and_then(Value::as_f64).map_or(0, millis);
        let path = match text("path") {
            None => None,
            Some(pattern) => Some(Regex::new(&pattern).map_err(|error| format!("path: {error}"))?),
        };
        let status = match object.get("status") {
            None | Some(Value::Null) => None,
            Some(value) => Some(
                value
                    .as_u64()
                    .and_then(|code| u16::try_from(code).ok())
                    .filter(|code| (200..600).contains(code))
                    .ok_or("status: 200 to 599")?,
            ),
        };
        let drop = match text("drop").as_deref() {
            None => None,
            Some("before") => Some(Drop::Before),
            Some("after") => Some(Drop::After),
            Some(other) => return Err(format!("drop: \"before\" or \"after\", not {other:?}")),
        };
        let headers = object.get("headers").and_then(Value::as_object).map(|map| {
            map.iter()
                .map(|(key, value)| {
                    (
                        key.clone(),
                        value
                            .as_str()
                            .map_or_else(|| value.to_string(), str::to_owned),
                    )
                })
                .collect()
        });
        Ok(Self {
            service: text("service").map(|name| service_name(&name).to_owned()),
            method: text("method").map(|method| method.to_ascii_uppercase()),
            path,
            probability: object
                .get("probability")
                .and_then(Value::as_f64)
                .unwrap_or(1.0),
            skip: number("skip").unwrap_or(0),
            times: number("times"),
            hits: 0,
            fault: Fault {
                delay_ms: seconds("delay"),
                delay_after_ms: seconds("delay_after"),
                status,
                body: object.get("body").map(|body| {
                    body.as_str()
                        .map_or_else(|| body.to_string(), str::to_owned)
                }),
                headers: headers.unwrap_or_default(),
                after: object
                    .get("after")
                    .and_then(Value::as_bool)
                    .unwrap_or(false),
                truncate: number("truncate").and_then(|bytes| usize::try_from(bytes).ok()),
                drop,
                hang: object.get("hang").and_then(Value::as_bool).unwrap_or(false),
            },
            source: source.clone(),
        })
    }

    fn matches(&self, service: &str, method: &str, path: &str) -> bool {
        self.service.as_ref().is_none_or(|wanted| wanted == service)
            && self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self
                .path
                .as_ref()
                .is_none_or(|wanted| wanted.is_match(path))
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "rule": self.source, "hits": self.hits, "left": self.times })
    }
}

/// The first rule that matches decides.
pub(crate) fn draw(
    rules: &mut [Rule],
    rng: &mut Rng,
    service: &str,
    method: &str,
    path: &str,
) -> Option<Fault> {
    for rule in rules.iter_mut() {
        if rule.times == Some(0)
            || !rule.matches(service, method, path)
            || rng.unit() >= rule.probability
        {
            continue;
        }
        if rule.skip > 0 {
            rule.skip -= 1;
            continue;
        }
        rule.times = rule.times.map(|left| left - 1);
        rule.hits += 1;
        return Some(rule.fault.clone());
    }
    None
}

/// The project's name of a service, whatever it is called.
pub(crate) fn service_name(name: &str) -> &str {
    match name {
        "identity" => "keystone",
        "compute" => "nova",
        "network" => "neutron",
        "image" => "glance",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts() {
        let rule = json!({"service": "compute", "method": "post", "path": "/servers$", "status": 500, "times": 1, "skip": 1});
        let mut rules = [Rule::parse(&rule).unwrap()];
        let mut rng = Rng::new(1);
        let mut hit = |path| draw(&mut rules, &mut rng, "nova", "POST", path).is_some();
        assert_eq!(
            [
                hit("/v2.1/servers"),
                hit("/v2.1/servers/x"),
                hit("/v2.1/servers"),
                hit("/v2.1/servers")
            ],
            [false, false, true, false]
        );
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(Rule::parse(&json!({"staus": 500})).is_err());
        assert!(Rule::parse(&json!({"path": "("})).is_err());
    }
}
