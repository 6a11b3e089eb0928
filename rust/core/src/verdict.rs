//! From what was seen of a job to its execution: the only place where an outcome is decided.

use std::time::Duration;

use crate::behaviour::Behaviour;
use crate::config::{Job, Level};
use crate::launch::End;
use crate::outcome::Outcome;
use crate::report::{Failure, Finish, Probe, Report};

/// What the sandbox saw of one job.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The job's position in its batch.
    pub index: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Tests that held.
    pub tests_passed: usize,
    /// Tests there were.
    pub tests_total: usize,
    /// Tests that did not hold.
    pub failures: Vec<Failure>,
    /// Answers to the probes that ran.
    pub probes: Vec<Probe>,
    /// Hash of what the program answered.
    pub behaviour: String,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed as errors.
    pub stderr: Vec<u8>,
    /// Why, in a few words.
    pub detail: String,
    /// Time on the wall.
    pub seconds: f64,
    /// CPU time of all processes.
    pub cpu: f64,
    /// The most memory one process held, in bytes.
    pub memory: u64,
    /// The isolation there was.
    pub level: Level,
    /// Whether source and tests shared a process.
    pub shared: bool,
    /// For a command: its exit status, or its signal made negative.
    pub status: Option<i32>,
    /// For a command: the files asked for that are there, by name.
    pub files: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Execution {
    /// One of which nothing is known but its outcome.
    #[must_use]
    pub fn blank(job: &Job, level: Level, outcome: Outcome, detail: &str) -> Self {
        Self {
            index: 0,
            outcome,
            tests_passed: 0,
            tests_total: job.tests.tests.count(),
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
            shared: false,
            status: None,
            files: Vec::new(),
        }
    }
}

/// Why the supervisor ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// Out of time on the wall.
    Wall,
    /// Out of CPU time.
    Cpu,
    /// Too much printed.
    Output,
    /// Nobody waits for it.
    Cancelled,
    /// What was said is not of our language.
    Garbled,
}

/// Everything that was seen of one job.
#[derive(Debug)]
pub struct Facts {
    /// What was said.
    pub report: Report,
    /// Why it was ended from outside, if it was.
    pub killed: Option<Killed>,
    /// Whether that was although it had hardly had a processor.
    pub starved: bool,
    /// How the process that ran the source ended.
    pub candidate: End,
    /// Whether that was because nobody needed it any more.
    pub cut: bool,
    /// How the process that ran the tests ended, if it did.
    pub judge: Option<End>,
    /// What was printed: standard output, standard error.
    pub printed: [Vec<u8>; 2],
    /// Time on the wall.
    pub elapsed: Duration,
    /// CPU time of all processes.
    pub cpu: Duration,
    /// The isolation there was.
    pub level: Level,
    /// Whether source and tests shared a process.
    pub shared: bool,
}

/// What follows from the facts.
#[derive(Debug)]
pub enum Conclusion {
    /// The job is done.
    Done(Box<Execution>),
    /// The job can only be judged in a shared process; the reason.
    NeedsShared(String),
}

/// Draws the conclusion. A pass needs: not ended from outside, everything said genuine, every test tried in
/// order and held, and the end reached.
#[must_use]
pub fn conclude(job: &Job, facts: Facts) -> Conclusion {
    let report = facts.report;
    if let (Some(Finish::Shared(reason)), None, false) = (&report.finish, facts.killed, facts.shared) {
        return Conclusion::NeedsShared(reason.clone());
    }
    let tests = &job.tests.tests;
    let ends = Ends {
        limit: job.limits.cpu,
        candidate: facts.candidate,
        cut: facts.cut,
        judge: facts.judge,
        shared: facts.shared,
    };
    let (outcome, detail) = match facts.killed {
        Some(reason) => ended(reason),
        None => ends.outcome(&report, tests.count(), tests.probes.len()),
    };
    let behaviour = if facts.killed.is_none() && !matches!(report.finish, None | Some(Finish::Closed)) {
        report.behaviour
    } else {
        let mut behaviour = Behaviour::default();
        behaviour.add(report.behaviour.as_bytes());
        behaviour.add(outcome.name().as_bytes());
        behaviour.hex()
    };
    let [stdout, stderr] = facts.printed;
    Conclusion::Done(Box::new(Execution {
        index: 0,
        outcome,
        tests_passed: report.held,
        tests_total: tests.count(),
        failures: report.failures,
        probes: report.probes,
        behaviour,
        stdout,
        stderr,
        detail,
        seconds: facts.elapsed.as_secs_f64(),
        cpu: facts.cpu.as_secs_f64(),
        memory: facts.candidate.memory,
        level: facts.level,
        shared: facts.shared,
        status: None,
        files: Vec::new(),
    }))
}

