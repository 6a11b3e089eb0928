//! The supervisor's thread: keeps the workers busy, keeps the time, and delivers executions.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use crate::active::{Active, Ticket};
use crate::config::Level;
use crate::error::{Error, Result, Step};
use crate::outcome::Outcome;
use crate::supervisor::Options;
use crate::sys;
use crate::verdict::{Conclusion, End, Execution, Facts, Killed, conclude};
use crate::worker::{Said, State, Worker};

/// How long a zygote may take to get ready.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a zygote may take to report the end of processes that were killed.
const KILL_PATIENCE: Duration = Duration::from_secs(20);
/// How many starts in a row may fail before waiting jobs are given up.
const START_ATTEMPTS: u32 = 3;
/// After this many jobs a zygote is replaced, whatever it says.
const RETIREMENT: u64 = 20_000;
/// How many host users, from the given one on, the workers share out.
const USERS: u32 = 64;

/// What the thread is told.
pub enum Message {
    /// One more job.
    Submit(Ticket),
    /// Forget a batch.
    Cancel(u64),
    /// End everything.
    Stop,
}

/// The state of the supervisor's thread.
pub struct Engine {
    options: Options,
    messages: Receiver<Message>,
    bell: File,
    queue: VecDeque<Ticket>,
    alone: VecDeque<Ticket>,
    workers: Vec<Worker>,
    started: u32,
    failed_starts: u32,
    complaint: String,
    stopped: bool,
}

impl Engine {
    /// Starts the first worker, at the highest level that the host gives.
    pub fn start(options: Options, messages: Receiver<Message>, bell: File) -> Result<Self> {
        let mut engine = Self {
            options,
            messages,
            bell,
            queue: VecDeque::new(),
            alone: VecDeque::new(),
            workers: Vec::new(),
            started: 0,
            failed_starts: 0,
            complaint: String::new(),
            stopped: false,
        };
        let (most, least) = (engine.options.confinement.level, engine.options.least);
        let mut reasons = Vec::new();
        for level in Level::ALL.into_iter().filter(|level| *level <= most && *level >= least) {
            engine.options.confinement.level = level;
            match engine.first_worker() {
                Ok(worker) => {
                    engine.workers.push(worker);
                    return Ok(engine);
                }
                Err(error) => reasons.push(format!("{}: {error}", level.name())),
            }
        }
        Err(Error::Start(reasons.join("; ")))
    }

    /// Starts a worker, with a host user of its own where there is a choice.
    fn new_worker(&mut self) -> Result<Worker> {
        let mut confinement = self.options.confinement.clone();
        confinement.user += self.started % USERS;
        self.started += 1;
        Worker::start(&self.options.launch, &confinement)
    }

    fn first_worker(&mut self) -> Result<Worker> {
        let mut worker = self.new_worker()?;
        match await_ready(&mut worker) {
            Ok(()) => {
                worker.state = State::Idle;
                Ok(worker)
            }
            Err(error) => {
                let complaint = worker.complaint();
                worker.end();
                Err(if complaint.is_empty() { error } else { Error::Start(format!("{error} ({complaint})")) })
            }
        }
    }

    /// The level that was reached.
    pub fn level(&self) -> Level {
        self.options.confinement.level
    }

    /// Works until told to stop.
    pub fn run(&mut self) {
        while !self.stopped {
            self.read_mail();
            self.keep_time();
            self.hand_out();
            if !self.stopped {
                self.wait();
            }
        }
        for worker in self.workers.drain(..) {
            worker.end();
        }
    }

