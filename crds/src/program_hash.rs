//! The hash by which operator and agent agree on a set of sources.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// SHA-256 of all sources' names and texts in their order, as `sha256:` and 64 hexadecimal digits.
///
/// Each part is preceded by its length, so that no two different sets run together into the same bytes.
pub fn program_hash<'a>(sources: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut sum = Sha256::new();
    for (name, text) in sources {
        for part in [name, text] {
            sum.update((part.len() as u64).to_le_bytes());
            sum.update(part.as_bytes());
        }
    }
    sum.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// The part of a [`program_hash`] that people see: its first twelve digits.
pub fn short_version(hash: &str) -> &str {
    let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
    digits.get(..12).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_sources_same_hash_and_nothing_runs_together() {
        let hash = program_hash([("a.st", "x"), ("b.st", "y")]);
        assert_eq!(hash, program_hash([("a.st", "x"), ("b.st", "y")]));
        assert_ne!(hash, program_hash([("b.st", "y"), ("a.st", "x")]));
        assert_ne!(program_hash([("a", "bc")]), program_hash([("ab", "c")]));
        assert_ne!(program_hash([("a", "b"), ("c", "d")]), program_hash([("a", "bcd")]));
        assert_eq!(hash.len(), "sha256:".len() + 64);
        assert_eq!(short_version(&hash).len(), 12);
    }
}
