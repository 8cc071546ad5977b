//! Frames of the control stream: a `u32` length and JSON.

use serde_json::Value;

use super::Message;

/// Longest JSON of a frame, bytes.
pub const MAX_FRAME: usize = 256 * 1024;
const HEAD_LEN: usize = 4;

/// What makes a control stream useless: the connection is closed with `PROTOCOL`.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A frame announces more than [`MAX_FRAME`] bytes.
    #[error("a control frame of {0} bytes; {MAX_FRAME} are allowed")]
    TooLong(usize),
    /// Not JSON, or a known message that does not have its form.
    #[error("a control frame is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
    /// Up to here all has been read.
    read: usize,
    frames: u64,
}

impl FrameReader {
    /// Takes what has arrived; any pieces will do.
    pub fn push(&mut self, bytes: &[u8]) {
        // Once for many frames: a peer that sends small ones would have us move the rest for each of them.
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Frames so far, with those that were passed over.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The next message, if all of it is here. Unknown ones are passed over.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        loop {
            let Some((head, rest)) = self.bytes[self.read..].split_first_chunk::<HEAD_LEN>() else {
                return Ok(None);
            };
            let len = u32::from_le_bytes(*head) as usize;
            if len > MAX_FRAME {
                return Err(FrameError::TooLong(len));
            }
            let Some(json) = rest.get(..len) else { return Ok(None) };
            let value: Value = serde_json::from_slice(json)?;
            self.read += HEAD_LEN + len;
            self.frames += 1;
            if is_known(&value) {
                return Ok(Some(serde_json::from_value(value)?));
            }
        }
    }
}

/// The frame of a message.
pub fn encode(message: &Message) -> Vec<u8> {
    let json = serde_json::to_vec(message).expect("messages have string keys only");
    let mut frame = Vec::with_capacity(HEAD_LEN + json.len());
    frame.extend_from_slice(&(json.len() as u32).to_le_bytes());
    frame.extend_from_slice(&json);
    frame
}

/// Whether a message's name, its only key, is one of ours. What is no object is left to the full parser's error.
fn is_known(value: &Value) -> bool {
    const KNOWN: [&str; 13] = [
        "hello",
        "runtimes",
        "subscribe",
        "subscribeResult",
        "ready",
        "resync",
        "layoutChanged",
        "publisherState",
        "unsubscribe",
        "rotate",
        "rotateAck",
        "onlyKey",
        "bye",
    ];
    value
        .as_object()
        .and_then(|object| object.keys().next())
        .is_none_or(|name| KNOWN.contains(&name.as_str()))
}
