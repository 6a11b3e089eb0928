//! A job that a worker is at: its channels, its clock, what it printed and what its judge reported.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::config::{Job, Request};
use crate::error::{Result, Step};
use crate::sys;
use crate::value::Value;
use crate::verdict::{Execution, Killed};
use crate::wire::{Inbox, frame};

/// The most bytes that a judge may report.
const REPORT_LIMIT: usize = 64 << 20;
const TOKEN_BYTES: usize = 16;
/// How many times over the wall limit may be added for time spent waiting for a processor.
const MOST_EXTENSION: u32 = 1;

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
    /// Hands a job to the zygote behind `control`.
    pub fn new(ticket: Ticket, control: BorrowedFd<'_>) -> Result<Self> {
        let limits = ticket.job.limits;
        let (report, judge_end) = sys::stream_pair().step("make a channel")?;
        let (stdout, out) = sys::pipe().step("make a pipe")?;
        let (stderr, err) = sys::pipe().step("make a pipe")?;
        sys::set_nonblocking(report.as_fd()).step("make a channel")?;
        let mut token = vec![0; TOKEN_BYTES];
        sys::random(&mut token).step("draw a token")?;
        let request = Request::new(&limits, ticket.shared).to_value().encode();
        let fds = [judge_end.as_fd(), out.as_fd(), err.as_fd()];
        sys::send_message(control, &request, &fds).step("ask the zygote")?;
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
            self.out_of_time(now);
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

    /// Time spent waiting for a processor that others had does not count, up to a bound; only then is the job
    /// ended.
    fn out_of_time(&mut self, now: Instant) {
        let wall = self.ticket.job.limits.wall;
        let waited = self.waited();
        let deadline = self.begun + wall + waited.unwrap_or_default().min(wall * MOST_EXTENSION);
        if deadline > now {
            self.deadline = deadline;
        } else {
            self.starved = waited.is_none_or(|time| time > wall / 10);
            self.kill(Killed::Wall);
        }
    }

    /// How long the processes of this job, which take turns, have waited for a processor; `None` if the
    /// kernel does not say.
    fn waited(&self) -> Option<Duration> {
        self.ids()
            .map(|pid| {
                let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
                text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
            })
            .sum()
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
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok().filter(|pid| *pid > 0)
}