/// What it means that a job was ended from outside.
#[must_use]
pub fn ended(reason: Killed) -> (Outcome, String) {
    let (outcome, detail) = match reason {
        Killed::Wall => (Outcome::Timeout, "wall limit"),
        Killed::Cpu => (Outcome::Timeout, "CPU limit"),
        Killed::Output => (Outcome::Output, "output limit"),
        Killed::Cancelled => (Outcome::Error, "cancelled"),
        Killed::Garbled => (Outcome::Crash, "garbled report"),
    };
    (outcome, detail.to_owned())
}

struct Ends {
    limit: Duration,
    candidate: End,
    cut: bool,
    judge: Option<End>,
    shared: bool,
}

impl Ends {
    fn outcome(&self, report: &Report, tests: usize, probes: usize) -> (Outcome, String) {
        match &report.finish {
            Some(Finish::Done) => completed(report, tests, probes),
            Some(Finish::Invalid(detail)) => (Outcome::Invalid, detail.clone()),
            Some(Finish::Memory(detail)) => (Outcome::Memory, detail.clone()),
            Some(Finish::Exit(detail)) => (Outcome::Crash, detail.clone()),
            Some(Finish::Closed) => self.untimely(&self.candidate, "the program", self.cut),
            Some(Finish::Garbled(detail) | Finish::Shared(detail)) => (Outcome::Crash, detail.clone()),
            None if !report.begun => (Outcome::Error, "the test process did not start".to_owned()),
            None if self.shared => self.untimely(&self.candidate, "the program", false),
            None => match &self.judge {
                Some(judge) => self.untimely(judge, "the test process", false),
                None => (Outcome::Error, "the test process went silent".to_owned()),
            },
        }
    }

    /// What it means that a process ended when it should not have.
    fn untimely(&self, end: &End, who: &str, cut: bool) -> (Outcome, String) {
        let signal = libc::WIFSIGNALED(end.status).then(|| libc::WTERMSIG(end.status));
        match signal {
            Some(libc::SIGXCPU) => (Outcome::Timeout, "CPU limit".to_owned()),
            Some(libc::SIGKILL) if end.cpu >= self.limit => (Outcome::Timeout, "CPU limit".to_owned()),
            Some(libc::SIGKILL) if cut => (Outcome::Crash, format!("{who} closed its channel")),
            Some(libc::SIGKILL) => {
                (Outcome::Memory, format!("{who} was killed, the host is short of memory"))
            }
            Some(signal) => (Outcome::Crash, format!("{who} died by signal {signal}")),
            None => {
                let status = libc::WEXITSTATUS(end.status);
                (Outcome::Crash, format!("{who} left early with status {status}"))
            }
        }
    }
}

