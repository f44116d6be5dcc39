//! When two spellings of a git URL name one repository.
//!
//! Lake compares URLs as strings and deletes a clone over a trailing `.git`
//! (`Lake/Load/Materialize.lean`). The forges do not care: they serve one repository under all of
//! these spellings.

use std::borrow::Cow;

/// Whether `a` and `b` name one repository.
pub fn same_repository(a: &str, b: &str) -> bool {
    a == b || Repository::of(a) == Repository::of(b)
}

/// What a URL points at, in one form: without a trailing `/` or `.git`, user info and default ports,
/// the host in lower case, and however it is reached (`https://`, `ssh://`, `git@host:`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repository {
    Remote { host: String, port: Option<String>, path: String },
    Local { path: String },
}

impl Repository {
    pub fn of(url: &str) -> Self {
        let url = url.trim();
        if let Some((scheme, rest)) = url.split_once("://") {
            let scheme = scheme.to_ascii_lowercase();
            if scheme == "file" {
                return Self::local(rest.strip_prefix("localhost").unwrap_or(rest));
            }
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let (host, port) = host_and_port(without_user(authority));
            let is_default = matches!(
                (scheme.as_str(), port),
                ("https", Some("443"))
                    | ("http", Some("80"))
                    | ("ssh" | "git+ssh" | "ssh+git", Some("22"))
                    | ("git", Some("9418"))
            );
            return Self::remote(host, port.filter(|port| !is_default && !port.is_empty()), path);
        }
        // git's scp-like form: a colon before any slash. `./a:b` and `/a:b` are paths.
        match url.split_once(':') {
            Some((authority, path)) if !authority.contains('/') && !authority.is_empty() => {
                Self::remote(without_user(authority), None, path)
            }
            _ => Self::local(url),
        }
    }

    /// `git@host:/org/x` and `git@host:org/x` are one on every forge. GitHub answers under three names, one of
    /// them for ssh through firewalls (port 443), and does not look at the case of owner and repository.
    fn remote(host: &str, port: Option<&str>, path: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let path = plain(path).trim_start_matches('/').to_owned();
        match (host.as_str(), port) {
            ("github.com" | "www.github.com", None) | ("ssh.github.com", None | Some("443")) => {
                Self::Remote {
                    host: "github.com".to_owned(),
                    port: None,
                    path: path.to_ascii_lowercase(),
                }
            }
            _ => Self::Remote { host, port: port.map(str::to_owned), path },
        }
    }

    fn local(path: &str) -> Self {
        Self::Local { path: plain(path).to_owned() }
    }
}

/// `true` for `https://user:password@host/…` and `https://token@host/…`. A user of ssh is not a secret
/// (`git@`).
pub fn has_secret(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    let user_info = authority.rsplit_once('@').map(|(user_info, _)| user_info);
    user_info.is_some_and(|user| user.contains(':') || scheme.starts_with("http"))
}

/// `url` as messages have it, without what [`has_secret`] finds.
pub fn shown(url: &str) -> Cow<'_, str> {
    let parts = url.split_once("://").filter(|_| has_secret(url));
    let shown = parts.and_then(|(scheme, rest)| {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some(format!("{scheme}://***@{}/{path}", authority.rsplit_once('@')?.1))
    });
    shown.map_or(Cow::Borrowed(url), Cow::Owned)
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Splits `host:port`, leaving an IPv6 address in brackets whole.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// A path without trailing slashes and without `.git`, except where that is the whole name.
fn plain(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    match path.strip_suffix(".git") {
        Some(stem) if !stem.is_empty() && !stem.ends_with('/') => stem,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_no_secrets() {
        for (url, expected) in [
            ("https://x-access-token:abc@github.com/org/a", "https://***@github.com/org/a"),
            ("https://ghp_abc@github.com/org/a@b", "https://***@github.com/org/a@b"),
            ("https://a:b@c@github.com", "https://***@github.com/"),
            ("https://github.com/org/a", "https://github.com/org/a"),
            ("ssh://git@github.com/org/a", "ssh://git@github.com/org/a"),
            ("ssh://user:abc@github.com/org/a", "ssh://***@github.com/org/a"),
            ("git@github.com:org/a", "git@github.com:org/a"),
            ("/srv/git/a", "/srv/git/a"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn one_repository_in_many_spellings() {
        let spellings = [
            "https://github.com/org/depa",
            "https://github.com/org/depa.git",
            "https://github.com/org/depa/",
            "https://github.com/org/depa.git/",
            "https://GitHub.com/org/depa",
            "https://github.com:443/org/depa",
            "https://user:token@github.com/org/depa.git",
            "http://github.com/org/depa",
            "git://github.com/org/depa",
            "ssh://git@github.com/org/depa.git",
            "ssh://git@github.com:22/org/depa",
            "git@github.com:org/depa.git",
            "git@github.com:/org/depa",
            "github.com:org/depa",
            "https://www.github.com/org/depa",
            "https://github.com/Org/DepA.git",
            "git@GitHub.com:ORG/depa",
            "ssh://git@ssh.github.com:443/org/depa.git",
        ];
        for a in spellings {
            for b in spellings {
                assert!(same_repository(a, b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn different_repositories() {
        let url = "https://github.com/org/depa";
        for other in [
            "https://github.com/fork/depa",
            "https://github.com/org/depa2",
            "https://gist.github.com/org/depa",
            "ssh://git@github.com:443/org/depa",
            "https://github.com/org/depa/sub",
            "https://gitlab.com/org/depa",
            "https://github.com:8443/org/depa",
            "ssh://git@github.com:2222/org/depa",
            "/srv/git/org/depa",
            "",
        ] {
            assert!(!same_repository(url, other), "{other}");
        }
    }

    #[test]
    fn case_counts_elsewhere() {
        assert!(same_repository("https://GitLab.com/org/depa", "https://gitlab.com/org/depa"));
        assert!(!same_repository("https://gitlab.com/Org/depa", "https://gitlab.com/org/depa"));
    }

    #[test]
    fn secrets() {
        for url in ["https://user:password@e.org/a", "https://token@e.org/a", "ssh://a:b@e.org/a"] {
            assert!(has_secret(url), "{url}");
        }
        for url in ["https://e.org/a@b", "ssh://git@e.org/a", "git@e.org:a", "/srv/a"] {
            assert!(!has_secret(url), "{url}");
        }
    }

    #[test]
    fn local_paths() {
        assert!(same_repository("/srv/depa", "/srv/depa.git"));
        assert!(same_repository("/srv/depa", "file:///srv/depa/"));
        assert!(!same_repository("/srv/depa", "/srv/depb"));
        assert!(!same_repository("/srv/a/.git", "/srv/a"));
        assert!(!same_repository("./a:b", "a:b"));
    }
}
