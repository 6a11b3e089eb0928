//! The zygote: a warm, walled-in, single-threaded process that copies itself for every job.
//!
//! It never runs a candidate's code and never holds a job's text: it passes descriptors on. Each copy gets
//! only the descriptors of its role, its own PID namespace, no capabilities, its own limits and filter.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::child::{Side, SingleThread, clone_process};
use crate::config::{Confinement, Level, Request};
use crate::error::{Error, Result, Step};
use crate::jail::Jail;
use crate::root;
use crate::scratch::Scratch;
use crate::seccomp::{CandidateFilter, Processes};
use crate::sys::{self, Ended};
use crate::value::Value;
use crate::wire::Channel;

/// Where a role finds its first channel: after the three standard descriptors.
const FIRST_CHANNEL: i32 = 3;
/// Open files that a candidate may have.
const OPEN_FILES: u64 = 64;
/// Processes inside the namespace beside a candidate: the launcher, the zygote and the other role.
const COMPANY: u64 = 3;
const CONTROL_MESSAGE: usize = 64 << 10;
/// The exit code of a role that failed by our own fault.
const BROKEN: i32 = 70;

/// The language side: what the zygote cannot do without knowing an interpreter.
pub trait Host {
    /// Loads and runs what candidates will need, so that they find it ready; `everything` if they will not
    /// be able to load the rest.
    ///
    /// # Errors
    /// The interpreter lacks something.
    fn warm(&mut self, everything: bool) -> std::result::Result<(), String>;
    /// Called before each clone.
    fn before_clone(&mut self);
    /// Called in the old process after each clone.
    fn after_clone_in_parent(&mut self);
    /// Called in the new process after each clone.
    fn after_clone_in_child(&mut self);
    /// Executes a source and serves calls of its functions; returns the exit code.
    fn candidate(&mut self, judge: Channel) -> i32;
    /// Executes tests against the candidate behind a channel, or, without one, in this very process;
    /// returns the exit code.
    fn judge(&mut self, report: Channel, candidate: Option<Channel>) -> i32;
}

#[derive(Clone, Copy)]
enum Role {
    Candidate,
    Judge,
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
    let (bytes, _) = sys::receive_message(control.as_fd(), CONTROL_MESSAGE).step("receive")?;
    if bytes.is_empty() {
        return Err(Error::Closed);
    }
    let mut jail = Jail::new(Confinement::from_value(&Value::decode(&bytes)?)?)?;
    jail.enter()?;
    if jail.level() == Level::Full {
        become_first_process(&control, &proof, host)?;
    }
    // Without a private root, the user that root turns into may not reach root's own interpreter.
    let everything = jail.level() != Level::Full && sys::user() == 0;
    host.warm(everything).map_err(|reason| Error::Wall { wall: "warm interpreter".to_owned(), reason })?;
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
            _ => None,
        },
        scratch: match level {
            Level::Full => Some(Scratch::new(root::SCRATCH).step("look at the writable directory")?),
            _ => None,
        },
        null: null.into(),
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