    fn read_mail(&mut self) {
        loop {
            match self.messages.try_recv() {
                Ok(Message::Submit(ticket)) => self.queue.push_back(ticket),
                Ok(Message::Cancel(batch)) => self.cancel(batch),
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopped = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn cancel(&mut self, batch: u64) {
        self.queue.retain(|ticket| ticket.batch != batch);
        self.alone.retain(|ticket| ticket.batch != batch);
        for worker in &mut self.workers {
            if let State::Busy(active) = &mut worker.state
                && active.ticket.batch == batch
            {
                active.kill(Killed::Cancelled);
            }
        }
    }

    fn keep_time(&mut self) {
        let now = Instant::now();
        let mut place = 0;
        while place < self.workers.len() {
            let stuck = match &mut self.workers[place].state {
                State::Starting(since) => now > *since + START_PATIENCE,
                State::Busy(active) => {
                    active.check_time(now);
                    active.due().is_none() && now > active.deadline + KILL_PATIENCE
                }
                State::Idle => false,
            };
            if stuck {
                self.lose(place, "the zygote does not answer");
            } else {
                place += 1;
            }
        }
    }

    fn hand_out(&mut self) {
        while !self.queue.is_empty() || !self.alone.is_empty() {
            let busy = self.workers.iter().any(|worker| matches!(worker.state, State::Busy(_)));
            let someone_is_alone = self
                .workers
                .iter()
                .any(|worker| matches!(&worker.state, State::Busy(active) if active.ticket.alone));
            if someone_is_alone || (self.queue.is_empty() && busy) {
                return;
            }
            let Some(place) = self.workers.iter().position(|worker| matches!(worker.state, State::Idle))
            else {
                self.grow();
                return;
            };
            let Some(ticket) = self.queue.pop_front().or_else(|| self.alone.pop_front()) else {
                return;
            };
            if let Err(error) = self.workers[place].give(ticket.clone()) {
                deliver_error(&ticket, self.options.confinement.level, &error.to_string());
                self.lose(place, "the zygote is gone");
            }
        }
    }

    /// Starts one more worker, if there may be one more and none is on its way already for each queued job.
    fn grow(&mut self) {
        let starting =
            self.workers.iter().filter(|worker| matches!(worker.state, State::Starting(_))).count();
        let wanted = (self.queue.len() + self.alone.len()).saturating_sub(starting);
        for _ in 0..wanted.min(self.options.workers.saturating_sub(self.workers.len())) {
            match self.new_worker() {
                Ok(worker) => self.workers.push(worker),
                Err(error) => {
                    self.count_failed_start(error.to_string());
                    return;
                }
            }
        }
    }

    fn count_failed_start(&mut self, complaint: String) {
        self.failed_starts += 1;
        self.complaint = complaint;
        if self.failed_starts >= START_ATTEMPTS && self.workers.is_empty() {
            let reason = format!("no worker can be started: {}", self.complaint);
            for ticket in self.queue.drain(..).chain(self.alone.drain(..)) {
                deliver_error(&ticket, self.options.confinement.level, &reason);
            }
            self.failed_starts = 0;
        }
    }

    /// Gives up a worker. The job it was at ends as our own failure.
    fn lose(&mut self, place: usize, reason: &str) {
        let mut worker = self.workers.swap_remove(place);
        let complaint = worker.complaint();
        match &worker.state {
            State::Busy(active) if active.killed != Some(Killed::Cancelled) => {
                let reason = format!("{reason} {complaint}");
                deliver_error(&active.ticket, self.options.confinement.level, reason.trim());
            }
            State::Starting(_) => self.count_failed_start(format!("{reason} {complaint}")),
            _ => {}
        }
        worker.end();
    }

    fn wait(&mut self) {
        let mut entries = vec![entry(self.bell.as_raw_fd(), libc::POLLIN)];
        let mut due: Option<Instant> = None;
        let mut soonest = |time: Instant| due = Some(due.map_or(time, |old| old.min(time)));
        for worker in &self.workers {
            entries.push(entry(worker.control.as_raw_fd(), libc::POLLIN));
            match &worker.state {
                State::Busy(active) => {
                    entries.extend(active.watched().map(|(file, events)| entry(file.as_raw_fd(), events)));
                    soonest(active.due().unwrap_or(active.deadline + KILL_PATIENCE));
                }
                State::Starting(since) => soonest(*since + START_PATIENCE),
                State::Idle => {}
            }
        }
        let patience = due.map(|due| due.saturating_duration_since(Instant::now()));
        if sys::poll(&mut entries, patience).is_err() {
            return;
        }
        if entries[0].revents != 0 {
            let mut rings = [0; 512];
            while matches!(self.bell.read(&mut rings), Ok(count) if count == rings.len()) {}
        }
        let stirring: Vec<i32> =
            entries[1..].iter().filter(|entry| entry.revents != 0).map(|entry| entry.fd).collect();
        if stirring.is_empty() {
            return;
        }
        for worker in &mut self.workers {
            if let State::Busy(active) = &mut worker.state
                && active.watched().any(|(file, _)| stirring.contains(&file.as_raw_fd()))
            {
                active.pump();
            }
        }
        let mut place = 0;
        while place < self.workers.len() {
            if stirring.contains(&self.workers[place].control.as_raw_fd()) && !self.listen(place) {
                continue;
            }
            place += 1;
        }
    }

    /// Hears one worker; false if it is gone.
    fn listen(&mut self, place: usize) -> bool {
        let said = match self.workers[place].hear() {
            Ok(said) => said,
            Err(error) => {
                self.lose(place, &error.to_string());
                return false;
            }
        };
        let worker = &mut self.workers[place];
        match (said, &mut worker.state) {
            (Said::Ready, State::Starting(_)) => {
                self.failed_starts = 0;
                worker.state = State::Idle;
            }
            (Said::Started(processes), State::Busy(active)) => active.started(processes),
            (Said::Done(ends), State::Busy(_)) => {
                let retired = worker.served >= RETIREMENT;
                if let State::Busy(active) = std::mem::replace(&mut worker.state, State::Idle) {
                    self.settle(*active, ends);
                }
                if retired {
                    self.workers.swap_remove(place).end();
                    return false;
                }
            }
            (Said::Failed(reason), _) => {
                self.lose(place, &reason);
                return false;
            }
            _ => {}
        }
        true
    }

    fn settle(&mut self, mut active: Active, ends: Vec<End>) {
        let elapsed = active.begun.elapsed();
        active.pump();
        let (stdout, stderr) = active.printed();
        let ticket = active.ticket;
        if active.killed == Some(Killed::Cancelled) {
            return;
        }
        let limits = ticket.job.limits;
        let slow = active.killed == Some(Killed::Wall);
        let worked = ends.iter().map(|end| end.cpu).max().unwrap_or_default();
        if slow && active.starved && !ticket.alone && worked < limits.cpu.mul_f64(0.9) {
            self.alone.push_back(Ticket { alone: true, ..ticket });
            return;
        }
        let facts = Facts {
            index: ticket.index,
            records: active.records,
            token: active.token,
            killed: active.killed,
            ends,
            stdout,
            stderr,
            elapsed,
            level: self.options.confinement.level,
            shared: ticket.shared,
        };
        match conclude(&ticket.job, facts) {
            Conclusion::Done(execution) => drop(ticket.sink.send(*execution)),
            Conclusion::NeedsShared(_) if self.options.allow_shared => {
                self.queue.push_front(Ticket { shared: true, ..ticket });
            }
            Conclusion::NeedsShared(reason) => {
                let execution = blank(&ticket, self.options.confinement.level, Outcome::Refused, &reason);
                drop(ticket.sink.send(execution));
            }
        }
    }
}

fn await_ready(worker: &mut Worker) -> Result<()> {
    let patience = Instant::now() + START_PATIENCE;
    loop {
        let left = patience.saturating_duration_since(Instant::now());
        let mut entries = [entry(worker.control.as_raw_fd(), libc::POLLIN)];
        sys::poll(&mut entries, Some(left)).step("wait for the zygote")?;
        if entries[0].revents == 0 {
            if left.is_zero() {
                return Err(Error::Start("the zygote does not get ready".to_owned()));
            }
            continue;
        }
        match worker.hear()? {
            Said::Ready => return Ok(()),
            Said::Failed(reason) => return Err(Error::Start(reason)),
            _ => {}
        }
    }
}

fn entry(fd: i32, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

fn blank(ticket: &Ticket, level: Level, outcome: Outcome, detail: &str) -> Execution {
    Execution {
        index: ticket.index,
        outcome,
        tests_passed: 0,
        tests_total: ticket.job.tests.len(),
        failures: Vec::new(),
        probes: Vec::new(),
        behaviour: String::new(),
        stdout: Vec::new(),
        stderr: Vec::new(),
        detail: detail.to_owned(),
        seconds: 0.0,
        cpu: 0.0,
        memory: 0,
        level,
        shared: ticket.shared,
    }
}

fn deliver_error(ticket: &Ticket, level: Level, reason: &str) {
    drop(ticket.sink.send(blank(ticket, level, Outcome::Error, reason)));
}
