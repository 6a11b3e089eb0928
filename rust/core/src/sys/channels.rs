//! Sockets, pipes and memory files, and waiting for them.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use libc::{c_int, c_long};

use super::{check, check_int, owned};

/// A connected pair of stream sockets, closed on exec.
pub fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    socket_pair(libc::SOCK_STREAM)
}

/// A connected pair of sockets that keep message boundaries, closed on exec.
pub fn message_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    socket_pair(libc::SOCK_SEQPACKET)
}

fn socket_pair(kind: c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check_int(unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr()) })?;
    Ok((owned(fds[0]), owned(fds[1])))
}

/// A pipe (reading end, writing end), closed on exec.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check_int(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok((owned(fds[0]), owned(fds[1])))
}

/// An anonymous file in memory, closed on exec.
pub fn memory_file(name: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string that outlives the call.
    Ok(owned(check_int(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) })?))
}

/// An anonymous file in memory that holds these bytes for good, at its beginning, closed on exec.
pub fn sealed_file(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string that outlives the call.
    let mut file = File::from(owned(check_int(unsafe { libc::memfd_create(name.as_ptr(), flags) })?));
    file.write_all(bytes)?;
    file.rewind()?;
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: plain call on a descriptor that is open.
    check_int(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    Ok(file.into())
}

/// Makes reads and writes on a descriptor return at once.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain call on a descriptor that is open.
    check_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }).map(drop)
}

/// Makes reads and writes on a descriptor wait.
pub fn set_blocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain call on a descriptor that is open.
    check_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, 0) }).map(drop)
}

const MAX_FDS: usize = 8;
const CONTROL_BYTES: usize = 128;

#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Sends one message with descriptors beside it.
pub fn send_message(fd: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zeroes is a valid empty message header.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if !raw.is_empty() {
        let size = mem::size_of_val(raw.as_slice());
        let length = u32::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
        header.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: pure arithmetic on a length.
        let space = unsafe { libc::CMSG_SPACE(length) } as usize;
        if space > CONTROL_BYTES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        header.msg_controllen = space as _;
        // SAFETY: the header points at a zeroed, aligned buffer of at least `space` bytes, checked above,
        // so the first control header lies inside it and has room for the descriptors.
        unsafe {
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(length) as _;
            ptr::copy_nonoverlapping(raw.as_ptr().cast::<u8>(), libc::CMSG_DATA(first), size);
        }
    }
    // SAFETY: the header and all it points at live until the call returns.
    let sent = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
    check(sent as c_long).map(drop)
}

/// Receives one message into a buffer; returns what it filled and the message's descriptors. An empty message
/// is the end.
pub fn receive_message<'a>(fd: BorrowedFd<'_>, bytes: &'a mut [u8]) -> io::Result<(&'a [u8], Vec<OwnedFd>)> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all zeroes is a valid empty message header.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_BYTES as _;
    let got = loop {
        // SAFETY: the header and all it points at live until the call returns.
        let got = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        match check(got as c_long) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    let bytes = &bytes[..usize::try_from(got).unwrap_or(0)];
    let mut fds = Vec::new();
    // SAFETY: the kernel filled the control buffer; the macros walk only inside the length it reported, and
    // each descriptor in an SCM_RIGHTS block is new and ours.
    unsafe {
        let mut block = libc::CMSG_FIRSTHDR(&raw const header);
        while !block.is_null() {
            if (*block).cmsg_level == libc::SOL_SOCKET && (*block).cmsg_type == libc::SCM_RIGHTS {
                let size = (*block).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let count = (size / mem::size_of::<RawFd>()).min(MAX_FDS);
                let data = libc::CMSG_DATA(block).cast::<RawFd>();
                for index in 0..count {
                    fds.push(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                }
            }
            block = libc::CMSG_NXTHDR(&raw const header, block);
        }
    }
    Ok((bytes, fds))
}

/// Waits until one of the descriptors is ready or the time is over (`None`: for ever).
pub fn poll(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<()> {
    let milliseconds =
        timeout.map_or(-1, |time| c_int::try_from(time.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX));
    // SAFETY: the pointer and length are those of one slice.
    let answer = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, milliseconds) };
    match check_int(answer) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            for entry in entries {
                entry.revents = 0;
            }
            Ok(())
        }
        other => other.map(drop),
    }
}
