//! Where a page is: paths to pages and back.

use std::fmt;

use kube::ResourceExt;
use lineshaft_crds::PlcRuntime;

/// A runtime as paths name it: `NAMESPACE.NAME`. A namespace has no dot, so the first one parts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RuntimeName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl RuntimeName {
    pub(crate) fn of(object: &PlcRuntime) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('.')?;
        (!namespace.is_empty() && !name.is_empty())
            .then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for RuntimeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Overview,
    Variables(RuntimeName),
    Discovery,
    Pairing,
    Mesh,
    Events,
}

impl Place {
    /// The page of a path.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Overview),
            "/network/discovery" => Some(Self::Discovery),
            "/network/pairing" => Some(Self::Pairing),
            "/network/mesh" => Some(Self::Mesh),
            "/story" => Some(Self::Events),
            _ => {
                let runtime = path.strip_prefix("/runtimes/")?.strip_suffix("/variables")?;
                RuntimeName::parse(runtime).map(Self::Variables)
            }
        }
    }

    /// Its path.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Overview => "/".to_owned(),
            Self::Variables(runtime) => format!("/runtimes/{runtime}/variables"),
            Self::Discovery => "/network/discovery".to_owned(),
            Self::Pairing => "/network/pairing".to_owned(),
            Self::Mesh => "/network/mesh".to_owned(),
            Self::Events => "/story".to_owned(),
        }
    }

    /// Its heading.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Overview => "Overview".to_owned(),
            Self::Variables(runtime) => format!("Variables of {runtime}"),
            Self::Discovery => "Discovery".to_owned(),
            Self::Pairing => "Pairing".to_owned(),
            Self::Mesh => "Mesh connections".to_owned(),
            Self::Events => "Events".to_owned(),
        }
    }

    /// What a person must be allowed to list to see it.
    pub(crate) fn resources(&self) -> &'static [(&'static str, &'static str)] {
        const OURS: &str = lineshaft_crds::GROUP;
        match self {
            Self::Overview => &[(OURS, "plcruntimes"), (OURS, "edgenodes"), (OURS, "meshsubscriptions")],
            Self::Variables(_) => &[(OURS, "plcruntimes")],
            Self::Discovery => &[(OURS, "meshpeers")],
            Self::Pairing => &[(OURS, "pairings"), (OURS, "meshpeers")],
            Self::Mesh => &[(OURS, "meshsubscriptions"), (OURS, "plcruntimes")],
            Self::Events => &[("events.k8s.io", "events")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_back() {
        let runtime = RuntimeName { namespace: "plant".to_owned(), name: "filler.two".to_owned() };
        for place in [
            Place::Overview,
            Place::Variables(runtime),
            Place::Discovery,
            Place::Pairing,
            Place::Mesh,
            Place::Events,
        ] {
            assert_eq!(Place::parse(&place.path()), Some(place));
        }
        for unknown in [
            "",
            "/x",
            "/runtimes//variables",
            "/runtimes/a/variables",
            "/runtimes/.a/variables",
            "/runtimes/a.b",
        ] {
            assert_eq!(Place::parse(unknown), None, "{unknown}");
        }
    }
}
