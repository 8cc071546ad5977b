//! Who may see and do what: decided from values, so that every rule is tested without a socket.

use std::net::{IpAddr, SocketAddr};

/// How a person proves to be allowed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// Whoever sits at this machine: loopback only, nothing to type.
    Local,
    /// A login, which gives a session.
    Login,
}

/// What a request says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Where the connection comes from.
    pub(crate) source: IpAddr,
    /// Its `Host`.
    pub(crate) host: Option<&'a str>,
    /// Its `Origin`.
    pub(crate) origin: Option<&'a str>,
    /// Whether it is a POST.
    pub(crate) changes: bool,
    /// The form token of its session, if it has a session.
    pub(crate) session: Option<&'a str>,
    /// Whether it asks for what a login page needs.
    pub(crate) public: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is served.
    Allowed,
    /// Its sender logs in first.
    LogIn,
    /// It is not served.
    Refused(Refusal),
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It comes from another machine.
    NotLocal,
    /// It names a host that is not this one: a page of another site that had its name point here.
    ForeignHost,
    /// A page of another site sent it.
    ForeignOrigin,
}

impl Refusal {
    /// A sentence for the person at the browser.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::NotLocal => {
                "This console is open to its own machine only; --console-auth token opens it to others."
            }
            Self::ForeignHost => "This console answers to localhost, 127.0.0.1 and [::1] only.",
            Self::ForeignOrigin => "The request was not sent by a page of this console, so nothing was done.",
        }
    }
}

/// Decides on everything but the form token, which is in the body.
pub(crate) fn judge(entrance: Entrance, asked: &Asked<'_>) -> Verdict {
    if entrance == Entrance::Local {
        if !is_loopback(asked.source) {
            return Verdict::Refused(Refusal::NotLocal);
        }
        if !asked.host.is_some_and(names_this_machine) {
            return Verdict::Refused(Refusal::ForeignHost);
        }
    }
    if asked.changes && !is_same_origin(asked.origin, asked.host) {
        return Verdict::Refused(Refusal::ForeignOrigin);
    }
    if asked.public || asked.session.is_some() { Verdict::Allowed } else { Verdict::LogIn }
}

/// Whether two secrets are equal, in a time that does not tell how much of them is.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Whether an address may be listened on without a login.
pub(crate) fn is_private(address: SocketAddr) -> bool {
    is_loopback(address.ip())
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Any port: a tunnel's end has its own.
fn names_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Browsers send an Origin with each POST; what sends none is no page of ours.
fn is_same_origin(origin: Option<&str>, host: Option<&str>) -> bool {
    let (Some(origin), Some(host)) = (origin, host) else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit() -> Asked<'static> {
        Asked {
            source: IpAddr::from([127, 0, 0, 1]),
            host: Some("127.0.0.1:9480"),
            origin: None,
            changes: false,
            session: Some("form"),
            public: false,
        }
    }

    #[test]
    fn the_local_console_is_for_this_machine() {
        let local = |asked: Asked<'_>| judge(Entrance::Local, &asked);
        assert_eq!(local(visit()), Verdict::Allowed);
        for source in ["::1", "127.8.9.1", "::ffff:127.0.0.1"] {
            assert_eq!(
                local(Asked { source: source.parse().unwrap(), ..visit() }),
                Verdict::Allowed,
                "{source}"
            );
        }
        for source in ["10.9.0.2", "fe80::1", "::ffff:10.9.0.2"] {
            let verdict = local(Asked { source: source.parse().unwrap(), ..visit() });
            assert_eq!(verdict, Verdict::Refused(Refusal::NotLocal), "{source}");
        }
    }

    #[test]
    fn a_name_that_points_here_does_not_open_the_local_console() {
        for host in ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:80", "[::1]:9480", "[::1]"] {
            let asked = Asked { host: Some(host), ..visit() };
            assert_eq!(judge(Entrance::Local, &asked), Verdict::Allowed, "{host}");
        }
        let foreign = [
            "evil.example",
            "evil.example:9480",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "[::1",
            "10.9.0.1:9480",
            "[::2]:9480",
        ];
        for host in foreign.into_iter().map(Some).chain([None]) {
            let asked = Asked { host, ..visit() };
            assert_eq!(judge(Entrance::Local, &asked), Verdict::Refused(Refusal::ForeignHost), "{host:?}");
        }
    }

    #[test]
    fn other_sites_change_nothing() {
        for entrance in [Entrance::Local, Entrance::Login] {
            let post = |origin| judge(entrance, &Asked { changes: true, origin, ..visit() });
            assert_eq!(post(Some("http://127.0.0.1:9480")), Verdict::Allowed);
            assert_eq!(post(Some("https://127.0.0.1:9480")), Verdict::Allowed);
            let foreign =
                ["http://evil.example", "null", "http://127.0.0.1:9481", "", "ftp://127.0.0.1:9480"];
            for origin in foreign.into_iter().map(Some).chain([None]) {
                assert_eq!(post(origin), Verdict::Refused(Refusal::ForeignOrigin), "{origin:?}");
            }
        }
    }

    #[test]
    fn without_a_session_there_is_only_the_login() {
        let stranger =
            Asked { session: None, source: IpAddr::from([10, 9, 0, 2]), host: Some("plc:1"), ..visit() };
        assert_eq!(judge(Entrance::Login, &stranger), Verdict::LogIn);
        assert_eq!(judge(Entrance::Login, &Asked { public: true, ..stranger }), Verdict::Allowed);
        assert_eq!(judge(Entrance::Login, &Asked { session: Some("form"), ..stranger }), Verdict::Allowed);
        let guessed = Asked { changes: true, public: true, origin: Some("http://evil.example"), ..stranger };
        assert_eq!(judge(Entrance::Login, &guessed), Verdict::Refused(Refusal::ForeignOrigin));
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(equal("abc", "abc"));
        for other in ["", "ab", "abd", "abcd", "xbc"] {
            assert!(!equal("abc", other), "{other}");
        }
    }
}
