//! The walls that a zygote raises around itself, one function each, in the order of [`enter`] and [`close`].
//!
//! All of them are inherited by the candidates, so that a candidate pays for none. What a candidate needs
//! beyond them (its own PID namespace, no capabilities, its own limits) is raised by `zygote` at its birth.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::config::{Confinement, Level};
use crate::error::{Error, Result, Step};
use crate::landlock;
use crate::root;
use crate::seccomp::Filters;
use crate::sys;
use crate::zygote::Stock;

/// The user that a candidate sees itself as.
const INSIDE_USER: u32 = 1000;
/// The user that owns nothing, by convention.
const NOBODY: u32 = 65_534;
const MOST_FILES: u64 = 4096;
const STACK: u64 = 8 << 20;
const LAST_CAPABILITY: libc::c_ulong = 63;

/// What the walls need from outside themselves.
#[derive(Debug)]
pub struct Jail {
    confinement: Confinement,
    proc: OwnedFd,
    /// Whether the zygote runs as a user that nothing else runs as.
    pub own_user: bool,
    page: u64,
}

impl Jail {
    /// Takes hold of what later walls would hide.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn new(confinement: Confinement) -> Result<Self> {
        Ok(Self {
            own_user: confinement.level == Level::Full,
            proc: sys::open_directory(Path::new("/proc")).step("open /proc")?,
            confinement,
            page: 4096,
        })
    }

    /// The level that is being built.
    #[must_use]
    pub fn level(&self) -> Level {
        self.confinement.level
    }

    /// What to load before the last walls are raised.
    #[must_use]
    pub fn stock(&self) -> Stock {
        let Confinement { wide, modules, packages, level, .. } = &self.confinement;
        let paths = match level {
            Level::Full if !packages.is_empty() => vec![PathBuf::from(root::PACKAGES)],
            _ => packages.iter().filter_map(|path| path.parent()).map(Path::to_path_buf).collect(),
        };
        Stock { wide: *wide, modules: modules.clone(), paths }
    }

    /// Makes sure that nothing that was loaded has started a thread: a copy of this process would lack it.
    ///
    /// # Errors
    /// Something has.
    pub fn check_single_thread(&self) -> Result<()> {
        let status = self.read(c"self/status")?;
        let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).map(str::trim);
        if threads == Some("1") {
            return Ok(());
        }
        let reason = format!("{} threads after loading, where there must be one", threads.unwrap_or("?"));
        Err(Error::Wall { wall: "warm interpreter".to_owned(), reason })
    }

    /// Walls raised before the zygote proper exists: session and namespaces.
    ///
    /// # Errors
    /// The host refuses one of them.
    pub fn enter(&mut self) -> Result<()> {
        leave_terminal()?;
        if self.level() == Level::Full {
            if let Some(user) = self.unprivileged()? {
                sys::unshare(libc::CLONE_NEWNS).step("new mount namespace")?;
                root::build(&self.confinement, user)?;
                become_unprivileged(user)?;
                self.new_namespaces()?;
            } else {
                self.new_namespaces()?;
                root::build(&self.confinement, INSIDE_USER)?;
            }
            self.forbid_nested_namespaces()?;
            // Changing the user has cancelled it.
            sys::die_with_parent().step("die with the parent")?;
        }
        Ok(())
    }

    /// Walls raised once everything that candidates need is loaded, the irrevocable ones last.
    ///
    /// # Errors
    /// The host refuses one of them.
    pub fn close(&mut self) -> Result<()> {
        let level = self.level();
        self.volunteer_for_memory_shortage();
        resource_limits()?;
        shrink_bounding_set();
        if level != Level::Full
            && let Some(user) = self.unprivileged()?
        {
            become_unprivileged(user)?;
            self.own_user = user == self.confinement.user;
        }
        sys::die_with_parent().step("die with the parent")?;
        sys::no_new_privileges().step("give up new privileges")?;
        sys::set_dumpable(false).step("hide memory")?;
        std::env::set_current_dir(if level == Level::Full { root::SCRATCH } else { "/" })
            .step("enter the working directory")?;
        if level >= Level::NoNamespaces {
            self.file_access()?;
            Filters::new()?.raise_base()?;
        }
        Ok(())
    }

    /// The address space that this process has, in bytes.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn address_space(&self) -> Result<u64> {
        let text = self.read(c"self/statm")?;
        let pages = text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
        pages.map(|pages| pages * self.page).ok_or(Error::Malformed("memory size of the zygote"))
    }

    /// The user to become: none if we are not root, or are root of a namespace that holds no other user.
    fn unprivileged(&self) -> Result<Option<u32>> {
        if sys::user() != 0 {
            return Ok(None);
        }
        let maps = [self.read(c"self/uid_map")?, self.read(c"self/gid_map")?];
        let users = [self.confinement.user, NOBODY, INSIDE_USER];
        Ok(users.into_iter().find(|user| maps.iter().all(|map| is_mapped(map, *user))))
    }

    fn new_namespaces(&self) -> Result<()> {
        let (user, group) = (sys::user(), sys::group());
        let flags = libc::CLONE_NEWUSER
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS;
        sys::unshare(flags).step("new namespaces")?;
        self.write(c"self/setgroups", "deny")?;
        self.write(c"self/gid_map", &format!("{INSIDE_USER} {group} 1"))?;
        self.write(c"self/uid_map", &format!("{INSIDE_USER} {user} 1"))?;
        // Old kernels lack it, and it hides only names.
        drop(sys::unshare(libc::CLONE_NEWCGROUP));
        Ok(())
    }

    fn forbid_nested_namespaces(&self) -> Result<()> {
        self.write(c"sys/user/max_user_namespaces", "0")
    }

    fn volunteer_for_memory_shortage(&self) {
        // Where it is refused, the kernel picks a victim by size as always.
        drop(self.write(c"self/oom_score_adj", "1000"));
    }

    fn file_access(&self) -> Result<()> {
        let (readable, writable) = if self.level() == Level::Full {
            (vec![PathBuf::from("/")], vec![PathBuf::from(root::SCRATCH)])
        } else {
            (root::readable(&self.confinement), Vec::new())
        };
        landlock::raise(&readable, &writable)
    }

    fn open(&self, path: &CStr, write: bool) -> Result<File> {
        let proc: BorrowedFd<'_> = self.proc.as_fd();
        let step = format!("open /proc/{}", path.to_string_lossy());
        Ok(File::from(sys::open_below(proc, path, write).step(&step)?))
    }

    fn write(&self, path: &CStr, text: &str) -> Result<()> {
        let step = format!("write /proc/{}", path.to_string_lossy());
        self.open(path, true)?.write_all(text.as_bytes()).step(&step)
    }

    fn read(&self, path: &CStr) -> Result<String> {
        let mut text = String::new();
        self.open(path, false)?.read_to_string(&mut text).step("read /proc")?;
        Ok(text)
    }
}

