//! Changes inputs: blindly, by words that matter, and as JSON.

use serde_json::Value;

const MAX_BYTES: usize = 64 * 1024;

/// What breaks parsers.
const WORDS: [&str; 64] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "false",
    "-1",
    "0",
    "1e999",
    "-0.0",
    "1e-400",
    "18446744073709551616",
    "9223372036854775807",
    "99999999999999999999999999",
    "4294967296",
    "\\u0000",
    "\\ud800",
    "\\uD83D\\uDE00",
    "\u{feff}",
    "\u{202e}",
    "é",
    "\0",
    "\r\n",
    "\n\n",
    "\n%%\n",
    "\r\n\r\n",
    " ",
    "\t",
    "'",
    "#",
    "$",
    "${",
    "${A:-",
    "}",
    "=",
    "\\",
    "%00",
    "..",
    "/",
    "?",
    "&",
    "<br",
    "<html>",
    "200",
    "401",
    "404",
    "413",
    "500",
    "Retry-After: ",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: ",
    "HTTP/1.1 ",
    "Host: ",
    "http://",
    "ffffffffffffffff\r\n",
    "{ECHO}",
    "<<: *a",
    "&a ",
    "*a",
    "- ",
];

/// A small generator.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// A new input from one of the corpus, and sometimes from two.
pub(crate) fn mutate(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[rng.below(corpus.len())].clone();
    for _ in 0..=rng.below(4) {
        match rng.below(10) {
            0 => {
                let other = rng.below(corpus.len());
                splice(rng, &mut input, &corpus[other]);
            }
            1..4 => change_json(rng, &mut input),
            4 | 5 => insert_word(rng, &mut input),
            _ => change_bytes(rng, &mut input),
        }
    }
    input.truncate(MAX_BYTES);
    input
}

fn change_bytes(rng: &mut Rng, input: &mut Vec<u8>) {
    let at = rng.below(input.len() + 1);
    let until = (at + 1 + rng.below(40)).min(input.len());
    match rng.below(8) {
        0 => input.truncate(at),
        1 => {
            input.drain(at..until.max(at));
        }
        2 => {
            let part = input[at..until.max(at)].to_vec();
            let times = [2, 10, 500][rng.below(3)];
            input.splice(at..at, part.repeat(times));
        }
        3 => input.insert(at, rng.byte()),
        4 => {
            let depth = 1 + rng.below(20_000);
            let open = ["[", "{\"a\":", "(", "- "][rng.below(4)].repeat(depth);
            input.splice(at..at, open.into_bytes());
        }
        _ if input.is_empty() => input.push(rng.byte()),
        5 => input[at.min(until - 1)] = rng.byte(),
        _ => input[at.min(until - 1)] ^= 1 << rng.below(8),
    }
}

fn insert_word(rng: &mut Rng, input: &mut Vec<u8>) {
    let word = WORDS[rng.below(WORDS.len())];
    let at = rng.below(input.len() + 1);
    let until = (at + rng.below(2) * word.len()).min(input.len());
    input.splice(at..until, word.bytes());
}

fn splice(rng: &mut Rng, input: &mut Vec<u8>, other: &[u8]) {
    let from = rng.below(other.len() + 1);
    let until = (from + rng.below(400)).min(other.len());
    let at = rng.below(input.len() + 1);
    if rng.below(2) == 0 {
        input.truncate(at);
        input.extend_from_slice(&other[from..]);
    } else {
        input.splice(at..at, other[from..until].iter().copied());
    }
}

/// Changes one value of a JSON text somewhere in the input.
fn change_json(rng: &mut Rng, input: &mut Vec<u8>) {
    let starts: Vec<usize> = (0..input.len()).filter(|at| input[*at] == b'{').collect();
    // Outer braces come first: look at the first few, and take one at random.
    let few = &starts[..starts.len().min(8)];
    let Some(start) = few.get(rng.below(few.len())).copied() else {
        return insert_word(rng, input);
    };
    let mut texts = serde_json::Deserializer::from_slice(&input[start..]).into_iter::<Value>();
    let Some(Ok(mut value)) = texts.next() else {
        return insert_word(rng, input);
    };
    let end = start + texts.byte_offset();
    change_value(rng, &mut value, 0);
    let text = value.to_string();
    input.splice(start..end, text.into_bytes());
}

fn change_value(rng: &mut Rng, value: &mut Value, depth: usize) {
    let deeper = depth < 12 && rng.below(5) > 0;
    match value {
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = rng.below(items.len());
            match rng.below(8) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => *items = vec![items[at].clone(); 300],
                _ => change_value(rng, &mut items[at], depth + 1),
            }
        }
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let key = fields.keys().nth(rng.below(fields.len())).cloned().unwrap();
            match rng.below(8) {
                0 => drop(fields.remove(&key)),
                1 => {
                    let moved = fields.remove(&key).unwrap_or_default();
                    fields.insert(WORDS[rng.below(WORDS.len())].to_owned(), moved);
                }
                _ => change_value(rng, &mut fields[&key], depth + 1),
            }
        }
        _ => *value = other_value(rng, value),
    }
}

fn other_value(rng: &mut Rng, old: &Value) -> Value {
    match rng.below(12) {
        0 => Value::Null,
        1 => Value::Bool(rng.below(2) == 0),
        2 => Value::from(rng.next()),
        3 => Value::from(-1),
        4 => Value::from(1.5e300),
        5 => Value::from(""),
        6 => Value::from("x".repeat([80, 5_000, 30_000][rng.below(3)])),
        7 => Value::from(WORDS[rng.below(WORDS.len())]),
        8 => Value::from(vec![old.clone()]),
        9 => serde_json::json!({ "a": old }),
        10 => Value::from(old.to_string()),
        _ => Value::from(Vec::<Value>::new()),
    }
}
