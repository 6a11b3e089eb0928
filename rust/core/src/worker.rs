//! One worker: a thread that owns a zygote and sees one job after another through it.
//!
//! While a job runs, the next candidate is already being made and the next source compiled. A job that turns
//! out long gives the next one back to the queue.

use std::fs::File;
use std::sync::{Arc, RwLock};

use crate::clerk::{Clerk, Program};
use crate::commands;
use crate::config::{Confinement, Job, Limits, Role};
use crate::course::{Candidate, Judge, Watch, not_a_program};
use crate::error::{Error, Result};
use crate::launch::{Launch, Zygote};
use crate::outcome::Outcome;
use crate::programs::Record;
use crate::queue::{Form, Queue, Ticket};
use crate::verdict::{Conclusion, Execution, Facts, Killed, conclude};
use crate::work::{self, Case, Command, Work};

/// How often a zygote that does not start is tried again before a job is given up.
const START_ATTEMPTS: u32 = 3;
/// After this many candidates a zygote is replaced, whatever it says.
const RETIREMENT: u64 = 20_000;
/// Candidates made ahead while there is work, and while there is none.
const AHEAD: usize = 1;
const AHEAD_IDLE: usize = 4;

/// What all workers share.
pub struct Shared {
    pub queue: Queue,
    pub launch: Launch,
    pub allow_shared: bool,
    /// Held for writing by a job that is to run alone.
    pub gate: RwLock<()>,
}