fn become_unprivileged(user: u32) -> Result<()> {
    sys::become_user(user).step("become an unprivileged user")?;
    // Changing the user hides this process from itself in /proc until this.
    sys::set_dumpable(true).step("see oneself")
}

/// Whether a map of user or group ids (lines of: first inside, first outside, count) holds an id.
fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().unwrap_or(0));
        let (first, _, count) = (numbers.next(), numbers.next(), numbers.next());
        first.zip(count).is_some_and(|(first, count)| (first..first + count).contains(&u64::from(id)))
    })
}

fn leave_terminal() -> Result<()> {
    // Refused only to a process that leads a group already, which then has left.
    drop(sys::new_session());
    sys::die_with_parent().step("die with the parent")
}

fn resource_limits() -> Result<()> {
    let fixed = [
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_MEMLOCK, 0),
        (libc::RLIMIT_MSGQUEUE, 0),
        (libc::RLIMIT_RTPRIO, 0),
        (libc::RLIMIT_NICE, 0),
        (libc::RLIMIT_SIGPENDING, 256),
        (libc::RLIMIT_STACK, STACK),
        (libc::RLIMIT_NOFILE, MOST_FILES),
    ];
    fixed
        .into_iter()
        .try_for_each(|(resource, value)| sys::set_limit(resource, value).step("resource limits"))
}

fn shrink_bounding_set() {
    for capability in 0..=LAST_CAPABILITY {
        // Fails for numbers that this kernel does not know, and for those without the right to: they have
        // no capabilities to lose.
        drop(sys::drop_from_bounding_set(capability));
    }
}

#[cfg(test)]
mod tests {
    use super::is_mapped;

    #[test]
    fn maps_are_read() {
        assert!(is_mapped("0 0 4294967295\n", 1_879_048_192));
        assert!(!is_mapped("0 1000 1\n1 100000 65536\n", 1_879_048_192));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", 65_534));
        assert!(!is_mapped("0 1000 1\n", 1000));
        assert!(!is_mapped("nonsense", 0));
    }
}
