//! Secrets: made, and kept as their hash.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::guard::equal;

/// So many cannot be guessed, so a hash of them needs no stretching.
const SECRET_BYTES: usize = 24;

/// A secret of letters and digits.
pub(crate) fn make() -> io::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(hex(&bytes))
}

/// What is kept of a secret.
pub(crate) fn hash(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The token that opens a console, known here by its hash only.
#[derive(Clone, Debug)]
pub struct TokenHash(String);

impl TokenHash {
    /// The hash that a file keeps. Without a file a token is made, and given this once: it is stored nowhere.
    pub fn keep(file: &Path) -> io::Result<(Self, Option<String>)> {
        match fs::read_to_string(file) {
            Ok(hash) if hash.trim_ascii().len() == 2 * SHA256.output_len() => {
                Ok((Self(hash.trim_ascii().to_owned()), None))
            }
            Ok(_) => Err(io::Error::other("it holds no hash of a token: delete it for a new token")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = make()?;
                let hash = hash(&token);
                let unfinished = file.with_extension("new");
                let mut options = fs::OpenOptions::new();
                let mut written =
                    options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
                writeln!(written, "{hash}")?;
                written.sync_all()?;
                fs::rename(&unfinished, file)?;
                Ok((Self(hash), Some(token)))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn is_of(&self, token: &str) -> bool {
        equal(&self.0, &hash(token))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_told_once_and_kept_as_its_hash() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("console.token");
        let (kept, token) = TokenHash::keep(&file).unwrap();
        let token = token.expect("the first start makes a token");
        assert!(kept.is_of(&token));
        assert!(!kept.is_of(&hash(&token)), "what is on the disk opens nothing");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&file).unwrap().contains(&token));

        let (again, told) = TokenHash::keep(&file).unwrap();
        assert_eq!(told, None);
        assert!(again.is_of(&token));
        fs::write(&file, "damaged").unwrap();
        assert!(TokenHash::keep(&file).is_err());
    }

    #[test]
    fn known_hash() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
