//! Mounts, roots and files.

use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::c_ulong;

use super::{check, check_int, owned};

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Mounts something.
pub fn mount(source: &Path, target: &Path, kind: &CStr, flags: c_ulong, data: &CStr) -> io::Result<()> {
    let (source, target) = (c_path(source)?, c_path(target)?);
    // SAFETY: all pointers are to C strings that outlive the call.
    check_int(unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast())
    })
    .map(drop)
}

/// The mount flags of the file system that a path lies on, as `mount` takes them.
pub fn mount_flags(path: &Path) -> io::Result<c_ulong> {
    let path = c_path(path)?;
    // SAFETY: all zeroes is a valid block.
    let mut info: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: both pointers live until the call returns.
    check_int(unsafe { libc::statvfs(path.as_ptr(), &raw mut info) })?;
    let kept = libc::ST_NOSUID | libc::ST_NODEV | libc::ST_NOEXEC | libc::ST_NOATIME | libc::ST_NODIRATIME;
    Ok(info.f_flag & kept)
}

/// Free blocks and inodes of the file system that a path lies on.
pub fn free_space(path: &Path) -> io::Result<(u64, u64)> {
    let path = c_path(path)?;
    // SAFETY: all zeroes is a valid block.
    let mut info: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: both pointers live until the call returns.
    check_int(unsafe { libc::statvfs(path.as_ptr(), &raw mut info) })?;
    Ok((info.f_bfree, info.f_ffree))
}

/// Swaps the root for `new`, and puts the old one at `old`.
pub fn pivot_root(new: &Path, old: &Path) -> io::Result<()> {
    let (new, old) = (c_path(new)?, c_path(old)?);
    // SAFETY: both pointers are to C strings that outlive the call.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, new.as_ptr(), old.as_ptr()) }).map(drop)
}

/// Takes a mount out of sight at once.
pub fn detach(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: the pointer is to a C string that outlives the call.
    check_int(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// A descriptor of a directory, and nothing more.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let flags = libc::O_DIRECTORY | libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the pointer is to a C string that outlives the call.
    Ok(owned(check_int(unsafe { libc::open(path.as_ptr(), flags) })?))
}

/// Opens a file below a directory.
pub fn open_below(directory: BorrowedFd<'_>, path: &CStr, write: bool) -> io::Result<OwnedFd> {
    let mode = if write { libc::O_WRONLY } else { libc::O_RDONLY };
    // SAFETY: the pointer is to a C string that outlives the call.
    Ok(owned(check_int(unsafe {
        libc::openat(directory.as_raw_fd(), path.as_ptr(), mode | libc::O_CLOEXEC)
    })?))
}

/// Opens what lies in a directory for reading, without following a link or waiting for anything.
pub fn open_plain(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the pointer is to a C string that outlives the call.
    Ok(owned(check_int(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags) })?))
}

/// Sets a file's times to the epoch.
pub fn reset_times(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both pointers live until the call returns.
    check_int(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), [zero, zero].as_ptr(), 0) }).map(drop)
}
