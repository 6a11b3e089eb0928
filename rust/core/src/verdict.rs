//! From what was seen to what it means: the only place that can conclude a pass.

use std::time::Duration;

use crate::behaviour::Behaviour;
use crate::config::{Job, Level};
use crate::outcome::Outcome;
use crate::value::Value;

/// A test that did not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which test.
    pub test: usize,
    /// `value`, `raise` or `false`.
    pub kind: Value,
    /// The call that was made, as text.
    pub call: Value,
    /// What came back.
    pub got: Value,
    /// What should have.
    pub expected: Value,
    /// The exception's type.
    pub exception: Value,
    /// The exception's text.
    pub message: Value,
}

/// The answer to one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The value, if the expression gave one that can be carried.
    pub value: Option<Value>,
    /// Its representation.
    pub text: Value,
    /// The exception's type, or empty.
    pub exception: Value,
    /// The exception's text.
    pub message: Value,
}

/// What happened to one job.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The job's position in its batch.
    pub index: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Tests that held.
    pub tests_passed: usize,
    /// All tests.
    pub tests_total: usize,
    /// Tests that ran and did not hold.
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
    /// The judge's records are not what a judge writes.
    Garbled,
}

/// How one process ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    /// Whether it was ended because the judge was done.
    pub cut: bool,
    /// The raw wait status.
    pub status: i32,
    /// CPU time.
    pub cpu: Duration,
    /// Peak memory in bytes.
    pub memory: u64,
}

impl End {
    fn signal(&self) -> Option<i32> {
        libc::WIFSIGNALED(self.status).then(|| libc::WTERMSIG(self.status))
    }

    /// What it means that a process ended when it should not have.
    fn untimely(&self, who: &str, job: &Job) -> (Outcome, String) {
        match self.signal() {
            Some(libc::SIGXCPU) => (Outcome::Timeout, "CPU limit".to_owned()),
            Some(libc::SIGKILL) if self.cpu >= job.limits.cpu => (Outcome::Timeout, "CPU limit".to_owned()),
            Some(libc::SIGKILL) if self.cut => (Outcome::Crash, format!("{who} closed its channel")),
            Some(libc::SIGKILL) => {
                (Outcome::Memory, format!("{who} was killed, the host is short of memory"))
            }
            Some(signal) => (Outcome::Crash, format!("{who} died by signal {signal}")),
            None => {
                let status = libc::WEXITSTATUS(self.status);
                (Outcome::Crash, format!("{who} left early with status {status}"))
            }
        }
    }
}

/// Everything that was seen of one job.
#[derive(Debug)]
pub struct Facts {
    /// The job's position in its batch.
    pub index: u64,
    /// What the judge reported, in order.
    pub records: Vec<Value>,
    /// The token that every true record begins with.
    pub token: Vec<u8>,
    /// Why it was ended from outside, if it was.
    pub killed: Option<Killed>,
    /// How the judge and, where there was one, the candidate ended.
    pub ends: Vec<End>,
    /// What was printed.
    pub stdout: Vec<u8>,
    /// What was printed as errors.
    pub stderr: Vec<u8>,
    /// Time on the wall.
    pub elapsed: Duration,
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

#[derive(Default)]
struct Report {
    begun: bool,
    held: usize,
    seen: usize,
    out_of_memory: bool,
    failures: Vec<Failure>,
    probes: Vec<Probe>,
    behaviour: String,
    end: Option<(String, String)>,
    garbled: bool,
}

impl Report {
    fn read(facts: &Facts) -> Self {
        let mut report = Self::default();
        for record in &facts.records {
            let known = match record.items() {
                Some([Value::Bytes(token), kind, rest @ ..]) if *token == facts.token => {
                    report.add(&kind.lossy(), rest)
                }
                _ => false,
            };
            report.garbled |= !known;
        }
        report
    }

