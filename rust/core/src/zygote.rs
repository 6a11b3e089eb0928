//! The zygote: a warm, walled-in, single-threaded process that copies itself whenever it is asked to.
//!
//! It never runs a candidate's code and never holds a job's text, but for the last byte of a message whose reader
//! is to wait: it passes descriptors on. Each copy gets only the descriptors of its role, its own PID namespace, no
//! capabilities, its own limits and filter. What becomes of a copy is told to the supervisor when it has ended and
//! its traces are swept.

use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::child::{Side, SingleThread, clone_process};
use crate::config::{Confinement, Errand, Follow, Level, Request, Role};
use crate::error::{Error, Result, Step};
use crate::jail::Jail;
use crate::root;
use crate::scratch::Scratch;
use crate::seccomp::{CandidateFilter, Processes};
use crate::steward;
use crate::sys;
use crate::value::Value;
use crate::wire::Channel;

/// Where a role finds its channel: after the three standard descriptors.
const CHANNEL: i32 = 3;
/// Open files that a process may have.
const OPEN_FILES: u64 = 64;
/// The most bytes of a confinement and of a request.
const CONFINEMENT: usize = 64 << 10;
const REQUEST: usize = 256;
/// The exit code of a role that failed by our own fault.
const BROKEN: i32 = 70;

/// The language side: what the zygote cannot do without knowing an interpreter.
pub trait Host {
    /// Loads and runs what candidates will need, so that they find it ready.
    ///
    /// # Errors
    /// The interpreter lacks something.
    fn warm(&mut self, stock: &Stock) -> std::result::Result<(), String>;
    /// Called before each clone.
    fn before_clone(&mut self);
    /// Called in the old process after each clone.
    fn after_clone_in_parent(&mut self);
    /// Called in the new process after each clone.
    fn after_clone_in_child(&mut self);
    /// Plays a role for whoever is behind the channel; returns the exit code.
    fn play(&mut self, duty: Duty, channel: Channel) -> i32;
}

/// What a zygote loads ahead of all candidates.
#[derive(Clone, Debug)]
pub struct Stock {
    /// Whether to load what only few programs need.
    pub wide: bool,
    /// Modules beyond the library.
    pub modules: Vec<String>,
    /// Directories where those are found.
    pub paths: Vec<PathBuf>,
}

/// What a copy of the zygote is to do.
#[derive(Clone, Copy, Debug)]
pub struct Duty {
    /// What it is for.
    pub role: Role,
    /// Whether there is time to get ready before the first message.
    pub ahead: bool,
    /// Whether the number of its user's processes may be limited: no others than the worker's are that user's.
    pub counted: bool,
}

/// A process that the zygote has made and has not yet seen end.
struct Living {
    pid: i32,
    pidfd: OwnedFd,
    role: Role,
    /// By the count of requests.
    asked: u64,
}

/// A process that waits for the end of another: what tells it, and where to send that.
struct Follower {
    follow: Follow,
    stream: OwnedFd,
}

struct Zygote<'a, H> {
    control: OwnedFd,
    host: &'a mut H,
    proof: SingleThread,
    level: Level,
    own_user: bool,
    address_space: u64,
    filter: Option<CandidateFilter>,
    scratch: Option<Scratch>,
    null: OwnedFd,
    living: Vec<Living>,
    followers: Vec<Follower>,
    /// How many processes have been requested.
    asked: u64,
}

/// The life of a zygote, from the first message on `control` to its end. Never returns.
pub fn run<H: Host>(control: OwnedFd, host: &mut H) -> ! {
    let complain = control.try_clone();
    let Err(error) = live(control, host);
    if let (Ok(control), false) = (complain, matches!(error, Error::Closed)) {
        let message = Value::Tuple(vec![Value::text("failed"), Value::text(&error.to_string())]);
        drop(sys::send_message(control.as_fd(), &message.encode(), &[]));
    }
    sys::exit(1)
}

