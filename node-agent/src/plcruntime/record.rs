//! What the agent keeps of an object on its disk, and how a program is named.

use lineshaft_crds::{program_hash, short_version};
use lineshaft_plc_compiler::Options;
use lineshaft_plc_runtime::protocol::{Bundle, RunMode, Semantics};
use serde::{Deserialize, Serialize};

/// The last good spec of an object, ready to run without the API server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Everything that the keeper needs.
    pub(crate) bundle: Bundle,
}

/// Which version of an object: what the operator accepts, and what an agent loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) generation: i64,
    pub(crate) sources_hash: String,
}

impl Record {
    pub(crate) fn version(&self) -> Version {
        Version {
            generation: self.bundle.generation,
            sources_hash: sources_hash(&self.bundle.program.hash).to_owned(),
        }
    }

    /// The same, with the program standing still and outputs safe.
    pub(crate) fn stopped(&self) -> Bundle {
        Bundle { run: RunMode::Stopped, ..self.bundle.clone() }
    }
}

/// Separates the two parts of a keeper's program hash.
const SEPARATOR: char = '+';
/// Digits of the part for the options: collisions matter only between versions of one object.
const OPTIONS_DIGITS: usize = 16;

/// The hash by which a keeper tells programs apart: that of the sources, which the API shows, and one of what
/// else a compiler is given. A changed task override is a changed program although no source changed.
pub(crate) fn keeper_hash(sources_hash: &str, options: &Options, semantics: Semantics) -> String {
    let rest = format!("{options:?} {semantics:?}");
    let rest = program_hash([("options", rest.as_str())]);
    let digits: String = rest.chars().skip("sha256:".len()).take(OPTIONS_DIGITS).collect();
    format!("{sources_hash}{SEPARATOR}{digits}")
}

/// The part of a keeper's program hash that is the hash of the sources.
pub(crate) fn sources_hash(keeper_hash: &str) -> &str {
    keeper_hash.split_once(SEPARATOR).map_or(keeper_hash, |(sources, _)| sources)
}

/// What people call a program.
pub(crate) fn version_name(keeper_hash: &str) -> &str {
    short_version(sources_hash(keeper_hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_part_of_a_program_and_sources_can_be_told_apart() {
        let sources = program_hash([("a.st", "x")]);
        let plain = keeper_hash(&sources, &Options::default(), Semantics::default());
        let other = Options { resource: Some("Res0".to_owned()), ..Options::default() };
        assert_ne!(plain, keeper_hash(&sources, &other, Semantics::default()));
        assert_eq!(plain, keeper_hash(&sources, &Options::default(), Semantics::default()));
        assert_eq!(sources_hash(&plain), sources);
        assert_eq!(version_name(&plain), short_version(&sources));
    }
}
