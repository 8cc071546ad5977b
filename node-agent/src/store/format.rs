//! The bytes of a stored record: magic, version, length, checksum, CBOR.
//!
//! The checksum covers everything but itself, so that a cut or a changed byte anywhere is found before a single
//! byte of the content is trusted.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// First bytes of every record.
const MAGIC: [u8; 8] = *b"LSHAFTPB";
/// Layout of header and content; a file with another one is from another release.
const VERSION: u32 = 1;
/// magic, version, length, checksum.
const HEADER_BYTES: usize = 8 + 4 + 8 + 4;
/// Where the checksum stands in the header.
const CHECKSUM_AT: usize = HEADER_BYTES - 4;

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Shorter or longer than it says.
    #[error("it has {found} bytes instead of {expected}")]
    Length {
        /// Header and content.
        expected: u64,
        /// In the file.
        found: u64,
    },
    /// Not one of our files.
    #[error("it does not begin as a stored program does")]
    Magic,
    /// A bit changed.
    #[error("its checksum is {found:08x} instead of {expected:08x}")]
    Checksum {
        /// As stored.
        expected: u32,
        /// Of what was read.
        found: u32,
    },
    /// Intact, of another release.
    #[error("it has version {0}, this agent reads version {VERSION}")]
    Version(u32),
    /// Intact, but not what this agent expects.
    #[error("its content cannot be read: {0}")]
    Content(String),
}

/// The record's bytes.
pub(crate) fn encode<T: Serialize>(content: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(4096);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 12]);
    ciborium::into_writer(content, &mut bytes).map_err(|error| error.to_string())?;
    let length = (bytes.len() - HEADER_BYTES) as u64;
    bytes[12..20].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(&bytes);
    bytes[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// What [`encode`] was given, or what is wrong with the bytes.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damage> {
    let Some((header, content)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(Damage::Length { expected: HEADER_BYTES as u64, found: bytes.len() as u64 });
    };
    if header[..8] != MAGIC {
        return Err(Damage::Magic);
    }
    let length = u64::from_le_bytes(array(&header[12..20]));
    if length != content.len() as u64 {
        let expected = length.saturating_add(HEADER_BYTES as u64);
        return Err(Damage::Length { expected, found: bytes.len() as u64 });
    }
    let expected = u32::from_le_bytes(array(&header[CHECKSUM_AT..]));
    let found = checksum(bytes);
    if expected != found {
        return Err(Damage::Checksum { expected, found });
    }
    // After the checksum: a flipped bit in the version is damage, not another release.
    let version = u32::from_le_bytes(array(&header[8..12]));
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    ciborium::from_reader(content).map_err(|error| Damage::Content(error.to_string()))
}

/// Over all bytes but the checksum's own.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..CHECKSUM_AT]), &bytes[HEADER_BYTES..])
}

/// A slice whose length is a constant of this file.
fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(slice);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Content = (String, Vec<u64>, Option<bool>);

    fn content() -> impl Strategy<Value = Content> {
        (".{0,64}", proptest::collection::vec(any::<u64>(), 0..64), any::<Option<bool>>())
    }

    proptest! {
        #[test]
        fn fuzz_record_round_trip(content in content()) {
            let bytes = encode(&content).unwrap();
            prop_assert_eq!(decode::<Content>(&bytes), Ok(content));
        }

        #[test]
        fn fuzz_record_cuts(content in content()) {
            let bytes = encode(&content).unwrap();
            for length in 0..bytes.len() {
                prop_assert!(decode::<Content>(&bytes[..length]).is_err(), "cut to {} bytes", length);
            }
        }

        #[test]
        fn fuzz_record_changes(content in content(), change in 1_u8..) {
            let mut bytes = encode(&content).unwrap();
            for at in 0..bytes.len() {
                bytes[at] ^= change;
                prop_assert!(decode::<Content>(&bytes).is_err(), "byte {} changed", at);
                bytes[at] ^= change;
            }
        }

        #[test]
        fn bytes_after_the_end_are_found(content in content(), more in proptest::collection::vec(any::<u8>(), 1..32)) {
            let mut bytes = encode(&content).unwrap();
            bytes.extend(more);
            prop_assert!(decode::<Content>(&bytes).is_err());
        }

        #[test]
        fn fuzz_record_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(decode::<Content>(&bytes).is_err());
        }
    }

    #[test]
    fn another_release_is_named() {
        let mut bytes = encode(&1_u8).unwrap();
        bytes[8] = 9;
        let checksum = checksum(&bytes);
        bytes[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(decode::<u8>(&bytes), Err(Damage::Version(9)));
    }
}