fn live<H: Host>(control: OwnedFd, host: &mut H) -> Result<Infallible> {
    let proof = SingleThread::check().step("count threads")?;
    let mut buffer = vec![0; CONFINEMENT];
    let (bytes, _) = sys::receive_message(control.as_fd(), &mut buffer).step("receive")?;
    if bytes.is_empty() {
        return Err(Error::Closed);
    }
    let mut jail = Jail::new(Confinement::from_value(&Value::decode(bytes)?)?)?;
    jail.enter()?;
    if jail.level() == Level::Full {
        become_first_process(&control, &proof, host)?;
    }
    host.warm(&jail.stock()).map_err(|reason| Error::Wall { wall: "warm interpreter".to_owned(), reason })?;
    jail.check_single_thread()?;
    let address_space = jail.address_space()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").step("open /dev/null")?;
    jail.close()?;
    let level = jail.level();
    let mut zygote = Zygote {
        control,
        host,
        proof,
        level,
        own_user: jail.own_user,
        address_space,
        filter: match level {
            Level::Full => Some(CandidateFilter::new(Processes::Contained)?),
            Level::NoNamespaces => Some(CandidateFilter::new(Processes::Forbidden)?),
            Level::RlimitsOnly => None,
        },
        scratch: match level {
            Level::Full => Some(Scratch::new(root::SCRATCH).step("look at the writable directory")?),
            _ => None,
        },
        null: null.into(),
        living: Vec::new(),
        followers: Vec::new(),
        asked: 0,
    };
    drop(jail);
    zygote.say(&[Value::text("ready")], &[])?;
    loop {
        zygote.serve()?;
    }
}

/// Goes on as the first process of a new PID namespace; the old process stays behind to wait for it, so that
/// the death of either, or of the supervisor, takes down everything inside.
fn become_first_process<H: Host>(control: &OwnedFd, proof: &SingleThread, host: &mut H) -> Result<()> {
    host.before_clone();
    match clone_process(proof, false).step("clone the zygote")? {
        Side::Child => {
            host.after_clone_in_child();
            sys::die_with_parent().step("die with the parent")
        }
        Side::Parent(pid, pidfd) => {
            let message = Value::Tuple(vec![Value::text("zygote")]).encode();
            drop(sys::send_message(control.as_fd(), &message, &[pidfd.as_fd()]));
            drop(sys::close_from(0));
            drop(sys::wait(pid));
            sys::exit(0)
        }
    }
}

impl Follower {
    fn tell(self) {
        // It may be gone as well by now; that is seen elsewhere.
        drop(sys::send_message(self.stream.as_fd(), &[self.follow.byte], &[]));
    }
}

