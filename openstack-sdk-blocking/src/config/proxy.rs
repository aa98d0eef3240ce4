//! Which proxy a request goes through: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, as Python's `requests`
//! and so the other OpenStack tools read them.

use std::net::IpAddr;

use super::problem::{ConfigProblem, shown};
use crate::secret::Secret;
use crate::url::Url;

/// The proxies for each scheme, and the hosts that are reached without; by default none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    https: Option<Secret>,
    http: Option<Secret>,
    without: Vec<Without>,
}

/// An entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Without {
    Everything,
    /// The addresses of a network, and the length of its prefix in bits.
    Network(IpAddr, u32),
    /// A host and all below it, on one port or on each.
    Host(String, Option<u16>),
}

impl Proxies {
    /// Reads the variables; upper case wins over lower case, and `ALL_PROXY` stands for a scheme without one of its own.
    ///
    /// # Errors
    /// Each variable that names something else than an HTTP proxy.
    pub fn from_vars(vars: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut proxy = |own: &str| {
            let (name, text) = lookup(vars, own).or_else(|| lookup(vars, "ALL_PROXY"))?;
            match parse(&text) {
                Ok(url) => Some(url),
                Err(problem) => {
                    let problem = ConfigProblem::new(name, problem);
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                    None
                }
            }
        };
        let (https, http) = (proxy("HTTPS_PROXY"), proxy("HTTP_PROXY"));
        let list = lookup(vars, "NO_PROXY").map_or_else(String::new, |(_, text)| text);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            https,
            http,
            without: list.split(',').filter_map(Without::parse).collect(),
        })
    }

    /// The proxy for a URL, as a URL that may hold a user name and password.
    pub fn of(&self, url: &str) -> Option<&Secret> {
        let (scheme, rest) = url.split_once("://")?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        let proxy = if is_https { &self.https } else { &self.http };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = host_and_port(authority.rsplit('@').next()?);
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        let is_without = self.without.iter().any(|entry| entry.matches(&host, port));
        proxy.as_ref().filter(|_| !is_without)
    }

    /// All proxies there are.
    #[cfg(feature = "ureq")]
    pub(crate) fn all(&self) -> impl Iterator<Item = &Secret> {
        [&self.https, &self.http].into_iter().flatten()
    }
}

impl Without {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim();
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
        {
            return Some(Self::Network(address, bits));
        }
        let (host, port) = host_and_port(entry);
        let host = host.trim_start_matches('*').trim_start_matches('.');
        Some(Self::Host(host.to_owned(), port))
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        let address = || host.parse::<IpAddr>().ok();
        match self {
            Self::Everything => true,
            Self::Network(network, bits) => {
                address().is_some_and(|address| is_in(address, *network, *bits))
            }
            Self::Host(name, of_port) => {
                let is_below = || {
                    let above = host.strip_suffix(name.as_str());
                    address().is_none() && above.is_some_and(|rest| rest.ends_with('.'))
                };
                of_port.is_none_or(|wanted| wanted == port) && (host == name || is_below())
            }
        }
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differ = address.to_bits() ^ network.to_bits();
            bits <= 32 && differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differ = address.to_bits() ^ network.to_bits();
            bits <= 128 && differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// In lower case, and without the brackets of an IPv6 address.
fn host_and_port(text: &str) -> (String, Option<u16>) {
    let (host, port) = match text.rsplit_once(':') {
        // An address without brackets has no port.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => (text, None),
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        None => (text, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
    (host.to_ascii_lowercase(), port)
}

/// The name that is set, and its value.
fn lookup(vars: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<(String, String)> {
    [name.to_owned(), name.to_ascii_lowercase()]
        .into_iter()
        .find_map(|name| {
            let text = vars(&name)?.trim().to_owned();
            (!text.is_empty()).then_some((name, text))
        })
}

/// `HOST:PORT` is an HTTP proxy, as everywhere.
fn parse(text: &str) -> Result<Secret, String> {
    const EXPECTED: &str = "expected an HTTP proxy, such as http://proxy.example.net:3128";
    let given = || shown(if text.contains('@') { "***" } else { text });
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    if scheme.starts_with("socks") {
        return Err(format!(
            "is {}, but SOCKS proxies are not supported; {EXPECTED}, or unset it",
            given()
        ));
    }
    let wrong = || format!("is {}, {EXPECTED}", given());
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), authority),
    };
    let has_bad_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']') && port.parse::<u16>().is_err());
    let url = Url::parse(&format!("{scheme}://{host}"));
    let is_plain = user.bytes().all(|byte| byte.is_ascii_graphic());
    if url.is_err() || has_bad_port || host.starts_with(':') || !is_plain {
        return Err(wrong());
    }
    Ok(Secret::new(format!("{scheme}://{user}{host}")))
}

