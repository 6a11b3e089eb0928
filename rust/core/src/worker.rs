//! One worker: the process that holds a zygote, and the job it is at.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::config::{Confinement, Job, Request};
use crate::error::{Error, Result, Step};
use crate::sys;
use crate::value::Value;
use crate::verdict::{End, Execution, Killed};
use crate::wire::{Inbox, frame};

const CONTROL_MESSAGE: usize = 64 << 10;
/// The most bytes that a judge may report.
const REPORT_LIMIT: usize = 64 << 20;
const TOKEN_BYTES: usize = 16;

/// A job on its way through the supervisor.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub batch: u64,
    pub index: u64,
    pub job: Arc<Job>,
    pub sink: Sender<Execution>,
    pub shared: bool,
    pub alone: bool,
}

/// What a zygote says.
#[derive(Debug)]
pub enum Said {
    Ready,
    Started(Vec<OwnedFd>),
    Done(Vec<End>),
    Failed(String),
    Other,
}

/// A stream that is read until a limit.
#[derive(Debug)]
struct Capture {
    file: Option<File>,
    bytes: Vec<u8>,
    limit: usize,
}

impl Capture {
    fn new(fd: OwnedFd, limit: usize) -> io::Result<Self> {
        sys::set_nonblocking(fd.as_fd())?;
        Ok(Self { file: Some(File::from(fd)), bytes: Vec::new(), limit })
    }

    /// Reads what there is; true if that is more than allowed.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        while let Some(file) = &mut self.file {
            match file.read(&mut buffer) {
                Ok(0) => self.file = None,
                Ok(count) => {
                    self.bytes.extend_from_slice(&buffer[..count]);
                    if self.bytes.len() > self.limit {
                        self.bytes.truncate(self.limit);
                        self.file = None;
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => self.file = None,
            }
        }
        false
    }
}

/// A job that a worker is at.
#[derive(Debug)]
pub struct Active {
    pub ticket: Ticket,
    pub token: Vec<u8>,
    pub records: Vec<Value>,
    pub killed: Option<Killed>,
    pub starved: bool,
    pub begun: Instant,
    pub deadline: Instant,
    next_cpu_check: Instant,
    processes: Vec<OwnedFd>,
    report: File,
    report_over: bool,
    outbox: Vec<u8>,
    sent: usize,
    inbox: Inbox,
    received: usize,
    stdout: Capture,
    stderr: Capture,
}

impl Active {
    fn new(ticket: Ticket, worker: &Worker) -> Result<Self> {
        let limits = ticket.job.limits;
        let (report, judge_end) = sys::stream_pair().step("make a channel")?;
        let (stdout, out) = sys::pipe().step("make a pipe")?;
        let (stderr, err) = sys::pipe().step("make a pipe")?;
        sys::set_nonblocking(report.as_fd()).step("make a channel")?;
        let mut token = vec![0; TOKEN_BYTES];
        sys::random(&mut token).step("draw a token")?;
        let request = Request::new(&limits, ticket.shared).to_value().encode();
        let fds = [judge_end.as_fd(), out.as_fd(), err.as_fd()];
        sys::send_message(worker.control.as_fd(), &request, &fds).step("ask the zygote")?;
        let now = Instant::now();
        let mut active = Self {
            outbox: frame(&payload(&ticket.job, &token)),
            token,
            records: Vec::new(),
            killed: None,
            starved: false,
            begun: now,
            deadline: now + limits.wall,
            next_cpu_check: now + limits.cpu,
            processes: Vec::new(),
            report: File::from(report),
            report_over: false,
            sent: 0,
            inbox: Inbox::default(),
            received: 0,
            stdout: Capture::new(stdout, limits.output).step("make a pipe")?,
            stderr: Capture::new(stderr, limits.output).step("make a pipe")?,
            ticket,
        };
        active.write();
        Ok(active)
    }

    /// The clock starts when the processes exist.
    pub fn started(&mut self, processes: Vec<OwnedFd>) {
        let limits = self.ticket.job.limits;
        self.processes = processes;
        self.begun = Instant::now();
        self.deadline = self.begun + limits.wall;
        self.next_cpu_check = self.begun + limits.cpu;
        if self.killed.is_some() {
            self.signal();
        }
    }

