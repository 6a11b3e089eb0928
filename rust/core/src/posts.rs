//! The processes of a zygote's that a job needs: candidates and judges, and what they are told.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use crate::clerk::Program;
use crate::config::{Follow, Limits, Request, Role, Tests};
use crate::error::{Result, Step};
use crate::launch::{Process, Zygote};
use crate::queue::Prepared;
use crate::report::{Finish, needed};
use crate::running::Capture;
use crate::sys;
use crate::table::{Call, Table};
use crate::talk::Talk;
use crate::value::Value;
use crate::verdict::Facts;
use crate::wire::frame;

/// The most processes of a worker beside those of a candidate: launcher, zygote, clerks, judge, candidates
/// made ahead.
const COMPANY: u64 = 10;
/// The CPU seconds of a judge, which outlives many jobs; each job's own limit is kept by the supervisor.
const JUDGE_CPU: u64 = 3600;
/// After so many jobs a judge is replaced.
const JUDGE_RETIREMENT: u32 = 256;
const STEWARD_MEMORY: u64 = 64 << 20;

/// A process for a source, which may be older than its job.
#[derive(Debug)]
pub struct Candidate {
    /// The number under which the zygote was asked for it.
    pub asked: u64,
    request: Request,
    /// Our end of its channel.
    pub talk: Talk,
    /// Our ends of its standard output and standard error.
    pub printed: [Capture; 2],
    /// When it was given its job, or the end that it waited for was heard of.
    pub begun: Instant,
}

/// The longest task that a candidate is given while another one runs: it has to fit into its stream.
pub const MOST_EARLY: usize = 32 << 10;

/// A source and the calls to answer, framed for a candidate. `processes` is how many its user may have.
pub fn task(processes: u64, program: &Program, tests: &Tests, table: &Table) -> Vec<u8> {
    let names = needed(tests, table).into_iter().map(Value::Str).collect();
    frame(&Value::Tuple(vec![
        Value::text("table"),
        Value::Int(processes.cast_signed()),
        carried(program.clone()),
        Value::List(names),
        Value::List(table.calls().map(question).collect()),
    ]))
}

/// The bounds of a process that runs a job's source, or its tests.
fn request(role: Role, limits: &Limits, ahead: bool) -> Request {
    Request {
        role,
        cpu: limits.cpu.as_secs() + 2,
        // A steward needs some itself, and gives its executable what the limits say.
        memory: if role == Role::Command { limits.memory.max(STEWARD_MEMORY) } else { limits.memory },
        processes: limits.processes + COMPANY,
        files: limits.files,
        ahead,
    }
}

impl Candidate {
    /// Asks for one; it comes while we go on.
    pub fn ask(zygote: &mut Zygote, role: Role, limits: &Limits, ahead: bool) -> Result<Self> {
        Self::make(zygote, request(role, limits, ahead), None)
    }

    /// Asks for one with something to read on its standard input.
    pub fn with_input(zygote: &mut Zygote, role: Role, limits: &Limits, input: &[u8]) -> Result<Self> {
        let input = sys::sealed_file(c"input", input).step("make a memory file")?;
        Self::make(zygote, request(role, limits, false), Some(&input))
    }

    fn make(zygote: &mut Zygote, request: Request, input: Option<&OwnedFd>) -> Result<Self> {
        let (talk, theirs) = Talk::pair()?;
        let (stdout, out) = Capture::pair()?;
        let (stderr, err) = Capture::pair()?;
        let mut fds: Vec<_> = input.map(AsFd::as_fd).into_iter().collect();
        fds.extend([out.as_fd(), err.as_fd(), theirs.as_fd()]);
        let asked = zygote.ask(&request, &fds)?;
        Ok(Self { asked, request, talk, printed: [stdout, stderr], begun: Instant::now() })
    }

    /// Sees off one that is not needed.
    pub fn dismiss(self, zygote: &mut Zygote) -> Result<()> {
        let process = zygote.started(self.asked)?;
        process.kill();
        zygote.await_end(process.number).map(drop)
    }

    /// Gives it a framed task; it begins at once.
    pub fn begin(&mut self, task: &[u8]) {
        self.begun = Instant::now();
        self.talk.say_frame(task);
    }

    /// The same, but it begins once the process of the number `after` is gone. False if the task is too long to be
    /// given before that.
    pub fn begin_after(&mut self, zygote: &mut Zygote, after: i64, task: &[u8]) -> Result<bool> {
        let Some((stream, byte)) = self.talk.say_all_but_one(task)? else {
            return Ok(false);
        };
        zygote.follow(Follow { after, asked: self.asked, byte }, stream.as_fd())?;
        Ok(true)
    }

    /// Whether it was made for these limits.
    pub fn suits(&self, limits: &Limits) -> bool {
        self.request == request(Role::Candidate, limits, self.request.ahead)
    }
}

/// A process that holds a problem's tests, for one candidate after another.
#[derive(Debug)]
pub struct Judge {
    tests: Arc<Prepared>,
    request: Request,
    pub process: Process,
    pub talk: Talk,
    /// How many candidates it has had.
    pub served: u32,
}

impl Judge {
    /// Starts one.
    pub fn start(zygote: &mut Zygote, tests: &Arc<Prepared>, code: &[u8], limits: &Limits) -> Result<Self> {
        let request = Self::request(limits);
        let (mut talk, theirs) = Talk::pair()?;
        let asked = zygote.ask(&request, &[theirs.as_fd()])?;
        talk.say(&held(&tests.tests, code));
        let process = zygote.started(asked)?;
        Ok(Self { tests: Arc::clone(tests), request, process, talk, served: 0 })
    }

    fn request(limits: &Limits) -> Request {
        Request { cpu: JUDGE_CPU, ..request(Role::Judge, limits, false) }
    }

    /// The tests that it holds.
    pub fn tests(&self) -> &Arc<Prepared> {
        &self.tests
    }

    /// Whether it can take a job with these tests and limits.
    pub fn suits(&self, tests: &Arc<Prepared>, limits: &Limits) -> bool {
        Arc::ptr_eq(&self.tests, tests)
            && self.request == Self::request(limits)
            && self.served < JUDGE_RETIREMENT
            && !self.talk.is_over()
    }

    /// Whether it can go on after a job that ended like this.
    pub fn is_fit(&self, facts: &Facts) -> bool {
        let clean = matches!(facts.report.finish, Some(Finish::Done | Finish::Invalid(_)));
        clean
            && !facts.report.spent
            && facts.killed.is_none()
            && !facts.report.out_of_memory
            && !self.talk.is_over()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// What a program is held against, for a judge.
pub fn held(tests: &Tests, code: &[u8]) -> Value {
    Value::Tuple(vec![Value::Str(tests.entry_point.clone()), Value::Bytes(code.to_vec())])
}

/// A program in the form in which it travels.
pub fn carried(program: Program) -> Value {
    match program {
        Program::Code(code, _) => Value::Bytes(code),
        Program::Source(source) => Value::Str(source),
        Program::Invalid(..) => Value::None,
    }
}

fn question(call: &Call) -> Value {
    Value::Tuple(vec![Value::Str(call.function.clone()), call.arguments.clone(), call.named.clone()])
}
