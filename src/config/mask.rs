//! What of a value may be shown. A URL's path may hold a token, and its host a password.

use super::kind::Kind;

/// What stands for a secret, or for a part of a value that may be one.
const SECRET: &str = "***";
/// A segment after one of these is a secret.
const ANNOUNCES: [&str; 8] = [
    "token", "key", "apikey", "api-key", "api_key", "secret", "auth", "password",
];

/// A value of that kind as it may be shown in settings, messages and logs.
pub(super) fn shown(kind: Kind, is_secret: bool, text: &str) -> String {
    match kind {
        _ if is_secret => SECRET.to_owned(),
        Kind::UrlPath => path(text),
        // No host has one: it ends a login, and a password may hold a comma.
        Kind::Hosts if text.contains('@') => SECRET.to_owned(),
        _ => url(text),
    }
}

/// A path without the values of its query, parameters, and whatever looks like a token.
fn path(text: &str) -> String {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let mut before = String::new();
    let segments = path.split('/').map(|segment| {
        let announced = ANNOUNCES.contains(&before.as_str());
        before = segment.to_ascii_lowercase();
        if announced && !segment.is_empty() {
            SECRET.to_owned()
        } else {
            self::segment(segment)
        }
    });
    let mut shown = segments.collect::<Vec<_>>().join("/");
    if let Some(query) = query {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if !is_token(name) => format!("{name}={SECRET}"),
            _ => SECRET.to_owned(),
        });
        shown.push('?');
        shown.push_str(&pairs.collect::<Vec<_>>().join("&"));
    }
    shown
}

fn segment(segment: &str) -> String {
    if let Some(at) = segment.find([';', '=', '@', '%', ':']) {
        let (name, _) = segment.split_at(at);
        return format!("{}{SECRET}", if is_token(name) { "" } else { name });
    }
    if is_token(segment) {
        SECRET.to_owned()
    } else {
        segment.to_owned()
    }
}

/// People write words, and numbers at their end; tokens mix both, or are long.
fn is_token(segment: &str) -> bool {
    let digit = segment.find(|c: char| c.is_ascii_digit());
    let mixed = digit.is_some_and(|at| segment[at..].contains(|c: char| c.is_ascii_alphabetic()));
    let is_word = |word: &str| word.len() < 20;
    let has_both = segment.contains(char::is_lowercase) && segment.contains(char::is_uppercase);
    let length = segment.len();
    let letters: Vec<char> = segment.chars().collect();
    let rises = letters
        .windows(2)
        .filter(|w| w[0].is_lowercase() && w[1].is_uppercase());
    (mixed && length >= 6)
        || rises.count() >= 4
        || (length >= 16 && (digit.is_some() || has_both))
        || !segment.split(['-', '_', '.']).all(is_word)
}

/// A URL without the user, the password, and the values of the query in it. A password may hold any character, so
/// where it ends is not known for sure: after a doubtful `@` nothing is shown.
fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        let login = text.split_once('@').map(|(before, _)| before);
        let has_password = login.is_some_and(|login| login.contains(':'));
        return if has_password { SECRET } else { text }.to_owned();
    };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(host);
    if path.contains('@') {
        return format!("{scheme}://{SECRET}");
    }
    let shown = match authority.rfind('@') {
        Some(at) => format!("{SECRET}{}", &authority[at..]),
        None => authority.to_owned(),
    };
    match path.find(['?', '#']) {
        Some(at) => format!("{scheme}://{shown}{}{SECRET}", &path[..=at]),
        None => format!("{scheme}://{shown}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{path, url};

    #[test]
    fn paths_are_shown_without_what_may_be_secret() {
        let check = |text: &str, expected: &str| assert_eq!(path(text), expected, "{text}");
        for plain in [
            "/",
            "/status",
            "/api/v1/replica-status_endpoint.json",
            "/gateway2024/status",
            "/v2/",
            "",
        ] {
            check(plain, plain);
        }
        check("/status?token=s3cret", "/status?token=***");
        check("/status?s3cret", "/status?***");
        check("/status?a=b&c=d?e/f&g", "/status?a=***&c=***&***");
        check("/status?9f8e7d6c5b=1", "/status?***");
        check("?a=b", "?a=***");
        check("/status;jsessionid=1A2B", "/status***");
        check("/token=abc/status", "/token***/status");
        check("/status%3Ftoken=abc", "/status***");
        check("/user:pass@x", "/user***");
        check("/token/abc", "/token/***");
        check("/API-Key/abc/status", "/API-Key/***/status");
        check("/status/s3cr3t", "/status/***");
        check("/9f8e7d6c5b4a39281706/status", "/***/status");
        check("/3fa85f64-5717-4562-b3fc-2c963f66afa6", "/***");
        check("/eyJhbGciOiJIUzI", "/***");
        check("/abcdefghijklmnopqrstuvwxyz", "/***");
        check("/1234567890123456", "/***");
    }

    #[test]
    fn urls_are_shown_without_a_login_and_a_query() {
        let check = |text: &str, expected: &str| assert_eq!(url(text), expected);
        check(
            "https://auth.example:5000/v3",
            "https://auth.example:5000/v3",
        );
        check("https://u:p@auth.example/v3", "https://***@auth.example/v3");
        check("https://u:p@q@auth.example", "https://***@auth.example");
        check("https://auth.example/a@b", "https://***");
        check("https://u:p/w@auth.example/v3", "https://***");
        check("https://u:p#w@auth.example", "https://***");
        check("https://u@v:p/w@auth.example", "https://***");
        check("u:p@auth.example/v3", "***");
        check("https:/u:p@auth.example", "***");
        check("a@b", "a@b");
        check("https://u:p@h/v3?key=abc#d", "https://***@h/v3?***");
        check("https://h?key=a@b", "https://***");
        check("https://h?key=ab", "https://h?***");
        check("http://h#abc", "http://h#***");
    }
}
