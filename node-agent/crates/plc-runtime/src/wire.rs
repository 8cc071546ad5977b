//! Frames of CBOR over a stream, and descriptors beside them.

use crate::Error;
use crate::protocol::{Hello, MESSAGE_BYTES_MAX, PROTOCOL_VERSION};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, Read, Write};

/// Sends one message.
pub(crate) fn send<T: Serialize>(stream: &mut impl Write, message: &T) -> Result<(), Error> {
    let mut frame = vec![0; 4];
    ciborium::into_writer(message, &mut frame).map_err(|e| Error::Malformed(e.to_string()))?;
    let length = frame.len() - 4;
    if length > MESSAGE_BYTES_MAX {
        return Err(Error::Malformed(format!("{length} bytes are more than {MESSAGE_BYTES_MAX}")));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    stream.write_all(&frame).map_err(lost("send"))
}

/// Receives one message.
pub(crate) fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> Result<T, Error> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(lost("receive"))?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(Error::Malformed(format!("{length} bytes are more than {MESSAGE_BYTES_MAX}")));
    }
    // Grows with what really arrives: a length alone reserves no memory.
    let mut frame = Vec::new();
    stream.take(length as u64).read_to_end(&mut frame).map_err(lost("receive"))?;
    if frame.len() < length {
        return Err(Error::Closed);
    }
    ciborium::from_reader(frame.as_slice()).map_err(|e| Error::Malformed(e.to_string()))
}

/// Exchanges [`Hello`]s; both sides send first, so neither waits for the other's mistake.
pub(crate) fn greet(stream: &mut (impl Read + Write)) -> Result<(), Error> {
    send(stream, &Hello { version: PROTOCOL_VERSION })?;
    let hello: Hello = receive(stream)?;
    if hello.version == PROTOCOL_VERSION {
        Ok(())
    } else {
        Err(Error::Version { ours: PROTOCOL_VERSION, theirs: hello.version })
    }
}

fn lost(what: &str) -> impl FnOnce(std::io::Error) -> Error {
    move |source| match source.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Error::Closed,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::TimedOut(0),
        _ => Error::Io { what: what.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_and_a_bad_one_is_an_error() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Hello { version: 7 }).expect("writes to memory");
        let hello: Hello = receive(&mut bytes.as_slice()).expect("complete");
        assert_eq!(hello.version, 7);
        for cut in 0..bytes.len() {
            assert!(matches!(receive::<Hello>(&mut &bytes[..cut]), Err(Error::Closed)), "cut at {cut}");
        }
        bytes[3] = 0xff;
        assert!(matches!(receive::<Hello>(&mut bytes.as_slice()), Err(Error::Malformed(_))));
    }
}
