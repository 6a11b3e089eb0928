//! The writable directory between two candidates: nothing of the first may reach the second.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use crate::sys;

/// The writable directory of one zygote.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    free: (u64, u64),
    changed: (i64, i64),
}

impl Scratch {
    /// Takes the directory as it is now for clean.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn new(path: &str) -> io::Result<Self> {
        let mut scratch = Self { path: path.into(), free: (0, 0), changed: (0, 0) };
        scratch.reset()?;
        scratch.free = sys::free_space(&scratch.path)?;
        Ok(scratch)
    }

    /// Makes it clean again; costs two system calls if it is.
    ///
    /// # Errors
    /// Something is left that cannot be removed: the zygote must not go on.
    pub fn clean(&mut self) -> io::Result<()> {
        if self.stamp()? == self.changed && sys::free_space(&self.path)? == self.free {
            return Ok(());
        }
        self.reset()?;
        if sys::free_space(&self.path)? == self.free {
            Ok(())
        } else {
            Err(io::Error::other("the writable directory is not empty"))
        }
    }

    fn stamp(&self) -> io::Result<(i64, i64)> {
        let about = fs::metadata(&self.path)?;
        Ok((about.ctime(), about.ctime_nsec()))
    }

    fn reset(&mut self) -> io::Result<()> {
        fs::set_permissions(&self.path, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        sys::reset_times(&self.path)?;
        self.changed = self.stamp()?;
        Ok(())
    }
}
