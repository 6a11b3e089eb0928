//! Frames: how encoded values travel over a stream. A frame is a length and that many bytes.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Error, Result, Step};
use crate::sys;
use crate::value::{MAX_BYTES, MAX_NODES, Value};

/// Puts a length in front of an encoded value.
#[must_use]
pub fn frame(value: &Value) -> Vec<u8> {
    let mut out = vec![0; 4];
    value.encode_into(&mut out);
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_le_bytes());
    out
}

/// One end of a stream between two processes.
#[derive(Debug)]
pub struct Channel {
    file: File,
}

impl Channel {
    /// Wraps a connected descriptor.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        Self { file: File::from(fd) }
    }

    /// Sends one value.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn send(&mut self, value: &Value) -> Result<()> {
        self.send_frame(&frame(value))
    }

    /// Sends one frame made by [`frame`].
    ///
    /// # Errors
    /// The peer is gone.
    pub fn send_frame(&mut self, frame: &[u8]) -> Result<()> {
        self.file.write_all(frame).step("send")
    }

    /// Receives one value, and the bytes it came in.
    ///
    /// # Errors
    /// The peer is gone, or sent what is not a value.
    pub fn receive(&mut self) -> Result<(Value, Vec<u8>)> {
        let mut head = [0; 4];
        self.fill(&mut head)?;
        let length = u32::from_le_bytes(head) as usize;
        if length > MAX_BYTES {
            return Err(Error::Malformed("too long"));
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok((Value::decode(&bytes)?, bytes))
    }

    /// Receives a descriptor, which is announced by one byte.
    ///
    /// # Errors
    /// The peer is gone, or sent something else.
    pub fn receive_descriptor(&mut self) -> Result<OwnedFd> {
        let mut buffer = [0; 1];
        let (bytes, mut fds) = sys::receive_message(self.file.as_fd(), &mut buffer).step("receive")?;
        match (bytes, fds.pop()) {
            ([], _) => Err(Error::Closed),
            (_, Some(fd)) => Ok(fd),
            (_, None) => Err(Error::Malformed("no descriptor")),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        match self.file.read_exact(buffer) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Error::Closed),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(Error::Closed),
            Err(error) => Err(error).step("receive"),
        }
    }
}

/// Collects the frames of a stream that is read in pieces.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// How many of them have been handed over.
    taken: usize,
}

impl Inbox {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        // Once for many small frames: moving what is left for each would take the square of the time.
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// Keeps no more memory than what has arrived needs.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The next whole value, if there is one.
    ///
    /// # Errors
    /// The stream does not hold values.
    pub fn pop(&mut self) -> Result<Option<Value>> {
        let mut nodes = MAX_NODES;
        self.pop_within(&mut nodes)
    }

    /// The next whole value, if there is one that holds no more values than are left.
    ///
    /// # Errors
    /// The stream does not hold values, or too many.
    pub fn pop_within(&mut self, nodes: &mut usize) -> Result<Option<Value>> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some(head) = rest.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > MAX_BYTES {
            return Err(Error::Malformed("too long"));
        }
        let Some(body) = rest.get(4..4 + length) else {
            return Ok(None);
        };
        let value = Value::decode_within(body, nodes)?;
        self.taken += 4 + length;
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        }
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, frame};
    use crate::value::Value;

    #[test]
    fn frames_arrive_whole_however_they_are_cut() {
        let values = [Value::Int(1), Value::text("two"), Value::List(vec![Value::None])];
        let stream: Vec<u8> = values.iter().flat_map(frame).collect();
        let mut inbox = Inbox::default();
        let mut seen = Vec::new();
        for byte in stream {
            inbox.push(&[byte]);
            while let Ok(Some(value)) = inbox.pop() {
                seen.push(value);
            }
        }
        assert_eq!(seen, values);
    }

    #[test]
    fn many_small_frames_take_no_longer_than_their_number() {
        let stream = frame(&Value::None).repeat(2_000_000);
        let mut inbox = Inbox::default();
        inbox.push(&stream);
        let mut count = 0;
        while let Ok(Some(_)) = inbox.pop() {
            count += 1;
        }
        assert_eq!(count, 2_000_000);
    }

    #[test]
    fn values_are_counted_over_many_frames() {
        let mut inbox = Inbox::default();
        inbox.push(&frame(&Value::List(vec![Value::None; 9])).repeat(3));
        let mut left = 25;
        assert!(matches!(inbox.pop_within(&mut left), Ok(Some(_))));
        assert!(matches!(inbox.pop_within(&mut left), Ok(Some(_))));
        assert!(inbox.pop_within(&mut left).is_err());
    }

    #[test]
    fn a_stream_of_anything_else_is_an_error() {
        let mut inbox = Inbox::default();
        inbox.push(&[255; 64]);
        assert!(inbox.pop().is_err());
    }
}
