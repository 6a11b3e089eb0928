//! What was said of a job: by its judge in records, or by the candidate itself in answers to a table.

use crate::answers::{Answer, judge};
use crate::behaviour::{Behaviour, answer_key};
use crate::config::Tests;
use crate::equality::is_genuine;
use crate::shorten::weight;
use crate::table::{Call, Table};
use crate::text::{SHOWN, bounded, without_addresses};
use crate::value::Value;
use crate::work::Work;

/// Something that a test or a probe saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// As text.
    Text(String),
    /// As a plain value, still to be written out.
    Plain(Value),
    /// As a call, still to be written out.
    Call(Call),
}

impl Seen {
    /// Nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Text(String::new())
    }

    /// The bytes that it holds, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Plain(value) => weight(value),
            Self::Call(call) => weight(&call.arguments) + weight(&call.named),
        }
    }
}

/// Why a test did not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The test's position.
    pub test: usize,
    /// `value`, `raise` or `false`.
    pub kind: String,
    /// What it was about.
    pub call: Seen,
    /// What the program answered.
    pub got: Seen,
    /// What was expected.
    pub expected: Seen,
    /// The type of the exception.
    pub exception: String,
    /// Its text.
    pub message: String,
}

/// The answer to a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The value, if it is plain.
    pub value: Option<Value>,
    /// Its representation, if it did not come with the value.
    pub text: Seen,
    /// The type of the exception, or empty.
    pub exception: String,
    /// Its text.
    pub message: String,
}

/// How a report ends, if it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Everything was tried.
    Done,
    /// The source does not load, for this reason.
    Invalid(String),
    /// Memory ran out while it loaded.
    Memory(String),
    /// The program called `sys.exit`.
    Exit(String),
    /// Tests and program cannot be kept apart, for this reason.
    Shared(String),
    /// The candidate's channel was closed.
    Closed,
    /// Something was said that is not part of the language.
    Garbled(String),
}

/// What is known of a job from what was said.
#[derive(Debug, Default)]
pub struct Report {
    /// Whether anything was said at all.
    pub begun: bool,
    /// Tests that held.
    pub held: usize,
    /// Tests that were tried.
    pub seen: usize,
    /// Whether memory ran out in a test.
    pub out_of_memory: bool,
    /// Tests that did not hold.
    pub failures: Vec<Failure>,
    /// Answers to probes.
    pub probes: Vec<Probe>,
    /// Hash of all answers.
    pub behaviour: String,
    /// Whether whoever said it had better not judge again: the program may have left something there.
    pub spent: bool,
    /// How it ends.
    pub finish: Option<Finish>,
}

impl Report {
    /// From the records of a judge, each of which begins with the token.
    #[must_use]
    pub fn from_records(records: &[Value], token: &[u8]) -> Self {
        let mut report = Self::default();
        for record in records {
            let known = match record.items() {
                Some([Value::Bytes(said), kind, rest @ ..]) if *said == token => {
                    report.add(&kind.lossy(), rest)
                }
                _ => false,
            };
            if !known {
                report.finish = Some(Finish::Garbled("garbled report".to_owned()));
                break;
            }
        }
        report
    }

