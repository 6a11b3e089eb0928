//! The courses that a job can take: by table, by judge, or in one process. Each ends in facts.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use crate::ahead::Ahead;
use crate::behaviour::Behaviour;
use crate::clerk::Program;
use crate::config::{Job, Level, Limits};
use crate::error::{Result, Step};
use crate::launch::{End, Process, Zygote};
use crate::outcome::Outcome;
use crate::posts::{Candidate, Judge, carried, held};
use crate::queue::{Queue, Ticket};
use crate::report::{Finish, Report, invalid};
use crate::running::{Running, Watched};
use crate::sys;
use crate::table::Table;
use crate::talk::Talk;
use crate::value::Value;
use crate::verdict::{Execution, Facts, Killed};

/// After this time a job is watched closely. Most are over by then, and were not woken up for.
const PATIENCE: Duration = Duration::from_millis(5);
/// After this time a job no longer holds up the next.
const DELAY: Duration = Duration::from_millis(25);
const TOKEN_BYTES: usize = 16;

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
    /// The jobs that this one holds up.
    pub ahead: &'a mut Ahead,
    pub level: Level,
    /// When the job was taken up.
    pub since: Instant,
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
    pub fn by_table(mut self, candidate: Candidate, process: &Process, table: &Table) -> Result<Facts> {
        let Candidate { mut talk, printed, begun, .. } = candidate;
        let mut running = Running::new(begun, self.limits(), vec![Watched::fresh(process)], printed);
        let mut heard = Vec::new();
        let end = self.until_end(&mut running, process, &mut talk, &mut heard)?;
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
        let mut running =
            Running::new(Instant::now(), self.limits(), vec![Watched::fresh(&process)], printed);
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
        let mut running = Running::new(Instant::now(), self.limits(), watched, printed);
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
        loop {
            if let Some(end) = self.zygote.ended(process.number) {
                let now = Instant::now();
                running.stop(now);
                self.ahead.begin(now);
                self.take_in(running, talk, heard);
                return Ok(end);
            }
            // Most jobs are over before anything they say has to be taken from them.
            let closely = talk.is_sending() || running.elapsed() >= PATIENCE;
            self.wait(running, closely.then_some(&*talk), closely)?;
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
        let mut cut = false;
        loop {
            // A judge notices by itself that its candidate is gone.
            if records.is_over() || heard.last().is_some_and(is_last) || running.killed.is_some() {
                if running.killed.is_none() {
                    cut = true;
                    process.kill();
                }
                let end = self.zygote.await_end(process.number)?;
                running.stop(Instant::now());
                self.take_in(running, records, heard);
                return Ok((end, cut));
            }
            self.wait(running, Some(records), running.elapsed() >= PATIENCE)?;
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
    fn wait(&mut self, running: &mut Running<'_>, talk: Option<&Talk>, closely: bool) -> Result<()> {
        let now = Instant::now();
        running.check_time(now);
        if self.since.elapsed() >= DELAY && !self.ahead.is_empty() {
            // The end that is waited for may be heard meanwhile.
            return self.ahead.give_back(self.queue, self.zygote);
        }
        let entry = |fd, events| libc::pollfd { fd, events, revents: 0 };
        let mut entries =
            vec![entry(self.zygote.descriptor(), libc::POLLIN), entry(self.bell.as_raw_fd(), libc::POLLIN)];
        entries
            .extend(talk.filter(|talk| !talk.is_over()).map(|talk| entry(talk.descriptor(), talk.events())));
        if closely {
            entries.extend(running.watched().map(|fd| entry(fd, libc::POLLIN)));
        }
        let tick = if closely {
            (!self.ahead.is_empty()).then(|| self.since + DELAY)
        } else {
            Some(running.after(PATIENCE))
        };
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