fn completed(report: &Report, tests: usize, probes: usize) -> (Outcome, String) {
    if report.out_of_memory {
        return (Outcome::Memory, "MemoryError".to_owned());
    }
    if report.seen != tests || report.probes.len() != probes {
        return (Outcome::Crash, "the tests did not all run".to_owned());
    }
    let answered = report.probes.iter().all(|probe| probe.exception.is_empty());
    if report.held == tests && (tests > 0 || answered) {
        (Outcome::Pass, String::new())
    } else if tests > 0 {
        (Outcome::Fail, format!("{} of {tests} tests held", report.held))
    } else {
        (Outcome::Fail, "a probe raised".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};
    use std::time::Duration;

    use super::{Conclusion, Facts, Killed, conclude};
    use crate::config::{Job, Level, Limits, Tests};
    use crate::launch::End;
    use crate::outcome::Outcome;
    use crate::queue::Prepared;
    use crate::report::Report;
    use crate::value::Value;

    const TOKEN: &[u8] = b"token";

    fn job(count: usize) -> Job {
        let limits = Limits {
            wall: Duration::from_secs(1),
            cpu: Duration::from_secs(1),
            memory: 1,
            output: 1,
            processes: 1,
            files: 1,
        };
        let tests = Tests { tests: vec![vec![]; count], ..Tests::default() };
        let prepared = Prepared { tests, form: OnceLock::new(), code: OnceLock::new() };
        Job { source: vec![], tests: Arc::new(prepared), limits }
    }

    fn record(kind: &str, items: &[Value]) -> Value {
        let mut all = vec![Value::Bytes(TOKEN.to_vec()), Value::text(kind)];
        all.extend_from_slice(items);
        Value::Tuple(all)
    }

    fn test(index: i64, kind: &str) -> Value {
        let mut items = vec![Value::Int(index), Value::text(kind)];
        items.extend(vec![Value::text(""); 6]);
        record("test", &items)
    }

    fn end(reason: &str) -> Value {
        record("end", &[Value::text(reason), Value::text(""), Value::text("")])
    }

    fn outcome(tests: usize, records: &[Value], killed: Option<Killed>) -> Outcome {
        let facts = Facts {
            report: Report::from_records(records, TOKEN),
            killed,
            starved: false,
            candidate: End::default(),
            cut: false,
            judge: None,
            printed: [vec![], vec![]],
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            level: Level::Full,
            shared: false,
        };
        match conclude(&job(tests), facts) {
            Conclusion::Done(execution) => execution.outcome,
            Conclusion::NeedsShared(_) => Outcome::Refused,
        }
    }

    #[test]
    fn a_pass_needs_every_test() {
        let begin = || record("begin", &[]);
        assert_eq!(outcome(1, &[begin(), test(0, "held"), end("done")], None), Outcome::Pass);
        assert_eq!(outcome(2, &[begin(), test(0, "held"), end("done")], None), Outcome::Crash);
        assert_eq!(outcome(1, &[begin(), test(0, "value"), end("done")], None), Outcome::Fail);
        assert_eq!(outcome(1, &[begin(), test(0, "held")], None), Outcome::Error);
        assert_eq!(outcome(1, &[begin(), end("done")], None), Outcome::Crash);
        assert_eq!(outcome(1, &[], None), Outcome::Error);
        let twice = [begin(), test(0, "held"), test(0, "held"), end("done")];
        assert_eq!(outcome(2, &twice, None), Outcome::Crash);
    }

    #[test]
    fn a_record_without_the_token_spoils_everything() {
        let forged = Value::Tuple(vec![Value::Bytes(b"guess".to_vec()), Value::text("begin")]);
        let records = [record("begin", &[]), test(0, "held"), forged, end("done")];
        assert_eq!(outcome(1, &records, None), Outcome::Crash);
    }

    #[test]
    fn nothing_is_believed_after_the_end() {
        let records = [record("begin", &[]), end("done"), test(0, "held")];
        assert_eq!(outcome(1, &records, None), Outcome::Crash);
    }

    #[test]
    fn what_was_ended_from_outside_never_passes() {
        let records = [record("begin", &[]), test(0, "held"), end("done")];
        assert_eq!(outcome(1, &records, Some(Killed::Wall)), Outcome::Timeout);
        assert_eq!(outcome(1, &records, Some(Killed::Output)), Outcome::Output);
    }
}