    fn add(&mut self, kind: &str, rest: &[Value]) -> bool {
        if self.finish.is_some() {
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
                let [kind, call, got, expected, exception, message] =
                    [kind, call, got, expected, exception, message].map(Value::lossy);
                self.out_of_memory |= exception == "MemoryError";
                let [call, got, expected] = [call, got, expected].map(Seen::Text);
                self.failures.push(Failure { test, kind, call, got, expected, exception, message });
                true
            }
            ("probe", [value, text, exception, message]) => {
                let value = match value {
                    Value::Tuple(items) => items.first().cloned(),
                    _ => None,
                };
                let [text, exception, message] = [text, exception, message].map(Value::lossy);
                self.out_of_memory |= exception == "MemoryError";
                self.probes.push(Probe { value, text: Seen::Text(text), exception, message });
                true
            }
            ("end", [reason, detail, behaviour]) => {
                let detail = detail.lossy();
                self.behaviour = behaviour.lossy();
                self.finish = Some(match reason.lossy().as_str() {
                    "done" => Finish::Done,
                    "spent" => {
                        self.spent = true;
                        Finish::Done
                    }
                    "invalid" => Finish::Invalid(detail),
                    "memory" => Finish::Memory(detail),
                    "exit" => Finish::Exit(detail),
                    "shared" => Finish::Shared(detail),
                    "closed" => Finish::Closed,
                    _ => Finish::Garbled(format!("the program broke its channel: {detail}")),
                });
                true
            }
            _ => false,
        }
    }

    /// From the answers of a candidate to a table.
    #[must_use]
    pub fn from_answers(tests: &Tests, table: &Table, answers: &[Value]) -> Self {
        let strict = matches!(tests.work, Work::Calls(_));
        let mut reading = Reading { report: Self::default(), behaviour: Behaviour::default(), strict };
        let finish = reading.read(tests, table, answers);
        Self { behaviour: reading.behaviour.hex(), finish: Some(finish), ..reading.report }
    }
}

/// The names that a table needs of a source: its entry point first.
#[must_use]
pub fn needed(tests: &Tests, table: &Table) -> Vec<Vec<u8>> {
    let mut names = vec![tests.entry_point.clone()];
    for call in table.calls() {
        if !names.contains(&call.function) {
            names.push(call.function.clone());
        }
    }
    names
}

struct Reading {
    report: Report,
    behaviour: Behaviour,
    /// Whether there is no other way to judge the rest.
    strict: bool,
}

impl Reading {
    fn read(&mut self, tests: &Tests, table: &Table, answers: &[Value]) -> Finish {
        let Some((first, answers)) = answers.split_first() else {
            return Finish::Closed;
        };
        self.report.begun = true;
        match self.loaded(&needed(tests, table), first) {
            Ok(()) => {}
            Err(finish) => return finish,
        }
        let mut answers = answers.iter();
        for (index, steps) in table.tests.iter().enumerate() {
            let mut failure = None;
            for step in steps {
                match self.next(&step.call, &mut answers) {
                    Ok(answer) if failure.is_none() => failure = judge(index, step, answer),
                    Ok(_) => {}
                    Err(finish) => return finish,
                }
            }
            self.report.seen += 1;
            match failure {
                None => self.report.held += 1,
                Some(failure) => {
                    self.report.out_of_memory |= failure.exception == "MemoryError";
                    self.report.failures.push(failure);
                }
            }
        }
        for call in &table.probes {
            match self.next(call, &mut answers) {
                Ok(Answer::Like(name, ..) | Answer::Foreign(name, _)) if !self.strict => {
                    return foreign(&name);
                }
                Ok(answer) => self.probe(answer),
                Err(finish) => return finish,
            }
        }
        if answers.next().is_some() { garbled() } else { Finish::Done }
    }

    fn loaded(&mut self, names: &[Vec<u8>], answer: &Value) -> Result<(), Finish> {
        match answer.items() {
            Some([kind, Value::List(found)])
                if *kind == Value::text("loaded") && found.len() == names.len() =>
            {
                for (name, found) in names.iter().zip(found) {
                    let (name, entry) = (String::from_utf8_lossy(name), *name == names[0]);
                    match found.lossy().as_str() {
                        "function" => {}
                        "other" if self.strict => {}
                        _ if name.is_empty() => {}
                        "other" if entry => {
                            return Err(Finish::Shared(format!("{name} is not a function")));
                        }
                        "other" => return Err(Finish::Shared(format!("the tests use {name}"))),
                        "missing" if entry => {
                            self.behaviour.add(b"missing");
                            return Err(Finish::Invalid(format!("{name} is not defined")));
                        }
                        "missing" => {}
                        _ => return Err(garbled()),
                    }
                }
                Ok(())
            }
            Some([kind, name, message]) if *kind == Value::text("invalid") => {
                let (finish, key) = invalid(&name.lossy(), &message.lossy());
                self.behaviour.add(key.as_bytes());
                Err(finish)
            }
            _ => Err(garbled()),
        }
    }

