//! Whole programs: one process for each case, judged by what it prints.
//!
//! A case's input reaches its process as a sealed file in memory. What the process should print stays here.

use std::time::{Duration, Instant};

use crate::behaviour::Behaviour;
use crate::clerk::Program;
use crate::config::Job;
use crate::course::Watch;
use crate::error::Result;
use crate::outcome::Outcome;
use crate::outputs::difference;
use crate::posts::{Candidate, carried};
use crate::report::{Failure, Report, Seen};
use crate::running::{Running, Watched};
use crate::text::{SHOWN, bounded, without_addresses};
use crate::value::Value;
use crate::verdict::{Execution, Facts, Killed, ended};
use crate::work::Case;

/// How much of a text is kept for a failure; more than is shown.
const KEPT: usize = 2 * SHOWN;
/// What a program may say on its channel.
const LITTLE: usize = 64 << 10;

/// How one case went.
#[derive(Debug)]
pub struct Run {
    /// What was seen of it.
    pub facts: Facts,
    /// What the program's own process says of an exception. It may be a lie.
    said: Vec<Value>,
}

impl Watch<'_> {
    /// Runs a program once.
    pub fn by_case(mut self, candidate: Candidate, program: Program) -> Result<Run> {
        let message = Value::Tuple(vec![self.processes(), carried(program)]);
        let (facts, said) = self.converse(candidate, &[message], LITTLE)?;
        Ok(Run { facts, said })
    }

    /// Says what there is to say to a process, and takes in at most so many bytes until it is gone.
    pub fn converse(
        &mut self,
        candidate: Candidate,
        said: &[Value],
        most: usize,
    ) -> Result<(Facts, Vec<Value>)> {
        let Candidate { asked, mut talk, printed, .. } = candidate;
        talk.allow(most);
        said.iter().for_each(|value| talk.say(value));
        let process = self.zygote.started(asked)?;
        let mut running =
            Running::new(Instant::now(), self.limits(), vec![Watched::fresh(&process)], printed);
        let mut heard = Vec::new();
        let end = self.until_end(&mut running, &process, &mut talk, &mut heard)?;
        Ok((self.facts(Report::default(), running, end, end.cpu, false), heard))
    }
}

/// What has been seen of the cases so far.
#[derive(Debug)]
pub struct Record<'a> {
    job: &'a Job,
    /// How the gravest of the cases that did not go well ended.
    worst: Option<(Outcome, String)>,
    held: usize,
    failures: Vec<Failure>,
    behaviour: Behaviour,
    elapsed: Duration,
    cpu: Duration,
    memory: u64,
    printed: Option<[Vec<u8>; 2]>,
}

impl<'a> Record<'a> {
    /// Of a job none of whose cases has been run.
    pub fn new(job: &'a Job) -> Self {
        Self {
            job,
            worst: None,
            held: 0,
            failures: Vec::new(),
            behaviour: Behaviour::default(),
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            memory: 0,
            printed: None,
        }
    }

    /// Takes down how a case went; false if the rest is not to be run.
    pub fn add(&mut self, test: usize, case: &Case, run: Run) -> bool {
        let Run { facts, said } = run;
        self.elapsed += facts.elapsed;
        self.cpu += facts.cpu;
        self.memory = self.memory.max(facts.candidate.memory);
        let (outcome, failure) = judge(self.job, test, case, &facts, &said);
        if outcome == Outcome::Timeout {
            // How far it came is chance.
            self.behaviour.add(outcome.name().as_bytes());
        } else {
            self.behaviour.add(&facts.printed[0]);
            let way = failure.as_ref().filter(|failure| failure.kind == "raise");
            self.behaviour.add(way.map_or("", |failure| &failure.exception).as_bytes());
        }
        if failure.is_none() {
            self.held += 1;
        }
        if self.failures.is_empty() {
            self.printed = Some(facts.printed);
        }
        if rank(outcome) > self.worst.as_ref().map_or(0, |(worst, _)| rank(*worst)) {
            let detail = failure.as_ref().map_or_else(String::new, |failure| failure.message.clone());
            self.worst = Some((outcome, detail));
        }
        self.failures.extend(failure);
        outcome != Outcome::Timeout
    }

    /// What follows from it.
    pub fn execution(self, blank: Execution) -> Execution {
        let total = self.job.tests.tests.count();
        let (outcome, detail) = match self.worst {
            None => (Outcome::Pass, String::new()),
            Some((Outcome::Fail, _)) => (Outcome::Fail, format!("{} of {total} tests held", self.held)),
            Some(worst) => worst,
        };
        let [stdout, stderr] = self.printed.unwrap_or_default();
        Execution {
            outcome,
            detail,
            tests_passed: self.held,
            failures: self.failures,
            behaviour: self.behaviour.hex(),
            stdout,
            stderr,
            seconds: self.elapsed.as_secs_f64(),
            cpu: self.cpu.as_secs_f64(),
            memory: self.memory,
            ..blank
        }
    }
}

/// Which of several ways to end is the job's: the greatest.
fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Pass => 0,
        Outcome::Fail => 1,
        Outcome::Output => 2,
        Outcome::Crash => 3,
        Outcome::Memory => 4,
        _ => 5,
    }
}

/// How a case ended, and why it does not hold, if it does not. It holds if the process was not ended from
/// outside, left with status 0, and has printed what it should.
fn judge(job: &Job, test: usize, case: &Case, facts: &Facts, said: &[Value]) -> (Outcome, Option<Failure>) {
    let failure = |kind: &str, exception: &str, message: &str| Failure {
        test,
        kind: kind.to_owned(),
        call: Seen::Plain(text(&case.stdin)),
        got: Seen::Text(String::new()),
        expected: Seen::Text(String::new()),
        exception: exception.to_owned(),
        message: message.to_owned(),
    };
    let status = facts.candidate.status;
    if let Some(reason) = facts.killed {
        let (outcome, detail) = ended(reason);
        return (outcome, Some(failure("raise", "", &detail)));
    }
    if libc::WIFSIGNALED(status) {
        let (outcome, detail) = match libc::WTERMSIG(status) {
            libc::SIGXCPU => (Outcome::Timeout, ended(Killed::Cpu).1),
            libc::SIGKILL if facts.cpu >= job.limits.cpu => (Outcome::Timeout, ended(Killed::Cpu).1),
            signal => (Outcome::Fail, format!("the program died by signal {signal}")),
        };
        return (outcome, Some(failure("raise", "", &detail)));
    }
    if status != 0 {
        if let Some([name @ Value::Str(_), message]) = said.first().and_then(Value::items) {
            let (name, message) = (bounded(&name.lossy(), SHOWN), without_addresses(&message.lossy()));
            let outcome = if name == "MemoryError" { Outcome::Memory } else { Outcome::Fail };
            return (outcome, Some(failure("raise", &name, &bounded(&message, SHOWN))));
        }
        let status = libc::WEXITSTATUS(status);
        return (
            Outcome::Fail,
            Some(failure("raise", "", &format!("the program left with status {status}"))),
        );
    }
    let Some(found) = difference(&facts.printed[0], &case.stdout, case.tolerance.size()) else {
        return (Outcome::Pass, None);
    };
    let message = format!("line {} of the output differs", found.line + 1);
    let [got, expected] =
        [&found.got, &found.expected].map(|lines| Seen::Plain(text(&lines.join(&b"\n"[..]))));
    (Outcome::Fail, Some(Failure { got, expected, ..failure("value", "", &message) }))
}

fn text(bytes: &[u8]) -> Value {
    Value::text(&String::from_utf8_lossy(bytes.get(..KEPT).unwrap_or(bytes)))
}
