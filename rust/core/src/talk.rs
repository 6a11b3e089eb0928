//! The supervisor's end of a stream to one process: sends and receives frames without ever waiting.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::error::{Error, Result, Step};
use crate::sys;
use crate::value::Value;
use crate::wire::{Inbox, frame};

/// The most bytes that a process may send over one stream between two clearings.
const LIMIT: usize = 64 << 20;
/// The most values that it may send: a byte can be a value, and a value takes far more than a byte here.
const MOST_VALUES: usize = 4 << 20;

/// After so many bytes, what was received is given back to the system, and not kept for the next.
const LARGE: usize = 1 << 20;

/// A stream to a process that is not trusted to read or write.
#[derive(Debug)]
pub struct Talk {
    file: File,
    outbox: Vec<u8>,
    sent: usize,
    inbox: Inbox,
    received: usize,
    /// Values that have arrived with one that was waited for, and are still to be waited for.
    early: VecDeque<Value>,
    /// How many values may still come.
    values: usize,
    limit: usize,
    over: bool,
}

impl Talk {
    /// A new stream: our end, and the one to give away.
    pub fn pair() -> Result<(Self, OwnedFd)> {
        let (ours, theirs) = sys::stream_pair().step("make a channel")?;
        sys::set_nonblocking(ours.as_fd()).step("make a channel")?;
        let file = File::from(ours);
        let talk = Self {
            file,
            outbox: vec![],
            sent: 0,
            inbox: Inbox::default(),
            received: 0,
            early: VecDeque::new(),
            values: MOST_VALUES,
            limit: LIMIT,
            over: false,
        };
        Ok((talk, theirs))
    }

    /// Takes in at most so many bytes.
    pub fn allow(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Queues one value and sends what can be sent at once.
    pub fn say(&mut self, value: &Value) {
        self.say_frame(&frame(value));
    }

    /// Queues one value that has been framed already.
    pub fn say_frame(&mut self, frame: &[u8]) {
        self.outbox.extend_from_slice(frame);
        self.write();
    }

    /// Sends a frame but for its last byte, which is returned, with a copy of our end to send it over. None if it is
    /// too long to be sent at once; nothing else may then be said.
    pub fn say_all_but_one(&mut self, frame: &[u8]) -> Result<Option<(OwnedFd, u8)>> {
        let Some((last, rest)) = frame.split_last() else {
            return Ok(None);
        };
        self.outbox.extend_from_slice(rest);
        self.write();
        if self.is_sending() {
            return Ok(None);
        }
        Ok(Some((self.file.as_fd().try_clone_to_owned().step("copy a descriptor")?, *last)))
    }

    /// Sends a descriptor, announced by one byte. Only while nothing else is on its way out.
    pub fn pass(&mut self, fd: BorrowedFd<'_>) -> Result<()> {
        sys::send_message(self.file.as_fd(), b"d", &[fd]).step("pass a descriptor")
    }

    fn write(&mut self) {
        while self.sent < self.outbox.len() {
            match self.file.write(&self.outbox[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.sent = self.outbox.len(),
            }
        }
        self.outbox.clear();
        self.sent = 0;
    }

    /// Moves all that can be moved without waiting, and hands over the values that have arrived whole.
    ///
    /// # Errors
    /// What arrives is not values, or too much.
    pub fn pump(&mut self, heard: &mut Vec<Value>) -> Result<()> {
        self.write();
        let mut buffer = [0; 16 << 10];
        while !self.over {
            match self.file.read(&mut buffer) {
                Ok(0) => self.over = true,
                Ok(count) => {
                    self.received += count;
                    self.inbox.push(&buffer[..count]);
                    if self.received > self.limit {
                        return Err(Error::Malformed("too much"));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.over = true,
            }
        }
        while let Some(value) = self.inbox.pop_within(&mut self.values)? {
            heard.push(value);
        }
        Ok(())
    }

    /// Starts counting anew what is received. To be called when what was heard is no longer needed.
    pub fn clear(&mut self) {
        if self.received > LARGE {
            self.inbox.shrink();
            sys::release_memory();
        }
        self.received = 0;
        self.values = MOST_VALUES;
    }

    /// Closes the stream, and keeps none of the memory that it took. To be called when what was heard is gone.
    pub fn end(self) {
        let large = self.received > LARGE;
        drop(self);
        if large {
            sys::release_memory();
        }
    }

    /// Waits until so many values can be heard without waiting; false if the time is over, or the peer is gone or
    /// sends something else.
    pub fn gather(&mut self, count: usize, patience: Duration) -> bool {
        self.await_values(count, Instant::now() + patience).is_ok()
    }

    /// Waits for one value.
    ///
    /// # Errors
    /// The peer is gone, sends something else, or takes too long.
    pub fn hear(&mut self, patience: Duration) -> Result<Value> {
        self.clear();
        self.await_values(1, Instant::now() + patience)?;
        self.early.pop_front().ok_or(Error::Closed)
    }

    fn await_values(&mut self, count: usize, until: Instant) -> Result<()> {
        let mut heard = Vec::new();
        while self.early.len() < count {
            self.pump(&mut heard)?;
            if !heard.is_empty() {
                self.early.extend(heard.drain(..));
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.over || left.is_zero() {
                return Err(Error::Closed);
            }
            let mut entries = [libc::pollfd { fd: self.descriptor(), events: self.events(), revents: 0 }];
            sys::poll(&mut entries, Some(left)).step("wait for an answer")?;
        }
        Ok(())
    }

    /// Our end, for somebody else to go on with, who may wait.
    pub fn into_descriptor(self) -> Result<OwnedFd> {
        let fd = OwnedFd::from(self.file);
        sys::set_blocking(fd.as_fd()).step("hand on a channel")?;
        Ok(fd)
    }

    /// Whether the peer has closed its end.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether something waits to be sent.
    pub fn is_sending(&self) -> bool {
        self.sent < self.outbox.len()
    }

    /// The descriptor to watch.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// What to watch it for.
    pub fn events(&self) -> i16 {
        libc::POLLIN | if self.is_sending() { libc::POLLOUT } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::time::Duration;

    use super::Talk;
    use crate::value::Value;
    use crate::wire::frame;

    #[test]
    fn values_that_arrive_together_are_heard_one_by_one() -> crate::error::Result<()> {
        let (mut talk, theirs) = Talk::pair()?;
        let both = [frame(&Value::Int(1)), frame(&Value::Int(2))].concat();
        assert!(File::from(theirs).write_all(&both).is_ok());
        for number in 1..3 {
            assert_eq!(talk.hear(Duration::from_secs(1))?, Value::Int(number));
        }
        Ok(())
    }
}