    /// Ends the job's processes; the first reason counts.
    pub fn kill(&mut self, reason: Killed) {
        if self.killed.is_none() {
            self.killed = Some(reason);
            self.signal();
        }
    }

    fn signal(&self) {
        for process in &self.processes {
            drop(sys::signal_pidfd(process.as_fd(), libc::SIGKILL));
        }
    }

    /// Whether its processes exist.
    pub fn has_started(&self) -> bool {
        !self.processes.is_empty()
    }

    /// When this job next needs a look, if no descriptor stirs.
    pub fn due(&self) -> Option<Instant> {
        let running = self.killed.is_none() && self.has_started();
        running.then(|| self.deadline.min(self.next_cpu_check))
    }

    /// Ends the job if its time is over.
    pub fn check_time(&mut self, now: Instant) {
        if self.killed.is_some() || !self.has_started() {
            return;
        }
        if now >= self.deadline {
            self.starved = self.was_starved();
            self.kill(Killed::Wall);
        } else if now >= self.next_cpu_check {
            let limit = self.ticket.job.limits.cpu;
            let used = self.ids().filter_map(|pid| sys::cpu_time(pid).ok()).max().unwrap_or_default();
            match limit.checked_sub(used) {
                None | Some(Duration::ZERO) => self.kill(Killed::Cpu),
                Some(left) => self.next_cpu_check = now + left.max(Duration::from_millis(1)),
            }
        }
    }

    fn ids(&self) -> impl Iterator<Item = i32> {
        self.processes.iter().filter_map(process_id)
    }

