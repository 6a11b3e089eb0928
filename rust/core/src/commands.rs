//! Commands: an executable is run by its steward, and judged by its exit status.

use crate::behaviour::Behaviour;
use crate::config::Job;
use crate::course::Watch;
use crate::error::Result;
use crate::outcome::Outcome;
use crate::posts::Candidate;
use crate::steward::PIECE;
use crate::value::Value;
use crate::verdict::{Execution, Facts, Killed, ended};
use crate::work::Command;

/// What the steward may say beside the contents of files.
const SPARE: usize = 16 << 20;

/// What a steward has said.
#[derive(Debug, Default)]
pub struct Told {
    files: Vec<Option<Vec<u8>>>,
    /// The raw wait status.
    status: Option<i32>,
    /// Why the executable could not be started.
    failed: Option<String>,
    /// Why the steward could not do its work.
    broken: Option<String>,
    large: bool,
}

fn bytes(items: &[Vec<u8>]) -> Value {
    Value::List(items.iter().cloned().map(Value::Bytes).collect())
}

impl Watch<'_> {
    /// Has a steward run a command.
    pub fn by_command(mut self, steward: Candidate, command: &Command) -> Result<(Facts, Told)> {
        let limits = self.limits();
        let mut said = Vec::new();
        for (name, contents) in &command.files {
            let piece = |piece: &[u8]| {
                let (name, piece) = (Value::Bytes(name.clone()), Value::Bytes(piece.to_vec()));
                Value::Tuple(vec![Value::text("file"), name, piece])
            };
            said.push(piece(&[]));
            said.extend(contents.chunks(PIECE).map(piece));
        }
        let variable = |(name, value): &(Vec<u8>, Vec<u8>)| [name, &b"="[..], value].concat();
        let environment: Vec<Vec<u8>> = command.environment.iter().map(variable).collect();
        let seconds = limits.cpu.as_nanos().div_ceil(1_000_000_000);
        said.push(Value::Tuple(vec![
            bytes(&command.argv),
            bytes(&environment),
            bytes(&command.outputs),
            Value::Int(limits.memory.cast_signed()),
            Value::Int(i64::try_from(seconds).unwrap_or(i64::MAX)),
            self.processes(),
            Value::Int(limits.files.cast_signed()),
        ]));
        let most = usize::try_from(limits.files).unwrap_or(usize::MAX).saturating_add(SPARE);
        let (facts, heard) = self.converse(steward, &said, most)?;
        Ok((facts, Told::from_records(heard, command.outputs.len())))
    }
}

impl Told {
    fn from_records(records: Vec<Value>, outputs: usize) -> Self {
        let mut told = Self { files: vec![None; outputs], ..Self::default() };
        for record in records {
            let Value::Tuple(parts) = record else { continue };
            match parts.as_slice() {
                [kind, Value::Int(place), Value::Bytes(piece)] if *kind == Value::text("file") => {
                    let file = usize::try_from(*place).ok().and_then(|place| told.files.get_mut(place));
                    if let Some(file) = file {
                        file.get_or_insert_default().extend_from_slice(piece);
                    }
                }
                [kind, Value::Int(status)] if *kind == Value::text("end") => {
                    told.status = i32::try_from(*status).ok();
                }
                [kind, reason] if *kind == Value::text("failed") => told.failed = Some(reason.lossy()),
                [kind, reason] if *kind == Value::text("broken") => told.broken = Some(reason.lossy()),
                [kind] if *kind == Value::text("large") => told.large = true,
                _ => {}
            }
        }
        told
    }

    /// Exit status, or signal made negative.
    fn exit(&self) -> Option<i32> {
        let status = self.status?;
        Some(if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) })
    }

    fn outcome(&self, job: &Job, facts: &Facts) -> (Outcome, String) {
        if let Some(reason) = facts.killed {
            return ended(reason);
        }
        if let Some(reason) = &self.failed {
            return (Outcome::Invalid, reason.clone());
        }
        if let Some(reason) = &self.broken {
            return (Outcome::Error, reason.clone());
        }
        if facts.cpu >= job.limits.cpu {
            return ended(Killed::Cpu);
        }
        if self.large {
            return (Outcome::Output, "the outputs are larger than the files limit".to_owned());
        }
        match self.exit() {
            Some(0) => (Outcome::Pass, String::new()),
            Some(status) if status > 0 => (Outcome::Fail, format!("exit status {status}")),
            Some(signal) if -signal == libc::SIGXCPU => ended(Killed::Cpu),
            Some(signal) => (Outcome::Crash, format!("died by signal {}", -signal)),
            None => (Outcome::Crash, "the process that sees to the command was ended".to_owned()),
        }
    }
}

/// What follows from what was seen and told of a command.
pub fn conclude(job: &Job, command: &Command, facts: Facts, told: Told, blank: Execution) -> Execution {
    let (outcome, detail) = told.outcome(job, &facts);
    let [stdout, stderr] = facts.printed;
    let status = if facts.killed.is_none() { told.exit() } else { None };
    let mut behaviour = Behaviour::default();
    behaviour.add(outcome.name().as_bytes());
    let named = command.outputs.iter().cloned().zip(told.files);
    let files: Vec<(Vec<u8>, Vec<u8>)> =
        named.filter_map(|(name, contents)| Some((name, contents?))).collect();
    if outcome != Outcome::Timeout {
        behaviour.add(status.unwrap_or(i32::MIN).to_string().as_bytes());
        behaviour.add(&stdout);
        for (name, contents) in &files {
            behaviour.add(name);
            behaviour.add(contents);
        }
    }
    Execution {
        outcome,
        detail,
        behaviour: behaviour.hex(),
        stdout,
        stderr,
        seconds: facts.elapsed.as_secs_f64(),
        cpu: facts.cpu.as_secs_f64(),
        memory: facts.candidate.memory,
        status,
        files,
        ..blank
    }
}
