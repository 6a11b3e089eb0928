//! The private root: the interpreter's library, the system's shared libraries, three devices and one small
//! writable directory, all else absent.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use crate::config::{Confinement, Level};
use crate::error::{Error, Result, Step};
use crate::sys;

/// The directory that candidates may write to, and start in.
pub const SCRATCH: &str = "/tmp";
/// How many files it may hold.
const SCRATCH_FILES: u32 = 1024;
/// The directory of installed modules.
pub const PACKAGES: &str = "/packages";
/// Where the loader looks for shared libraries, and what they need to be found.
const SYSTEM: [&str; 8] = [
    "/lib",
    "/lib64",
    "/lib32",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/usr/share/zoneinfo",
];
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/urandom"];
const OLD: &str = "/old";
const NEW: &str = "/new";
const NONE: &CStr = c"";

/// Everything that candidates may read, that exists here, parents before children.
#[must_use]
pub fn readable(confinement: &Confinement) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    paths.extend(confinement.readable.iter().cloned());
    if confinement.level != Level::Full {
        paths.extend(confinement.packages.iter().cloned());
    }
    paths.retain(|path| path.exists());
    paths.sort();
    paths.dedup();
    paths
}

/// Builds the private root in a new mount namespace and moves into it. `owner` owns the writable directory.
///
/// # Errors
/// The kernel refuses a mount.
pub fn build(confinement: &Confinement, owner: u32) -> Result<()> {
    let visible = readable(confinement);
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    sys::mount(Path::new("none"), Path::new("/"), NONE, flags, NONE).step("make mounts private")?;
    let base = Path::new("/tmp");
    let tmpfs = libc::MS_NOSUID;
    sys::mount(Path::new("none"), base, c"tmpfs", tmpfs, c"mode=0755,size=1m").step("mount the base")?;
    fs::create_dir(base.join("old")).step("create the old root's place")?;
    fs::create_dir(base.join("new")).step("create the new root")?;
    sys::pivot_root(base, &base.join("old")).step("step aside")?;
    std::env::set_current_dir("/").step("step aside")?;
    let root = Path::new(NEW);
    sys::mount(root, root, NONE, libc::MS_BIND, NONE).step("make the new root a mount")?;
    for path in &visible {
        show(path, false)?;
    }
    for path in DEVICES {
        show(Path::new(path), true)?;
    }
    cover(&confinement.covered)?;
    for path in &confinement.packages {
        show_at(path, &inside(NEW, &packaged(path)), false)?;
    }
    scratch(confinement.scratch, owner)?;
    std::env::set_current_dir(root).step("enter the new root")?;
    sys::pivot_root(Path::new("."), Path::new(".")).step("swap roots")?;
    sys::detach(Path::new(".")).step("drop the old root")?;
    std::env::set_current_dir("/").step("enter the root")?;
    read_only(Path::new("/"), libc::MS_NOSUID)?;
    std::env::set_current_dir(SCRATCH).step("enter the writable directory")
}

fn inside(prefix: &str, path: &Path) -> PathBuf {
    let relative: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    Path::new(prefix).join(relative)
}

/// Where an installed module is found in the private root.
fn packaged(path: &Path) -> PathBuf {
    Path::new(PACKAGES).join(path.file_name().unwrap_or_default())
}

/// Makes a path of the old root visible, read-only, at the same place of the new one.
fn show(path: &Path, device: bool) -> Result<()> {
    show_at(path, &inside(NEW, path), device)
}

fn show_at(path: &Path, target: &Path, device: bool) -> Result<()> {
    let source = inside(OLD, path);
    let step = format!("show {}", path.display());
    if target.exists() {
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).step(&step)?;
    }
    let kind = fs::symlink_metadata(&source).step(&step)?.file_type();
    if kind.is_symlink() {
        return follow(&source, target, path, device).step(&step)?;
    }
    if kind.is_dir() {
        fs::create_dir(target).step(&step)?;
    } else {
        fs::File::create(target).step(&step)?;
    }
    sys::mount(&source, target, NONE, libc::MS_BIND, NONE).step(&step)?;
    let extra = if device { 0 } else { libc::MS_NODEV };
    read_only(target, libc::MS_NOSUID | extra)
}

/// Copies a link, and shows what it points at.
fn follow(source: &Path, target: &Path, path: &Path, device: bool) -> io::Result<Result<()>> {
    let link = fs::read_link(source)?;
    symlink(&link, target)?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    let mut resolved = PathBuf::from("/");
    for part in parent.join(link).components() {
        match part {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir => {
                resolved.pop();
            }
            _ => {}
        }
    }
    Ok(if inside(OLD, &resolved).exists() { show(&resolved, device) } else { Ok(()) })
}

/// Makes a mount read-only, keeping the flags that came with it (which may be locked).
fn read_only(target: &Path, extra: libc::c_ulong) -> Result<()> {
    let step = format!("make {} read-only", target.display());
    let kept = sys::mount_flags(target).step(&step)?;
    let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | kept | extra;
    sys::mount(Path::new("none"), target, NONE, flags, NONE).step(&step)
}

fn cover(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let target = inside(NEW, path);
        if target.is_dir() {
            let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
            let step = format!("cover {}", path.display());
            sys::mount(Path::new("none"), &target, c"tmpfs", flags, c"size=4k,mode=0555").step(&step)?;
        }
    }
    Ok(())
}

fn scratch(size: u64, owner: u32) -> Result<()> {
    let target = inside(NEW, Path::new(SCRATCH));
    fs::create_dir_all(&target).step("create the writable directory")?;
    let options = format!("size={size},nr_inodes={SCRATCH_FILES},mode=0700,uid={owner},gid={owner}");
    let options = CString::new(options).map_err(|_| Error::Malformed("mount options"))?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    sys::mount(Path::new("none"), &target, c"tmpfs", flags, &options).step("mount the writable directory")
}
