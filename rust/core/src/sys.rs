//! Thin, safe wrappers of the system calls that the standard library does not offer.
//!
//! Nothing here decides anything: each function is one call (or one call and its argument block), and turns
//! the answer into an `io::Result`. Together with `child`, the only place with `unsafe`.

use std::ffi::CString;
use std::io::{self};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use libc::{c_int, c_long, c_ulong};

mod channels;
mod files;

pub use channels::{
    memory_file, message_pair, pipe, poll, receive_message, sealed_file, send_message, set_blocking,
    set_nonblocking, stream_pair,
};
pub use files::{
    detach, free_space, mount, mount_flags, open_below, open_directory, open_plain, pivot_root, reset_times,
};

/// What `wait4` says about a process that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The process.
    pub pid: i32,
    /// Its raw wait status.
    pub status: i32,
    /// The CPU time that it and its reaped descendants used.
    pub cpu: Duration,
    /// The most memory that it held at once, in bytes.
    pub memory: u64,
}

pub(crate) fn check(answer: c_long) -> io::Result<c_long> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn check_int(answer: c_int) -> io::Result<c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: called only with a descriptor that the kernel has just made for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Sends a signal to the process behind a pidfd.
pub fn signal_pidfd(fd: BorrowedFd<'_>, signal: c_int) -> io::Result<()> {
    // SAFETY: plain call; a null information block means the default one.
    check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, ptr::null::<libc::siginfo_t>(), 0)
    })
    .map(drop)
}

/// Sends a signal to a process (negative: to a process group).
pub fn signal(pid: i32, signal: c_int) -> io::Result<()> {
    // SAFETY: plain call.
    check_int(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Waits for one child (`-1`: any).
pub fn wait(pid: i32) -> io::Result<Ended> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid resource usage block.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    let pid = loop {
        // SAFETY: both pointers are to live locals.
        match check_int(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    Ok(Ended {
        pid,
        status,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        memory: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    })
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_micros(
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0),
    )
}

/// The CPU time that a process (not its descendants) has used so far.
pub fn cpu_time(pid: i32) -> io::Result<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to a live local.
    let answer = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if answer != 0 {
        return Err(io::Error::from_raw_os_error(answer));
    }
    // SAFETY: all zeroes is a valid time.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a live local.
    check_int(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Starts a new session, away from any terminal and process group.
pub fn new_session() -> io::Result<()> {
    // SAFETY: plain call.
    check_int(unsafe { libc::setsid() }).map(drop)
}

/// Dies when the parent dies.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong)
}

/// The parent's process id; 0 if it lives outside this PID namespace.
#[must_use]
pub fn parent_id() -> i32 {
    // SAFETY: plain call that cannot fail.
    unsafe { libc::getppid() }
}

/// Whether others of the same user may look into this process.
pub fn set_dumpable(on: bool) -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, c_ulong::from(on))
}

/// Gives up, for ever, gaining privileges by executing a file.
pub fn no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Takes a capability out of what this process and its descendants could ever have.
pub fn drop_from_bounding_set(capability: c_ulong) -> io::Result<()> {
    prctl(libc::PR_CAPBSET_DROP, capability)
}

fn prctl(option: c_int, argument: c_ulong) -> io::Result<()> {
    let zero: c_ulong = 0;
    // SAFETY: only options that take one number are passed.
    check_int(unsafe { libc::prctl(option, argument, zero, zero, zero) }).map(drop)
}

/// Gives up all capabilities.
pub fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    let header = Header { version: 0x2008_0522, pid: 0 };
    let data = [0_u32; 6];
    // SAFETY: version 3 of the interface reads two blocks of three words each.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// The resource that counts a user's processes.
#[cfg(target_os = "linux")]
pub const PROCESSES: libc::__rlimit_resource_t = libc::RLIMIT_NPROC;

/// Sets both the soft and the hard value of a resource limit.
pub fn set_limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the pointer is to a live local.
    unsafe {
        let mut old: libc::rlimit = mem::zeroed();
        if libc::getrlimit(resource, &raw mut old) == 0 && old.rlim_max < value {
            limit = libc::rlimit { rlim_cur: old.rlim_max, rlim_max: old.rlim_max };
        }
    }
    // SAFETY: the pointer is to a live local.
    check_int(unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}

/// Closes every descriptor from `first` on.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called only where no owner of those descriptors lives on.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if check(answer).is_err() {
        for fd in first..4096 {
            // SAFETY: as above.
            unsafe { libc::close(fd as c_int) };
        }
    }
    Ok(())
}

/// Turns this process into an executable; returns only if that fails.
pub fn execute(argv: &[CString], environment: &[CString]) -> io::Result<()> {
    let pointers = |words: &[CString]| -> Vec<*const libc::c_char> {
        words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, variables) = (pointers(argv), pointers(environment));
    let path = argv.first().ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: both lists end with a null pointer and hold C strings that outlive the call.
    check_int(unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), variables.as_ptr()) }).map(drop)
}

/// Gives every signal that was ignored its usual effect again: that much survives an exec.
pub fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: no handler is installed; refused for the few signals that have no choice.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Moves descriptors to the numbers 0, 1, 2 ... in the given order and closes everything else.
pub fn install_fds(fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut high = Vec::with_capacity(fds.len());
    for fd in fds {
        // SAFETY: plain calls on open descriptors.
        high.push(check_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 100) })?);
    }
    for (number, fd) in high.iter().enumerate() {
        let flags = if number < 3 { 0 } else { libc::O_CLOEXEC };
        // SAFETY: replacing the low descriptors is the purpose; no owner of them is used afterwards.
        check_int(unsafe { libc::dup3(*fd, number as c_int, flags) })?;
    }
    close_from(fds.len() as u32)
}

/// Takes over the ownership of a descriptor that was put at a known number.
#[must_use]
pub fn adopt(fd: RawFd) -> OwnedFd {
    owned(fd)
}

/// The effective user id.
#[must_use]
pub fn user() -> u32 {
    // SAFETY: plain call that cannot fail.
    unsafe { libc::geteuid() }
}

/// The effective group id.
#[must_use]
pub fn group() -> u32 {
    // SAFETY: plain call that cannot fail.
    unsafe { libc::getegid() }
}

/// Becomes another user and group for good, without supplementary groups.
pub fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: plain calls; a null list of length 0 is allowed.
    unsafe {
        check_int(libc::setgroups(0, ptr::null()))?;
        check_int(libc::setresgid(id, id, id))?;
        check_int(libc::setresuid(id, id, id)).map(drop)
    }
}

/// Leaves the given namespaces for new ones.
pub fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: plain call.
    check_int(unsafe { libc::unshare(flags) }).map(drop)
}

/// Fills a buffer with random bytes.
pub fn random(buffer: &mut [u8]) -> io::Result<()> {
    // SAFETY: the pointer and length are those of one slice.
    let got = check(unsafe { libc::getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0) } as c_long)?;
    if usize::try_from(got).is_ok_and(|got| got == buffer.len()) {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Gives memory that is free, but kept for later, back to the system.
pub fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: plain call.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Ends this process at once, without any clean-up of the language.
pub fn exit(code: c_int) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}
