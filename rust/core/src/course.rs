//! The courses that a job can take: by table, by judge, or in one process. Each ends in facts.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::behaviour::Behaviour;
use crate::clerk::Program;
use crate::config::{Job, Level, Limits, Request, Role, Tests};
use crate::error::{Result, Step};
use crate::launch::{End, Process, Zygote};
use crate::outcome::Outcome;
use crate::queue::{Prepared, Queue, Ticket};
use crate::report::{Finish, Report, invalid, needed};
use crate::running::{Capture, Running, Watched};
use crate::sys;
use crate::table::{Call, Table};
use crate::talk::Talk;
use crate::value::Value;
use crate::verdict::{Execution, Facts, Killed};

/// After this time a job is watched closely. Most are over by then, and were not woken up for.
const PATIENCE: Duration = Duration::from_millis(5);
/// After this time a job no longer holds up the next.
const DELAY: Duration = Duration::from_millis(25);
/// The most processes of a worker beside those of a candidate: launcher, zygote, clerks, judge, candidates
/// made ahead.
const COMPANY: u64 = 10;
/// The CPU seconds of a judge, which outlives many jobs; each job's own limit is kept by the supervisor.
const JUDGE_CPU: u64 = 3600;
/// After so many jobs a judge is replaced.
const JUDGE_RETIREMENT: u32 = 256;
const TOKEN_BYTES: usize = 16;
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
        Ok(Self { asked, request, talk, printed: [stdout, stderr] })
    }

    /// Sees off one that is not needed.
    pub fn dismiss(self, zygote: &mut Zygote) -> Result<()> {
        let process = zygote.started(self.asked)?;
        process.kill();
        zygote.await_end(process.number).map(drop)
    }

    /// Gives it a source and the calls to answer; it begins at once. `processes` is how many its user may have.
    pub fn tabulate(&mut self, processes: u64, program: Program, tests: &Tests, table: &Table) {
        let names = needed(tests, table).into_iter().map(Value::Str).collect();
        self.talk.say(&Value::Tuple(vec![
            Value::text("table"),
            Value::Int(processes.cast_signed()),
            carried(program),
            Value::List(names),
            Value::List(table.calls().map(question).collect()),
        ]));
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
    process: Process,
    talk: Talk,
    served: u32,
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
fn held(tests: &Tests, code: &[u8]) -> Value {
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

fn token() -> Result<Vec<u8>> {
    let mut token = vec![0; TOKEN_BYTES];
    sys::random(&mut token).step("draw a token")?;
    Ok(token)
}

/// The execution of a source that a clerk could not compile.
pub fn not_a_program(job: &Job, level: Level, name: &str, text: &str) -> Execution {
    let (finish, key) = invalid(name, text);
    let mut behaviour = Behaviour::default();
    behaviour.add(key.as_bytes());
    let detail = match finish {
        Finish::Invalid(detail) | Finish::Memory(detail) => detail,
        _ => String::new(),
    };
    Execution { behaviour: behaviour.hex(), ..Execution::blank(job, level, Outcome::Invalid, &detail) }
}

/// A job being watched, and what has to be done beside it.
pub struct Watch<'a> {
    pub zygote: &'a mut Zygote,
    pub bell: &'a File,
    pub queue: &'a Queue,
    pub ticket: &'a Ticket,
    /// The job that this one holds up.
    pub next: &'a mut Option<Ticket>,
    pub level: Level,
    /// Processes of the worker beside those of the candidate.
    pub company: u64,
}

impl Watch<'_> {
    /// What the job may use.
    pub fn limits(&self) -> Limits {
        self.ticket.job.limits
    }

    /// How many processes the worker's user may have, for a candidate to have as many as it may.
    pub fn processes(&self) -> Value {
        Value::Int((self.limits().processes + self.company).cast_signed())
    }

    /// The candidate answers the table of calls that it was given.
    pub fn by_table(mut self, candidate: Candidate, table: &Table) -> Result<Facts> {
        let Candidate { asked, mut talk, printed, .. } = candidate;
        let process = self.zygote.started(asked)?;
        let mut running = Running::new(self.limits(), vec![Watched::fresh(&process)], printed);
        let mut heard = Vec::new();
        let end = self.until_end(&mut running, &process, &mut talk, &mut heard)?;
        let report = Report::from_answers(&self.ticket.job.tests.tests, table, &heard);
        drop(heard);
        talk.end();
        Ok(self.facts(report, running, end, end.cpu, false))
    }

    /// Both source and tests are run in one process.
    pub fn by_one_process(mut self, candidate: Candidate, code: &[u8]) -> Result<Facts> {
        let Candidate { asked, mut talk, printed, .. } = candidate;
        let (token, job) = (token()?, &self.ticket.job);
        let source = Value::Str(job.source.clone());
        let tests = held(&job.tests.tests, code);
        talk.say(&Value::Tuple(vec![Value::Bytes(token.clone()), self.processes(), source, tests]));
        let process = self.zygote.started(asked)?;
        let mut running = Running::new(self.limits(), vec![Watched::fresh(&process)], printed);
        let mut heard = Vec::new();
        let end = self.until_end(&mut running, &process, &mut talk, &mut heard)?;
        let report = Report::from_records(&heard, &token);
        drop(heard);
        talk.end();
        Ok(self.facts(report, running, end, end.cpu, true))
    }

    /// A judge runs tests against the candidate.
    pub fn by_judge(mut self, candidate: Candidate, judge: &mut Judge, program: Program) -> Result<Facts> {
        let Candidate { asked, talk, printed, .. } = candidate;
        let token = token()?;
        let process = self.zygote.started(asked)?;
        let Judge { process: judging, talk: records, served, .. } = judge;
        let watched = vec![Watched::fresh(&process), Watched::used(judging)];
        let mut running = Running::new(self.limits(), watched, printed);
        *served += 1;
        records.clear();
        records.pass(talk.into_descriptor()?.as_fd())?;
        records.say(&Value::Tuple(vec![Value::Bytes(token.clone()), self.processes(), carried(program)]));
        let mut heard = Vec::new();
        let (end, cut) = self.until_judged(&mut running, &process, records, &mut heard)?;
        let report = Report::from_records(&heard, &token);
        let mut worked = running.cpu_of_judge().unwrap_or_default();
        let mut ended = None;
        if report.finish.is_none() {
            judging.kill();
            let end = self.zygote.await_end(judging.number)?;
            worked = end.cpu;
            ended = Some(end);
        }
        let facts = self.facts(report, running, end, end.cpu + worked, false);
        Ok(Facts { cut, judge: ended, ..facts })
    }

    /// What has been seen of a job.
    pub fn facts(
        &self,
        report: Report,
        running: Running<'_>,
        candidate: End,
        cpu: Duration,
        shared: bool,
    ) -> Facts {
        Facts {
            report,
            killed: running.killed,
            starved: running.starved,
            candidate,
            cut: false,
            judge: None,
            elapsed: running.elapsed(),
            printed: running.printed(),
            cpu,
            level: self.level,
            shared,
        }
    }

    /// Watches until the candidate is gone.
    pub fn until_end(
        &mut self,
        running: &mut Running<'_>,
        process: &Process,
        talk: &mut Talk,
        heard: &mut Vec<Value>,
    ) -> Result<End> {
        let begun = Instant::now();
        loop {
            if let Some(end) = self.zygote.ended(process.number) {
                self.take_in(running, talk, heard);
                return Ok(end);
            }
            // Most jobs are over before anything they say has to be taken from them.
            let closely = talk.is_sending() || begun.elapsed() >= PATIENCE;
            self.wait(running, closely.then_some(&*talk), closely, begun)?;
            if closely {
                self.take_in(running, talk, heard);
            }
        }
    }

    /// Watches until the judge has said its last word and the candidate is gone.
    fn until_judged(
        &mut self,
        running: &mut Running<'_>,
        process: &Process,
        records: &mut Talk,
        heard: &mut Vec<Value>,
    ) -> Result<(End, bool)> {
        let begun = Instant::now();
        let mut cut = false;
        loop {
            // A judge notices by itself that its candidate is gone.
            if records.is_over() || heard.last().is_some_and(is_last) || running.killed.is_some() {
                if running.killed.is_none() {
                    cut = true;
                    process.kill();
                }
                let end = self.zygote.await_end(process.number)?;
                self.take_in(running, records, heard);
                return Ok((end, cut));
            }
            self.wait(running, Some(records), begun.elapsed() >= PATIENCE, begun)?;
            self.take_in(running, records, heard);
        }
    }

    fn take_in(&mut self, running: &mut Running<'_>, talk: &mut Talk, heard: &mut Vec<Value>) {
        running.read();
        if talk.pump(heard).is_err() {
            running.kill(Killed::Garbled);
        }
    }

    /// Waits for anything to stir, or for a clock.
    fn wait(
        &mut self,
        running: &mut Running<'_>,
        talk: Option<&Talk>,
        closely: bool,
        begun: Instant,
    ) -> Result<()> {
        let now = Instant::now();
        running.check_time(now);
        if begun.elapsed() >= DELAY
            && let Some(next) = self.next.take()
        {
            self.queue.give_back(next);
        }
        let entry = |fd, events| libc::pollfd { fd, events, revents: 0 };
        let mut entries =
            vec![entry(self.zygote.descriptor(), libc::POLLIN), entry(self.bell.as_raw_fd(), libc::POLLIN)];
        entries
            .extend(talk.filter(|talk| !talk.is_over()).map(|talk| entry(talk.descriptor(), talk.events())));
        if closely {
            entries.extend(running.watched().map(|fd| entry(fd, libc::POLLIN)));
        }
        let tick = if !closely { Some(begun + PATIENCE) } else { self.next.is_some().then(|| begun + DELAY) };
        let due = running.due().into_iter().chain(tick).min();
        let patience = due.map_or(KILL_PATIENCE, |due| due.saturating_duration_since(now));
        sys::poll(&mut entries, Some(patience)).step("wait")?;
        if entries[0].revents != 0 {
            self.zygote.listen()?;
        }
        if entries[1].revents != 0 {
            let mut rings = [0; 512];
            while matches!((&mut &*self.bell).read(&mut rings), Ok(count) if count == rings.len()) {}
            if self.ticket.is_cancelled() || self.queue.is_stopped() {
                running.kill(Killed::Cancelled);
            }
        }
        Ok(())
    }
}

/// How long the end of killed processes may take to be seen.
const KILL_PATIENCE: Duration = Duration::from_secs(20);

fn is_last(record: &Value) -> bool {
    matches!(record.items(), Some([_, kind, ..]) if *kind == Value::text("end"))
}