#[cfg(test)]
mod tests {
    use super::{Proxies, Secret};

    fn proxies(vars: &[(&str, &str)]) -> Result<Proxies, Vec<String>> {
        let find = |name: &str| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxies::from_vars(&find)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[track_caller]
    fn check(vars: &[(&str, &str)], url: &str, expected: Option<&str>) {
        let proxies = proxies(vars).expect("good variables");
        let found = proxies.of(url).map(Secret::expose);
        assert_eq!(found, expected, "{vars:?} {url}");
    }

    #[test]
    fn the_scheme_of_the_url_chooses() {
        let all = [
            ("HTTPS_PROXY", "secure:1"),
            ("HTTP_PROXY", "HTTP://u:p@plain:2/"),
            ("ALL_PROXY", "http://all:3"),
        ];
        check(&all, "https://cloud/v3", Some("http://secure:1"));
        check(&all, "HTTP://cloud:5000/v3", Some("http://u:p@plain:2"));
        check(&all[..1], "http://cloud", None);
        check(&all[1..], "https://cloud", Some("http://all:3"));
        check(&[], "https://cloud", None);
        let cases = [("https_proxy", " https://lower:1 "), ("no_proxy", "x")];
        check(&cases, "https://cloud", Some("https://lower:1"));
        let both = [("https_proxy", "lower:1"), ("HTTPS_PROXY", "upper:1")];
        check(&both, "https://cloud", Some("http://upper:1"));
    }

    #[test]
    fn no_proxy_is_read_as_requests_reads_it() {
        let cases: &[(&str, &str, bool)] = &[
            ("*", "https://cloud", true),
            ("example.net", "https://example.net/v3", true),
            ("example.net", "https://keystone.example.net:5000/v3", true),
            ("example.net", "https://otherexample.net", false),
            (" .example.net , x", "https://a.b.example.net", true),
            ("*.example.net", "https://a.example.net", true),
            ("EXAMPLE.net", "https://A.example.NET", true),
            ("example.net:5000", "https://a.example.net:5000", true),
            ("example.net:5000", "https://a.example.net", false),
            ("example.net:443", "https://a.example.net", true),
            ("10.0.0.1", "https://10.0.0.1:8774/x?y", true),
            ("0.0.1", "https://10.0.0.1", false),
            ("10.0.0.0/8", "https://10.9.8.7", true),
            ("10.0.0.0/8", "https://11.0.0.1", false),
            ("10.0.0.0/33", "https://10.0.0.0", false),
            ("0.0.0.0/0", "https://10.0.0.1", true),
            ("0.0.0.0/0", "https://[::1]", false),
            ("10.0.0.0/8", "https://cloud", false),
            ("fd00::/8", "https://[fd12::1]:5000/v3", true),
            ("fd00::/8", "https://[fe80::1]", false),
            ("fd12::1", "https://[fd12::1]:5000/v3", true),
            ("[fd12::1]:5000", "https://[fd12::1]:5000/v3", true),
            ("[fd12::1]:5000", "https://[fd12::1]/v3", false),
            ("", "https://cloud", false),
            (" , ", "https://cloud", false),
        ];
        for (list, url, is_without) in cases {
            let vars = [("ALL_PROXY", "p:1"), ("NO_PROXY", list)];
            let expected = (!is_without).then_some("http://p:1");
            check(&vars, url, expected);
        }
    }

    #[test]
    fn what_is_no_http_proxy_is_told_by_name_and_without_password() {
        let expected = "expected an HTTP proxy, such as http://proxy.example.net:3128";
        let cases: &[(&str, &str, String)] = &[
            (
                "ALL_PROXY",
                "socks5h://localhost:1080",
                format!(
                    "ALL_PROXY: is \"socks5h://localhost:1080\", but SOCKS proxies are not supported; \
                     {expected}, or unset it"
                ),
            ),
            (
                "https_proxy",
                "ftp://proxy",
                format!("https_proxy: is \"ftp://proxy\", {expected}"),
            ),
            (
                "HTTP_PROXY",
                "http://u:hidden@proxy:port",
                format!("HTTP_PROXY: is \"***\", {expected}"),
            ),
            (
                "HTTP_PROXY",
                "http://:3128",
                format!("HTTP_PROXY: is \"http://:3128\", {expected}"),
            ),
            (
                "HTTP_PROXY",
                "a proxy",
                format!("HTTP_PROXY: is \"a proxy\", {expected}"),
            ),
        ];
        for (name, value, expected) in cases {
            let got = proxies(&[(name, value)]).expect_err(value);
            assert_eq!(&got, std::slice::from_ref(expected));
        }
        let good = proxies(&[("ALL_PROXY", "http://u:hidden@proxy:1")]);
        assert!(!format!("{good:?}").contains("hidden"));
    }
}