/// A worker's own.
pub struct Worker {
    shared: Arc<Shared>,
    confinement: Confinement,
    /// For the candidates that are made before their job is known.
    limits: Limits,
    bell: File,
    zygote: Option<Zygote>,
    ahead: Vec<Candidate>,
    judge: Option<Judge>,
    compiler: Clerk,
    examiner: Clerk,
    next: Option<Ticket>,
    /// What the compiler was given last.
    compiling: Option<Arc<Job>>,
    served: u64,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, confinement: Confinement, limits: Limits, bell: File) -> Self {
        Self {
            shared,
            confinement,
            limits,
            bell,
            zygote: None,
            ahead: Vec::new(),
            judge: None,
            compiler: Clerk::default(),
            examiner: Clerk::default(),
            next: None,
            compiling: None,
            served: 0,
        }
    }

    /// Starts the zygote. Must be called on the thread that goes on with [`Worker::live`].
    pub fn start(&mut self) -> Result<()> {
        self.zygote = Some(Zygote::start(&self.shared.launch, &self.confinement)?);
        Ok(())
    }

    /// Works until sent home.
    pub fn live(mut self) {
        while let Some(ticket) = self.take() {
            let shared = Arc::clone(&self.shared);
            let gate = &shared.gate;
            if ticket.alone {
                let _gate = gate.write();
                self.serve(&ticket);
            } else {
                let _gate = gate.read();
                self.serve(&ticket);
            }
            if self.served >= RETIREMENT {
                self.lose();
            }
        }
        self.lose();
    }

    fn take(&mut self) -> Option<Ticket> {
        if self.shared.queue.is_stopped() {
            return None;
        }
        if let Some(ticket) = self.next.take() {
            return Some(ticket);
        }
        let preferred = self.judge.as_ref().map(|judge| Arc::clone(judge.tests()));
        if let Some(ticket) = self.shared.queue.try_take(preferred.as_ref()) {
            return Some(ticket);
        }
        // There is time now.
        if self.zygote.is_some() && self.get_ahead(AHEAD_IDLE, true).is_err() {
            self.lose();
        }
        self.shared.queue.take(preferred.as_ref())
    }

    /// Makes candidates ahead of their jobs.
    fn get_ahead(&mut self, count: usize, idle: bool) -> Result<()> {
        while self.ahead.len() < count {
            let zygote = self.zygote.as_mut().ok_or(Error::Closed)?;
            self.ahead.push(Candidate::ask(zygote, Role::Candidate, &self.limits, idle)?);
        }
        Ok(())
    }

    fn serve(&mut self, ticket: &Ticket) {
        let level = self.confinement.level;
        match self.attempt(ticket) {
            Ok(Some(execution)) => ticket.deliver(execution),
            Ok(None) => {}
            Err(error) => {
                let complaint = self.zygote.as_mut().map(Zygote::complaint).unwrap_or_default();
                self.lose();
                let reason = format!("{error} {complaint}");
                ticket.deliver(Execution::blank(&ticket.job, level, Outcome::Error, reason.trim()));
            }
        }
    }

    /// Gives up the zygote and all that came from it.
    fn lose(&mut self) {
        if let Some(ticket) = self.next.take() {
            self.shared.queue.give_back(ticket);
        }
        self.ahead.clear();
        self.judge = None;
        self.compiling = None;
        self.compiler.dismiss();
        self.examiner.dismiss();
        self.served = 0;
        if let Some(zygote) = self.zygote.take() {
            zygote.end();
        }
    }

    fn ensure_zygote(&mut self) -> Result<()> {
        let mut left = START_ATTEMPTS;
        while self.zygote.is_none() {
            left -= 1;
            match self.start() {
                Err(error) if left == 0 => {
                    return Err(Error::Start(format!("no worker can be started: {error}")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Sees one job to its end; none if it was cancelled or is to be run again.
    fn attempt(&mut self, ticket: &Ticket) -> Result<Option<Execution>> {
        self.ensure_zygote()?;
        self.served += 1;
        let (job, level) = (&ticket.job, self.confinement.level);
        if let Work::Command(command) = &job.tests.tests.work {
            return self.by_command(ticket, command);
        }
        let program = self.program(job)?;
        if let Program::Invalid(name, text) = &program {
            return Ok(Some(not_a_program(job, level, name, text)));
        }
        if let Work::Cases(cases) = &job.tests.tests.work {
            return self.by_cases(ticket, &program, cases);
        }
        let facts = match self.form(job)? {
            Form::Table(_) => self.by_table(ticket, program)?,
            Form::Code => self.by_judge(ticket, program)?,
        };
        let conclusion = match self.settled(ticket, facts) {
            Some(Conclusion::NeedsShared(_)) if self.shared.allow_shared => {
                let facts = self.by_one_process(ticket)?;
                self.settled(ticket, facts)
            }
            other => other,
        };
        Ok(conclusion.map(|conclusion| match conclusion {
            Conclusion::Done(execution) => *execution,
            Conclusion::NeedsShared(reason) => Execution::blank(job, level, Outcome::Refused, &reason),
        }))
    }

    /// What follows from the facts; nothing if the job was cancelled, or starved and is to be run alone.
    fn settled(&self, ticket: &Ticket, facts: Facts) -> Option<Conclusion> {
        (!self.is_void(ticket, &facts)).then(|| conclude(&ticket.job, facts))
    }

    /// Whether nothing follows from the facts.
    fn is_void(&self, ticket: &Ticket, facts: &Facts) -> bool {
        if facts.killed == Some(Killed::Cancelled) {
            return true;
        }
        let slow = facts.killed == Some(Killed::Wall) && facts.starved;
        if slow && !ticket.alone && facts.candidate.cpu < ticket.job.limits.cpu.mul_f64(0.9) {
            self.shared.queue.give_back(Ticket { alone: true, ..ticket.clone() });
            return true;
        }
        false
    }

    fn zygote(&mut self) -> Result<&mut Zygote> {
        self.zygote.as_mut().ok_or(Error::Closed)
    }

    /// The job's source, compiled if that can be.
    fn program(&mut self, job: &Arc<Job>) -> Result<Program> {
        let begun = self.compiling.take().is_some_and(|compiling| Arc::ptr_eq(&compiling, job));
        let zygote = self.zygote.as_mut().ok_or(Error::Closed)?;
        if !begun {
            self.compiler.begin(zygote, &job.source);
        }
        Ok(self.compiler.program(&job.source))
    }

    /// The form of the job's tests, found out the first time.
    fn form<'a>(&mut self, job: &'a Job) -> Result<&'a Form> {
        if let Some(form) = job.tests.form.get() {
            return Ok(form);
        }
        let form = match &job.tests.tests.work {
            Work::Calls(calls) => Form::Table(work::table(calls)?),
            _ => {
                let zygote = self.zygote.as_mut().ok_or(Error::Closed)?;
                self.examiner.form(zygote, &job.tests.tests).map_or(Form::Code, Form::Table)
            }
        };
        Ok(job.tests.form.get_or_init(|| form))
    }

    /// The job's tests as code, compiled the first time.
    fn code<'a>(&mut self, job: &'a Job) -> Result<&'a [u8]> {
        let zygote = self.zygote.as_mut().ok_or(Error::Closed)?;
        let code = job.tests.code.get_or_init(|| self.examiner.code(zygote, &job.tests.tests));
        code.as_deref().ok_or(Error::Malformed("the tests cannot be read"))
    }

    /// A candidate for these limits, and the next one on its way.
    fn candidate(&mut self, limits: &Limits) -> Result<Candidate> {
        self.get_ahead(1, false)?;
        if self.ahead.first().is_some_and(|candidate| candidate.suits(limits)) {
            let candidate = self.ahead.remove(0);
            self.get_ahead(AHEAD, false)?;
            return Ok(candidate);
        }
        Candidate::ask(self.zygote()?, Role::Candidate, limits, false)
    }

    /// Takes the next job off the queue and has its source compiled.
    fn look_ahead(&mut self) -> Result<()> {
        if self.next.is_none() {
            let preferred = self.judge.as_ref().map(|judge| Arc::clone(judge.tests()));
            self.next = self.shared.queue.try_take(preferred.as_ref());
            if let Some(next) = self.next.as_ref().filter(|next| !next.job.tests.tests.work.is_command()) {
                let zygote = self.zygote.as_mut().ok_or(Error::Closed)?;
                self.compiler.begin(zygote, &next.job.source);
                self.compiling = Some(Arc::clone(&next.job));
            }
        }
        Ok(())
    }

    fn by_table(&mut self, ticket: &Ticket, program: Program) -> Result<Facts> {
        let Some(Form::Table(table)) = ticket.job.tests.form.get() else {
            return Err(Error::Malformed("no table"));
        };
        let candidate = self.candidate(&ticket.job.limits)?;
        self.look_ahead()?;
        self.watch(ticket)?.by_table(candidate, program, table)
    }

    fn by_judge(&mut self, ticket: &Ticket, program: Program) -> Result<Facts> {
        let (tests, limits) = (&ticket.job.tests, ticket.job.limits);
        let mut judge = match self.judge.take() {
            Some(judge) if judge.suits(tests, &limits) => judge,
            _ => {
                let code = self.code(&ticket.job)?;
                Judge::start(self.zygote()?, tests, code, &limits)?
            }
        };
        let candidate = self.candidate(&limits)?;
        self.look_ahead()?;
        let facts = self.watch(ticket)?.by_judge(candidate, &mut judge, program)?;
        if judge.is_fit(&facts) {
            self.judge = Some(judge);
        }
        Ok(facts)
    }

    fn by_one_process(&mut self, ticket: &Ticket) -> Result<Facts> {
        let code = self.code(&ticket.job)?;
        let candidate = Candidate::ask(self.zygote()?, Role::Shared, &ticket.job.limits, false)?;
        self.watch(ticket)?.by_one_process(candidate, code)
    }

    /// Runs a whole program once for each case. The process for the next case is made while one runs.
    fn by_cases(&mut self, ticket: &Ticket, program: &Program, cases: &[Case]) -> Result<Option<Execution>> {
        let limits = ticket.job.limits;
        let mut record = Record::new(&ticket.job);
        let mut waiting: Option<Candidate> = None;
        let mut void = false;
        self.look_ahead()?;
        for (index, case) in cases.iter().enumerate() {
            let mut ask = |case: &Case| {
                let zygote = self.zygote.as_mut().ok_or(Error::Closed)?;
                Candidate::with_input(zygote, Role::Program, &limits, &case.stdin)
            };
            let candidate = waiting.take().map_or_else(|| ask(case), Ok)?;
            waiting = cases.get(index + 1).map(ask).transpose()?;
            let run = self.watch(ticket)?.by_case(candidate, program.clone())?;
            void = self.is_void(ticket, &run.facts);
            if void || !record.add(index, case, run) {
                break;
            }
        }
        if let Some(candidate) = waiting {
            candidate.dismiss(self.zygote()?)?;
        }
        let blank = Execution::blank(&ticket.job, self.confinement.level, Outcome::Error, "");
        Ok((!void).then(|| record.execution(blank)))
    }

    fn by_command(&mut self, ticket: &Ticket, command: &Command) -> Result<Option<Execution>> {
        let (job, level) = (&ticket.job, self.confinement.level);
        if let Some(reason) = command.obstacle(level) {
            return Ok(Some(Execution::blank(job, level, Outcome::Refused, reason)));
        }
        let candidate = Candidate::with_input(self.zygote()?, Role::Command, &job.limits, &command.stdin)?;
        self.look_ahead()?;
        let (facts, told) = self.watch(ticket)?.by_command(candidate, command)?;
        if self.is_void(ticket, &facts) {
            return Ok(None);
        }
        let blank = Execution::blank(job, level, Outcome::Error, "");
        Ok(Some(commands::conclude(job, command, facts, told, blank)))
    }

    fn watch<'a>(&'a mut self, ticket: &'a Ticket) -> Result<Watch<'a>> {
        // The one more is the next process of a program that is run several times, or a command's steward.
        let company = 2 + self.ahead.len() + usize::from(self.judge.is_some()) + 2 + 1;
        Ok(Watch {
            zygote: self.zygote.as_mut().ok_or(Error::Closed)?,
            bell: &self.bell,
            queue: &self.shared.queue,
            ticket,
            next: &mut self.next,
            level: self.confinement.level,
            company: company as u64,
        })
    }
}
