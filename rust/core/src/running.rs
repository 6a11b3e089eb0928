//! A job on its way: its processes, its clocks, and what it prints.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::config::Limits;
use crate::error::{Result, Step};
use crate::launch::Process;
use crate::sys;
use crate::verdict::Killed;

/// How many times over the wall limit may be added for time spent waiting for a processor.
const MOST_EXTENSION: u32 = 1;

/// A stream that is read until a limit.
#[derive(Debug)]
pub struct Capture {
    file: Option<File>,
    bytes: Vec<u8>,
}

impl Capture {
    /// A new pipe: our end, and the one to give away.
    pub fn pair() -> Result<(Self, OwnedFd)> {
        let (ours, theirs) = sys::pipe().step("make a pipe")?;
        sys::set_nonblocking(ours.as_fd()).step("make a pipe")?;
        Ok((Self { file: Some(File::from(ours)), bytes: Vec::new() }, theirs))
    }

    /// Reads what there is; true if that is more than allowed.
    fn read(&mut self, limit: usize) -> bool {
        let mut buffer = [0; 16 << 10];
        while let Some(file) = &mut self.file {
            match file.read(&mut buffer) {
                Ok(0) => self.file = None,
                Ok(count) => {
                    self.bytes.extend_from_slice(&buffer[..count]);
                    if self.bytes.len() > limit {
                        self.bytes.truncate(limit);
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

/// One process of a job, and what it had used before the job began.
#[derive(Debug)]
pub struct Watched<'a> {
    process: &'a Process,
    id: Option<i32>,
    cpu_before: Duration,
    waited_before: Duration,
}

impl<'a> Watched<'a> {
    /// A process that begins with the job.
    pub fn fresh(process: &'a Process) -> Self {
        Self { process, id: None, cpu_before: Duration::ZERO, waited_before: Duration::ZERO }
    }

    /// A process that has worked before.
    pub fn used(process: &'a Process) -> Self {
        let mut watched = Self::fresh(process);
        watched.cpu_before = watched.cpu().unwrap_or_default();
        watched.waited_before = watched.waited().unwrap_or_default();
        watched
    }

    fn id(&mut self) -> Option<i32> {
        if self.id.is_none() {
            self.id = self.process.id();
        }
        self.id
    }

    /// CPU time used for the job; none once it is gone.
    pub fn cpu(&mut self) -> Option<Duration> {
        let used = sys::cpu_time(self.id()?).ok()?;
        Some(used.saturating_sub(self.cpu_before))
    }

    /// Time spent waiting for a processor; none if the kernel does not say.
    fn waited(&mut self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.id()?)).ok()?;
        let waited = text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)?;
        Some(waited.saturating_sub(self.waited_before))
    }
}

/// A job on its way.
#[derive(Debug)]
pub struct Running<'a> {
    /// Why it was ended, if it was.
    pub killed: Option<Killed>,
    /// Whether it was ended although it had hardly had a processor.
    pub starved: bool,
    limits: Limits,
    processes: Vec<Watched<'a>>,
    begun: Instant,
    ended: Option<Instant>,
    deadline: Instant,
    next_cpu_check: Instant,
    stdout: Capture,
    stderr: Capture,
}

impl<'a> Running<'a> {
    /// The clock started at `begun`.
    pub fn new(begun: Instant, limits: Limits, processes: Vec<Watched<'a>>, printed: [Capture; 2]) -> Self {
        let [stdout, stderr] = printed;
        Self {
            killed: None,
            starved: false,
            limits,
            processes,
            begun,
            ended: None,
            deadline: begun + limits.wall,
            next_cpu_check: begun + limits.cpu,
            stdout,
            stderr,
        }
    }

    /// When it will have run for so long.
    pub fn after(&self, time: Duration) -> Instant {
        self.begun + time
    }

    /// The clock stops.
    pub fn stop(&mut self, now: Instant) {
        self.ended = Some(now);
    }

    /// Time from the start to the end.
    pub fn elapsed(&self) -> Duration {
        self.ended.unwrap_or_else(Instant::now).saturating_duration_since(self.begun)
    }

    /// Ends the job's processes; the first reason counts.
    pub fn kill(&mut self, reason: Killed) {
        if self.killed.is_none() {
            self.killed = Some(reason);
            self.processes.iter().for_each(|watched| watched.process.kill());
        }
    }

    /// CPU time that its judge has used for it; none without a judge, or once that is gone.
    pub fn cpu_of_judge(&mut self) -> Option<Duration> {
        self.processes.get_mut(1).and_then(Watched::cpu)
    }

    /// When this job next needs a look, if no descriptor stirs.
    pub fn due(&self) -> Option<Instant> {
        self.killed.is_none().then(|| self.deadline.min(self.next_cpu_check))
    }

    /// Ends the job if its time is over.
    pub fn check_time(&mut self, now: Instant) {
        if self.killed.is_some() {
            return;
        }
        if now >= self.deadline {
            self.out_of_time(now);
        } else if now >= self.next_cpu_check {
            let used = self.processes.iter_mut().filter_map(Watched::cpu).max().unwrap_or_default();
            match self.limits.cpu.checked_sub(used) {
                None | Some(Duration::ZERO) => self.kill(Killed::Cpu),
                Some(left) => self.next_cpu_check = now + left.max(Duration::from_millis(1)),
            }
        }
    }

    /// Time spent waiting for a processor that others had does not count, up to a bound; only then is the job
    /// ended.
    fn out_of_time(&mut self, now: Instant) {
        let wall = self.limits.wall;
        // The processes of a job take turns.
        let waited: Option<Duration> = self.processes.iter_mut().map(Watched::waited).sum();
        let deadline = self.begun + wall + waited.unwrap_or_default().min(wall * MOST_EXTENSION);
        if deadline > now {
            self.deadline = deadline;
        } else {
            self.starved = waited.is_none_or(|time| time > wall / 10);
            self.kill(Killed::Wall);
        }
    }

    /// The descriptors of what it prints.
    pub fn watched(&self) -> impl Iterator<Item = RawFd> {
        [&self.stdout, &self.stderr]
            .into_iter()
            .filter_map(|capture| capture.file.as_ref().map(File::as_raw_fd))
    }

    /// Takes in what it has printed.
    pub fn read(&mut self) {
        if self.stdout.read(self.limits.output) | self.stderr.read(self.limits.output) {
            self.kill(Killed::Output);
        }
    }

    /// What was printed: standard output, standard error.
    pub fn printed(self) -> [Vec<u8>; 2] {
        [self.stdout.bytes, self.stderr.bytes]
    }
}
