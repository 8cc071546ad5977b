//! Frames of CBOR over a stream, and descriptors beside them.

use crate::Error;
use crate::protocol::{Hello, MESSAGE_BYTES_MAX, PROTOCOL_VERSION};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Descriptors that one message may carry.
const FDS_MAX: usize = 4;
/// Marks before a frame between keeper and runner.
const PLAIN: u8 = 0;
const FDS_FOLLOW: u8 = 1;

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

/// Sends one message with descriptors; at most [`FDS_MAX`].
pub(crate) fn send_with<T: Serialize>(
    stream: &UnixStream,
    message: &T,
    fds: &[BorrowedFd<'_>],
) -> Result<(), Error> {
    if fds.is_empty() {
        (&*stream).write_all(&[PLAIN]).map_err(lost("send"))?;
        return send(&mut &*stream, message);
    }
    // The descriptors travel with a byte of their own, so that the frame behind it is like any other.
    send_fds(stream, fds)?;
    send(&mut &*stream, message)
}

/// Sends descriptors alone; at most [`FDS_MAX`].
pub(crate) fn send_fds(stream: &UnixStream, fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if fds.len() > FDS_MAX || !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Error::Malformed(format!("{} descriptors are more than {FDS_MAX}", fds.len())));
    }
    let mark = [IoSlice::new(&[FDS_FOLLOW])];
    rustix::net::sendmsg(stream, &mark, &mut ancillary, SendFlags::NOSIGNAL)
        .map_err(|errno| lost("send")(errno.into()))?;
    Ok(())
}

/// Receives one message of [`send_with`].
pub(crate) fn receive_with<T: DeserializeOwned>(stream: &UnixStream) -> Result<(T, Vec<OwnedFd>), Error> {
    let fds = receive_fds(stream)?;
    Ok((receive(&mut &*stream)?, fds))
}

/// Receives what [`send_fds`] sent.
pub(crate) fn receive_fds(stream: &UnixStream) -> Result<Vec<OwnedFd>, Error> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut mark = [0];
    let received = loop {
        let mut slices = [IoSliceMut::new(&mut mark)];
        match rustix::net::recvmsg(stream, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.map_err(|errno| lost("receive")(errno.into()))?,
        }
    };
    if received.bytes == 0 {
        return Err(Error::Closed);
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok(fds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        Bundle, FaultPolicy, Identity, IoSpec, ProgramSpec, RealtimeMode, Request, Response, RunMode,
        SafeDefault, SafeTarget, SafeValue, Scheduling, Semantics, UpdatePolicy, WatchdogSpec,
    };
    use crate::runner::control::{Order, Report};
    use proptest::prelude::*;
    use std::os::fd::AsFd;

    #[test]
    fn descriptors_travel_beside_a_message() {
        let (a, b) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        send_with(&a, &1_u8, &[file.as_fd()]).unwrap();
        send_with(&a, &2_u8, &[]).unwrap();
        drop(a);
        let (one, fds) = receive_with::<u8>(&b).unwrap();
        assert_eq!((one, fds.len()), (1, 1));
        assert_eq!(receive_with::<u8>(&b).map(|(m, f)| (m, f.len())).unwrap(), (2, 0));
        assert!(matches!(receive_with::<u8>(&b), Err(Error::Closed)));
    }

    /// Requests with everything in them that a client can send.
    fn requests() -> impl Strategy<Value = Request> {
        let text = || ".{0,40}";
        let bundle = (text(), text(), any::<i64>(), any::<Option<u64>>(), text()).prop_map(
            |(name, source, generation, timeout_ns, value)| {
                let options = lineshaft_plc_compiler::Options::default();
                let unit = lineshaft_plc_compiler::SourceUnit { name: name.clone(), text: source };
                Request::Apply(Box::new(Bundle {
                    identity: Identity::default(),
                    generation,
                    program: ProgramSpec {
                        hash: name.clone(),
                        sources: vec![unit],
                        options,
                        semantics: Semantics::default(),
                    },
                    update: UpdatePolicy::default(),
                    run: RunMode::Paused,
                    scheduling: Scheduling::Preemptive,
                    io: IoSpec {
                        drivers: Vec::new(),
                        safe_state: vec![SafeValue { target: SafeTarget::Variable(name), value }],
                        safe_state_default: SafeDefault::Hold,
                    },
                    watchdog: WatchdogSpec { timeout_ns, ..WatchdogSpec::default() },
                    fault: FaultPolicy::ContinueHold,
                    realtime: RealtimeMode::Preferred,
                    publish: Vec::new(),
                }))
            },
        );
        prop_oneof![
            bundle,
            Just(Request::Status),
            any::<u64>().prop_map(|since_revision| Request::Watch { since_revision }),
            proptest::collection::vec(text(), 0..5).prop_map(|paths| Request::Read { paths }),
            any::<u64>().prop_map(|deadline_ms| Request::Shutdown { deadline_ms }),
        ]
    }

    fn is_typed<T>(result: &Result<T, Error>) -> bool {
        matches!(result, Ok(_) | Err(Error::Closed | Error::Malformed(_)))
    }

    proptest! {
        #[test]
        fn fuzz_wire_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), length in any::<Option<u32>>()) {
            let framed = length.map(u32::to_le_bytes).into_iter().flatten().chain(bytes).collect::<Vec<_>>();
            prop_assert!(is_typed(&receive::<Request>(&mut framed.as_slice())));
            prop_assert!(is_typed(&receive::<Response>(&mut framed.as_slice())));
            prop_assert!(is_typed(&receive::<Order>(&mut framed.as_slice())));
            prop_assert!(is_typed(&receive::<Report>(&mut framed.as_slice())));
        }

        #[test]
        fn fuzz_wire_mutations(
            request in requests(),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<Option<proptest::sample::Index>>(),
        ) {
            let mut frame = Vec::new();
            send(&mut frame, &request).unwrap();
            let whole = receive::<Request>(&mut frame.as_slice()).unwrap();
            prop_assert_eq!(format!("{whole:?}"), format!("{request:?}"));
            for (at, value) in changes {
                let at = at.index(frame.len());
                frame[at] = value;
            }
            if let Some(cut) = cut {
                frame.truncate(cut.index(frame.len()));
            }
            prop_assert!(is_typed(&receive::<Request>(&mut frame.as_slice())));
        }
    }

    /// Content that nests without end is refused before it takes the stack, and a length alone takes no memory.
    #[test]
    fn deep_and_boastful_frames_are_refused() {
        for inner in [
            vec![0x81; 1 << 20],
            vec![0x9f; 1 << 20],
            [vec![0x9b], vec![0xff; 8]].concat(),
            [vec![0x5b], vec![0x7f; 8]].concat(),
        ] {
            let frame = [&(inner.len() as u32).to_le_bytes()[..], &inner].concat();
            assert!(matches!(receive::<Request>(&mut frame.as_slice()), Err(Error::Malformed(_))));
            assert!(matches!(receive::<serde_json::Value>(&mut frame.as_slice()), Err(Error::Malformed(_))));
        }
        let boast = (MESSAGE_BYTES_MAX as u32).to_le_bytes();
        assert!(matches!(receive::<Request>(&mut boast.as_slice()), Err(Error::Closed)));
    }

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