impl<H: Host> Zygote<'_, H> {
    fn say(&self, items: &[Value], fds: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes = Value::Tuple(items.to_vec()).encode();
        sys::send_message(self.control.as_fd(), &bytes, fds).step("report")
    }

    fn serve(&mut self) -> Result<()> {
        let (bytes, fds) = sys::receive_message(self.control.as_fd(), CONTROL_MESSAGE).step("receive")?;
        if bytes.is_empty() {
            return Err(Error::Closed);
        }
        let request = Request::from_value(&Value::decode(&bytes)?)?;
        let [report, out, err] =
            <[OwnedFd; 3]>::try_from(fds).map_err(|_| Error::Malformed("descriptors"))?;
        match self.start(&request, &report, &out, &err) {
            Ok(born) => {
                drop((report, out, err));
                self.attend(born)
            }
            Err(error) => self.say(&[Value::text("refused"), Value::text(&error.to_string())], &[]),
        }
    }

    fn start(
        &mut self,
        request: &Request,
        report: &OwnedFd,
        out: &OwnedFd,
        err: &OwnedFd,
    ) -> Result<Vec<(i32, OwnedFd)>> {
        let null = self.null.try_clone().step("copy a descriptor")?;
        if request.shared {
            let fds = [null.as_fd(), out.as_fd(), err.as_fd(), report.as_fd()];
            return Ok(vec![self.born(Role::Judge, request, &fds)?]);
        }
        let (judge_end, candidate_end) = sys::stream_pair().step("make a channel")?;
        let fds = [null.as_fd(), out.as_fd(), err.as_fd(), candidate_end.as_fd()];
        let candidate = self.born(Role::Candidate, request, &fds)?;
        let fds = [null.as_fd(), null.as_fd(), null.as_fd(), report.as_fd(), judge_end.as_fd()];
        match self.born(Role::Judge, request, &fds) {
            Ok(judge) => Ok(vec![judge, candidate]),
            Err(error) => {
                self.end(candidate.0);
                drop(sys::wait(candidate.0));
                Err(error)
            }
        }
    }

    /// Makes one process. `fds` become its only descriptors, numbered from 0.
    fn born(&mut self, role: Role, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<(i32, OwnedFd)> {
        self.host.before_clone();
        let side = clone_process(&self.proof, self.level == Level::Full);
        match side {
            Ok(Side::Child) => {
                self.host.after_clone_in_child();
                let code = catch_unwind(AssertUnwindSafe(|| self.play(role, request, fds)));
                sys::exit(code.ok().and_then(Result::ok).unwrap_or(BROKEN))
            }
            Ok(Side::Parent(pid, pidfd)) => {
                self.host.after_clone_in_parent();
                Ok((pid, pidfd))
            }
            Err(error) => {
                self.host.after_clone_in_parent();
                Err(error).step("clone")
            }
        }
    }

    fn play(&mut self, role: Role, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<i32> {
        sys::new_session().step("new session")?;
        sys::die_with_parent().step("die with the parent")?;
        sys::install_fds(fds).step("install descriptors")?;
        self.limit(request)?;
        sys::drop_capabilities().step("drop capabilities")?;
        match (&self.filter, self.level) {
            (Some(filter), _) => filter.raise()?,
            (None, Level::RlimitsOnly) => {}
            (None, _) => {
                let own = i32::try_from(std::process::id()).unwrap_or(-1);
                CandidateFilter::new(Processes::Forbidden(own))?.raise()?;
            }
        }
        let first = Channel::new(sys::adopt(FIRST_CHANNEL));
        Ok(match role {
            Role::Candidate => self.host.candidate(first),
            Role::Judge if request.shared => self.host.judge(first, None),
            Role::Judge => {
                let candidate = Channel::new(sys::adopt(FIRST_CHANNEL + 1));
                self.host.judge(first, Some(candidate))
            }
        })
    }

    fn limit(&self, request: &Request) -> Result<()> {
        let memory = self.address_space.saturating_add(request.memory);
        sys::set_limit(libc::RLIMIT_AS, memory).step("memory limit")?;
        sys::set_limit(libc::RLIMIT_CPU, request.cpu).step("CPU limit")?;
        sys::set_limit(libc::RLIMIT_NOFILE, OPEN_FILES).step("open-file limit")?;
        let files = if self.level == Level::Full { request.files } else { 0 };
        sys::set_limit(libc::RLIMIT_FSIZE, files).step("file limit")?;
        if self.own_user {
            sys::set_limit(libc::RLIMIT_NPROC, request.processes + COMPANY).step("process limit")?;
        }
        Ok(())
    }

    /// Sees a job to its end. The first of `born` is the judge: when it ends, so does the candidate.
    fn attend(&mut self, born: Vec<(i32, OwnedFd)>) -> Result<()> {
        let fds: Vec<BorrowedFd<'_>> = born.iter().map(|(_, fd)| fd.as_fd()).collect();
        self.say(&[Value::text("started")], &fds)?;
        drop(fds);
        let mut cut = Vec::new();
        let mut ended: Vec<Option<Ended>> = vec![None; born.len()];
        while ended.iter().any(Option::is_none) {
            let end = sys::wait(-1).step("wait")?;
            if let Some(place) = born.iter().position(|(pid, _)| *pid == end.pid) {
                ended[place] = Some(end);
                self.sweep(end.pid);
                if place == 0 && ended.iter().any(Option::is_none) {
                    cut.extend(born[1..].iter().map(|(pid, _)| *pid));
                    cut.iter().for_each(|pid| self.end(*pid));
                }
            }
        }
        let mut items = vec![Value::text("done")];
        items.extend(ended.into_iter().flatten().map(|end| {
            Value::Tuple(vec![
                Value::Bool(cut.contains(&end.pid)),
                Value::Int(end.status.into()),
                Value::Int(i64::try_from(end.cpu.as_micros()).unwrap_or(i64::MAX)),
                Value::Int(end.memory.cast_signed()),
            ])
        }));
        let clean = self.scratch.as_mut().map_or(Ok(()), Scratch::clean);
        self.say(&items, &[])?;
        clean.step("clean the writable directory")
    }

    fn end(&self, pid: i32) {
        drop(sys::signal(pid, libc::SIGKILL));
        self.sweep(pid);
    }

    /// Where no namespace takes descendants down, at least their process group is.
    fn sweep(&self, pid: i32) {
        if self.level != Level::Full {
            drop(sys::signal(-pid, libc::SIGKILL));
        }
    }
}
