//! Making a process: a raw clone of this one, with a descriptor of it and, if asked, its own PID namespace.

use std::io;
use std::mem;
use std::os::fd::{FromRawFd, OwnedFd};

use libc::{c_int, c_long, c_ulong};

use crate::sys;

/// Proof that this process has one thread only, so that a copy of it is whole.
#[derive(Debug)]
pub struct SingleThread(());

impl SingleThread {
    /// Looks, once, whether there is only one thread.
    ///
    /// # Errors
    /// There are more, or it cannot be known.
    pub fn check() -> io::Result<Self> {
        let count = std::fs::read_dir("/proc/self/task")?.count();
        if count == 1 {
            Ok(Self(()))
        } else {
            Err(io::Error::other(format!("{count} threads where there must be one")))
        }
    }
}

/// Which of the two processes we are after a clone.
#[derive(Debug)]
pub enum Side {
    /// The old process; holds the new one's id and a descriptor of it.
    Parent(i32, OwnedFd),
    /// The new process.
    Child,
}

/// Clones this process, with all its memory, like `fork`.
///
/// # Errors
/// The kernel refuses: no more processes, no memory, or no right to make a PID namespace.
pub fn clone_process(_proof: &SingleThread, pid_namespace: bool) -> io::Result<Side> {
    let namespace = if pid_namespace { libc::CLONE_NEWPID as u64 } else { 0 };
    match clone3(namespace) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => clone_classic(namespace),
        other => other,
    }
}

fn clone3(namespace: u64) -> io::Result<Side> {
    let mut pidfd: c_int = -1;
    // SAFETY: all zeroes is a valid argument block.
    let mut arguments: libc::clone_args = unsafe { mem::zeroed() };
    arguments.flags = namespace | libc::CLONE_PIDFD as u64;
    arguments.pidfd = (&raw mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: no memory is shared with the child (no CLONE_VM) and there is one thread, so the child goes on
    // with a whole copy of this process; the kernel writes the descriptor into the live local.
    let pid = sys::check(unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, mem::size_of::<libc::clone_args>())
    })?;
    side(pid, pidfd)
}

fn clone_classic(namespace: u64) -> io::Result<Side> {
    let mut pidfd: c_int = -1;
    let flags = namespace | libc::CLONE_PIDFD as u64 | libc::SIGCHLD as u64;
    let zero: c_ulong = 0;
    // SAFETY: as in `clone3`; a null stack means the copy of ours, and the third argument is where the kernel
    // writes the descriptor.
    let pid = sys::check(unsafe { libc::syscall(libc::SYS_clone, flags, zero, &raw mut pidfd, zero, zero) })?;
    side(pid, pidfd)
}

fn side(pid: c_long, pidfd: c_int) -> io::Result<Side> {
    if pid == 0 {
        return Ok(Side::Child);
    }
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(Side::Parent(pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}
