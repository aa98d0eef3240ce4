//! Why a request failed, where that is known, and where it was sent.

use std::fmt;

use crate::secret::Secret;
use crate::url;

/// What lies behind a failure, where one can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The certificate is from an authority that is not trusted.
    UnknownIssuer,
    /// The certificate is for other names.
    NotValidForName,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotValidYet,
    /// TLS was begun, and the server speaks plain HTTP.
    PlainHttp,
    /// A plain request was sent to a port that wants TLS, or speaks something else than HTTP.
    TlsPort,
    /// User or password are wrong, whatever the project.
    WrongCredentials,
    /// The application credential is refused: it is wrong, or has expired.
    CredentialRefused,
    /// The token to log in with is refused: it is wrong, or has expired.
    TokenRefused,
    /// User and password are right, but there is no such project for them; the names of those that there are.
    WrongProject(Vec<String>),
    /// The token is for no project, and so comes without a catalog.
    NoProject,
    /// The catalog has the service, but not in that region; the regions in which it has it.
    WrongRegion(Vec<String>),
    /// No region is configured, and the catalog has several.
    SeveralRegions(Vec<String>),
    /// The catalog has the service in the region, but not on that interface; the interfaces that there are.
    WrongInterface(Vec<String>),
    /// A login leads to another project or region than the first one did.
    Elsewhere,
}

impl Cause {
    /// The cause in words, where the error below does not have it in plain ones.
    pub(crate) fn words(&self) -> Option<&'static str> {
        match self {
            Self::UnknownIssuer => {
                Some("its certificate is from an authority that is not trusted here")
            }
            Self::NotValidForName => Some("its certificate is for another name"),
            Self::Expired => Some("its certificate has expired"),
            Self::NotValidYet => Some("its certificate is not valid yet"),
            Self::PlainHttp => Some("it answers in plain HTTP, not TLS"),
            Self::TlsPort => Some("it does not answer in plain HTTP"),
            _ => None,
        }
    }
}

/// Where a request went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether the URL begins with `https`.
    pub is_https: bool,
    /// `HOST:PORT`.
    pub host: String,
    /// The proxy's `HOST:PORT`, if the request went through one.
    pub proxy: Option<String>,
}

impl Target {
    /// The target of a URL, without user names and passwords.
    pub(crate) fn of(target: &str, proxy: Option<&Secret>) -> Self {
        let (is_https, host) = place(target);
        Self {
            is_https,
            host,
            proxy: proxy.map(|proxy| place(proxy.expose()).1),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match &self.proxy {
            Some(proxy) => write!(f, " through the proxy {proxy}"),
            None => Ok(()),
        }
    }
}

/// Whether it is `https`, and host and port.
fn place(text: &str) -> (bool, String) {
    let bare = url::without_secrets(text);
    let (scheme, rest) = bare.split_once("://").unwrap_or(("http", &bare));
    let is_https = scheme.eq_ignore_ascii_case("https");
    let authority = rest.split('/').next().unwrap_or_default();
    let after_host = authority.rsplit(']').next().unwrap_or_default();
    let host = if after_host.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:{}", if is_https { 443 } else { 80 })
    };
    (is_https, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_host_and_port_and_no_secret() {
        let check = |url: &str, proxy: Option<&str>, expected: &str| {
            let proxy = proxy.map(Secret::from);
            let target = Target::of(url, proxy.as_ref());
            assert_eq!(target.to_string(), expected, "{url}");
        };
        check("https://nova.example/v2.1/x?y=z", None, "nova.example:443");
        check("http://nova.example", None, "nova.example:80");
        check("http://[::1]:8774/v2.1", None, "[::1]:8774");
        check("https://[::1]/v2.1", None, "[::1]:443");
        let proxy = "http://me:hunter2@squid:3128";
        let expected = "nova:443 through the proxy squid:3128";
        check("https://nova/", Some(proxy), expected);
    }
}