    /// Whether a process of this job waited for a processor so long that more time could have helped.
    fn was_starved(&self) -> bool {
        let wall = self.ticket.job.limits.wall;
        let mut waited = self.ids().map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
            text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).map(Duration::from_nanos)
        });
        waited.any(|time| time.is_none_or(|time| time > wall / 10))
    }

    /// The descriptors to watch, with what to watch for.
    pub fn watched(&self) -> impl Iterator<Item = (&File, i16)> {
        let writing = if self.sent < self.outbox.len() { libc::POLLOUT } else { 0 };
        let report = std::iter::once((&self.report, libc::POLLIN | writing));
        let captures = [&self.stdout, &self.stderr];
        report.filter(|_| self.killed.is_none() && !self.report_over).chain(
            captures.into_iter().filter_map(|capture| capture.file.as_ref()).map(|file| (file, libc::POLLIN)),
        )
    }

    /// Moves all data that can be moved without waiting.
    pub fn pump(&mut self) {
        self.write();
        self.read();
        if self.stdout.read() | self.stderr.read() {
            self.kill(Killed::Output);
        }
    }

    fn write(&mut self) {
        while self.sent < self.outbox.len() {
            match self.report.write(&self.outbox[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.sent = self.outbox.len(),
            }
        }
        self.outbox = Vec::new();
        self.sent = 0;
    }

    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.report.read(&mut buffer) {
                Ok(0) => {
                    self.report_over = true;
                    break;
                }
                Ok(count) => {
                    self.received += count;
                    self.inbox.push(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            if self.received > REPORT_LIMIT {
                self.kill(Killed::Garbled);
                break;
            }
        }
        loop {
            match self.inbox.pop() {
                Ok(Some(record)) => self.records.push(record),
                Ok(None) => break,
                Err(_) => {
                    self.kill(Killed::Garbled);
                    break;
                }
            }
        }
    }

    /// What was printed: standard output, standard error.
    pub fn printed(&mut self) -> (Vec<u8>, Vec<u8>) {
        (std::mem::take(&mut self.stdout.bytes), std::mem::take(&mut self.stderr.bytes))
    }
}

fn payload(job: &Job, token: &[u8]) -> Value {
    let texts = |texts: &[Vec<u8>]| Value::List(texts.iter().cloned().map(Value::Str).collect());
    Value::Tuple(vec![
        Value::Bytes(token.to_vec()),
        Value::Str(job.source.clone()),
        Value::Str(job.setup.clone()),
        Value::Str(job.entry_point.clone()),
        texts(&job.tests),
        texts(&job.probes),
    ])
}

fn process_id(pidfd: &OwnedFd) -> Option<i32> {
    use std::os::fd::AsRawFd;
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok().filter(|pid| *pid > 0)
}

/// How to start the interpreter that becomes a zygote.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program, as an absolute path.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// What a worker is doing.
#[derive(Debug)]
pub enum State {
    /// Not ready yet, since then.
    Starting(Instant),
    /// Waiting for a job.
    Idle,
    /// At a job.
    Busy(Box<Active>),
}

/// A worker's process and our ends of its channels.
#[derive(Debug)]
pub struct Worker {
    pub state: State,
    pub control: OwnedFd,
    pub served: u64,
    process: Child,
    zygote: Option<OwnedFd>,
    complaints: File,
}

impl Worker {
    /// Starts a worker. Must be called on the thread that lives as long as the supervisor: the worker dies
    /// with it.
    pub fn start(launch: &Launch, confinement: &Confinement) -> Result<Self> {
        let (control, theirs) = sys::message_pair().step("make a channel")?;
        let complaints = File::from(sys::memory_file(c"complaints").step("make a memory file")?);
        let stderr = complaints.try_clone().step("make a memory file")?;
        let process = Command::new(&launch.program)
            .args(&launch.arguments)
            .env_clear()
            .envs(launch.environment.iter().cloned())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr))
            .process_group(0)
            .spawn()
            .step("start the interpreter")?;
        let worker = Self {
            state: State::Starting(Instant::now()),
            control,
            served: 0,
            process,
            zygote: None,
            complaints,
        };
        let message = confinement.to_value().encode();
        sys::send_message(worker.control.as_fd(), &message, &[]).step("talk to the interpreter")?;
        Ok(worker)
    }

    /// Hands a job to an idle worker.
    pub fn give(&mut self, ticket: Ticket) -> Result<()> {
        self.state = State::Busy(Box::new(Active::new(ticket, self)?));
        self.served += 1;
        Ok(())
    }

    /// The next thing the zygote says; waits for it.
    pub fn hear(&mut self) -> Result<Said> {
        let (bytes, mut fds) =
            sys::receive_message(self.control.as_fd(), CONTROL_MESSAGE).step("hear the zygote")?;
        if bytes.is_empty() {
            return Err(Error::Closed);
        }
        let value = Value::decode(&bytes)?;
        let Some([kind, rest @ ..]) = value.items() else {
            return Err(Error::Malformed("not a report of a zygote"));
        };
        Ok(match kind.lossy().as_str() {
            "ready" => Said::Ready,
            "zygote" => {
                self.zygote = fds.pop();
                Said::Other
            }
            "started" => Said::Started(fds),
            "done" => Said::Done(rest.iter().filter_map(end).collect()),
            "failed" | "refused" => Said::Failed(rest.first().map(Value::lossy).unwrap_or_default()),
            _ => Said::Other,
        })
    }

    /// What the interpreter wrote before it failed.
    pub fn complaint(&mut self) -> String {
        let mut text = String::new();
        drop(self.complaints.seek(SeekFrom::Start(0)));
        drop((&self.complaints).take(4096).read_to_string(&mut text));
        text.trim().lines().last().unwrap_or_default().to_owned()
    }

    /// Ends the worker and all below it, and waits for that.
    pub fn end(mut self) {
        if let Some(zygote) = &self.zygote {
            // The launcher reaps the zygote, and with it the whole namespace, then leaves by itself.
            drop(sys::signal_pidfd(zygote.as_fd(), libc::SIGKILL));
            let patience = Instant::now() + Duration::from_secs(5);
            while Instant::now() < patience {
                if matches!(self.process.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(Duration::from_micros(300));
            }
        } else if let State::Busy(active) = &mut self.state {
            active.kill(Killed::Cancelled);
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn end(value: &Value) -> Option<End> {
    match value.items() {
        Some([Value::Bool(cut), Value::Int(status), Value::Int(cpu), Value::Int(memory)]) => Some(End {
            cut: *cut,
            status: i32::try_from(*status).ok()?,
            cpu: Duration::from_micros(cpu.cast_unsigned()),
            memory: memory.cast_unsigned(),
        }),
        _ => None,
    }
}