    /// The next answer, which is one to this call.
    fn next<'a>(
        &mut self,
        call: &Call,
        answers: &mut impl Iterator<Item = &'a Value>,
    ) -> Result<Answer, Finish> {
        let Some(answer) = answers.next() else {
            return Err(Finish::Closed);
        };
        let Some([reply, Value::List(changes)]) = answer.items() else {
            return Err(garbled());
        };
        let Some([kind, rest @ ..]) = reply.items() else {
            return Err(garbled());
        };
        self.behaviour.add(&answer_key(reply, changes));
        match (kind.lossy().as_str(), rest) {
            ("value", [value]) if is_genuine(value) => Ok(Answer::Value(value.clone())),
            ("argument", [Value::Int(place)]) => changed(call, *place, changes).map(Answer::Value),
            ("raise", [name, _, _, message]) => {
                Ok(Answer::Raised(bounded(&name.lossy(), SHOWN), message.lossy()))
            }
            ("large", []) => {
                let message = "a result is too large to be carried".to_owned();
                Ok(Answer::Raised("OverflowError".to_owned(), message))
            }
            ("like", [name, value, Value::Bool(equal), Value::Bool(near)]) if is_genuine(value) => {
                Ok(Answer::Like(bounded(&name.lossy(), SHOWN), value.clone(), *equal, *near))
            }
            ("foreign", [name, Value::Bool(truth)]) => {
                Ok(Answer::Foreign(bounded(&name.lossy(), SHOWN), *truth))
            }
            ("exit", []) => Err(Finish::Exit("the program called sys.exit".to_owned())),
            _ => Err(garbled()),
        }
    }

    fn probe(&mut self, answer: Answer) {
        let probe = match answer {
            Answer::Value(value) => Probe {
                text: Seen::Plain(value.clone()),
                value: Some(value),
                exception: String::new(),
                message: String::new(),
            },
            Answer::Like(name, ..) | Answer::Foreign(name, _) => Probe {
                value: None,
                text: Seen::nothing(),
                exception: "TypeError".to_owned(),
                message: format!("a {name} is not a plain value"),
            },
            Answer::Raised(exception, message) => {
                self.report.out_of_memory |= exception == "MemoryError";
                let message = bounded(&without_addresses(&message), SHOWN);
                Probe { value: None, text: Seen::nothing(), exception, message }
            }
        };
        self.report.probes.push(probe);
    }
}

/// Why a source does not load, and what of that counts as behaviour.
#[must_use]
pub fn invalid(name: &str, message: &str) -> (Finish, String) {
    let name = bounded(name, SHOWN);
    let detail = bounded(&format!("{name}: {message}"), SHOWN);
    (if name == "MemoryError" { Finish::Memory(detail) } else { Finish::Invalid(detail) }, name)
}

fn foreign(name: &str) -> Finish {
    Finish::Shared(bounded(&format!("a result is a {name}"), SHOWN))
}

fn garbled() -> Finish {
    Finish::Garbled("the program broke its channel: not an answer".to_owned())
}

/// The argument that a call has given back, as it was left.
fn changed(call: &Call, place: i64, changes: &[Value]) -> Result<Value, Finish> {
    for change in changes {
        if let Some([Value::Int(at), value]) = change.items()
            && *at == place
        {
            return if is_genuine(value) { Ok(value.clone()) } else { Err(garbled()) };
        }
    }
    let arguments = call.arguments.items().unwrap_or_default();
    usize::try_from(place).ok().and_then(|place| arguments.get(place)).cloned().ok_or_else(garbled)
}
