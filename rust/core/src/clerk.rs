//! Our end of a clerk: a process of the zygote's that compiles sources, or looks at tests, and runs neither.
//!
//! Sources and tests have a clerk each, so that no source is ever read where tests are. A clerk that fails is
//! no verdict on anything: what it was given is then done where it would have been done without it.

use std::os::fd::AsFd;
use std::time::Duration;

use crate::config::{Request, Role, Tests};
use crate::error::{Error, Result};
use crate::launch::{Process, Zygote};
use crate::queue::Code;
use crate::table::Table;
use crate::talk::Talk;
use crate::value::Value;

/// How long one compilation may take before it is left to the candidate.
const COMPILE_PATIENCE: Duration = Duration::from_secs(2);
/// How long one look at tests may take before they are taken as code.
const LOOK_PATIENCE: Duration = Duration::from_secs(20);
/// Longer sources are left to the candidate.
const MOST_SOURCE: usize = 256 << 10;
/// After so many answers a clerk is replaced.
const RETIREMENT: usize = 512;
const MEMORY: u64 = 512 << 20;
const CPU: u64 = 600;

/// A program in the form in which a candidate gets it.
#[derive(Clone, Debug)]
pub enum Program {
    /// Not compiled.
    Source(Vec<u8>),
    /// Compiled by a clerk; whether it may import what only a wide zygote has loaded.
    Code(Vec<u8>, bool),
    /// Not a program: the exception's type and text.
    Invalid(String, String),
}

#[derive(Debug)]
struct Seat {
    process: Process,
    talk: Talk,
    answered: usize,
    owed: usize,
}

/// A clerk, who comes when first needed.
#[derive(Debug, Default)]
pub struct Clerk {
    seat: Option<Seat>,
    /// Questions so far; each answer carries the number of its own.
    asked: i64,
    /// Whether the source that was begun last is with the clerk.
    begun: bool,
}

impl Clerk {
    /// Begins to compile a source; [`Clerk::program`] gives the result.
    pub fn begin(&mut self, zygote: &mut Zygote, source: &[u8]) {
        // A source that is left out must not be given the answer to the one before it.
        self.begun = source.len() <= MOST_SOURCE
            && self.ask(zygote, vec![Value::text("compile"), Value::Str(source.to_vec())]);
    }

    /// The source that was begun last, compiled; those begun before are thrown away.
    pub fn program(&mut self, source: &[u8]) -> Program {
        if !std::mem::take(&mut self.begun) {
            return Program::Source(source.to_vec());
        }
        match self.answer(COMPILE_PATIENCE) {
            Ok(Value::Tuple(items)) => match items.as_slice() {
                [kind, Value::Bytes(code), Value::Bool(wide)] if *kind == Value::text("code") => {
                    Program::Code(code.clone(), *wide)
                }
                [kind, name, text] if *kind == Value::text("invalid") => {
                    Program::Invalid(name.lossy(), text.lossy())
                }
                _ => Program::Source(source.to_vec()),
            },
            _ => Program::Source(source.to_vec()),
        }
    }

    /// Whether the answer to all that was asked is there, or comes within the time.
    pub fn is_ready(&mut self, patience: Duration) -> bool {
        self.seat.as_mut().is_none_or(|seat| seat.talk.gather(seat.owed, patience))
    }

    /// The table that tests amount to; none if they have to be run as code.
    ///
    /// # Errors
    /// The clerk fails: nothing is known of the tests.
    pub fn form(&mut self, zygote: &mut Zygote, tests: &Tests) -> Result<Option<Table>> {
        let table = match self.look(zygote, "tabulate", tests)? {
            Value::None => return Ok(None),
            table => Table::from_value(&table)?,
        };
        let fits = table.tests.len() == tests.tests.len() && table.probes.len() == tests.probes.len();
        Ok(fits.then_some(table))
    }

    /// The code of tests; none if nothing can be made of them.
    ///
    /// # Errors
    /// The clerk fails: nothing is known of the tests.
    pub fn code(&mut self, zygote: &mut Zygote, tests: &Tests) -> Result<Option<Code>> {
        let answer = self.look(zygote, "prepare", tests)?;
        match answer.items() {
            Some([Value::Bytes(bytes), Value::Bool(reusable), Value::Bool(wide)]) => {
                Ok(Some(Code { bytes: bytes.clone(), reusable: *reusable, wide: *wide }))
            }
            _ => Ok(None),
        }
    }

    fn look(&mut self, zygote: &mut Zygote, question: &str, tests: &Tests) -> Result<Value> {
        let texts = |texts: &[Vec<u8>]| Value::List(texts.iter().cloned().map(Value::Str).collect());
        let question = vec![
            Value::text(question),
            Value::Str(tests.setup.clone()),
            texts(&tests.tests),
            texts(&tests.probes),
            Value::Str(tests.entry_point.clone()),
        ];
        if self.ask(zygote, question) { self.answer(LOOK_PATIENCE) } else { Err(Error::Closed) }
    }

    /// Puts a question; false if there is no clerk to be had.
    fn ask(&mut self, zygote: &mut Zygote, mut question: Vec<Value>) -> bool {
        self.asked += 1;
        question.push(Value::Int(self.asked));
        let Ok(seat) = self.seat(zygote) else {
            return false;
        };
        seat.talk.say(&Value::Tuple(question));
        seat.owed += 1;
        true
    }

    /// The answer to the last question; those to earlier ones are thrown away.
    fn answer(&mut self, patience: Duration) -> Result<Value> {
        let Some(seat) = &mut self.seat else {
            return Err(Error::Closed);
        };
        let mut last = Err(Error::Closed);
        while seat.owed > 0 {
            last = seat.talk.hear(patience);
            if last.is_err() {
                break;
            }
            seat.owed -= 1;
            seat.answered += 1;
        }
        if last.is_err() || seat.answered >= RETIREMENT {
            self.dismiss();
        }
        match last?.items() {
            Some([Value::Int(number), answer]) if *number == self.asked => Ok(answer.clone()),
            _ => Err(Error::Malformed("an answer to another question")),
        }
    }

    /// Sends the clerk home.
    pub fn dismiss(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.process.kill();
        }
    }

    fn seat(&mut self, zygote: &mut Zygote) -> Result<&mut Seat> {
        if self.seat.is_none() {
            let (talk, theirs) = Talk::pair()?;
            let request = Request {
                role: Role::Clerk,
                cpu: CPU,
                memory: MEMORY,
                processes: 64,
                files: 1,
                ahead: false,
            };
            let asked = zygote.ask(&request, &[theirs.as_fd()])?;
            let process = zygote.started(asked)?;
            self.seat = Some(Seat { process, talk, answered: 0, owed: 0 });
        }
        self.seat.as_mut().ok_or(Error::Closed)
    }
}