    fn add(&mut self, kind: &str, rest: &[Value]) -> bool {
        if self.end.is_some() {
            return false;
        }
        match (kind, rest) {
            ("begin", []) => {
                let first = !self.begun;
                self.begun = true;
                first
            }
            ("test", [index, kind, call, got, expected, exception, message, behaviour]) => {
                if index.int() != i64::try_from(self.seen).ok() {
                    return false;
                }
                let test = self.seen;
                self.seen += 1;
                self.behaviour = behaviour.lossy();
                if *kind == Value::text("held") {
                    self.held += 1;
                    return true;
                }
                self.out_of_memory |= *exception == Value::text("MemoryError");
                let [kind, call, got, expected, exception, message] =
                    [kind, call, got, expected, exception, message].map(Value::clone);
                self.failures.push(Failure { test, kind, call, got, expected, exception, message });
                true
            }
            ("probe", [value, text, exception, message]) => {
                let value = match value {
                    Value::Tuple(items) => items.first().cloned(),
                    _ => None,
                };
                self.out_of_memory |= *exception == Value::text("MemoryError");
                let [text, exception, message] = [text, exception, message].map(Value::clone);
                self.probes.push(Probe { value, text, exception, message });
                true
            }
            ("end", [reason, detail, behaviour]) => {
                self.end = Some((reason.lossy(), detail.lossy()));
                self.behaviour = behaviour.lossy();
                true
            }
            _ => false,
        }
    }
}

/// Draws the conclusion. A pass needs: not ended from outside, every record true, one record for every test
/// in order, each saying "held", and the judge's word that it came to the end.
#[must_use]
pub fn conclude(job: &Job, facts: Facts) -> Conclusion {
    let report = Report::read(&facts);
    if let (Some((reason, detail)), None) = (&report.end, facts.killed)
        && reason == "shared"
        && !facts.shared
        && !report.garbled
    {
        return Conclusion::NeedsShared(detail.clone());
    }
    let (outcome, detail) = judge(job, &facts, &report);
    let behaviour = if report.end.is_some() && facts.killed.is_none() {
        report.behaviour
    } else {
        let mut behaviour = Behaviour::default();
        behaviour.add(report.behaviour.as_bytes());
        behaviour.add(outcome.name().as_bytes());
        behaviour.hex()
    };
    Conclusion::Done(Box::new(Execution {
        index: facts.index,
        outcome,
        tests_passed: report.held,
        tests_total: job.tests.len(),
        failures: report.failures,
        probes: report.probes,
        behaviour,
        stdout: facts.stdout,
        stderr: facts.stderr,
        detail,
        seconds: facts.elapsed.as_secs_f64(),
        cpu: facts.ends.iter().map(|end| end.cpu.as_secs_f64()).sum(),
        memory: facts.ends.iter().map(|end| end.memory).max().unwrap_or(0),
        level: facts.level,
        shared: facts.shared,
    }))
}

fn judge(job: &Job, facts: &Facts, report: &Report) -> (Outcome, String) {
    match facts.killed {
        Some(Killed::Wall) => return (Outcome::Timeout, "wall limit".to_owned()),
        Some(Killed::Cpu) => return (Outcome::Timeout, "CPU limit".to_owned()),
        Some(Killed::Output) => return (Outcome::Output, "output limit".to_owned()),
        Some(Killed::Cancelled) => return (Outcome::Error, "cancelled".to_owned()),
        Some(Killed::Garbled) => return (Outcome::Crash, "garbled report".to_owned()),
        None => {}
    }
    if report.garbled {
        return (Outcome::Crash, "garbled report".to_owned());
    }
    let judge = facts.ends.first().copied().unwrap_or_default();
    let Some((reason, detail)) = &report.end else {
        if report.begun {
            let who = if facts.shared { "the program" } else { "the test process" };
            return judge.untimely(who, job);
        }
        return (Outcome::Error, "the test process did not start".to_owned());
    };
    match reason.as_str() {
        "done" => completed(job, report),
        "invalid" => (Outcome::Invalid, detail.clone()),
        "memory" => (Outcome::Memory, detail.clone()),
        "exit" => (Outcome::Crash, detail.clone()),
        "closed" => facts.ends.get(1).copied().unwrap_or_default().untimely("the program", job),
        _ => (Outcome::Crash, format!("the program broke its channel: {detail}")),
    }
}

fn completed(job: &Job, report: &Report) -> (Outcome, String) {
    let total = job.tests.len();
    if report.out_of_memory {
        return (Outcome::Memory, "MemoryError".to_owned());
    }
    if report.seen != total || report.probes.len() != job.probes.len() {
        return (Outcome::Crash, "the tests did not all run".to_owned());
    }
    let answered = report.probes.iter().all(|probe| probe.exception == Value::text(""));
    if report.held == total && (total > 0 || answered) {
        (Outcome::Pass, String::new())
    } else if total > 0 {
        (Outcome::Fail, format!("{} of {total} tests held", report.held))
    } else {
        (Outcome::Fail, "a probe raised".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Conclusion, End, Facts, Killed, conclude};
    use crate::config::{Job, Level, Limits};
    use crate::outcome::Outcome;
    use crate::value::Value;

    const TOKEN: &[u8] = b"token";

    fn job(tests: usize) -> Job {
        let limits = Limits {
            wall: Duration::from_secs(1),
            cpu: Duration::from_secs(1),
            memory: 1,
            output: 1,
            processes: 1,
            files: 1,
        };
        Job {
            source: vec![],
            tests: vec![vec![]; tests],
            entry_point: vec![],
            setup: vec![],
            probes: vec![],
            limits,
        }
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

    fn outcome(tests: usize, records: Vec<Value>, killed: Option<Killed>) -> Outcome {
        let facts = Facts {
            index: 0,
            records,
            token: TOKEN.to_vec(),
            killed,
            ends: vec![End::default(); 2],
            stdout: vec![],
            stderr: vec![],
            elapsed: Duration::ZERO,
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
        assert_eq!(outcome(1, vec![begin(), test(0, "held"), end("done")], None), Outcome::Pass);
        assert_eq!(outcome(2, vec![begin(), test(0, "held"), end("done")], None), Outcome::Crash);
        assert_eq!(outcome(1, vec![begin(), test(0, "value"), end("done")], None), Outcome::Fail);
        assert_eq!(outcome(1, vec![begin(), test(0, "held")], None), Outcome::Crash);
        assert_eq!(outcome(1, vec![begin(), end("done")], None), Outcome::Crash);
        assert_eq!(outcome(1, vec![], None), Outcome::Error);
        let twice = vec![begin(), test(0, "held"), test(0, "held"), end("done")];
        assert_eq!(outcome(2, twice, None), Outcome::Crash);
    }

    #[test]
    fn a_record_without_the_token_spoils_everything() {
        let forged = Value::Tuple(vec![Value::Bytes(b"guess".to_vec()), Value::text("begin")]);
        let records = vec![record("begin", &[]), test(0, "held"), forged, end("done")];
        assert_eq!(outcome(1, records, None), Outcome::Crash);
    }

    #[test]
    fn nothing_is_believed_after_the_end() {
        let records = vec![record("begin", &[]), end("done"), test(0, "held")];
        assert_eq!(outcome(1, records, None), Outcome::Crash);
    }

    #[test]
    fn what_was_ended_from_outside_never_passes() {
        let records = || vec![record("begin", &[]), test(0, "held"), end("done")];
        assert_eq!(outcome(1, records(), Some(Killed::Wall)), Outcome::Timeout);
        assert_eq!(outcome(1, records(), Some(Killed::Output)), Outcome::Output);
    }
}
