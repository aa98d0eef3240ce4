//! Reads Rust source far enough to know which paths it names: comments, literals and test code
//! are left out, `use` trees are spread out, `self` and `super` are resolved.

/// The source in tokens: words, `::`, and single signs. A literal is the token `""`.
pub(crate) fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let (token, length) = next_token(rest);
        if let Some(token) = token {
            found.push(token);
        }
        at += length.max(1);
    }
    found
}

fn next_token(rest: &[char]) -> (Option<String>, usize) {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    match rest {
        ['/', '/', ..] => (None, rest.iter().take_while(|c| **c != '\n').count()),
        ['/', '*', ..] => (None, comment_length(rest)),
        ['"', ..] => (Some("\"\"".to_owned()), string_length(rest)),
        ['r', '"' | '#', ..] | ['b', 'r', '"' | '#', ..] => match raw_string_length(rest) {
            Some(length) => (Some("\"\"".to_owned()), length),
            None => (Some("r".to_owned()), 1),
        },
        ['\'', '\\', _, ..] => {
            let length = rest.iter().skip(3).take_while(|c| **c != '\'').count();
            (Some("\"\"".to_owned()), length + 4)
        }
        ['\'', _, '\'', ..] => (Some("\"\"".to_owned()), 3),
        [':', ':', ..] => (Some("::".to_owned()), 2),
        [first, ..] if is_word(first) => {
            let word: String = rest.iter().take_while(|c| is_word(c)).collect();
            let length = word.chars().count();
            (Some(word), length)
        }
        [first, ..] if first.is_whitespace() => (None, 1),
        [first, ..] => (Some(first.to_string()), 1),
        [] => (None, 1),
    }
}

fn comment_length(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string_length(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().take_while(|c| matches!(c, 'b' | 'r')).count();
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&'"') {
        return None;
    }
    let ends = |at: &usize| {
        rest[*at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    let end = (start..rest.len()).find(ends)?;
    Some(end + 1 + hashes)
}

/// Leaves out every item under `#[cfg(test)]`. Also returns the modules of which the code is in
/// another file.
pub(crate) fn without_tests(tokens: &[String]) -> (Vec<String>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut elsewhere = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].iter().take(MARK.len()).eq(MARK) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let item = &tokens[at + MARK.len()..];
        if let [word, name, end, ..] = item
            && word == "mod"
            && end == ";"
        {
            elsewhere.push(name.clone());
        }
        at += MARK.len() + item_length(item);
    }
    (kept, elsewhere)
}

/// The length of an item: up to its `;`, or to the end of its braces.
fn item_length(tokens: &[String]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Every path of two or more segments that the tokens name, and every `use` of one, resolved
/// from the module `here` (`["pool", "plan"]`). Paths in this crate start with `crate`.
pub(crate) fn paths(tokens: &[String], here: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut module: Vec<String> = here.iter().map(|m| (*m).to_owned()).collect();
    let mut inline: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let mut length = 1;
        match tokens[at].as_str() {
            "mod" if tokens.get(at + 2).is_some_and(|t| t == "{") => {
                module.push(tokens[at + 1].clone());
                inline.push(depth);
                depth += 1;
                length = 3;
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                    module.pop();
                }
            }
            "use" => {
                let mut spread = Vec::new();
                length = 1 + use_tree(&tokens[at + 1..], &[], &mut spread);
                found.extend(spread.into_iter().map(|p| resolve(p, &module)));
            }
            _ => {
                let path = plain_path(&tokens[at..]);
                if path.len() > 1 {
                    length = 2 * path.len() - 1;
                    found.push(resolve(path, &module));
                }
            }
        }
        at += length;
    }
    found
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn plain_path(tokens: &[String]) -> Vec<String> {
    let mut path = Vec::new();
    for pair in tokens.chunks(2) {
        if !is_name(&pair[0]) {
            break;
        }
        path.push(pair[0].clone());
        if pair.get(1).is_none_or(|t| t != "::") {
            break;
        }
    }
    path
}

/// Spreads a `use` tree out. Returns how many tokens it has.
fn use_tree(tokens: &[String], prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|t| t != "}") {
                    at += use_tree(&tokens[at..], &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|t| t == ","));
                }
                return at + 1;
            }
            ";" | "," | "}" => break,
            "as" => at += 2,
            "::" => at += 1,
            segment => {
                path.push(segment.to_owned());
                at += 1;
            }
        }
    }
    found.push(path);
    at
}

fn resolve(path: Vec<String>, here: &[String]) -> Vec<String> {
    if !matches!(
        path[0].as_str(),
        "self" | "super" | "crate" | "simplescalevm"
    ) {
        return path;
    }
    let mut module = here.to_vec();
    let mut rest = path.into_iter().peekable();
    while let Some(word) =
        rest.next_if(|w| matches!(w.as_str(), "self" | "super" | "crate" | "simplescalevm"))
    {
        match word.as_str() {
            "super" => _ = module.pop(),
            "self" => {}
            _ => module.clear(),
        }
    }
    std::iter::once("crate".to_owned())
        .chain(module)
        .chain(rest)
        .collect()
}
