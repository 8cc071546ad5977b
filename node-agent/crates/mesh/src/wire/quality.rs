//! How much a value is worth, in one byte that a program can test: good is below 16#40.

/// The quality of a value. Greater is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Quality {
    /// Fresh.
    Good = 0x00,
    /// Forced at the publisher.
    Forced = 0x04,
    /// Newer values are missing; they have been asked for.
    GapOpen = 0x40,
    /// Uncertain at its source.
    SourceUncertain = 0x42,
    /// Nothing was heard of the publisher's scans for the timeout.
    Stale = 0x80,
    /// No connection, or no value yet.
    NotConnected = 0x81,
    /// The two variables are of different types.
    TypeMismatch = 0x82,
    /// The publisher does not give it.
    Refused = 0x83,
    /// The publisher is stopped or faulted.
    PublisherStopped = 0x84,
    /// Bad at its source.
    SourceBad = 0x85,
}

impl Quality {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Good,
        Self::Forced,
        Self::GapOpen,
        Self::SourceUncertain,
        Self::Stale,
        Self::NotConnected,
        Self::TypeMismatch,
        Self::Refused,
        Self::PublisherStopped,
        Self::SourceBad,
    ];

    /// `None` for a byte that no version so far gives a meaning.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|quality| *quality as u8 == byte)
    }

    /// Usable without a second thought.
    pub fn is_good(self) -> bool {
        (self as u8) < 0x40
    }

    /// Not usable: what the program holds is old or a substitute.
    pub fn is_bad(self) -> bool {
        (self as u8) >= 0x80
    }
}