impl<H: Host> Zygote<'_, H> {
    fn say(&self, items: &[Value], fds: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes = Value::Tuple(items.to_vec()).encode();
        sys::send_message(self.control.as_fd(), &bytes, fds).step("report")
    }

    /// Waits for something to happen, and sees to it: ends first, so that a new process finds a clean place.
    fn serve(&mut self) -> Result<()> {
        let entry = |fd: &OwnedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut entries = vec![entry(&self.control)];
        entries.extend(self.living.iter().map(|living| entry(&living.pidfd)));
        sys::poll(&mut entries, None).step("wait")?;
        for place in (0..self.living.len()).rev().filter(|place| entries[place + 1].revents != 0) {
            self.bury(place)?;
        }
        if entries[0].revents != 0 { self.obey() } else { Ok(()) }
    }

    fn obey(&mut self) -> Result<()> {
        // Small, and on the stack: each page that is written to has to be copied after a clone.
        let mut buffer = [0; REQUEST];
        let (bytes, fds) = sys::receive_message(self.control.as_fd(), &mut buffer).step("receive")?;
        if bytes.is_empty() {
            return Err(Error::Closed);
        }
        let request = match Errand::from_value(&Value::decode(bytes)?)? {
            Errand::Make(request) => request,
            Errand::Follow(follow) => return self.follow(follow, fds),
        };
        self.asked += 1;
        let null = self.null.try_clone().step("copy a descriptor")?;
        let null = null.as_fd();
        let installed = match fds.as_slice() {
            [channel] => [null, null, null, channel.as_fd()],
            [out, err, channel] => [null, out.as_fd(), err.as_fd(), channel.as_fd()],
            [input, out, err, channel] => [input.as_fd(), out.as_fd(), err.as_fd(), channel.as_fd()],
            _ => return Err(Error::Malformed("descriptors")),
        };
        match self.make(&request, &installed) {
            Ok(living) => {
                let items = [Value::text("started"), Value::Int(living.pid.into())];
                self.say(&items, &[living.pidfd.as_fd()])?;
                self.living.push(living);
                Ok(())
            }
            Err(error) => self.say(&[Value::text("refused"), Value::text(&error.to_string())], &[]),
        }
    }

    fn follow(&mut self, follow: Follow, mut fds: Vec<OwnedFd>) -> Result<()> {
        let stream = fds.pop().ok_or(Error::Malformed("descriptors"))?;
        let follower = Follower { follow, stream };
        if self.living.iter().any(|living| i64::from(living.pid) == follow.after) {
            self.followers.push(follower);
        } else {
            follower.tell();
        }
        Ok(())
    }

    /// Makes one process. `fds` become its only descriptors, numbered from 0.
    fn make(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<Living> {
        self.host.before_clone();
        let side = clone_process(&self.proof, self.level == Level::Full);
        match side {
            Ok(Side::Child) => {
                self.host.after_clone_in_child();
                let code = catch_unwind(AssertUnwindSafe(|| self.play(request, fds)));
                sys::exit(code.ok().and_then(Result::ok).unwrap_or(BROKEN))
            }
            Ok(Side::Parent(pid, pidfd)) => {
                self.host.after_clone_in_parent();
                Ok(Living { pid, pidfd, role: request.role, asked: self.asked })
            }
            Err(error) => {
                self.host.after_clone_in_parent();
                Err(error).step("clone")
            }
        }
    }

    fn play(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<i32> {
        sys::new_session().step("new session")?;
        sys::die_with_parent().step("die with the parent")?;
        sys::install_fds(fds).step("install descriptors")?;
        self.limit(request)?;
        sys::drop_capabilities().step("drop capabilities")?;
        if let Some(filter) = &self.filter {
            filter.raise(std::process::id())?;
        }
        let channel = Channel::new(sys::adopt(CHANNEL));
        if request.role == Role::Command {
            return Ok(steward::serve(&self.proof, channel, self.level == Level::Full, self.own_user));
        }
        let duty = Duty { role: request.role, ahead: request.ahead, counted: self.own_user };
        Ok(self.host.play(duty, channel))
    }

    fn limit(&self, request: &Request) -> Result<()> {
        let memory = self.address_space.saturating_add(request.memory);
        sys::set_limit(libc::RLIMIT_AS, memory).step("memory limit")?;
        sys::set_limit(libc::RLIMIT_CPU, request.cpu).step("CPU limit")?;
        sys::set_limit(libc::RLIMIT_NOFILE, OPEN_FILES).step("open-file limit")?;
        let files = if self.level == Level::Full { request.files } else { 0 };
        sys::set_limit(libc::RLIMIT_FSIZE, files).step("file limit")?;
        if self.own_user {
            sys::set_limit(libc::RLIMIT_NPROC, request.processes).step("process limit")?;
        }
        Ok(())
    }

    /// Sees off a process that has ended, and what it leaves.
    fn bury(&mut self, place: usize) -> Result<()> {
        let living = self.living.swap_remove(place);
        let end = sys::wait(living.pid).step("wait")?;
        if self.level != Level::Full {
            // Where no namespace takes descendants down, at least their process group is.
            drop(sys::signal(-living.pid, libc::SIGKILL));
        }
        // One that still waits has done nothing, and may end beside one that is at work.
        let waited = self.followers.extract_if(.., |other| other.follow.asked == living.asked).count() > 0;
        let clean = match &mut self.scratch {
            Some(scratch) if living.role.is_hostile() && !waited => scratch.clean(),
            _ => Ok(()),
        };
        if clean.is_ok() {
            let after = |follower: &mut Follower| follower.follow.after == i64::from(living.pid);
            self.followers.extract_if(.., after).for_each(Follower::tell);
        }
        let items = [
            Value::text("ended"),
            Value::Int(end.pid.into()),
            Value::Int(end.status.into()),
            Value::Int(i64::try_from(end.cpu.as_micros()).unwrap_or(i64::MAX)),
            Value::Int(end.memory.cast_signed()),
        ];
        self.say(&items, &[])?;
        clean.step("clean the writable directory")
    }
}
