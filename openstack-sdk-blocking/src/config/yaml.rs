//! A YAML document as a tree in which scalars stay as they are written: a password of digits keeps its zeros.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Far more than a hand-written file has; aliases can make a small file large.
const MAX_NODES: usize = 50_000;
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value below a key, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Null | Self::Scalar(_) => 1,
            Self::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Self::Map(pairs) => 1 + pairs.iter().map(|(_, value)| value.count()).sum::<usize>(),
        }
    }
}

/// Reads the first document; an empty text is null.
///
/// # Errors
/// What is wrong and where; without the parser's own words, which may quote a password.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| at(error.marker(), "is not valid YAML"))?;
        let done = matches!(event, Event::DocumentEnd);
        builder
            .take(event)
            .map_err(|problem| at(&span.start, problem))?;
        if done {
            break;
        }
    }
    Ok(builder.root.unwrap_or(Node::Null))
}

fn at(marker: &saphyr_parser::Marker, problem: &str) -> String {
    format!(
        "{problem}: line {}, column {}",
        marker.line(),
        marker.col() + 1
    )
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

/// A list or mapping whose end is still to come.
struct Open {
    anchor: usize,
    node: Node,
    /// A mapping's key that waits for its value.
    key: Option<String>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), &'static str> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain
                    && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                let node = if null {
                    Node::Null
                } else {
                    Node::Scalar(text.into_owned())
                };
                self.close(node, anchor)
            }
            Event::Alias(anchor) => {
                let node = self
                    .anchors
                    .get(&anchor)
                    .ok_or("refers to an unknown anchor")?;
                self.nodes += node.count();
                if self.nodes > MAX_NODES {
                    return Err("is too large");
                }
                let node = node.clone();
                self.close(node, 0)
            }
            Event::SequenceStart(anchor, _) => self.start(Node::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.start(Node::Map(Vec::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.close(merged(open.node), open.anchor),
                None => Err("is not valid YAML"),
            },
            _ => Ok(()),
        }
    }

    fn start(&mut self, node: Node, anchor: usize) -> Result<(), &'static str> {
        if self.open.len() >= MAX_DEPTH {
            return Err("is nested too deeply");
        }
        self.open.push(Open {
            anchor,
            node,
            key: None,
        });
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), &'static str> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err("is too large");
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut open.node {
            Node::List(items) => items.push(node),
            Node::Map(pairs) => match (open.key.take(), node) {
                (Some(key), value) => pairs.push((key, value)),
                (None, Node::Scalar(key)) if pairs.iter().any(|(name, _)| *name == key) => {
                    return Err("has the same key twice");
                }
                (None, Node::Scalar(key)) => open.key = Some(key),
                (None, _) => return Err("has a key that is not a word"),
            },
            Node::Null | Node::Scalar(_) => {}
        }
        Ok(())
    }
}

/// `<<: *other` adds those pairs of another mapping (or of several) whose keys are not there.
fn merged(node: Node) -> Node {
    let Node::Map(pairs) = node else {
        return node;
    };
    let (merges, mut own): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| key == "<<");
    for (_, value) in merges {
        let sources = match value {
            Node::List(items) => items,
            one => vec![one],
        };
        for source in sources {
            let Node::Map(pairs) = source else { continue };
            for (key, value) in pairs {
                if own.iter().all(|(name, _)| *name != key) {
                    own.push((key, value));
                }
            }
        }
    }
    Node::Map(own)
}

#[cfg(test)]
mod tests {
    use super::{Node, parse};

    fn scalar(text: &str) -> Node {
        Node::Scalar(text.to_owned())
    }

    fn map(pairs: &[(&str, Node)]) -> Node {
        Node::Map(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
        )
    }

    #[test]
    fn documents() {
        let cases: &[(&str, Node)] = &[
            ("", Node::Null),
            ("# nothing\n", Node::Null),
            (
                "a: 007\nb:\nc: 'null'\nd: ~\n",
                map(&[
                    ("a", scalar("007")),
                    ("b", Node::Null),
                    ("c", scalar("null")),
                    ("d", Node::Null),
                ]),
            ),
            (
                "a: [x, {b: \"y: #\"}]",
                map(&[(
                    "a",
                    Node::List(vec![scalar("x"), map(&[("b", scalar("y: #"))])]),
                )]),
            ),
            (
                "a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n",
                map(&[
                    ("a", map(&[("k", scalar("1")), ("l", scalar("2"))])),
                    ("b", map(&[("k", scalar("3")), ("l", scalar("2"))])),
                ]),
            ),
            ("---\na: 1\n---\nb: 2\n", map(&[("a", scalar("1"))])),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).as_ref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_document() {
        let bomb = (1..9).fold(
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
            |text, n| {
                let alias = format!("*a{}, ", n - 1).repeat(10);
                format!("{text}a{n}: &a{n} [{alias}]\n")
            },
        );
        let deep = "[".repeat(100);
        for (text, part) in [
            ("a: 1\na: 2\n", "has the same key twice: line 2, column 1"),
            ("[x]: 1\n", "has a key that is not a word"),
            ("a: *nope\n", "line 1"),
            ("a: \"hunter2\n", "is not valid YAML"),
            (&bomb, "is too large"),
            (&deep, "is nested too deeply"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(
                problem.contains(part) && !problem.contains("hunter2"),
                "{problem}"
            );
        }
    }
}
